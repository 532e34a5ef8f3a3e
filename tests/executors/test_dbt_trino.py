"""dbt on a real Trino: models, tests and failing rows there, errors in its own words, queries ended with the run."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from executors.dbt.config import parse_config
from executors.dbt.project import Project
from executors.dbt.trino_warehouse import TrinoWarehouse
from executors.runtime.child import Context
from executors.trino.settings import Target
from tests.executors.child_harness import run_child, start_child
from tests.executors.marts import Mart, assert_nowhere, nodes_beside_a_failed_test
from tests.executors.room import wait_for
from tests.executors.test_dbt_commands import statuses
from tests.executors.test_dbt_resume import left_by
from tests.support.trino import Trino, fresh

PASSWORD = "pass-of-the-warehouse-7Qx"


class TrinoMart(Mart):
    """The plant's seed and models in Trino's memory catalog."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, "trino", {"kind": "trino", "url": url, "user": "tester", "catalog": "memory"})
        self.url = url
        del self.files["snapshots/meters.sql"]  # which the memory catalog cannot change
        del self.schema["sources"]


@pytest.fixture
def mart(trino: Trino, tmp_path: Path) -> TrinoMart:
    mart = TrinoMart(tmp_path, trino.url)
    trino.rows(f"create schema memory.{mart.schema_name}")
    return mart


def test_models_are_built_and_tested_in_trino_and_the_run_tells_their_rows(mart: TrinoMart, trino: Trino) -> None:
    run = mart.run(docs=True)
    assert run.code == 0, run.messages[-1]
    assert statuses(run)["daily"] == "success"
    nodes = {node["name"]: node for node in run.result["nodes"]}
    assert nodes["hourly"]["rows"] == 3
    assert trino.rows(f"select meter, kwh from memory.{mart.schema_name}.daily order by 1") == [["a", 3], ["b", 5]]
    assert "model.plant.daily" in run.artifacts["index.html"].decode()
    tagged = trino.rows("select count(*) from system.runtime.queries where source like 'dbt-trino%'")
    assert tagged[0][0] > 3


def test_a_failed_test_keeps_its_rows_and_a_wrong_name_is_told_in_trinos_words(mart: TrinoMart) -> None:
    mart.files["models/hourly.sql"] = "select cast(null as varchar) as meter, 1 as kwh from {{ ref('readings') }}"
    mart.files["models/lost.sql"] = "select nothing from tpch.tiny.nowhere"
    run = mart.run()
    nodes = nodes_beside_a_failed_test(run)
    assert "nowhere" in nodes["lost"]["message"]
    again = mart.run(select="lost")
    assert (again.error["class"], again.error["code"]) == ("user", "table_not_found")
    assert again.error["position"]["file"] == "models/lost.sql"


def test_a_cancelled_run_leaves_no_query_at_trino(mart: TrinoMart, trino: Trino) -> None:
    mart.files["models/hourly.sql"] = (
        "select count(*) as kwh, 'a' as meter from tpch.sf1000.lineitem a cross join tpch.sf1000.orders b"
    )
    child = start_child("dbt", mart.job({"command": "run", "select": "hourly"}))
    child.wait_for("running hourly")
    running = (
        f"from system.runtime.queries where query like '%{mart.schema_name}%lineitem%' and query not like '%system.%'"
    )
    found = wait_for("the query to run", lambda: trino.rows(f"select query_id {running} and state = 'RUNNING'"), 60)
    child.terminate_group()
    run = child.end(30)
    assert (run.code, run.messages[-1]["type"]) == (143, "cancelled")
    state = f"select state, error_code {running} and query_id = '{found[0][0]}'"
    ended = wait_for("the query to end", lambda: [row for row in trino.rows(state) if row[0] == "FAILED"], 20)
    assert ended[0][1] == "USER_CANCELED"


