"""dbt on a real Spark, by its Connect server: all commands on Iceberg and Delta, Spark's words, jobs that end with the
run."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from executors.spark.settings import Target
from tests.executors.child_harness import run_child, start_child
from tests.executors.marts import Mart, assert_nowhere, nodes_beside_a_failed_test
from tests.executors.room import wait_for
from tests.executors.test_dbt_commands import statuses
from tests.executors.test_dbt_resume import left_by
from tests.support.spark import Spark
from tests.support.trino import fresh

pytest.importorskip("dbt.adapters.spark", reason="dbt-spark is not installed (extra dbt-spark)")
pytestmark = pytest.mark.timeout(400)
CATALOGS = ("iceberg", pytest.param("delta", marks=pytest.mark.slow))


def connected(spark: Spark, conf: dict[str, str] | None = None, schema: str | None = None) -> Any:
    """A session beside the run's."""
    from executors.spark.session import connect  # of the extra spark

    return connect(Target("connect", "", spark.remote, spark.token), conf or {}, schema)


class SparkMart(Mart):
    """The plant's seed, models and snapshot in one of Spark's catalogs."""

    def __init__(self, folder: Path, spark: Spark, format_: str = "iceberg") -> None:
        connection = {"kind": "spark", "remote": spark.remote, "token": spark.token}
        super().__init__(folder, "spark", connection, None if format_ == "delta" else "iceberg")
        self.spark = spark
        kinds = f"{{plant: {{+file_format: {format_}}}}}"
        self.files["dbt_project.yml"] += f"seeds: {kinds}\nsnapshots: {kinds}\n"
        self.files["dbt_project.yml"] = self.files["dbt_project.yml"].replace(
            "+materialized: table", f"+materialized: table, +file_format: {format_}"
        )
        self.schema["sources"][0]["schema"] = self.schema_name
        self.schema["sources"][0]["tables"][0]["loaded_at_field"] = "cast(measured as timestamp)"

    def rows(self, sql: str) -> list[list[Any]]:
        conf = {"spark.sql.defaultCatalog": self.catalog} if self.catalog else {}
        session = connected(self.spark, conf, self.schema_name)
        try:
            return [list(row) for row in session.sql(sql).collect()]
        finally:
            session.stop()


@pytest.mark.parametrize("catalog", CATALOGS)
def test_a_build_makes_and_tests_all_and_tells_rows_and_versions_of_what_it_made(
    spark: Spark, tmp_path: Path, catalog: str
) -> None:
    mart = SparkMart(tmp_path, spark, catalog)
    run = mart.run(docs=True)
    assert run.code == 0, run.messages[-1]
    assert set(statuses(run).values()) == {"success", "pass"}
    assert {"readings", "hourly", "daily", "meters", "unique_daily_meter"} <= set(statuses(run))
    nodes = {node["name"]: node for node in run.result["nodes"]}
    assert {name: nodes[name]["rows"] for name in ("hourly", "daily", "meters")} == {
        "hourly": 3,
        "daily": 2,
        "meters": 2,
    }
    assert mart.rows("select meter, kwh from daily order by 1") == [["a", 3], ["b", 5]]
    assert "model.plant.daily" in run.artifacts["index.html"].decode()
    tables = {message["name"]: message["table"] for message in run.of("artifact") if message["kind"] == "table"}
    prefix = f"{mart.catalog or 'spark_catalog'}.{mart.schema_name}"
    assert {name.rpartition("@")[0] for name in tables} == {
        f"{prefix}.{name}" for name in ("readings", "hourly", "daily", "meters")
    }
    assert {table["format"] for table in tables.values()} == {catalog}


@pytest.mark.slow
def test_what_is_made_in_a_schema_below_another_is_recorded(spark: Spark, tmp_path: Path) -> None:
    mart = SparkMart(tmp_path, spark)
    mart.schema_name += ".below"
    run = mart.run("seed")
    assert run.code == 0, run.messages[-1]
    (table,) = [message for message in run.of("artifact") if message["kind"] == "table"]
    assert table["name"].startswith(f"iceberg.{mart.schema_name}.readings@")


@pytest.mark.slow
@pytest.mark.parametrize("catalog", CATALOGS)
def test_each_command_does_its_own(spark: Spark, tmp_path: Path, catalog: str) -> None:
    mart = SparkMart(tmp_path, spark, catalog)
    assert statuses(mart.run("seed")) == {"readings": "success"}
    assert statuses(mart.run("run")) == {"hourly": "success", "daily": "success"}
    assert statuses(mart.run("test")) == {"not_null_hourly_meter": "pass", "unique_daily_meter": "pass"}
    assert statuses(mart.run("snapshot")) == {"meters": "success"}
    mart.files["models/daily.sql"] = "select meter, sum(kwh) + 1 as kwh from {{ ref('hourly') }} group by 1"
    assert statuses(mart.run("run", select="daily")) == {"daily": "success"}
    again = mart.run("snapshot")
    assert again.code == 0, again.messages[-1]
    kept = mart.rows("select meter, kwh, dbt_valid_to is null from meters order by 1, 2")
    assert kept == [["a", 3, False], ["a", 4, True], ["b", 5, False], ["b", 6, True]]
    compiled = mart.run("compile", select="daily")
    assert compiled.code == 0, compiled.messages[-1]
    documented = mart.run("docs generate")
    assert documented.code == 0, documented.messages[-1]
    columns = json.loads(documented.artifacts["catalog.json"])["nodes"]["model.plant.daily"]["columns"]
    assert {name: column["type"] for name, column in columns.items()} == {"meter": "string", "kwh": "long"}
    stale = mart.run("source freshness")
    assert (stale.error["class"], stale.error["code"]) == ("user", "source_stale"), stale.error


