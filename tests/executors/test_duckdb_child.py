"""A duckdb run: pinned inputs in as views, statements in order, tables published, everything told."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from executors.runtime.commit import publish
from tests.executors.child_harness import ChildRun, run_child, start_child
from tests.executors.lake import IcebergLake, Lake
from tests.support.seaweed import IcebergSeaweed, Seaweed, iceberg_store, object_store  # noqa: F401

ORDERS = pa.table({"customer": ["a", "b", "a", None], "amount": [1, 2, 3, None]})
SLOW = "select count(*) from range(100000000000) t (n) where n % 7 = 3"


@pytest.fixture
def lake(object_store: Seaweed, tmp_path: Path) -> Lake:  # noqa: F811 - pytest's way to name a fixture
    folder = tmp_path / "work"
    folder.mkdir()
    return Lake(object_store, folder)


def run(lake: Lake, sql: str, config: dict[str, Any] | None = None, **job: Any) -> ChildRun:
    return run_child("duckdb", lake.job(config={"sql": sql, **(config or {})}) | job)


def test_statements_read_inputs_at_their_version_and_publish_tables(lake: Lake) -> None:
    first = publish(lake.staged(ORDERS, "overwrite", "orders"), lake.connection)["table_version"]
    publish(lake.staged(ORDERS.slice(0, 1), "overwrite", "orders"), lake.connection)
    sql = """
    create table clean as select * from orders where amount >= $least::int;
    create view totals as select customer, sum(amount)::bigint as amount from clean group by 1;
    select customer, amount from totals order by customer
    """
    outputs, inputs = {"totals": "overwrite", "kept": "append"}, {"orders": first}
    job = lake.job(outputs, inputs, config={"sql": sql, "publish": {"kept": "clean"}}, params={"least": "2"})
    found = run_child("duckdb", job)
    assert found.code == 0, found.messages
    assert found.result["rows"] == [["a", 3], ["b", 2]]
    assert found.result["columns"] == [{"name": "customer", "type": "string"}, {"name": "amount", "type": "int64"}]
    assert found.result["published"] == {"kept": 2, "totals": 2}
    assert [one["type"] for one in found.result["statements"]] == ["create", "create", "select"]
    assert parquet.read_table(io.BytesIO(found.artifacts["result.parquet"])).num_rows == 2
    for publication in found.of("publication"):
        marker = {"app_id": f"{job['run_id']}/{publication['output']}", "app_version": 1}
        publish({name: value for name, value in publication.items() if name != "type"} | marker, lake.connection)
    assert sorted(lake.open("totals").to_pyarrow_table()["amount"].to_pylist()) == [2, 3]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json", "ndjson"])
def test_an_object_is_the_relation_as_the_kind_of_file_that_its_path_says(lake: Lake, suffix: str) -> None:
    job = lake.job(config={"sql": "create table t as select 'a' as k, 1 as v", "publish": {"file": "t"}})
    output = {"name": "file", "format": "object", "mode": "overwrite", "uri": f"{lake.uri('file')}.{suffix}"}
    found = run_child("duckdb", job | {"outputs": [output]})
    assert (found.code, found.result["published"]) == (0, {"file": 1}), found.messages
    (publication,) = found.of("publication")
    marker = {"app_id": f"{job['run_id']}/file", "app_version": 1}
    publish({name: value for name, value in publication.items() if name != "type"} | marker, lake.connection)
    taken = {"name": f"in.{suffix}", "kind": "object", "format": "object", "uri": output["uri"], "version": 1}
    taken |= {"sha256": publication["files"][0]["sha256"], "size": publication["files"][0]["size"]}
    read = run(lake, f'select * from "in.{suffix}"', inputs=[taken])
    assert (read.code, read.result["rows"]) == (0, [["a", 1]]), read.messages


def test_an_object_of_no_known_kind_is_refused(lake: Lake) -> None:
    output = {"name": "file", "format": "object", "mode": "overwrite", "uri": lake.uri("file.xlsx")}
    found = run(lake, "create table file as select 1 as v", outputs=[output])
    assert (found.code, found.error["class"], found.error["code"]) == (1, "user", "output_unknown_kind")


def test_an_iceberg_table_is_published_and_is_a_view_for_the_next(
    iceberg_store: IcebergSeaweed,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "work").mkdir()
    iceberg = IcebergLake(iceberg_store, tmp_path / "work")
    job = iceberg.job({"t": "overwrite"}, config={"sql": "create table t as select i as x from range(3) r (i)"})
    (publication,) = run_child("duckdb", job).of("publication")
    marker = {"app_id": f"{job['run_id']}/t", "app_version": 1}
    published = {name: value for name, value in publication.items() if name != "type"} | marker
    version = publish(published, iceberg.connection)["table_version"]
    sql = "select sum(x)::int as s, (select count(*) from t where x > 0)::int as n from t"
    read = run_child("duckdb", iceberg.job(inputs={"t": version}, config={"sql": sql}))
    assert (read.code, read.result["rows"]) == (0, [[3, 2]]), read.messages


def test_each_statement_that_returns_rows_has_a_file_of_its_own(lake: Lake) -> None:
    found = run(lake, "select 1 as a; create table t as select 2 as b; insert into t values (3), (4); select * from t")
    assert found.code == 0, found.messages
    kept = {name: parquet.read_table(io.BytesIO(data)).to_pylist() for name, data in found.artifacts.items()}
    assert kept == {"result-1.parquet": [{"a": 1}], "result-4.parquet": [{"b": 2}, {"b": 3}, {"b": 4}]}
    assert (found.result["rows"], found.result["parquet"]) == ([[2], [3], [4]], "result-4.parquet")
    assert [one["rows"] for one in found.result["statements"]] == [1, 1, 2, 3]


def test_rows_that_a_change_returns_are_kept_beside_those_of_a_query(lake: Lake) -> None:
    found = run(lake, "create table t (a int); insert into t values (7) returning a as made; select 1 as one")
    assert found.code == 0, found.messages
    kept = {name: parquet.read_table(io.BytesIO(data)).to_pylist() for name, data in found.artifacts.items()}
    assert kept == {"result-2.parquet": [{"made": 7}], "result.parquet": [{"one": 1}]}


def test_files_are_inputs_too(lake: Lake, tmp_path: Path) -> None:
    path = lake.work_dir / "0-meters.csv"
    path.write_text("meter,kwh\nm1,1.5\nm2,2.5\n")
    inputs = [{"name": "meters.csv", "kind": "artifact"}]
    found = run(lake, 'select sum(kwh) from "meters.csv"', inputs=inputs, input_files={"meters.csv": str(path)})
    assert found.result["rows"] == [[4.0]]
    odd = run(lake, "select 1", inputs=[{"name": "x.bin", "kind": "artifact"}], input_files={"x.bin": str(path)})
    assert odd.error["code"] == "input_unreadable"


def test_params_of_all_json_types_are_bound_and_never_pasted(lake: Lake) -> None:
    sql = "select $text as t, $n as n, $x as x, $yes as yes, $none as none, $list[2] as l, $o::json ->> 'k' as o"
    params = {
        "text": "'; drop table x; --",
        "n": 2**40,
        "x": 0.5,
        "yes": True,
        "none": None,
        "list": [1, 2],
        "o": {"k": "v"},
    }
    found = run(lake, sql, params=params)
    assert found.code == 0, found.messages
    assert found.result["rows"] == [["'; drop table x; --", 2**40, 0.5, True, None, 2, "v"]]


def test_values_that_json_has_no_word_for_are_shown_as_text(lake: Lake) -> None:
    sql = """select 'nan'::double, 9007199254740993::bigint, 1.20::decimal(4, 2), date '2013-01-02', '\\x00'::blob,
      timestamp '2013-01-02 03:04:05', [1, null], {'a': 1}"""
    (row,) = run(lake, sql).result["rows"]
    assert row == ["nan", "9007199254740993", "1.20", "2013-01-02", "00", "2013-01-02T03:04:05", [1, None], {"a": 1}]


def test_a_long_result_is_cut_in_the_run_and_whole_in_its_file(lake: Lake) -> None:
    found = run(lake, "select n from range(5000) t (n)")
    assert (len(found.result["rows"]), found.result["row_count"], found.result["truncated"]) == (1000, 5000, True)
    assert parquet.read_table(io.BytesIO(found.artifacts["result.parquet"])).num_rows == 5000
    bare = run(lake, "select 1", {"parquet": False})
    assert (bare.result["parquet"], bare.artifacts) == (None, {})


@pytest.mark.parametrize(
    ("sql", "code", "position"),
    [
        ("select 1;\n  selec 2", "parser_error", {"statement": 1, "line": 2, "column": 3}),
        ("select 1;\n\n  select x from nothing", "catalog_error", {"statement": 2, "line": 3, "column": 3}),
        ("select 1; select nope from range(3)", "binder_error", {"statement": 2, "line": 1, "column": 18}),
        ("select 'x'::int", "conversion_error", {"statement": 1, "line": 1, "column": 11}),
        ("select $absent", "params_missing", {"statement": 1, "line": 1, "column": 1}),
        ("-- nothing", "sql_missing", None),
    ],
)
def test_wrong_sql_is_the_users_and_says_where(
    lake: Lake, sql: str, code: str, position: dict[str, int] | None
) -> None:
    found = run(lake, sql)
    assert found.code == 1
    assert (found.error["class"], found.error["code"], found.error["position"]) == ("user", code, position)


def test_a_missing_table_is_told_with_the_inputs_that_are_there(lake: Lake) -> None:
    publish(lake.staged(pa.table({"kwh": [1]}), "overwrite", "readings"), lake.connection)
    job = lake.job(inputs={"readings": 0}, config={"sql": "select 1; select * from settings"})
    assert run_child("duckdb", job).error["message"].endswith("does not exist; the run's inputs are: readings")


def test_a_script_of_the_bundle_is_named_in_the_position(lake: Lake, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "mart.sql").write_text("select 1;\nselect 1,\n  x from range(3);\n")
    found = run_child("duckdb", lake.job(entrypoint="mart.sql", bundle_dir=str(bundle)))
    assert found.error["position"] == {"file": "mart.sql", "statement": 2, "line": 3, "column": 3}
    assert found.result["statements"][0]["type"] == "select"


def test_a_failed_statement_publishes_nothing(lake: Lake) -> None:
    job = lake.job({"made": "append"}, config={"sql": "create table made as select 1 as x; select y from made"})
    found = run_child("duckdb", job)
    assert found.code == 1
    assert found.of("publication") == []


def test_an_output_that_no_statement_makes_is_named(lake: Lake) -> None:
    found = run_child("duckdb", lake.job({"made": "append"}, config={"sql": "select 1"}))
    assert found.error["code"] == "relation_missing"
    assert "'made'" in found.error["message"]


def test_a_query_beyond_its_memory_ends_as_out_of_resources(lake: Lake) -> None:
    sql = "set max_temp_directory_size = '1MB'; select list(n) from range(200000000) t (n)"
    found = run(lake, sql, caps={"memory_bytes": 256 * 2**20})
    assert (found.error["class"], found.error["code"]) == ("resources", "out_of_memory")


def test_a_query_larger_than_its_memory_spills(lake: Lake) -> None:
    sql = "set threads = 1; select count(*) from (select n, md5(n::text) h from range(3000000) t (n) order by h)"
    found = run(lake, sql, caps={"memory_bytes": 256 * 2**20})
    assert found.code == 0, found.error
    assert found.result["rows"] == [[3000000]]


def test_a_cancelled_query_ends_at_once(lake: Lake) -> None:
    child = start_child("duckdb", lake.job(config={"sql": f"create table t as select 1; {SLOW}"}))
    child.wait_for("statement 1 of 2: create")
    child.terminate_group()
    found = child.end(20)
    assert found.code == 143
    assert found.of("cancelled")


def test_a_long_query_says_how_far_it_is(lake: Lake) -> None:
    child = start_child(
        "duckdb", lake.job(config={"sql": "select count(*) from range(40000000000) t (n) where n % 7 = 3"})
    )
    child.wait_for('"fraction": 0.0')
    child.terminate_group()
    assert child.end(20).code == 143


@pytest.mark.parametrize(
    "sql",
    ["install httpfs", "select * from read_csv('/etc/passwd')", "copy (select 1) to '/etc/made.csv'"],
)
def test_sql_reaches_nothing_but_its_own(lake: Lake, sql: str) -> None:
    secret = lake.work_dir.with_name(f"{lake.work_dir.name}-secrets")
    secret.mkdir(exist_ok=True)
    (secret / "token").write_text("a\nsecret\n")
    found = run(lake, sql.replace("/etc/passwd", str(secret / "token")))
    assert found.code == 1, found.messages
    assert "secret\n" not in str(found.messages)


def test_a_config_that_is_wrong_is_refused_by_name(lake: Lake) -> None:
    for config, word in (
        ({"sqll": "x"}, "sqll"),
        ({"sql": ""}, "sql"),
        ({"sql": "select 1", "threads": 0}, "threads"),
        ({"sql": "select 1", "publish": {"x": "y"}}, "publish.x"),
        ({"sql": "select 1", "parquet": 1}, "parquet"),
    ):
        found = run_child("duckdb", lake.job(config=config))
        assert (found.error["class"], found.error["code"]) == ("user", "config_invalid")
        assert f"config.{word} " in found.error["message"]
