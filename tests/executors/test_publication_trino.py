"""What runs publish to Iceberg and what Trino writes there, each read by the other."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from executors.runtime import child_data
from executors.runtime.commit import publish
from tests.executors.lake import IcebergLake
from tests.support.seaweed import IcebergSeaweed
from tests.support.trino import Trino

ROWS = pa.table(
    {
        "x": [1, 2],
        "small": pa.array([1, None], pa.int8()),
        "at": pa.array([0, 1], pa.timestamp("us", "UTC")),
        "price": pa.array(["1.10", "2.20"]).cast(pa.decimal128(12, 2)),
        "tags": pa.array([["a"], None], pa.list_(pa.string())),
        "point": pa.array([{"lat": 1.5}, None]),
    }
)


@pytest.fixture
def shared(lake: IcebergSeaweed, tmp_path: Path) -> IcebergLake:
    return IcebergLake(lake, tmp_path)


def test_trino_reads_what_runs_publish_and_runs_read_and_append_to_what_trino_writes(
    shared: IcebergLake, trino: Trino
) -> None:
    publish(shared.staged(ROWS), shared.connection)
    table = f'iceberg.{shared.namespace}."table"'
    columns = "x, small, cast(at as varchar), cast(price as varchar), tags, point.lat"
    assert trino.rows(f"select {columns} from {table} order by x") == [
        [1, 1, "1970-01-01 00:00:00.000000 UTC", "1.10", ["a"], 1.5],
        [2, None, "1970-01-01 00:00:00.000001 UTC", "2.20", None, None],
    ]
    trino.rows(f"insert into {table} (x) values (3)")
    trino.rows(f"delete from {table} where x = 1")
    version = publish(shared.staged(ROWS.slice(0, 1)), shared.connection)["table_version"]
    read = child_data.read_table(shared.job(inputs={"table": version}), "table")
    assert sorted(read.column("x").to_pylist()) == [1, 2, 3]
    assert trino.rows(f"select x from {table} order by x") == [[1], [2], [3]]


def test_trino_reads_a_table_whose_columns_an_overwrite_has_changed(shared: IcebergLake, trino: Trino) -> None:
    publish(shared.staged(ROWS), shared.connection)
    trino.rows(f'insert into iceberg.{shared.namespace}."table" (x) values (3)')
    new = pa.table({"x": ["text"], "price": ROWS.slice(0, 1).column("price"), "more": [7]})
    publish(shared.staged(new, "overwrite"), shared.connection)
    found = trino.rows(f'select x, cast(price as varchar), more from iceberg.{shared.namespace}."table"')
    assert found == [["text", "1.10", 7]]


def test_a_table_that_trino_made_is_appended_to_and_read(shared: IcebergLake, trino: Trino) -> None:
    shared.catalog().create_namespace(shared.namespace)
    table = f'iceberg.{shared.namespace}."table"'
    trino.rows(f"create table {table} as select bigint '1' as x, varchar 'a' as y")
    trino.rows(f"alter table {table} rename column y to z")
    version = publish(shared.staged(pa.table({"x": [2], "z": ["b"]})), shared.connection)["table_version"]
    read = child_data.read_table(shared.job(inputs={"table": version}), "table").sort_by("x")
    assert read.to_pylist() == [{"x": 1, "z": "a"}, {"x": 2, "z": "b"}]
    assert trino.rows(f"select x, z from {table} order by x") == [[1, "a"], [2, "b"]]