def test_values_of_a_seed_arrive_as_they_are(spark: Spark, tmp_path: Path) -> None:
    mart = SparkMart(tmp_path, spark)
    mart.files["seeds/odd.csv"] = (
        'id,text,day,price\n9007199254740993,it\'s \\n 100 %s,2026-01-02,1.5\n2,"a ""b""; c",,\n3,,,\n'
    )
    run = mart.run("seed", select="odd")
    assert run.code == 0, run.messages[-1]
    rows = mart.rows("select id, text, cast(day as string), price from odd order by id")
    assert rows == [
        [2, 'a "b"; c', None, None],
        [3, None, None, None],
        [9007199254740993, "it's \\n 100 %s", "2026-01-02", 1.5],
    ]


@pytest.mark.slow
def test_a_failed_test_keeps_its_rows_and_a_wrong_name_is_told_in_sparks_words(spark: Spark, tmp_path: Path) -> None:
    mart = SparkMart(tmp_path, spark)
    mart.files["models/hourly.sql"] = "select cast(null as string) as meter, 1 as kwh from {{ ref('readings') }}"
    mart.files["models/lost.sql"] = "select nothing from nowhere.at_all"
    nodes_beside_a_failed_test(mart.run())
    again = mart.run(select="lost")
    assert (again.error["class"], again.error["code"]) == ("user", "table_or_view_not_found")
    assert again.error["position"]["file"] == "models/lost.sql"
    assert "JVM" not in json.dumps(again.error)


def test_a_cancelled_run_leaves_no_job_at_spark(spark: Spark, tmp_path: Path) -> None:
    mart = SparkMart(tmp_path, spark)
    table = f"iceberg.{mart.schema_name}.hourly"
    mart.files["models/hourly.sql"] = "select 'a' as meter, sum(id % 7) as kwh from range(0, 1000000000000, 1, 4)"
    child = start_child("dbt", mart.job({"command": "run", "select": "hourly"}))
    child.wait_for("running hourly")
    looking = connected(spark)
    try:
        held = wait_for("the run's job to have both cores", lambda: held_up(looking), 90)
        child.terminate_group()
        run = child.end(30)
        assert (run.code, run.messages[-1]["type"]) == (143, "cancelled")
        assert held.wait(60), "with the run's job at work this would take minutes"
        assert not looking.catalog.tableExists(table)
    finally:
        looking.stop()


def held_up(session: Any) -> threading.Event | None:
    """Of a small job that gets no core for some seconds: what is set once it has been done. None: it was, at once."""
    done = threading.Event()

    def count() -> None:
        with suppress(Exception):
            session.range(0, 20, 1, 2).count()
            done.set()

    threading.Thread(target=count, daemon=True).start()
    return None if done.wait(5) else done


def test_the_token_is_in_no_file_no_message_and_no_log(spark: Spark, tmp_path: Path) -> None:
    mart = SparkMart(tmp_path, spark)
    told = "{{ target }} {{ env_var('SPARK_CONNECT_AUTHENTICATE_TOKEN', '') }} {{ env_var('SPARK_REMOTE', '') }}"
    mart.files["models/daily.sql"] = f"select 1 as w /* {told} */"
    job = mart.job({"command": "run", "select": "daily"})
    run = run_child("dbt", job)
    assert run.code == 0, run.messages[-1]
    assert_nowhere(spark.token, run, Path(job["work_dir"]))


@pytest.mark.slow
def test_a_spark_that_is_away_or_refuses_the_token_is_an_external_failure(spark: Spark, tmp_path: Path) -> None:
    mart = SparkMart(tmp_path, spark)
    job = mart.job({"command": "run"})
    job["connections"]["spark"]["token"] = "not-the-token-of-it"
    assert run_child("dbt", job).error["code"] == "credentials_refused"
    job = mart.job({"command": "run"})
    job["connections"]["spark"]["remote"] = "sc://127.0.0.1:9"
    away = run_child("dbt", job)
    assert (away.error["class"], away.error["code"]) == ("external", "spark_unreachable"), away.error


@pytest.mark.slow
def test_the_next_attempt_goes_on_in_spark_from_the_results_alone(spark: Spark, tmp_path: Path) -> None:
    mart = SparkMart(tmp_path, spark)
    late = fresh("late")
    assert mart.run("seed").code == 0
    mart.files["models/late.sql"] = f"select kwh from {mart.schema_name}.{late}"
    first = mart.run("run")
    assert statuses(first) == {"hourly": "success", "late": "error", "daily": "success"}
    mart.rows(f"create table {late} using iceberg as select 1 as kwh")
    second = mart.run("run", job={"earlier": {"attempts": left_by(first, mart.folder)}, "attempt": 2})
    assert second.code == 0, second.messages[-1]
    assert second.result["start"]["how"] == "resumed"
