"""SQL scripts taken apart, values made SQL, statistics made usage: without an engine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("trino", reason="the trino client is not installed: pip install 'lakehouse-control-room[trino]'")

from executors.runtime.failures import TaskError
from executors.trino.binding import bind, sql_moment
from executors.trino.config import parse_config
from executors.trino.engine import Bound, Query
from executors.trino.result import PREVIEW_BYTES, Preview
from executors.trino.settings import TrinoSettings
from executors.trino.statements import placed, split
from executors.trino.tables import full_name
from executors.trino.watch import Tally, session_properties

SCRIPT = """-- a comment; with a semicolon
select ';', ":no", 'it''s' /* ; :not */ from t where a = :a and b = :b;
  insert into "My Cat".s."t""q" select 1;;
create or replace table if not exists x.y as (select :c as c) with no data
"""


def test_a_script_is_divided_outside_quotes_and_comments() -> None:
    first, second, third = split(SCRIPT)
    assert (first.names, first.line, first.column) == (("a", "b"), 2, 1)
    assert first.sql.startswith("select ';', \":no\", 'it''s' /* ; :not */ from t where a = ? ")
    assert len(first.sql) == len(SCRIPT.splitlines()[1]) - 1  # columns stay where they were
    assert (second.line, second.column, second.target) == (3, 3, ("my cat", "s", 't"q'))
    assert (third.target, third.names) == (("x", "y"), ("c",))


@pytest.mark.parametrize(
    ("sql", "kind", "planned"),
    [
        ("select 1", "read", "select 1"),
        ("(select 1)", "read", "(select 1)"),
        ("with x as (select 1) select * from x", "read", "with x as (select 1) select * from x"),
        ("show tables", "read", None),
        ("explain analyze select 1", "read", None),
        ("explain analyze verbose delete from t", "write", None),
        ("explain delete from t", "read", None),
        ("call system.sync()", "write", None),
        ("create table t (a int)", "write", None),
        ("create table t (a int) with (x = 1) as select ? with data", "write", " select ? "),
        ("merge into t using s on true when matched then delete", "write", None),
        ("execute immediate 'drop table t'", "write", None),
    ],
)
def test_what_reads_what_writes_and_what_is_planned(sql: str, kind: str, planned: str | None) -> None:
    (found,) = split(sql)
    assert found.kind == kind
    shown = found.planned.sql if found.planned else None
    assert shown == (sql if sql.startswith("merge") else planned)


def test_the_body_of_a_function_is_no_end_of_a_statement() -> None:
    body = """create function f(a int) returns int begin
        if a > 1 then return case when a = 2 then 3 else 4 end; end if;
        while a < 0 do set a = a + 1; end while;
        return a; end;
        select f(1)"""
    first, second = split(body)
    assert first.sql.endswith("return a; end")
    assert second.sql == "select f(1)"


@given(st.text(alphabet="'\"; -*/?:ab\n()", max_size=60))
def test_no_script_is_too_odd_to_be_divided_and_nothing_is_lost(script: str) -> None:
    solid = "".join(script.split())
    kept = "".join("".join(each.sql.split()) for each in split(script))
    assert len(kept) <= len(solid)
    assert script.count("?") >= sum(name == "" for each in split(script) for name in each.names)


@pytest.mark.parametrize(
    ("target", "found"),
    [(("t",), ("c", "s", "t")), (("x", "t"), ("c", "x", "t")), (("a", "b", "t"), ("a", "b", "t"))],
)
def test_a_table_is_named_in_full_with_the_sessions_catalog_and_schema(target: Any, found: Any) -> None:
    assert full_name(target, "c", "s") == found
    assert full_name(("t",), None, None) is None


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        ("x", "integer"),
        (1.5, "bigint"),
        (True, "decimal(3,1)"),
        ("2013-13-01", "date"),
        ("soon", "timestamp"),
        ("nope", "uuid"),
        ([1], "varchar"),
        ({"a": 1}, "array(bigint)"),
        (1, "boolean"),
        ([1], "array"),
        ("x", "varchar); drop table t --"),
        ("x", "bigint; drop table t"),
    ],
)
def test_a_value_that_is_none_of_its_type_is_refused_by_name(value: Any, declared: str) -> None:
    with pytest.raises(TaskError, match="param 'p' is") as caught:
        bind(["p"], {"p": value}, {"p": declared}, [])
    assert (caught.value.failure_class, caught.value.code) == ("user", "parameter_invalid")


@given(st.text(max_size=30))
def test_no_text_leaves_its_literal(value: str) -> None:
    (found,) = bind(["p"], {"p": value}, {}, [])
    assert found[0] == found[-1] == "'"
    assert found[1:-1].replace("''", "") == value.replace("'", "")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("2013-01-02T03:04:05Z", "2013-01-02 03:04:05 UTC"),
        ("2013-01-02T03:04:05.1+02:00", "2013-01-02 03:04:05.1 +02:00"),
        ("2013-01-02 03:04:05 Europe/Berlin", "2013-01-02 03:04:05 Europe/Berlin"),
    ],
)
def test_moments_are_written_as_sql_has_them(given: str, found: str) -> None:
    assert sql_moment(given) == found


def test_a_statement_travels_prepared_when_it_is_short_and_immediate_when_it_is_long() -> None:
    assert Bound("select ?", ["1"]).posted() == "EXECUTE statement USING 1"
    assert Bound("select ?", ["1"]).posted(explain=True) == "EXPLAIN (FORMAT JSON) EXECUTE statement USING 1"
    long = Bound("select ?, 'a'" + " " * 10_000, ["1"])
    assert long.posted().startswith("EXECUTE IMMEDIATE 'select ?, ''a''")
    assert long.posted(explain=True) == ""


def test_the_preview_ends_before_it_is_too_large_for_a_report() -> None:
    preview = Preview()
    preview.begin([{"name": "a", "type": "varchar"}])
    preview.add([["x" * 1000]] * 900)
    assert len(preview.rows) < PREVIEW_BYTES / 1000
    assert preview.record()["truncated"]
    assert preview.record()["row_count"] == 900


def test_usage_adds_up_over_statements_but_for_the_peak() -> None:
    tally = Tally()
    for read, peak in ((10, 500), (5, 100)):
        query = Query(stats={"processedRows": read, "peakMemoryBytes": peak, "cpuTimeMillis": 1500})
        tally.hear(query)
        tally.end(query)
    usage = tally.usage()
    assert (usage["rows_read"], usage["memory_peak_bytes"], usage["cpu_seconds"]) == (15, 500, 3)
    assert tally.breach({"cpu_seconds": 2, "rows_out": 1}) == ("cpu_seconds", 2.0, 3.0)
    assert tally.breach({"cpu_seconds": 3}) is None


def test_what_is_left_of_each_cap_becomes_a_session_property() -> None:
    caps = {"wall_seconds": 10, "cpu_seconds": 4, "memory_bytes": 1000, "scanned_bytes": 100, "rows_out": 5}
    assert session_properties(caps, 2.5, {"cpu_seconds": 1.0, "scanned_bytes": 100.0}) == {
        "query_max_run_time": "7500ms",
        "query_max_execution_time": "7500ms",
        "query_max_cpu_time": "3000ms",
        "query_max_memory": "1000B",
        "query_max_total_memory": "1000B",
        "query_max_scan_physical_bytes": "1B",
    }


@pytest.mark.parametrize(
    ("job", "code"),
    [
        ({"config": {}}, "sql_missing"),
        ({"config": {"sql": "select 1"}, "entrypoint": "a.sql"}, "config_invalid"),
        ({"config": {"sql": 1}}, "config_invalid"),
        ({"config": {"sql": "select 1", "plan": "yes"}}, "config_invalid"),
        ({"config": {"sql": "select 1", "session": {"a b": "1"}}}, "config_invalid"),
        ({"entrypoint": "report.py"}, "entrypoint_invalid"),
        ({"entrypoint": "report.sql", "bundle_dir": "/nowhere"}, "entrypoint_missing"),
        ({"config": {"sql": "select 1; truncate table t", "read_only": True}}, "read_only"),
    ],
)
def test_a_config_that_is_wrong_is_refused_by_key(job: dict[str, Any], code: str) -> None:
    with pytest.raises(TaskError) as caught:
        parse_config(job)
    assert caught.value.code == code


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_TRINO_URL", "http://trino:8080")
    monkeypatch.setenv("OPS_TRINO_SCHEMA", "sales")
    found = TrinoSettings().checked().connection()
    assert (found["url"], found["schema"], found["user"]) == ("http://trino:8080", "sales", "control-room")
    assert "password" not in found


@pytest.mark.parametrize(
    ("sql", "sent", "bound"),
    [
        ("select ? from t where a = ?", "select ? from t where a = ?", ["1", "'?'"]),
        ("call f(a => ?, b => '?', c => ?)", "call f(a => 1, b => '?', c => '?')", []),
        ("select ? from t for version as of ?", "select ? from t for version as of '?'", ["1"]),
        ("-- as of\nselect 'as of', ?, ?", "-- as of\nselect 'as of', ?, ?", ["1", "'?'"]),
        ("with call as (select ?) select ? from call", "with call as (select ?) select ? from call", ["1", "'?'"]),
    ],
)
def test_values_stand_in_the_statement_only_where_trino_binds_none(sql: str, sent: str, bound: list[str]) -> None:
    assert placed(sql, ["1", "'?'"]) == (sent, bound)
    assert placed(sql, []) == (sql, [])
