"""Each command of dbt does its work, and what its nodes did is told while they do it and kept when they failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.executors.child_harness import ChildRun, run_child

PROJECT = """
name: plant
version: '1.0'
profile: anything
models: {plant: {+materialized: table}}
"""
SCHEMA: dict[str, Any] = {
    "version": 2,
    "sources": [
        {
            "name": "meters",
            "schema": "main",
            "tables": [
                {
                    "name": "readings",
                    "loaded_at_field": "measured",
                    "config": {"freshness": {"error_after": {"count": 1, "period": "day"}}},
                }
            ],
        }
    ],
    "models": [
        {"name": "hourly", "columns": [{"name": "meter", "data_tests": ["not_null"]}, {"name": "kwh"}]},
        {"name": "daily", "columns": [{"name": "meter", "data_tests": ["unique"]}]},
    ],
}
FILES = {
    "dbt_project.yml": PROJECT,
    "seeds/readings.csv": "meter,measured,kwh\na,2013-01-01 00:00:00,1\na,2013-01-01 01:00:00,2\nb,2013-01-01,5\n",
    "models/hourly.sql": "select meter, measured, kwh from {{ ref('readings') }}",
    "models/daily.sql": "select meter, sum(kwh) as kwh from {{ ref('hourly') }} group by 1",
    "snapshots/meters.sql": "{% snapshot meters %}{{ config(unique_key='meter', strategy='check', check_cols='all') }}"
    "select meter, kwh from {{ ref('daily') }}{% endsnapshot %}",
}


class Plant:
    """A small project that needs no input: a seed, two models, a snapshot, two tests, a source to measure."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files, self.schema = folder, dict(FILES), json.loads(json.dumps(SCHEMA))
        self.number = 0

    def job(self, config: dict[str, Any], **more: Any) -> dict[str, Any]:
        bundle = self.folder / "bundle"
        for name, text in (self.files | {"models/schema.yml": yaml.safe_dump(self.schema)}).items():
            (bundle / name).parent.mkdir(parents=True, exist_ok=True)
            (bundle / name).write_text(text)
        self.number += 1
        work = self.folder / f"work-{self.number}"
        (work / ".artifacts").mkdir(parents=True)
        fields = {"run_id": "00000000-0000-7000-8000-000000000001", "epoch": self.number, "work_dir": str(work)}
        return fields | {"bundle_dir": str(bundle), "entrypoint": ".", "config": config} | more

    def run(self, command: str = "build", job: dict[str, Any] | None = None, **config: Any) -> ChildRun:
        return run_child("dbt", self.job({"command": command, **config}, **(job or {})))


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def statuses(run: ChildRun) -> dict[str, str]:
    return {node["name"]: node["status"] for node in run.of("result")[-1]["value"]["nodes"]}


def test_a_build_makes_seeds_models_snapshots_and_tests_and_documents_them_on_one_page(plant: Plant) -> None:
    run = plant.run()
    assert run.code == 0, run.messages[-1]
    assert statuses(run) == {
        "readings": "success",
        "hourly": "success",
        "daily": "success",
        "meters": "success",
        "not_null_hourly_meter": "pass",
        "unique_daily_meter": "pass",
    }
    page = run.artifacts["index.html"].decode()
    assert "MANIFEST.JSON INLINE DATA" not in page
    assert "model.plant.daily" in page
    (message,) = [m for m in run.of("artifact") if m["name"] == "index.html"]
    assert (message["kind"], message["media_type"]) == ("report", "text/html")


@pytest.mark.parametrize(
    ("command", "select", "made"),
    [
        ("seed", None, {"readings": "success"}),
        ("compile", "daily", {"daily": "success", "unique_daily_meter": "success"}),
    ],
)
def test_a_command_touches_the_nodes_that_are_its_own(
    plant: Plant, command: str, select: str | None, made: dict[str, str]
) -> None:
    run = plant.run(command, select=select, docs=False)
    assert run.code == 0, run.messages[-1]
    assert statuses(run) == made
    assert json.loads(run.artifacts["run_results.json"])["args"]["which"] == command
    assert "index.html" not in run.artifacts


