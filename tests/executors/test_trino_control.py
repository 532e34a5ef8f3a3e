"""Caps, cancellation and lost leases: what ends a query ends it at the engine."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest

from tests.executors.room import Room, wait_for
from tests.executors.sql import done, queries, result, serve_trino, state_of, submit_sql, wait_for_query
from tests.support.trino import Trino, fresh

CROSS = "tpch.sf1000.lineitem a cross join tpch.sf1000.lineitem b"
LONG = f"select count(*) as c from {CROSS} where a.orderkey + b.orderkey = {{n}}"
ONCE = {"max_attempts": 1}


def ledger(room: Room, run_id: str) -> list[dict[str, Any]]:
    with room.database.connect() as connection:
        found = connection.execute(
            'select layer, cap, "limit", observed, overshoot, overshoot_ms from ops.cap_ledger where run_id = %s',
            (run_id,),
        ).fetchall()
    names = ("layer", "cap", "limit", "observed", "overshoot", "overshoot_ms")
    return [dict(zip(names, row, strict=True)) for row in found]


@pytest.mark.parametrize(
    ("cap", "limit", "sql", "layers"),
    [
        ("rows_out", 20_000, "select * from tpch.sf1.lineitem", {"watchdog"}),
        ("wall_seconds", 2.0, LONG.format(n=1), {"watchdog", "engine"}),
        ("cpu_seconds", 1.0, LONG.format(n=2), {"watchdog", "engine"}),
        ("memory_bytes", 1_000_000, "select array_agg(comment) from tpch.sf1.lineitem", {"engine"}),
    ],
)
def test_a_cap_ends_the_query_and_says_which_layer_saw_what(
    control_room: Room, trino: Trino, cap: str, limit: float, sql: str, layers: set[str]
) -> None:
    serve_trino(control_room, trino)
    run = done(control_room, sql, caps={cap: limit}, retry=ONCE, config={"plan": False})
    assert (run["state"], run["error"]["class"], run["error"]["code"]) == ("failed", "resources", "cap_exceeded"), run
    (entry, *more) = ledger(control_room, run["run_id"])
    assert (entry["cap"], float(entry["limit"])) == (cap, limit)
    assert entry["layer"] in layers
    assert entry["observed"] >= entry["limit"]
    assert {each["cap"] for each in more} <= {"wall_seconds"}
    if cap == "wall_seconds":
        assert run["usage"]["wall_seconds"] < limit + 3
    rows = trino.rows(
        f"select count(*) from system.runtime.queries where state = 'RUNNING' and source like '%/{run['number']}'"
    )
    assert rows == [[0]]
    assert result(control_room, "select 1")["rows"] == [[1]]


@pytest.mark.parametrize("cap", ["scanned_bytes", "written_bytes"])
def test_bytes_of_tables_are_capped_while_the_query_runs(control_room: Room, trino: Trino, cap: str) -> None:
    schema, table = fresh("s"), fresh("t")
    serve_trino(control_room, trino)
    make = f"create table iceberg.{schema}.{table} as select * from tpch.sf1.orders"
    trino.rows(f"create schema iceberg.{schema}")
    trino.rows(f"{make} where orderkey < 300000")
    read = f"select count(*), max(comment) from iceberg.{schema}.{table}, unnest(sequence(1, 40))"
    sql = read if cap == "scanned_bytes" else make.replace(f".{table}", f".{table}_2").replace("sf1.", "sf10.")
    run = done(control_room, sql, caps={cap: 1_000_000}, retry=ONCE, config={"plan": False})
    assert run["error"]["code"] == "cap_exceeded", run
    (entry,) = ledger(control_room, run["run_id"])
    assert (entry["cap"], entry["observed"] >= 1_000_000) == (cap, True)
    assert entry["layer"] == "engine" or entry["overshoot"] > 0


def test_a_cancelled_run_ends_its_query_through_the_engine_within_two_seconds(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    run_id = submit_sql(control_room, LONG.format(n=11), lease_seconds=3)
    query_id = wait_for_query(trino, "= 11")
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "not needed"})
    wait_for("the order to arrive", lambda: "cancel" in heard(control_room, run_id), 10)
    asked = time.monotonic()
    run = control_room.ended(run_id, 20)
    assert run["state"] == "cancelled"
    assert state_of(trino, query_id) == ("FAILED", "USER_CANCELED")
    assert [each["query_id"] for each in queries(control_room, run_id)] == [query_id]
    assert time.monotonic() - asked < 5
    assert result(control_room, "select 1")["rows"] == [[1]]


def heard(room: Room, run_id: str) -> str:
    """The run's state as far as cancellation goes."""
    run = room.run(run_id)
    return "cancel" if run["state"] == "cancelled" or run.get("cancel_requested_at") else ""


