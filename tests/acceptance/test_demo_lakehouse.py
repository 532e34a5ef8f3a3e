"""`make demo-lakehouse` on real engines, and again: the same counts from each library, versions on record."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from deltalake import DeltaTable

from control_room.engines import catalogue, findings, sources
from control_room.errors import ControlRoomError
from tests.acceptance import independent
from tests.support.stack import BIN, ROOT, Stack

pytestmark = pytest.mark.timeout(1200)
Json = dict[str, Any]
TASKS = {"ingest": "python", "clean": "spark", "combine": "trino", "mart": "dbt", "count": "trino", "check": "python"}
TABLES = {
    "flights": "iceberg",
    "weather": "delta",
    "flights_weather": "iceberg",
    "weather_delay": "iceberg",
    "carrier_delay": "iceberg",
}


@dataclass(frozen=True)
class Lakehouse:
    """The demo, run twice on a stack of its own: once by the command, once by make. runs: each time's tasks by key."""

    stack: Stack
    runs: list[dict[str, Json]]

    def task(self, key: str, time: int = 0) -> Json:
        return self.runs[time][key]

    def tables(self, key: str, time: int = 0) -> dict[str, Json]:
        """Tables that a task wrote: name without version -> reference."""
        items = self.stack.json("artifacts", "ls", str(self.task(key, time)["number"]))["items"]
        return {item["name"].rpartition("@")[0]: item["table"] for item in items if item["kind"] == "table"}


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    for distribution in catalogue.chosen(["trino", "spark"]):
        seen = findings.look(distribution)
        verdict = findings.judge(distribution, seen)
        if None in seen.packages.values() or verdict.java is None:
            pytest.skip(f"{distribution.engine}: {verdict.found}; {verdict.fix} (`make demo-lakehouse` has it)")
        if seen.home is None:
            try:
                sources.find(None)
            except ControlRoomError as error:
                pytest.skip(f"{distribution.engine} is not installed here, and {error.what}")
    stack = Stack(tmp_path_factory.mktemp("lakehouse") / ".control-room")
    try:
        # An authority of the machine's own must not be taken for Trino's.
        bundle = {"REQUESTS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt"}
        first = json.loads(stack.run("demo-lakehouse", "--json", timeout=900, **bundle).stdout)
        told = by_make(stack)
        newest = next(run for run in stack.json("runs", "ls")["items"] if run["template_name"] == "lakehouse")
        assert newest["number"] != first["run"]["number"], told
        yield Lakehouse(stack, [stack.runs(str(number)) for number in (first["run"]["number"], newest["number"])])
    finally:
        stack.run("down", "--drain", "1", check=False)


