"""How large the Trino executor gets: small when it waits, the same for ten million rows as for one."""

from __future__ import annotations

import psutil
import pytest

from executors.runtime import warm
from tests.executors.room import Executor, Room, wait_for
from tests.executors.sql import artifacts, result, serve_trino, submit_sql
from tests.support.trino import Trino

MIB = 1024 * 1024
IDLE_MIB = 80  # the floor of the issue; measured: about 57
STREAMING_MIB = 500


def sizes(executor: Executor) -> list[int]:
    """Resident bytes of the executor and of each process below it."""
    own = psutil.Process(executor.process.pid)
    return [process.memory_info().rss for process in (own, *own.children(recursive=True))]


@pytest.mark.slow
def test_an_executor_that_waits_is_small_also_after_a_run(control_room: Room, trino: Trino) -> None:
    executor = serve_trino(control_room, trino)
    result(control_room, "select * from orders")
    wait_for("the warm process to end", lambda: len(sizes(executor)) == 1, warm.IDLE_SECONDS + 30)
    assert sizes(executor)[0] < IDLE_MIB * MIB


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_ten_million_rows_take_no_more_memory_than_a_few_pages(control_room: Room, trino: Trino) -> None:
    executor = serve_trino(control_room, trino)
    sql = "select orderkey, partkey, extendedprice, shipdate from tpch.sf10.lineitem limit 10000000"
    run_id = submit_sql(control_room, sql, config={"plan": False}, lease_seconds=60)
    largest = 0

    def ended() -> bool:
        nonlocal largest
        largest = max(largest, *sizes(executor))
        return control_room.run(run_id)["state"] in ("succeeded", "failed")

    wait_for("ten million rows", ended, 1200)
    run = control_room.run(run_id)
    assert run["state"] == "succeeded", run["error"]
    assert run["result"]["row_count"] == 10_000_000
    assert artifacts(control_room, run_id)["result.parquet"]["metadata"] == {"rows": 10_000_000}
    assert largest < STREAMING_MIB * MIB, f"{largest / MIB:.0f} MiB"