def test_progress_is_told_in_the_engines_terms_while_a_query_runs(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    run_id = submit_sql(control_room, LONG.format(n=12), lease_seconds=3)

    def told() -> Any:
        progress = control_room.run(run_id).get("progress") or {}
        return progress.get("unit") == "splits" and "RUNNING" in progress["message"] and progress

    progress = wait_for("progress", told, 40)
    assert progress["total"] > 0
    assert "rows" in progress["message"]
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "seen"})
    assert control_room.ended(run_id, 20)["state"] == "cancelled"


def test_the_query_of_an_executor_that_is_killed_ends_too(control_room: Room, trino: Trino) -> None:
    executor = serve_trino(control_room, trino)
    submit_sql(control_room, LONG.format(n=13))
    query_id = wait_for_query(trino, "= 13")
    executor.process.send_signal(signal.SIGKILL)
    wait_for("the query to end", lambda: state_of(trino, query_id)[0] == "FAILED", 10)


def test_the_query_of_a_run_that_another_epoch_holds_ends_unreported(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    run_id = submit_sql(control_room, LONG.format(n=14), lease_seconds=3)
    query_id = wait_for_query(trino, "= 14")
    control_room.call("requeue_run", control_room.operator, run_id, {"force": True, "epoch": 1})
    wait_for("the query to end", lambda: state_of(trino, query_id)[0] == "FAILED", 20)
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "seen"})
    assert control_room.ended(run_id, 30)["state"] == "cancelled"


def test_a_lost_write_waits_and_a_lost_read_is_done_again(control_room: Room, trino: Trino) -> None:
    table = f"memory.default.{fresh()}"
    executor = serve_trino(control_room, trino, slots="3")
    write = submit_sql(control_room, f"create table {table} as {LONG.format(n=15)}", lease_seconds=2)
    read = submit_sql(control_room, LONG.format(n=16), config={"read_only": True}, lease_seconds=2)
    wait_for_query(trino, "= 15")
    wait_for_query(trino, "= 16")
    executor.process.send_signal(signal.SIGKILL)

    def routed() -> bool:
        control_room.call("expire_leases", 100)
        control_room.call("promote_due", 100)
        return control_room.run(write)["state"] == "waiting" and control_room.run(read)["state"] == "queued"

    wait_for("both runs to be routed", routed, 30)
    assert control_room.run(write)["state_reason"] == "rerun_unsafe"


def test_a_password_is_in_no_log_no_event_no_result_and_no_artifact(control_room: Room, trino: Trino) -> None:
    secret = "trino-pass-7f3a9c"
    (control_room.secrets / "trino.password").write_text(secret)
    plain = {"kind": "trino", "url": trino.url, "user": "tester", "password": secret}
    (control_room.secrets / "connections.json").write_text(json.dumps({"plain": plain}))
    executor = serve_trino(control_room, trino)
    shown = done(control_room, f"select '{secret}' as leak", connections=["plain"], config={"parquet": False})
    assert shown["result"]["rows"] == [["***"]]
    done(control_room, "select 1", config={"connection": "plain"}, connections=["plain"], retry=ONCE)
    assert control_room.tables_with(secret, but=("ops.templates",)) == []  # the SQL itself is the author's
    assert secret not in executor.log.read_text()


def test_a_password_over_plain_http_is_refused_at_start(control_room: Room, trino: Trino) -> None:
    (control_room.secrets / "trino.password").write_text("secret-word")
    executor = serve_trino(control_room, trino, trino_password_file=str(control_room.secrets / "trino.password"))
    assert executor.process.wait(30) == 2
    assert "https" in executor.log.read_text()
