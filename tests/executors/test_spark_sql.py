"""SQL by the Spark executor on a real Spark Connect server: results, params, tables, failures, cancel, caps."""

from __future__ import annotations

import gc
import secrets
import signal
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.executors.room import Executor, Room, wait_for
from tests.executors.sql import artifacts, done, parquet, queries, result, submit_sql
from tests.support.spark import Spark

pytestmark = pytest.mark.timeout(900)
Json = dict[str, Any]
SPARK: Json = {"kind": "spark"}
LONG = "select sum(id % 7) from range(0, 1000000000000, 1, 4)"


def serve(room: Room, spark: Spark, **settings: str) -> Executor:
    """An executor for this Spark."""
    return room.executor("spark", spark_remote=spark.remote, spark_token_file=str(spark.token_file), **settings)


def fresh() -> str:
    return f"t_{secrets.token_hex(4)}"


def busy(room: Room, run_id: str) -> Json | None:
    """The run's progress once Spark works on it."""
    run = room.run(run_id)
    assert run["state"] in ("queued", "running"), run["error"]
    progress = run["progress"]
    return progress if progress and "running" in (progress.get("message") or "") else None


def failed(room: Room, sql: str, **more: Any) -> Json:
    """The error of a run that fails; one attempt."""
    run = done(room, sql, **{**SPARK, "retry": {"max_attempts": 1}, **more})
    assert run["state"] == "failed", run
    error: Json = run["error"]
    return error


def test_statements_return_rows_a_preview_and_parquet_and_say_where_they_ran(control_room: Room, spark: Spark) -> None:
    serve(control_room, spark)
    script = "create temp view v as select id, id * 2 as d from range(2500);\nselect * from v order by id"
    run = done(control_room, script, None, {"plan": True}, **SPARK)
    assert run["state"] == "succeeded", run["error"]
    found = run["result"]
    assert (found["mode"], found["row_count"], len(found["rows"]), found["truncated"]) == ("connect", 2500, 1000, True)
    assert found["columns"] == [{"name": "id", "type": "int64"}, {"name": "d", "type": "int64"}]
    assert parquet(control_room, run["run_id"]).column("d").to_pylist() == [2 * n for n in range(2500)]
    assert "Physical Plan" in queries(control_room, run["run_id"])[1]["plan"]
    assert "mode connect: the template says nothing" in control_room.logged(run["run_id"], "log")
    assert run["usage"]["rows_out"] == 2500


def test_params_are_bound_by_name_and_in_order_with_their_declared_types(control_room: Room, spark: Spark) -> None:
    serve(control_room, spark)
    params = {"day": "2013-01-02", "price": "1.5", "names": ["a", "b'; --"], "big": 2**40}
    types = {"day": "date", "price": "decimal(10,2)"}
    sql = "select :day as day, :price as price, array_contains(:names, 'b\\'; --') as has, :big as big, ':no' as text"
    run = done(control_room, sql, params, {"types": types}, **SPARK)
    assert run["state"] == "succeeded", run["error"]
    [row] = parquet(control_room, run["run_id"]).to_pylist()
    expected = {"day": date(2013, 1, 2), "price": Decimal("1.50"), "has": True, "big": 2**40, "text": ":no"}
    assert row == expected
    told = done(control_room, "select ? - ? as d", {"a": 5, "b": 3}, {"parameters": ["a", "b"]}, **SPARK)
    assert told["result"]["rows"] == [[2]], told["error"]
    assert set(artifacts(control_room, told["run_id"])) == {"result.parquet"}, "nobody asked for the plan"


def test_a_view_of_one_run_is_not_there_for_the_next(control_room: Room, spark: Spark) -> None:
    serve(control_room, spark)
    view = fresh()
    result(control_room, f"create temp view {view} as select 1 as a; set spark.sql.shuffle.partitions = 7", **SPARK)
    assert failed(control_room, f"select * from {view}")["code"] == "table_or_view_not_found"
    told = result(control_room, "set spark.sql.shuffle.partitions", **SPARK)
    assert told["rows"][0][1] == "4"


def test_tables_written_are_artifacts_with_delta_version_or_iceberg_snapshot(control_room: Room, spark: Spark) -> None:
    serve(control_room, spark)
    delta, iceberg = f"delta.`s3://artifacts/{fresh()}`", f"iceberg.main.{fresh()}"
    script = f"""create table {delta} using delta as select id from range(3);
insert into {delta} select id from range(4);
create namespace if not exists iceberg.main;
create table {iceberg} using iceberg as select id from range(5)"""
    run = done(control_room, script, None, {"plan": True}, **SPARK)
    assert run["state"] == "succeeded", run["error"]
    told = [statement["table"] for statement in run["result"]["statements"]]
    assert [(each["format"], each["version"]) for each in told[:2]] == [("delta", 0), ("delta", 1)]
    assert told[3]["format"] == "iceberg"
    assert told[3]["version"] > 0
    names = set(artifacts(control_room, run["run_id"]))
    label = delta.replace("`", "").replace("://", "/")
    assert {f"{label}@1", f"{iceberg}@{told[3]['version']}", "queries.json"} <= names
    assert [statement["rows"] for statement in run["result"]["statements"]] == [3, 4, 0, 5]
    assert "Physical Plan" in queries(control_room, run["run_id"])[1]["plan"]


