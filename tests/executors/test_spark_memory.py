"""Out of memory on the shared server: told as such to every run that was there, and none of them is lost to it."""

from __future__ import annotations

from typing import Any

import pytest

from control_room.local import spark_config
from tests.executors.room import Executor, Room, wait_for
from tests.executors.sql import result, submit_sql
from tests.executors.test_spark_code import GREEDY
from tests.executors.test_spark_sql import SPARK, busy, fresh
from tests.support.spark import Spark

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Json = dict[str, Any]
RETRY: Json = {"backoff_seconds": 0.1, "backoff_max_seconds": 0.2, "max_attempts": 2}
# At work for so long, whatever else the machine does.
SLOW = "select reflect('java.lang.Thread', 'sleep', 30000L) as slept, count(*) as n from range(0, 10, 1, 1)"
PATIENCE = 400.0


def serve(room: Room, spark: Spark) -> Executor:
    """An executor of two slots that reads the server's note, and whose own drivers reach the same tables."""
    written = room.secrets / "driver.properties"
    keys = spark.store.access_key, spark.store.secret_key
    written.write_text(spark_config.driver_properties(spark.layout(), *keys))
    given = {"spark_remote": spark.remote, "spark_token_file": str(spark.token_file)}
    given |= {"spark_properties_file": str(written), "spark_oom_file": str(spark_config.oom_note(spark.home / "tmp"))}
    return room.executor("spark", slots="2", **given)


def test_the_greedy_run_ends_for_want_of_memory_and_the_other_one_is_done(control_room: Room, own_spark: Spark) -> None:
    serve(control_room, own_spark)
    other = submit_sql(control_room, SLOW, **{**SPARK, "retry": RETRY})
    wait_for("the other run to be at work", lambda: busy(control_room, other), 120)
    caps = {"memory_bytes": 800 * 2**20}
    greedy = submit_sql(control_room, GREEDY, caps=caps, **{**SPARK, "retry": RETRY})
    ended, done = (control_room.ended(each, PATIENCE) for each in (greedy, other))
    assert done["state"] == "succeeded", done["error"]
    assert done["result"]["mode"] == "isolated"
    for run in (ended, done):
        first = run["attempts"][0]["error"]
        assert (first["class"], first["code"]) == ("resources", "server_out_of_memory"), first
        assert "by this run or by another" in first["message"]
        told = control_room.logged(run["run_id"], "log")
        assert "mode isolated: an earlier attempt met the end of the shared server" in told
    assert (ended["error"]["class"], ended["error"]["code"]) == ("resources", "out_of_memory"), ended["error"]
    assert own_spark.process is not None
    assert own_spark.process.wait(60) == 3
    own_spark.start()
    assert result(control_room, "select 1 as a", **SPARK)["mode"] == "connect"


def test_a_run_that_was_writing_when_the_memory_ran_out_waits_for_a_person(
    control_room: Room, own_spark: Spark
) -> None:
    serve(control_room, own_spark)
    table = f"delta.`s3://artifacts/{fresh()}`"
    sql = f"create table {table} using delta as {GREEDY}"
    run_id = submit_sql(control_room, sql, None, **{**SPARK, "retry": RETRY})
    wait_for("the run to wait", lambda: control_room.run(run_id)["state"] == "waiting", PATIENCE)
    run = control_room.run(run_id)
    error = run["attempts"][0]["error"]
    assert run["state_reason"] == "rerun_unsafe"
    assert (error["class"], error["code"]) == ("resources", "outcome_unknown"), error
    assert "ran out of memory" in error["message"]
