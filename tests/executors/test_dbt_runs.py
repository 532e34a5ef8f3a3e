"""dbt runs from submit to report: what a control room keeps of them, retries that go on, bad projects in a row."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.executors.room import Json, Room
from tests.executors.sql import artifacts, content
from tests.executors.test_dbt_commands import FILES, SCHEMA

SECONDS = 120.0


def project(room: Room, **files: str) -> dict[str, str]:
    """The plant with a model ``late`` that fails until a file is there, and ``after`` that depends on it."""
    late = {
        "models/late.sql": f"select meter, kwh from read_csv('{room.open}/late.csv')",
        "models/after.sql": "select sum(kwh) as kwh from {{ ref('late') }}",
    }
    return {**FILES, "models/schema.yml": yaml.safe_dump(SCHEMA), **late, **files}


def submit(room: Room, files: dict[str, str], config: Json | None = None, **spec: Any) -> str:
    config = {"docs": False, **(config or {})}
    return room.submit(files, ".", kind="dbt", config=config, lease_seconds=20, **spec)


def mend(room: Room) -> None:
    (room.open / "late.csv").write_text("meter,kwh\na,7\n")


def nodes(run: Json) -> dict[str, Json]:
    return {node["name"]: node for node in run["result"]["nodes"]}


def test_a_retry_goes_on_where_the_failed_run_ended(control_room: Room) -> None:
    control_room.executor("dbt")
    first = control_room.ended(submit(control_room, project(control_room)), SECONDS)
    assert (first["state"], first["error"]["code"]) == ("failed", "model_failed")
    assert {"run_results.json", "warehouse.duckdb", "dbt.log"} <= set(artifacts(control_room, first["run_id"]))
    mend(control_room)
    again = control_room.call("retry_run", control_room.operator, first["run_id"], {})
    second = control_room.ended(again["run_id"], SECONDS)
    assert second["state"] == "succeeded", second["error"]
    assert second["result"]["start"]["how"] == "resumed"
    assert f"run {first['number']}" in second["result"]["start"]["why"]
    assert {name for name, node in nodes(second).items() if not node.get("kept")} == {"late", "after"}
    told = [json.loads(line) for line in control_room.logged(second["run_id"], "nodes").splitlines()]
    assert [line["name"] for line in told if line["event"] == "finished"] == ["late", "after"]


def test_the_next_attempt_of_a_run_goes_on_by_itself(control_room: Room) -> None:
    control_room.executor("dbt")
    # The first attempt leaves what the second one needs, as a source does that comes a moment too late.
    hook = f"on-run-end: [\"copy (select 'a' as meter, 7 as kwh) to '{control_room.open}/late.csv'\"]\n"
    files = project(control_room)
    files["dbt_project.yml"] += hook
    retry = {"on": ["user"], "max_attempts": 2, "backoff_seconds": 0.1, "backoff_max_seconds": 0.2}
    run = control_room.ended(submit(control_room, files, retry=retry), SECONDS)
    assert (run["state"], run["attempt"]) == ("succeeded", 2), run["error"]
    assert run["result"]["start"]["how"] == "resumed"
    assert nodes(run)["hourly"]["kept"] is True


def test_bad_projects_end_with_a_class_a_place_their_log_and_the_executor_claims_on(control_room: Room) -> None:
    executor = control_room.executor("dbt")
    mend(control_room)
    good = project(control_room)
    bad = {
        "no compile": good | {"models/daily.sql": "select {{ nothing_of_that_name() }}"},
        "no source": good | {"models/daily.sql": "select * from {{ source('meters', 'nowhere') }}"},
        "a failing model": good | {"models/daily.sql": "select a_misspelt_column from {{ ref('hourly') }}"},
    }
    for name, files in bad.items():
        run = control_room.ended(submit(control_room, files), SECONDS)
        assert (run["state"], run["error"]["class"]) == ("failed", "user"), name
        assert run["error"]["position"]["file"] == "models/daily.sql", (name, run["error"])
        assert "models/daily.sql" in run["error"]["message"], name
        assert content(control_room, run["run_id"], "dbt.log"), name
    assert "run_results.json" in artifacts(control_room, run["run_id"])
    assert control_room.ended(submit(control_room, good), SECONDS)["state"] == "succeeded"
    assert executor.process.poll() is None


def test_a_model_cannot_read_the_password_that_the_executor_has_for_trino(control_room: Room) -> None:
    password = control_room.open / "trino.password"
    password.write_text("pass-of-the-executor-3Zk")
    control_room.executor("dbt", trino_url="https://127.0.0.1:9", trino_password_file=str(password))
    read = {"models/daily.sql": f"select content as meter, 1 as kwh from read_text('{password}')"}
    run = control_room.ended(submit(control_room, project(control_room, **read), {"select": "daily"}), SECONDS)
    assert (run["state"], nodes(run)["daily"]["status"]) == ("failed", "error")
    assert "pass-of-the-executor-3Zk" not in json.dumps(run, default=str)
