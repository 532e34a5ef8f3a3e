"""Python code with a Spark session, and drivers of single runs."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import deltalake
import psutil
import pyarrow as pa
import pytest

from control_room.local import spark_config
from tests.executors.room import Executor, Room, ledger, wait_for
from tests.executors.sql import artifacts, done, result, submit_sql
from tests.executors.test_spark_sql import LONG as SQL_LONG
from tests.executors.test_spark_sql import SPARK, busy, fresh, serve
from tests.support.spark import Spark, java_below

pytestmark = [pytest.mark.timeout(900)]
Json = dict[str, Any]
ONCE: Json = {"kind": "spark", "retry": {"max_attempts": 1}}
LONG = """
def main(spark):
    spark.sql("select sum(id % 7) from range(0, 1000000000000, 1, 4)").collect()
"""
# A gigabyte in one array, in a heap of half as much.
GREEDY = "select size(sequence(1, 250000000)) as n"


def drivers(room: Room, spark: Spark, **settings: str) -> Executor:
    """An executor for this Spark, whose own drivers reach the same tables."""
    written = room.secrets / "driver.properties"
    keys = spark.store.access_key, spark.store.secret_key
    written.write_text(spark_config.driver_properties(spark.layout(), *keys))
    return serve(room, spark, spark_properties_file=str(written), **settings)


def mine(executor: Executor) -> list[psutil.Process]:
    """Java processes of this executor."""
    return java_below(executor.pid)


def over(room: Room, run_id: str) -> bool:
    return room.run(run_id)["state"] not in ("queued", "running")


def test_a_function_gets_spark_and_params_and_its_result_is_the_run_s(control_room: Room, spark: Spark) -> None:
    serve(control_room, spark)
    code = """
from pyspark.sql import SparkSession, functions as F

def main(context, spark, rows):
    print("hello from the code")
    same = {spark is SparkSession.getActiveSession(), spark is SparkSession.builder.getOrCreate()}
    found = spark.range(rows).select((F.col("id") + F.udf(lambda: 1, "long")()).alias("n"))
    return {"sum": found.agg(F.sum("n")).collect()[0][0], "same": sorted(same)}