# Each run has a database of its own: what these commands read must be made by the project itself.
@pytest.mark.parametrize(
    ("command", "made"),
    [
        ("run", {"hourly": "success", "daily": "success"}),
        ("test", {"not_null_hourly_meter": "fail", "unique_daily_meter": "pass"}),
        ("snapshot", {"meters": "success"}),
    ],
)
def test_run_test_and_snapshot_do_theirs(plant: Plant, command: str, made: dict[str, str]) -> None:
    plant.files["models/hourly.sql"] = "select * from (values ('a', 1), (null, 2)) t (meter, kwh)"
    if command != "run":  # views of nothing, which the tests and the snapshot can ask without a run before
        plant.files["dbt_project.yml"] += "on-run-start: ['create or replace table hourly as select null as meter', "
        plant.files["dbt_project.yml"] += "'create or replace table daily as select 1 as meter, 2 as kwh']\n"
    run = plant.run(command, docs=False)
    assert {name: status for name, status in statuses(run).items() if name in made} == made
    assert run.code == (1 if command == "test" else 0)


def test_docs_generate_is_a_command_of_its_own(plant: Plant) -> None:
    run = plant.run("docs generate")
    assert run.code == 0, run.messages[-1]
    assert "model.plant.daily" in run.artifacts["index.html"].decode()
    assert {"catalog.json", "manifest.json"} <= set(run.artifacts)


def test_source_freshness_tells_which_source_is_too_old_and_where_it_is_declared(plant: Plant) -> None:
    plant.files["dbt_project.yml"] += "on-run-start: ['create or replace table readings as select now() as measured']\n"
    assert plant.run("source freshness").code == 0
    plant.files["dbt_project.yml"] = PROJECT + (
        "on-run-start: [\"create or replace table readings as select timestamp '2013-01-01' as measured\"]\n"
    )
    run = plant.run("source freshness")
    assert (run.code, run.error["class"], run.error["code"]) == (1, "user", "source_stale")
    assert statuses(run)["readings"] == "error"
    assert "days" in run.error["message"]
    assert run.error["position"]["file"] == "models/schema.yml"
    assert json.loads(run.artifacts["sources.json"])["results"][0]["status"] == "error"


def test_each_node_is_told_when_it_starts_and_when_it_ends(plant: Plant) -> None:
    run = plant.run(docs=False)
    lines = [json.loads(m["text"]) for m in run.of("log") if m["stream"] == "nodes"]
    told = [(line["event"], line["name"]) for line in lines]
    assert told.index(("started", "hourly")) < told.index(("finished", "hourly")) < told.index(("started", "daily"))
    ended = {line["name"]: line for line in lines if line["event"] == "finished"}
    assert ended["daily"]["status"] == "success"
    assert ended["daily"]["resource_type"] == "model"
    assert ended["daily"]["seconds"] > 0
    metrics = {message["name"]: message["value"] for message in run.of("metric")}
    assert metrics == {"nodes_done": 6, "nodes_failed": 0}
    first = next(i for i, m in enumerate(run.messages) if m["type"] == "log" and m["stream"] == "nodes")
    assert first < next(i for i, m in enumerate(run.messages) if m["type"] == "result")


def test_the_rows_that_a_failed_test_found_are_kept(plant: Plant) -> None:
    plant.files["models/hourly.sql"] = (
        "select null as meter, 1::decimal(3,1) as kwh, i as measured from range(1500) t (i) union all select 'a', 2, 0"
    )
    run = plant.run()
    assert (run.code, run.error["code"]) == (1, "test_failed")
    nodes = {node["name"]: node for node in run.of("result")[-1]["value"]["nodes"]}
    kept = nodes["not_null_hourly_meter"]["failing_rows"]
    assert kept["columns"] == ["meter", "kwh", "measured"]
    assert kept["rows"][0][:2] == [None, "1.0"]
    assert len(kept["rows"]) == 5
    document = json.loads(run.artifacts[kept["artifact"]])
    assert (len(document["rows"]), document["row_count"], document["truncated"]) == (1000, 1500, True)
    assert "failing_rows" not in nodes["hourly"]
    assert f"(rows in {kept['artifact']})" in run.error["message"]
