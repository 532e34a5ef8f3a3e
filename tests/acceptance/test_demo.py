"""The main job on real data, through the command line, and its numbers against an independent computation."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from tests.acceptance import independent
from tests.conftest import DemoRun


def table(demo: DemoRun, path: str) -> pa.Table:
    uri = f"{demo.stack.connection()['root']}/nycflights/{path}"
    return DeltaTable(uri, storage_options=demo.stack.storage_options()).to_pyarrow_table()


def keyed(rows: pa.Table, keys: list[str], values: list[str]) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {tuple(row[k] for k in keys): tuple(row[v] for v in values) for row in rows.to_pylist()}


def test_every_task_of_the_pipeline_succeeds_at_its_first_attempt(demo: DemoRun) -> None:
    tasks = demo.stack.runs(demo.number)
    assert {key: (task["kind"], task["state"], task["attempt"]) for key, task in tasks.items()} == {
        "ingest": ("python", "succeeded", 1),
        "transform": ("dbt", "succeeded", 1),
        "report": ("notebook", "succeeded", 1),
    }
    assert demo.stack.json("runs", "show", demo.number)["state"] == "succeeded"


def test_bronze_holds_as_many_rows_as_the_package(demo: DemoRun) -> None:
    expected = independent.bronze_counts()
    assert expected["flights"] == 336_776
    assert {name: table(demo, f"bronze/{name}").num_rows for name in expected} == expected
    assert demo.task("ingest")["result"]["rows"] == expected


def test_gold_by_carrier_and_hour_equals_an_independent_computation(demo: DemoRun) -> None:
    gold = keyed(
        table(demo, "gold/carrier_hour_delay"),
        ["carrier", "scheduled_hour"],
        [
            "flights",
            "cancelled_flights",
            "departed_flights",
            "departure_delay_minutes",
            "arrived_flights",
            "arrival_delay_minutes",
        ],
    )
    assert gold == independent.carrier_hour_delay()


def test_gold_by_route_equals_an_independent_computation(demo: DemoRun) -> None:
    gold = keyed(
        table(demo, "gold/route_delay"), ["origin", "dest"], ["flights", "arrived_flights", "arrival_delay_minutes"]
    )
    assert gold == independent.route_delay()


def test_gold_by_day_equals_an_independent_computation(demo: DemoRun) -> None:
    rows = table(demo, "gold/daily_delay").to_pylist()
    gold = {
        ((row["flight_date"].year, row["flight_date"].month, row["flight_date"].day), row["origin"]): (
            row["flights"],
            row["departed_flights"],
            row["departure_delay_minutes"],
        )
        for row in rows
    }
    assert gold == independent.daily_delay()


def test_gold_by_weather_holds_each_flight_once_and_knows_which_have_a_record(demo: DemoRun) -> None:
    rows = table(demo, "gold/weather_delay").to_pylist()
    assert sum(row["flights"] for row in rows) == 336_776
    known = sum(row["flights"] for row in rows if row["weather"] != "unknown")
    assert known == independent.flights_with_weather()


def test_the_transform_read_exactly_the_versions_that_the_ingest_published(demo: DemoRun) -> None:
    published = {
        p["output"]: p["table_version"]
        for p in demo.stack.json("runs", "show", str(demo.task("ingest")["number"]))["publications"]
    }
    read = {i["name"]: i["version"] for i in demo.task("transform")["inputs"]}
    assert read == published


def test_each_model_and_each_test_of_dbt_is_visible_on_the_run(demo: DemoRun) -> None:
    nodes = demo.task("transform")["result"]["nodes"]
    by_type = {kind: [n for n in nodes if n["resource_type"] == kind] for kind in ("model", "test")}
    assert len(by_type["model"]) == 9
    assert len(by_type["test"]) >= 25
    assert {n["status"] for n in nodes} <= {"success", "pass"}
    flights = next(n for n in nodes if n["name"] == "silver_flights")
    assert flights["rows"] == 336_776


def test_the_transform_leaves_its_manifest_results_catalog_and_log_as_artifacts(demo: DemoRun) -> None:
    names = {a["name"] for a in demo.stack.json("artifacts", "ls", str(demo.task("transform")["number"]))["items"]}
    assert {"manifest.json", "run_results.json", "catalog.json", "dbt.log"} <= names


def test_the_report_is_html_with_its_plots_inside_and_nothing_from_elsewhere(demo: DemoRun) -> None:
    html = Path(demo.summary["report"]["path"]).read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") >= 5
    assert "336,776 flights scheduled" in html
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']https?://", html)


def test_the_downloaded_report_has_the_recorded_sha256(demo: DemoRun) -> None:
    recorded = {a["name"]: a for a in demo.stack.json("artifacts", "ls", str(demo.task("report")["number"]))["items"]}
    name = demo.summary["report"]["name"]
    with Path(demo.summary["report"]["path"]).open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == recorded[name]["sha256"]
    assert any(a.endswith(".ipynb") for a in recorded)


def test_verify_recomputes_every_sha256_from_the_store(demo: DemoRun) -> None:
    checked = demo.stack.json("artifacts", "verify", demo.number)["items"]
    files = [
        a
        for key in ("transform", "report")
        for a in demo.stack.json("artifacts", "ls", str(demo.task(key)["number"]))["items"]
        if a["sha256"]
    ]
    assert {a["sha256"] for a in files} <= {c["sha256_actual"] for c in checked}
    assert all(c["ok"] for c in checked)


def test_no_secret_of_the_stack_is_in_any_log_event_or_artifact(demo: DemoRun) -> None:
    secrets = demo.stack.data_dir / "secrets"
    values = set()
    for file in secrets.iterdir():
        text = file.read_text().strip()
        try:
            document = json.loads(text)
        except json.JSONDecodeError:
            values.add(text)
            continue
        values |= set(re.findall(r'"secret_key": ?"([^"]+)"', json.dumps(document)))
    assert values
    haystacks = [log.read_text(errors="replace") for log in (demo.stack.data_dir / "logs").iterdir() if log.is_file()]
    for task in demo.stack.runs(demo.number).values():
        number = str(task["number"])
        haystacks.append(json.dumps(demo.stack.json("runs", "show", number)))
        haystacks.append(demo.stack.run("runs", "logs", number).stdout)
        for artifact in demo.stack.json("artifacts", "ls", number)["items"]:
            if artifact["sha256"]:
                target = demo.stack.data_dir.parent / "downloads" / artifact["artifact_id"]
                target.parent.mkdir(exist_ok=True)
                demo.stack.run("artifacts", "get", artifact["artifact_id"], "--output", str(target))
                haystacks.append(target.read_bytes().decode("utf-8", errors="replace"))
    for value in values:
        assert not any(value in haystack for haystack in haystacks)