@pytest.mark.parametrize(
    ("sql", "class_", "code", "place"),
    [
        ("select 1;\n\n  selec 2", "user", "parse_syntax_error", (2, 3, 3)),
        ("select *\n  from no_such_table", "user", "table_or_view_not_found", (1, 2, 8)),
        ("select 1 + array(1)", "user", "datatype_mismatch", (1, 1, 8)),
        ("select 1 as a;\nselect nope\nfrom range(3)", "user", "unresolved_column", (2, 2, 8)),
        ("select 1/0", "user", "divide_by_zero", (1, 1, 8)),
        ("select raise_error('Java heap space')", "user", "user_raised_exception", (1, 1, 1)),
    ],
)
def test_errors_have_the_class_the_code_and_the_place_in_the_script(
    control_room: Room, spark: Spark, sql: str, class_: str, code: str, place: tuple[int, int, int]
) -> None:
    serve(control_room, spark)
    error = failed(control_room, sql)
    assert (error["class"], error["code"]) == (class_, code), error
    found = error["position"]
    assert (found["statement"], found["line"], found["column"]) == place, error
    assert "JVM" not in error["message"]


def test_a_run_that_is_cancelled_ends_at_spark(control_room: Room, spark: Spark) -> None:
    serve(control_room, spark)
    run_id = submit_sql(control_room, LONG, **SPARK)
    progress = wait_for("Spark to work", lambda: busy(control_room, run_id), 60)
    assert progress["unit"] == "tasks"
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "enough"})
    assert control_room.ended(run_id)["state"] == "cancelled"
    began = time.monotonic()
    assert result(control_room, "select count(*) as n from range(10)", **SPARK)["rows"] == [[10]]
    assert time.monotonic() - began < 30, "the cores of Spark are not free"


def test_the_wall_cap_and_the_rows_cap_end_the_statement(control_room: Room, spark: Spark) -> None:
    serve(control_room, spark)
    run = done(control_room, LONG, caps={"wall_seconds": 4}, **SPARK)
    assert (run["state"], run["cap_ledger"][0]["cap"]) == ("failed", "wall_seconds"), run
    run = done(control_room, "select id from range(1000000)", caps={"rows_out": 1000}, **SPARK)
    assert run["error"]["code"] == "cap_exceeded", run


@pytest.mark.slow
def test_a_server_that_dies_in_mid_run_ends_it_with_a_class_and_the_executor_goes_on(
    control_room: Room, own_spark: Spark
) -> None:
    executor = serve(control_room, own_spark)
    reading = submit_sql(control_room, LONG, **SPARK, retry={"max_attempts": 1})
    wait_for("Spark to work", lambda: busy(control_room, reading), 60)
    own_spark.kill()
    error = control_room.ended(reading)["error"]
    assert (error["class"], error["code"]) == ("external", "connection_lost"), error
    later = submit_sql(control_room, "select 1 as a", **SPARK)
    wait_for("Spark to be missed", lambda: executor.said("engine.away"))
    assert control_room.run(later)["state"] == "queued"
    own_spark.start()
    run = control_room.ended(later, 120)
    assert (run["state"], run["attempt"], run["result"]["rows"]) == ("succeeded", 1, [[1]]), run["error"]


def test_a_session_that_is_collected_waits_for_nothing_of_another() -> None:
    """The collector may do so on a thread that the other one waits for."""
    pytest.importorskip("pyspark", reason="pyspark is not installed (extra spark)")
    from pyspark.sql.connect.client.core import DefaultChannelBuilder
    from pyspark.sql.connect.client.reattach import ExecutePlanResponseReattachableIterator as Answers

    from executors.spark.session import OwnSession

    session = OwnSession(connection=DefaultChannelBuilder("sc://localhost:1"))  # asks no server yet
    releases = Answers._get_or_create_release_thread_pool()
    del session
    gc.collect()
    assert Answers._release_thread_pool_instance is releases
    releases.shutdown()


def test_a_process_ends_without_asking_a_spark_that_is_gone_for_its_sessions() -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed (extra spark)")
    code = (
        "from pyspark.sql.connect.client.core import DefaultChannelBuilder\n"
        "from executors.spark.session import OwnSession\n"
        "session = OwnSession(connection=DefaultChannelBuilder('sc://localhost:1'))\n"
    )
    # pyspark's own retries take ten minutes
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
def test_when_the_executor_is_killed_nothing_goes_on_at_spark(control_room: Room, own_spark: Spark) -> None:
    executor = serve(control_room, own_spark)
    run_id = submit_sql(control_room, LONG, **SPARK)
    wait_for("Spark to work", lambda: busy(control_room, run_id), 60)
    executor.stop(signal.SIGKILL)
    said = "was cancelled|has been cancelled|Interrupted|OPERATION_CANCELED"
    wait_for("the operation to be interrupted", lambda: any(w in own_spark.told() for w in said.split("|")), 30)


def test_a_token_that_is_wrong_is_told_as_such(control_room: Room, spark: Spark) -> None:
    wrong = control_room.secrets / "wrong"
    wrong.write_text("a guess")
    control_room.executor("spark", spark_remote=spark.remote, spark_token_file=str(wrong))
    assert failed(control_room, "select 1")["code"] == "credentials_refused"