def by_make(stack: Stack) -> str:
    """What `make demo-lakehouse` prints, with this environment in the place of the one that it would make."""
    argv = ["make", "-o", ".venv/.lakehouse", "-o", "web", f"BIN={BIN}", "demo-lakehouse"]
    done = subprocess.run(argv, cwd=ROOT, env=stack.environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr + stack.tails()
    assert "rows by Trino" in done.stdout
    return done.stdout


@pytest.mark.parametrize("time", [0, 1])
def test_each_task_succeeds_at_its_first_attempt_on_its_engine(lakehouse: Lakehouse, time: int) -> None:
    tasks = {key: lakehouse.task(key, time) for key in TASKS}
    assert {key: task["kind"] for key, task in tasks.items()} == TASKS
    assert {(task["state"], task["attempt"]) for task in tasks.values()} == {("succeeded", 1)}


@pytest.mark.parametrize("time", [0, 1])
def test_other_libraries_read_what_trino_counts_and_what_the_source_holds(lakehouse: Lakehouse, time: int) -> None:
    found = {each["table"]: each for each in lakehouse.task("check", time)["result"]["tables"]}
    assert {name: each["format"] for name, each in found.items()} == TABLES
    assert all(each["rows"] == each["rows_by_trino"] for each in found.values())
    assert all(each["minutes"] == each["minutes_by_trino"] for each in found.values())
    counts, carriers = independent.bronze_counts(), independent.carrier_hour_delay()
    assert found["flights"]["rows"] == found["flights_weather"]["rows"] == counts["flights"]
    assert found["weather"]["rows"] == counts["weather"]
    assert found["carrier_delay"]["rows"] == len(carriers)
    assert {found[name]["flights"] for name in TABLES if name != "weather"} == {counts["flights"]}
    minutes = sum(values[3] or 0 for values in carriers.values())
    assert {found[name]["minutes"] for name in TABLES if name != "weather"} == {minutes}


def test_tables_are_artifacts_with_their_version_and_inputs_are_bound_to_them(lakehouse: Lakehouse) -> None:
    for time in (0, 1):
        written = {key: lakehouse.tables(key, time) for key in ("clean", "combine", "mart")}
        assert {key: len(tables) for key, tables in written.items()} == {"clean": 2, "combine": 1, "mart": 2}
        by_name = {
            name.rpartition(".")[2].rpartition("/")[2]: t for tables in written.values() for name, t in tables.items()
        }
        assert {name: table["format"] for name, table in by_name.items()} == TABLES
        read = {i["name"]: i for i in lakehouse.task("check", time)["inputs"] if i["kind"] == "table"}
        assert {n: (i["format"], i["uri"], i["version"]) for n, i in read.items()} == {
            name: (table["format"], table["uri"], table["version"]) for name, table in by_name.items()
        }


def test_a_second_run_makes_new_versions_of_the_same_tables(lakehouse: Lakehouse) -> None:
    first, second = (lakehouse.task("check", time) for time in (0, 1))
    versions = [{i["name"]: i["version"] for i in task["inputs"] if i["kind"] == "table"} for task in (first, second)]
    assert all(versions[0][name] != versions[1][name] for name in TABLES)
    assert versions[1]["weather"] > versions[0]["weather"]
    assert [each["rows"] for each in first["result"]["tables"]] == [each["rows"] for each in second["result"]["tables"]]


def test_the_first_run_s_delta_version_still_reads_as_it_was(lakehouse: Lakehouse) -> None:
    [weather] = [i for i in lakehouse.task("check")["inputs"] if i["name"] == "weather"]
    table = DeltaTable(weather["uri"], version=weather["version"], storage_options=lakehouse.stack.storage_options())
    assert table.to_pyarrow_table().num_rows == independent.bronze_counts()["weather"]


def test_the_run_shows_models_tests_statements_and_the_documentation(lakehouse: Lakehouse) -> None:
    nodes = lakehouse.task("mart")["result"]["nodes"]
    assert {node["status"] for node in nodes} == {"success", "pass"}
    assert {node["name"] for node in nodes} >= {"weather_delay", "carrier_delay", "marts_hold_each_flight_once"}
    statements = lakehouse.task("clean")["result"]["statements"]
    assert [each["table"]["format"] for each in statements if each["table"]] == ["iceberg", "delta"]
    kept = {key: lakehouse.stack.json("artifacts", "ls", str(lakehouse.task(key)["number"]))["items"] for key in TASKS}
    assert {"index.html", "manifest.json"} <= {item["name"] for item in kept["mart"]}
    assert "result.parquet" in {item["name"] for item in kept["count"]}


def test_no_secret_is_in_a_log_or_a_run(lakehouse: Lakehouse) -> None:
    folder = lakehouse.stack.data_dir / "secrets"
    keys = {json.loads(path.read_text()).get("secret_key") for path in folder.glob("s3-*.json")} - {None}
    plain = [path for kind in ("*.password", "*.token", "*.secret") for path in folder.glob(kind)]
    secrets = keys | {path.read_text().strip() for path in plain}
    assert len(secrets) >= 8
    texts = [log.read_text(errors="replace") for log in (lakehouse.stack.data_dir / "logs").iterdir() if log.is_file()]
    for key in TASKS:
        number = str(lakehouse.task(key)["number"])
        texts += [
            json.dumps(lakehouse.stack.json("runs", "show", number)),
            lakehouse.stack.run("runs", "logs", number).stdout,
        ]
    assert not [secret for secret in secrets for text in texts if secret in text]
