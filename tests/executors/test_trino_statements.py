"""The Trino executor against a real Trino: what statements bind, return and write, and what is kept of them."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.executors.room import Room, pack
from tests.executors.sql import (
    artifacts,
    done,
    parquet,
    queries,
    result,
    serve_trino,
    submit_sql,
)
from tests.support.trino import Trino, fresh

# SQL, the type that a column has in Parquet, the value that is read from it.
TYPES: list[tuple[str, str, Any]] = [
    ("true", "bool", True),
    ("tinyint '-1'", "int8", -1),
    ("9223372036854775807", "int64", 2**63 - 1),
    ("real '1.5'", "float", 1.5),
    ("infinity()", "double", math.inf),
    ("decimal '12.30'", "decimal128(4, 2)", Decimal("12.30")),
    ("cast(1 as decimal(38,10))", "decimal128(38, 10)", Decimal(1)),
    ("'grüße'", "string", "grüße"),
    ("X'00ff'", "binary", b"\x00\xff"),
    ("date '2013-01-02'", "date32[day]", date(2013, 1, 2)),
    ("date '0001-01-01'", "date32[day]", date(1, 1, 1)),
    ("time '10:20:30.5'", "time64[us]", time(10, 20, 30, 500000)),
    ("timestamp '2013-01-02 03:04:05.123'", "timestamp[ms]", datetime(2013, 1, 2, 3, 4, 5, 123000)),
    ("timestamp '2013-01-02 03:04:05.123456'", "timestamp[us]", datetime(2013, 1, 2, 3, 4, 5, 123456)),
    ("timestamp '2013-01-02 03:04:05.123456789'", "string", "2013-01-02 03:04:05.123456789"),
    (
        "timestamp '2013-01-02 03:04:05 Europe/Berlin'",
        "timestamp[us, tz=UTC]",
        datetime(2013, 1, 2, 2, 4, 5, tzinfo=UTC),
    ),
    ("timestamp '2013-01-02 03:04:05 +02:00'", "timestamp[us, tz=UTC]", datetime(2013, 1, 2, 1, 4, 5, tzinfo=UTC)),
    ("array[1, null, 3]", "list<element: int32>", [1, None, 3]),
    ("map(array[1, 2], array['a', null])", "map<int32, string>", [(1, "a"), (2, None)]),
    (
        "cast(row(1, 'x') as row(a bigint, b varchar))",
        "struct<a: int64, b: string>",
        {"a": 1, "b": "x"},
    ),
    ("array[array['a'], null]", "list<element: list<element: string>>", [["a"], None]),
    ("cast(null as array(row(a bigint)))", "list<element: struct<a: int64>>", None),
    ("json '{\"a\": 1}'", "string", '{"a":1}'),
    ("uuid '12151fd2-7586-11e9-8f9e-2a86e4085a59'", "string", "12151fd2-7586-11e9-8f9e-2a86e4085a59"),
    ("interval '1' day", "string", "1 00:00:00.000"),
    ("null", "string", None),
]

# A param's JSON value, its declared type ("" for none), what typeof() says, how it prints.
PARAMETERS: list[tuple[Any, str, str, str | None]] = [
    (None, "", "unknown", None),
    (None, "date", "date", None),
    (True, "", "boolean", "true"),
    (42, "", "bigint", "42"),
    (2**70, "", "decimal(22,0)", str(2**70)),
    (1.5, "", "double", "1.5E0"),
    ("it's", "", "varchar(4)", "it's"),
    ("it's; :not ?", "varchar", "varchar", "it's; :not ?"),
    ("2013-01-02", "date", "date", "2013-01-02"),
    ("2013-01-02 03:04:05.123456", "timestamp(6)", "timestamp(6)", "2013-01-02 03:04:05.123456"),
    (
        "2013-01-02T03:04:05Z",
        "timestamp(3) with time zone",
        "timestamp(3) with time zone",
        "2013-01-02 03:04:05.000 UTC",
    ),
    ("10:20:30", "time", "time(3)", "10:20:30.000"),
    ("12.345", "decimal(12,3)", "decimal(12,3)", "12.345"),
    (12, "decimal(12,3)", "decimal(12,3)", "12.000"),
    (7, "tinyint", "tinyint", "7"),
    ("AP8=", "varbinary", "varbinary", "00ff"),
    ("12151fd2-7586-11e9-8f9e-2a86e4085a59", "uuid", "uuid", "12151fd2-7586-11e9-8f9e-2a86e4085a59"),
    ([1, 2], "", "array(bigint)", "[1,2]"),
    ([1, None], "array(integer)", "array(integer)", "[1,null]"),
    ([], "array(varchar)", "array(varchar)", "[]"),
    ({"a": 1}, "", "map(varchar(1), bigint)", '{"a":1}'),
    ({"a": "2013-01-02"}, "map(varchar, date)", "map(varchar, date)", '{"a":"2013-01-02"}'),
    (
        {"b": "x", "a": [1.5]},
        "row(a array(decimal(3,1)), b varchar)",
        "row(a array(decimal(3,1)), b varchar)",
        '{"a":[1.5],"b":"x"}',
    ),
    ({"a": [1]}, "json", "json", '{"a":[1]}'),
]


def test_a_query_returns_its_first_rows_and_all_of_them_as_parquet(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    run_id = submit_sql(control_room, "select orderkey, custkey from orders order by orderkey")
    run = control_room.ended(run_id, 60)
    assert run["state"] == "succeeded", run["error"]
    found = run["result"]
    assert found["columns"] == [{"name": "orderkey", "type": "bigint"}, {"name": "custkey", "type": "bigint"}]
    assert (len(found["rows"]), found["row_count"], found["truncated"]) == (1000, 15000, True)
    assert found["rows"][0] == [1, 370]
    table = parquet(control_room, run_id)
    assert table.num_rows == 15000
    assert table.slice(0, 1).to_pylist() == [{"orderkey": 1, "custkey": 370}]
    assert set(artifacts(control_room, run_id)) == {"result.parquet", "queries.json"}
    (query,) = queries(control_room, run_id)
    assert query["query_id"] == found["statements"][0]["query_id"]
    assert query["plan"]["0"]["name"]
    usage = run["usage"]
    assert (usage["rows_out"], usage["rows_read"]) == (15000, 15000)
    assert usage["cpu_seconds"] > 0
    assert usage["memory_peak_bytes"] > 0
    log = control_room.logged(run_id, "log")
    assert f"query {query['query_id']}, {query['info_url']}" in log
    assert "FINISHED" in log


def test_each_type_keeps_its_value_in_parquet_and_in_the_preview(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    columns = ", ".join(f"{sql} as c{index}" for index, (sql, _, _) in enumerate(TYPES))
    run_id = submit_sql(control_room, f"select {columns}, 1 as twice, 2 as twice")
    run = control_room.ended(run_id, 60)
    assert run["state"] == "succeeded", run["error"]
    table = parquet(control_room, run_id)
    (row,) = table.to_pylist()
    for index, (sql, kind, value) in enumerate(TYPES):
        found = str(table.schema.field(f"c{index}").type)
        assert (found.replace(f" ('c{index}')", ""), row[f"c{index}"]) == (kind, value), sql
    assert (row["twice"], row["twice_2"]) == (1, 2)
    assert run["result"]["rows"][0][2] == "9223372036854775807"  # beyond what a double holds: as text
    assert run["result"]["rows"][0][4] == "Infinity"


def test_parameters_of_all_types_are_bound(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    names = [f"p{index}" for index in range(len(PARAMETERS))]
    shown = ", ".join(f"typeof(:{n}), {printed(n, p[2])}" for n, p in zip(names, PARAMETERS, strict=True))
    found = result(
        control_room,
        f"select {shown}",
        {name: value for name, (value, *_) in zip(names, PARAMETERS, strict=True)},
        {"types": {name: kind for name, (_, kind, *_) in zip(names, PARAMETERS, strict=True) if kind}},
    )
    (row,) = found["rows"]
    for index, (value, kind, type_, text) in enumerate(PARAMETERS):
        assert (row[2 * index], row[2 * index + 1]) == (type_, text), (value, kind)


def printed(name: str, kind: str) -> str:
    """SQL that shows a param's value as text."""
    if kind.startswith(("array", "map", "row")):
        return f"json_format(cast(:{name} as json))"
    forms = {"json": f"json_format(:{name})", "varbinary": f"to_hex(:{name})", "unknown": f"cast(:{name} as varchar)"}
    shown = forms.get(kind, f"cast(:{name} as varchar)")
    return f"lower({shown})" if kind == "varbinary" else shown