"""
    run = control_room.ended(control_room.submit({"task.py": code}, params={"rows": 10}, **SPARK), 90)
    assert run["state"] == "succeeded", run["error"]
    assert run["result"] == {"sum": 55, "same": [True]}
    assert "hello from the code" in control_room.logged(run["run_id"])
    assert control_room.logged(run["run_id"], "log").splitlines()[0].startswith("mode connect: ")


def test_a_script_has_spark_among_its_globals_and_an_error_of_spark_has_its_class(
    control_room: Room, spark: Spark
) -> None:
    serve(control_room, spark)
    files = {"job.py": "result = {'n': spark.range(params['n']).count()}"}
    run = control_room.ended(control_room.submit(files, "job.py", params={"n": 7}, **SPARK), 90)
    assert run["result"] == {"n": 7}, run["error"]
    files = {"job.py": "spark.table('no_such').count()"}
    error = control_room.ended(control_room.submit(files, "job.py", **ONCE), 90)["error"]
    assert (error["class"], error["code"]) == ("user", "table_or_view_not_found"), error


def test_code_that_is_cancelled_ends_at_spark(control_room: Room, spark: Spark) -> None:
    serve(control_room, spark)
    run_id = control_room.submit({"task.py": LONG}, **ONCE)
    wait_for("Spark to work", lambda: busy(control_room, run_id), 90)
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "enough"})
    assert control_room.ended(run_id)["state"] == "cancelled"
    assert result(control_room, "select count(*) as n from range(10)", **SPARK)["rows"] == [[10]]


@pytest.mark.slow
def test_code_whose_process_is_killed_leaves_nothing_at_spark_and_is_not_repeated(
    control_room: Room, spark: Spark
) -> None:
    executor = serve(control_room, spark)
    run_id = control_room.submit({"task.py": LONG}, **SPARK)
    wait_for("Spark to work", lambda: busy(control_room, run_id), 90)
    [child] = [
        p for p in psutil.Process(executor.pid).children(recursive=True) if "executors.spark.script" in p.cmdline()
    ]
    before = spark.told().count("OPERATION_CANCELED")
    os.kill(child.pid, signal.SIGKILL)
    waiting = wait_for("the run to wait", lambda: control_room.run(run_id)["state"] == "waiting", 60)
    assert waiting
    assert control_room.run(run_id)["state_reason"] == "rerun_unsafe"
    wait_for("the operation to be given up", lambda: spark.told().count("OPERATION_CANCELED") > before, 60)


@pytest.mark.slow
def test_an_isolated_run_has_a_driver_of_its_own_that_ends_with_it(control_room: Room, spark: Spark) -> None:
    executor = drivers(control_room, spark)
    table = f"delta.`s3://artifacts/{fresh()}`"
    script = f"create table {table} using delta as select id from range(3); select count(*) as n from {table}"
    run = done(control_room, script, None, {"mode": "isolated"}, **SPARK)
    assert run["state"] == "succeeded", run["error"]
    assert (run["result"]["mode"], run["result"]["rows"]) == ("isolated", [[3]])
    assert "mode isolated: the template says so" in control_room.logged(run["run_id"], "log")
    label = table.replace("`", "").replace("://", "/")
    assert f"{label}@0" in artifacts(control_room, run["run_id"])
    assert run["usage"]["memory_peak_bytes"] > 100 * 2**20
    wait_for("the driver to end", lambda: not mine(executor), 10)


@pytest.mark.slow
def test_out_of_memory_in_a_driver_of_one_run_is_its_own_matter(control_room: Room, spark: Spark) -> None:
    drivers(control_room, spark, slots="2")
    begun, go = control_room.open / "begun", control_room.open / "go"
    calm = f"""
import pathlib, time
from pyspark.sql.functions import udf

def main(spark):
    first = sum(row[0] for row in spark.range(10).select(udf(lambda n: 1, "long")("id")).collect())
    pathlib.Path("{begun}").touch()
    while not pathlib.Path("{go}").exists():
        time.sleep(0.1)
    return first + spark.range(20).count()
"""
    other = control_room.submit({"task.py": calm}, config={"mode": "isolated"}, **ONCE)
    wait_for("the other run to be at work in its driver", lambda: begun.exists() or over(control_room, other), 400)
    assert begun.exists(), control_room.run(other)["error"]
    config = {"mode": "isolated"}
    greedy = done(control_room, GREEDY, None, config, caps={"memory_bytes": 700 * 2**20}, **ONCE)
    go.touch()
    assert (greedy["error"]["class"], greedy["error"]["code"]) == ("resources", "out_of_memory"), greedy["error"]
    assert "caps.memory_bytes" in greedy["error"]["message"]
    assert control_room.ended(other, 400)["result"] == {"value": 30}


@pytest.mark.slow
def test_several_drivers_and_delta_rs_on_one_delta_table_lose_no_commit(control_room: Room, spark: Spark) -> None:
    drivers(control_room, spark, slots="3")
    name, appends, others = fresh(), 5, 25
    keys = {"aws_access_key_id": spark.store.access_key, "aws_secret_access_key": spark.store.secret_key}
    options = {**keys, "aws_endpoint_url": spark.store.endpoint, "aws_region": "us-east-1", "aws_allow_http": "true",
               "aws_conditional_put": "etag"}  # fmt: skip
    uri = f"s3://artifacts/{name}"
    deltalake.write_deltalake(uri, pa.table({"n": pa.array([0], pa.int64())}), storage_options=options)
    code = f"""
def main(spark, driver):
    for n in range({appends}):
        spark.range(1).selectExpr("id as n").write.format("delta").mode("append").save("{uri}")
    return driver
