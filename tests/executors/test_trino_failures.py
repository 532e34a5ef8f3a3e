"""What goes wrong with SQL or with Trino: each ends the run with the right class, a useful message, its place in the
SQL, and an executor that goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.executors.room import Room, wait_for
from tests.executors.sql import (
    artifacts,
    done,
    queries,
    result,
    serve_trino,
    submit_sql,
    wait_for_query,
)
from tests.support.seaweed import free_ports
from tests.support.trino import Trino, fresh

ONCE = {"max_attempts": 1}
LONG = "select count(*) as c from tpch.sf1000.lineitem a cross join tpch.sf1000.lineitem b"

# SQL, params, config, and what the error must be: class, code, (line, column), words of its message.
WRONG: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, str, tuple[int, int], str]]] = [
    ("selec 1", {}, {}, ("user", "syntax_error", (1, 1), "mismatched input 'selec'")),
    ("select :a,\n from x", {"a": 1}, {}, ("user", "syntax_error", (2, 2), "mismatched input 'from'")),
    ("select 1;\n\nselect *\n  from nowhere", {}, {}, ("user", "table_not_found", (4, 8), "statement 2 of 2")),
    ("select 'it''s', :a, nope", {"a": 1}, {}, ("user", "column_not_found", (1, 21), "nope")),
    ("select orderkey from orders where orderkey = :a", {"a": "x"}, {}, ("user", "type_mismatch", (1, 44), "varchar")),
    ("select :a", {"a": "2013-02-30"}, {"types": {"a": "date"}}, ("user", "parameter_invalid", (0, 0), "'a'")),
    ("select :a", {"a": [1]}, {"types": {"a": "bigint"}}, ("user", "parameter_invalid", (0, 0), "bigint")),
    ("select :a", {"b": 1}, {}, ("user", "parameter_missing", (0, 0), "it has: b")),
    ("select ?, ?", {"b": 1}, {"parameters": ["b"]}, ("user", "parameter_missing", (0, 0), "2 '?'")),
    ("select 1 / 0 from orders", {}, {}, ("user", "division_by_zero", (1, 1), "Division by zero")),
    ("start transaction", {}, {}, ("user", "statement_unsupported", (1, 1), "commits by itself")),
    ("drop table x", {}, {"read_only": True}, ("user", "read_only", (1, 1), "DROP TABLE")),
    ("-- nothing\n;", {}, {}, ("user", "sql_missing", (0, 0), "no statement")),
    ("select 1", {}, {"sesion": {}}, ("user", "config_invalid", (0, 0), "config.sesion is unknown")),
    ("select 1", {}, {"connection": "gone"}, ("external", "trino_undefined", (0, 0), "'gone'")),
]


def test_what_is_wrong_with_a_statement_is_told_with_its_place_in_the_script(control_room: Room, trino: Trino) -> None:
    executor = serve_trino(control_room, trino, slots="4")
    runs = [submit_sql(control_room, sql, params, config, retry=ONCE) for sql, params, config, _ in WRONG]
    for run_id, (sql, _, _, (class_, code, place, words)) in zip(runs, WRONG, strict=True):
        run = control_room.ended(run_id, 60)
        error = run["error"]
        assert (run["state"], error["class"], error["code"]) == ("failed", class_, code), (sql, error)
        position = error["position"] or {}
        assert (position.get("line", 0), position.get("column", 0)) == place, (sql, error)
        assert words in error["message"], sql
    assert executor.process.poll() is None
    assert result(control_room, "select 1")["rows"] == [[1]]


def test_the_place_is_right_in_a_statement_too_long_to_be_prepared(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    for sql, place in (
        (f"/*{'x' * 9000}*/ select :a,\n 'it''s', nope", (2, 11)),
        (f"selec :a /*{'x' * 9000}*/", (1, 1)),
    ):
        error = done(control_room, sql, {"a": 1}, retry=ONCE)["error"]
        assert (error["position"]["line"], error["position"]["column"]) == place, error


def test_a_failed_run_keeps_its_queries_and_the_plan_of_what_parses(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    run = done(control_room, "select 1; select orderkey / (orderkey - orderkey) from orders", retry=ONCE)
    assert run["error"]["code"] == "division_by_zero"
    first, second = queries(control_room, run["run_id"])
    assert first["plan"]
    assert second["plan"]
    assert second["query_id"] == run["error"]["position"]["query_id"]
    assert run["result"]["rows"] == [[1]]
    assert set(artifacts(control_room, run["run_id"])) == {"queries.json", "result-1.parquet"}


def test_an_unreachable_trino_is_external_and_tried_again(control_room: Room, trino: Trino) -> None:
    connection = {"kind": "trino", "url": f"http://127.0.0.1:{free_ports(1)[0]}", "user": "tester"}
    (control_room.secrets / "connections.json").write_text(json.dumps({"gone": connection}))
    executor = serve_trino(control_room, trino)
    insert = "insert into memory.default.t values 1"
    run = done(control_room, insert, config={"connection": "gone"}, connections=["gone"])
    assert (run["state"], run["attempt"]) == ("failed", 3)
    assert (run["error"]["class"], run["error"]["code"]) == ("external", "trino_unreachable")
    assert "Connection refused" in run["error"]["message"]
    assert executor.process.poll() is None
    # The executor's own Trino is there: it goes on with that.
    assert result(control_room, "select 1")["rows"] == [[1]]
    assert not executor.said("engine.away")


def test_refused_credentials_are_external_and_say_what_to_check(control_room: Room, trino: Trino) -> None:
    connection = {"kind": "trino", "url": trino.url, "user": "tester", "password": "not-over-plain-http"}
    (control_room.secrets / "connections.json").write_text(json.dumps({"plain": connection}))
    serve_trino(control_room, trino)
    run = done(control_room, "select 1", config={"connection": "plain"}, connections=["plain"], retry=ONCE)
    assert (run["error"]["class"], run["error"]["code"]) == ("external", "credentials_refused"), run["error"]
    assert "password file" in run["error"]["message"]
    assert "not-over-plain-http" not in json.dumps(run)


@pytest.mark.slow
def test_a_trino_that_dies_ends_a_read_that_can_be_repeated_and_a_write_that_waits(
    control_room: Room, own_trino: Trino
) -> None:
    executor = serve_trino(control_room, own_trino, slots="2")
    table = f"memory.default.{fresh()}"
    read = submit_sql(control_room, LONG, retry=ONCE)
    write = submit_sql(control_room, f"create table {table} as {LONG}")
    wait_for_query(own_trino, "select count(*) as c from")
    wait_for_query(own_trino, "create table")
    own_trino.kill()
    error = control_room.ended(read, 60)["error"]
    assert (error["class"], error["code"]) == ("external", "connection_lost")
    waiting = wait_for("the write to wait", lambda: (r := control_room.run(write))["state"] == "waiting" and r, 60)
    assert waiting["state_reason"] == "rerun_unsafe"
    assert waiting["attempts"][-1]["error"]["code"] == "outcome_unknown"
    assert executor.process.poll() is None
    later = submit_sql(control_room, "select 1")
    wait_for("Trino to be missed", lambda: executor.said("engine.away"))
    own_trino.start()
    run = control_room.ended(later, 60)
    assert (run["state"], run["attempt"], run["result"]["rows"]) == ("succeeded", 1, [[1]]), run["error"]
    assert len(executor.said("engine.answers")) == 1


@pytest.mark.slow
def test_a_run_that_is_queued_before_trino_is_up_costs_no_attempt(control_room: Room, own_trino: Trino) -> None:
    """As after an ordinary start of everything at one moment: the executor is there first."""
    own_trino.kill()
    executor = serve_trino(control_room, own_trino, slots="2")
    table = f"memory.default.{fresh()}"
    runs = [submit_sql(control_room, sql) for sql in (f"create table {table} as select 1 as a", "select 2", "select 3")]
    wait_for("Trino to be missed", lambda: executor.said("engine.away"))
    own_trino.start()
    found = [control_room.ended(run, 90) for run in runs]
    assert [(run["state"], run["attempt"]) for run in found] == [("succeeded", 1)] * 3, found


def test_after_a_statement_that_wrote_a_failure_is_not_repeated_unasked(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    table = f"memory.default.{fresh()}"
    # A local limit of Trino's own: class resources, which is retried by itself otherwise.
    greedy = "select array_agg(comment) from tpch.sf10.lineitem"
    script = f"create table {table} as select 1 as a; {greedy}"
    run_id = submit_sql(control_room, script)
    wait_for("the run to wait for a person", lambda: control_room.run(run_id)["state"] == "waiting", 90)
    run = control_room.run(run_id)
    assert run["state_reason"] == "rerun_unsafe"
    assert run["attempt"] == 1
    run_id = submit_sql(control_room, greedy, retry={**ONCE, "max_attempts": 2, "backoff_seconds": 0})
    failed = control_room.ended(run_id, 120)
    assert (failed["attempt"], failed["error"]["class"]) == (2, "resources"), failed["error"]