def test_bare_marks_take_the_params_that_the_config_names_in_order(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    config = {"parameters": ["b", "a", "b"]}
    assert result(control_room, "select ? - ?, '?', ?", {"a": 1, "b": 5}, config)["rows"] == [[4, "?", 5]]


def test_a_long_statement_binds_its_parameters_too(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    sql = "select :a, 'it''s' /* " + "x" * 20_000 + " */"
    assert result(control_room, sql, {"a": 1})["rows"] == [[1, "it's"]]


def test_a_script_of_the_bundle_is_executed_statement_by_statement(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    script = "-- first; not the end\nuse memory.default;\nset session join_distribution_type = 'BROADCAST';\n"
    script += "select 1 as a; select ';' as b where :flag;\nshow session like 'join_distribution_type';"
    bundle = bundled(control_room, {"report.sql": script})
    run = done(control_room, None, {"flag": True}, entrypoint="report.sql", bundle=bundle)  # type: ignore[arg-type]
    assert run["state"] == "succeeded", run["error"]
    assert [each["type"] for each in run["result"]["statements"]] == ["USE", "SET SESSION", "SELECT", "SELECT", "SHOW"]
    assert run["result"]["rows"][0][:2] == ["join_distribution_type", "BROADCAST"]
    assert parquet(control_room, run["run_id"], "result-3.parquet").to_pylist() == [{"a": 1}]
    assert parquet(control_room, run["run_id"], "result-4.parquet").to_pylist() == [{"b": ";"}]


def bundled(room: Room, files: dict[str, str]) -> dict[str, Any]:
    data = pack(files)
    record = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    key = room.call("put_bundle", room.operator, record)["object_key"]
    room.store.client().put_object(Bucket="artifacts", Key=key, Body=data)
    room.call("put_bundle", room.operator, record | {"stored": True})
    return record


@pytest.mark.parametrize("catalog", ["iceberg", "delta"])
def test_written_tables_are_artifacts_with_the_version_that_the_statement_made(
    control_room: Room, trino: Trino, catalog: str
) -> None:
    serve_trino(control_room, trino)
    schema, table = fresh("s"), fresh("t")
    script = f"""
        create schema {catalog}.{schema};
        create table "{catalog}".{schema}.{table} as select orderkey, totalprice from tpch.tiny.orders;
        insert into {table} select orderkey, totalprice from tpch.tiny.orders where orderkey < :least;
        delete from {schema}.{table} where orderkey = 1"""
    run = done(control_room, script, {"least": 100}, {"catalog": catalog, "schema": schema})
    assert run["state"] == "succeeded", run["error"]
    versions = [each["table"]["version"] for each in run["result"]["statements"][1:]]
    suffix = "$snapshots" if catalog == "iceberg" else "$history"
    column, order = ("snapshot_id", "committed_at") if catalog == "iceberg" else ("version", "version")
    sql = f'select {column} from {catalog}.{schema}."{table}{suffix}" order by {order}'
    assert [[version] for version in versions] == trino.rows(sql)
    kept = artifacts(control_room, run["run_id"])
    for version in versions:
        record = kept[f"{catalog}.{schema}.{table}@{version}"]
        assert (record["state"], record["table"]["version"]) == ("visible", version)
        assert record["table"]["format"] == catalog
        assert record["table"]["uri"].startswith("s3://")
    assert [each["rows"] for each in run["result"]["statements"][1:]] == [15000, 27, 2]
    assert run["usage"]["written_bytes"] > 0
    assert queries(control_room, run["run_id"])[1]["plan"]  # taken before the table was there


def test_trino_knows_whose_run_a_query_is(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    run = done(control_room, "select 1")
    query_id = run["result"]["statements"][0]["query_id"]
    session = requests.get(f"{trino.url}/v1/query/{query_id}", headers={"X-Trino-User": "tester"}, timeout=10).json()
    session = session["session"]
    assert session["source"].endswith(f"/{run['number']}")
    assert {f"run={run['run_id']}", f"number={run['number']}", "epoch=1"} <= set(session["clientTags"])
    assert (session["user"], session["catalog"], session["schema"]) == ("tester", "tpch", "tiny")


def test_a_result_without_rows_has_its_schema(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    run_id = submit_sql(control_room, "select orderkey from orders where false")
    assert control_room.ended(run_id, 60)["result"]["columns"] == [{"name": "orderkey", "type": "bigint"}]
    assert parquet(control_room, run_id).schema.names == ["orderkey"]


def test_plan_and_parquet_can_be_left_out(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    run_id = submit_sql(control_room, "select 1", config={"plan": False, "parquet": False})
    assert control_room.ended(run_id, 60)["result"]["parquet"] is None
    assert set(artifacts(control_room, run_id)) == set()


def test_warnings_of_the_engine_are_kept(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    table = f"memory.default.{fresh()}"
    run = done(control_room, f"create table {table} as select orderkey from orders order by orderkey")
    (warning,) = run["result"]["statements"][0]["warnings"]
    assert warning.startswith("REDUNDANT_ORDER_BY")
    assert "warning REDUNDANT_ORDER_BY" in control_room.logged(run["run_id"], "log")


def test_a_processes_second_run_knows_nothing_of_its_first(control_room: Room, trino: Trino) -> None:
    serve_trino(control_room, trino)
    result(control_room, "use memory.default; set session query_priority = 7; select :a", {"a": 1})
    shown = result(control_room, "select current_catalog, current_schema")
    assert shown["rows"] == [["tpch", "tiny"]]
    assert result(control_room, "show session like 'query_priority'")["rows"][0][1] == "1"