"""
    modes = ["isolated", "isolated", "connect"]
    files = {"task.py": code}
    runs = [control_room.submit(files, params={"driver": n}, config={"mode": m}, **ONCE) for n, m in enumerate(modes)]
    for number in range(others):
        row = pa.table({"n": pa.array([number], pa.int64())})
        deltalake.write_deltalake(uri, row, mode="append", storage_options=options)
    assert [control_room.ended(run, 800)["state"] for run in runs] == ["succeeded"] * 3
    table = deltalake.DeltaTable(uri, storage_options=options)
    assert table.to_pyarrow_table().num_rows == 1 + others + 3 * appends
    assert table.version() == others + 3 * appends


@pytest.mark.slow
def test_a_driver_that_cannot_start_is_told(control_room: Room, spark: Spark, tmp_path: Path) -> None:
    bad = tmp_path / "bad.properties"
    bad.write_text("spark.jars=/no/such.jar\nspark.sql.extensions=no.Such\nspark.driver.extraClassPath=/no\n")
    control_room.executor("spark", spark_master="spark-not-a-master", spark_properties_file=str(bad))
    error = done(control_room, "select 1", **ONCE)["error"]
    assert (error["class"], error["code"]) == ("external", "driver_not_started"), error


@pytest.mark.slow
def test_sql_that_runs_a_program_in_its_own_driver_reaches_no_other_run_no_secret_and_leaves_nothing(
    control_room: Room, spark: Spark, tmp_path: Path
) -> None:
    token, settings, script = tmp_path / "spark.token", tmp_path / "driver.properties", control_room.open / "evil.sh"
    token.write_text(spark.token)
    settings.write_text(spark_config.driver_properties(spark.layout(), "an-access-key", "a-secret-key"))
    executor = control_room.executor(
        "spark", spark_remote=spark.remote, spark_token_file=str(token), spark_properties_file=str(settings)
    )
    # What it finds there before, it removes.
    wait_for("the executor to be there", lambda: "executor.registered" in executor.log.read_text(), 60)
    other = executor.work_dir / "spark-0" / "runs" / "other" / "task.py"
    other.parent.mkdir()
    other.write_text("code of another run\n")
    script.write_text(
        f"cat {token} {settings} {other}\necho poisoned >> {other}\n"
        "setsid sleep 600 </dev/null >/dev/null 2>&1 &\necho daemon=$!\n"
    )
    sql = f"select transform(id) using 'sh {script} 2>&1' as (line string) from range(0, 1, 1, 1)"
    config = {"mode": "isolated", "conf": {"spark.zzz": "a backslash \\"}}
    run = done(control_room, sql, None, config, **ONCE)
    assert run["state"] == "succeeded", run["error"]
    told = "\n".join(str(row[0]) for row in run["result"]["rows"])
    daemon = re.search(r"daemon=(\d+)", told)
    assert daemon, told
    assert told.count("Permission denied") == 4, told
    assert other.read_text() == "code of another run\n"
    assert not [secret for secret in (spark.token, "a-secret-key", "another run") if secret in told], told
    assert not psutil.pid_exists(int(daemon[1]))


@pytest.mark.slow
def test_isolated_sql_is_cancelled_and_capped_with_its_driver(control_room: Room, spark: Spark) -> None:
    executor = drivers(control_room, spark)
    config = {"mode": "isolated"}
    run_id = submit_sql(control_room, SQL_LONG, None, config, **ONCE)
    wait_for("Spark to work", lambda: busy(control_room, run_id), 120)
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "enough"})
    assert control_room.ended(run_id)["state"] == "cancelled"
    wait_for("the driver to end", lambda: not mine(executor), 10)
    run = done(control_room, "select id from range(1000000)", None, config, caps={"rows_out": 1000}, **ONCE)
    assert (run["error"]["class"], run["error"]["code"]) == ("resources", "cap_exceeded"), run
    entry = ledger(control_room, run)
    assert (entry["cap"], entry["limit"]) == ("rows_out", 1000), entry
    assert entry["observed"] > 1000
    wait_for("the driver to end", lambda: not mine(executor), 10)