def test_an_interrupt_ends_the_queries_of_its_run_and_no_others(mart: TrinoMart, trino: Trino) -> None:
    def warehouse(number: int) -> TrinoWarehouse:
        job = mart.job({"command": "run"}) | {"number": number, "caps": {}}
        context = Context(job, SimpleNamespace())  # type: ignore[arg-type]  # nothing is told
        target = Target(trino.url, "tester", catalog="tpch", schema="sf1000")
        return TrinoWarehouse(context, Project(mart.folder, mart.folder, parse_config(job)), target)

    def count(found: TrinoWarehouse) -> None:
        with suppress(Exception):
            found.sample("select count(*) from lineitem a cross join orders b", 1)

    def running(number: int) -> list[str]:
        found = requests.get(f"{trino.url}/v1/query", headers={"X-Trino-User": "tester"}, timeout=10).json()
        tag = f"number={number}"
        return [one["queryId"] for one in found if tag in one["session"]["clientTags"] and one["state"] == "RUNNING"]

    ours, others = warehouse(901), warehouse(902)
    for each in (ours, others):
        threading.Thread(target=count, args=(each,), daemon=True).start()
    wait_for("both to run", lambda: running(901) and running(902), 60)
    ours.interrupt()
    wait_for("ours to end", lambda: not running(901), 20)
    assert running(902)
    others.interrupt()
    wait_for("the other to end", lambda: not running(902), 20)


def test_a_trino_that_is_away_is_an_external_failure(tmp_path: Path) -> None:
    run = TrinoMart(tmp_path, "http://127.0.0.1:9").run("run", select="daily")
    assert (run.code, run.error["class"], run.error["code"]) == (1, "external", "trino_unreachable"), run.error


def test_a_trino_that_starts_has_refused_and_one_that_went_away_may_have_done_it(mart: TrinoMart) -> None:
    job = mart.job({"command": "run"})
    context = Context(job, SimpleNamespace())  # type: ignore[arg-type]  # nothing is told
    target = Target(mart.url, "tester", catalog="memory", schema="main")
    warehouse = TrinoWarehouse(context, Project(mart.folder, mart.folder, parse_config(job)), target)
    starts = "Database Error\n  error 500: b'java.lang.IllegalStateException: authenticators were not loaded\\n\\tat x'"
    assert warehouse.failure_of(starts) == ("external", "trino_unavailable")
    assert warehouse.failure_of("('Connection aborted.', …)") == ("external", "trino_unreachable")


def test_the_password_is_in_no_file_no_message_and_no_log(tmp_path: Path) -> None:
    mart = TrinoMart(tmp_path, "https://127.0.0.1:9")
    mart.files["models/daily.sql"] = "select '{{ target.user }} {{ target.password }}' as who"
    job = mart.job({"command": "run"})
    job["connections"]["trino"]["password"] = PASSWORD
    run = run_child("dbt", job)
    assert (run.error["class"], run.error["code"]) == ("external", "trino_unreachable"), run.error
    assert "method: ldap" in (Path(job["work_dir"]) / "profiles" / "profiles.yml").read_text()
    assert_nowhere(PASSWORD, run, Path(job["work_dir"]))


def test_the_next_attempt_goes_on_in_trino_from_the_results_alone(mart: TrinoMart, trino: Trino) -> None:
    late = fresh("late")
    mart.files["models/late.sql"] = f"select kwh from memory.{mart.schema_name}.{late}"
    first = mart.run("run")
    assert statuses(first) == {"hourly": "error", "late": "error", "daily": "skipped"}
    assert mart.run("seed").code == 0
    trino.rows(f"create table memory.{mart.schema_name}.{late} as select 1 as kwh")
    second = mart.run("run", job={"earlier": {"attempts": left_by(first, mart.folder)}, "attempt": 2})
    assert second.code == 0, second.messages[-1]
    assert second.result["start"]["how"] == "resumed"
    assert set(second.artifacts).isdisjoint({"warehouse.duckdb"})


def test_a_view_where_the_catalog_has_none_is_the_users_to_mend_and_says_how(mart: TrinoMart, trino: Trino) -> None:
    trino.rows(f"create schema iceberg.{mart.schema_name}")
    mart.files["dbt_project.yml"] = "name: plant\nversion: '1.0'\nprofile: anything\n"
    mart.files["models/hourly.sql"] = "select 1 as meter, 2 as kwh"
    run = mart.run("run", select="hourly", catalog="iceberg")
    assert (run.error["class"], run.error["code"]) == ("user", "views_unsupported"), run.error
    assert "+materialized: table" in run.error["message"]
