"""Staging: whole files by conditional PUT, memory flat, visible after the commit only; reading at pinned versions."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from contract.models import Publication
from executors.runtime import child_data, stage_table
from executors.runtime.commit import publish
from executors.runtime.delta_storage import storage_options
from executors.runtime.failures import TaskError
from tests.executors.lake import Lake, column_x
from tests.support.seaweed import Seaweed, object_store, own_object_store  # noqa: F401

ROWS = 300_000


@pytest.fixture
def lake(object_store: Seaweed, tmp_path: Path) -> Lake:  # noqa: F811
    return Lake(object_store, tmp_path)


def batches(rows: int, size: int = 10_000) -> pa.RecordBatchReader:
    schema = pa.schema([("x", pa.int64()), ("text", pa.string())])

    def make() -> Iterator[pa.RecordBatch]:
        for start in range(0, rows, size):
            numbers = range(start, min(start + size, rows))
            texts = [hashlib.sha256(str(n).encode()).hexdigest() for n in numbers]
            yield pa.record_batch([pa.array(numbers, pa.int64()), pa.array(texts)], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, make())


def test_a_publication_is_what_the_contract_takes(lake: Lake) -> None:
    job = lake.job({"table": "append"})
    publication = child_data.stage(job, "table", column_x(1, 2))
    Publication.model_validate(publication)
    assert [file["path"] for file in publication["files"]] == [f"part-{job['run_id']}-1-00000.parquet"]
    assert publication["files"][0]["stats"]["numRecords"] == publication["rows"] == 2


def test_what_is_staged_is_in_the_store_and_in_no_table(lake: Lake) -> None:
    publication = lake.staged(column_x(1))
    file = publication["files"][0]
    assert lake.objects() == [file["path"]]
    body = lake.store.client().get_object(Bucket="lakehouse", Key=f"{lake.folder}/table/{file['path']}")["Body"].read()
    assert (hashlib.sha256(body).hexdigest(), len(body)) == (file["sha256"], file["size"])


def test_a_long_stream_becomes_several_files_with_every_row_once(lake: Lake) -> None:
    job = lake.job({"table": "append"})
    publication = stage_table.stage(job, "table", batches(ROWS), target_file_bytes=4 * 1024 * 1024)
    assert len(publication["files"]) > 1
    assert publication["rows"] == sum(file["rows"] for file in publication["files"]) == ROWS
    publish(publication | {"app_id": f"{job['run_id']}/table", "app_version": 1}, lake.connection)
    assert lake.rows() == list(range(ROWS))
    assert list(lake.work_dir.iterdir()) == []


def test_memory_stays_flat_while_a_stream_is_staged(lake: Lake) -> None:
    """A process of its own stages 1.2 GB of batches; its peak must stay far below that."""
    code = """
import json, os, resource, sys
import numpy as np, pyarrow as pa
from executors.runtime import child_data
job = json.load(sys.stdin)
schema = pa.schema([("x", pa.float64())])
batch = pa.record_batch([pa.array(np.zeros(1_000_000))], schema=schema)
child_data.stage(job, "warm", pa.table({"x": [1.0]}))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
publication = child_data.stage(job, "table", pa.RecordBatchReader.from_batches(schema, (batch for _ in range(150))))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([publication["rows"], (after - before) // 1024])); sys.stdout.flush(); os._exit(0)
"""
    job = json.dumps(lake.job({"table": "append", "warm": "append"}))
    done = subprocess.run([sys.executable, "-c", code], input=job, text=True, capture_output=True, check=True)
    rows, grown_mib = json.loads(done.stdout)
    assert rows == 150_000_000
    assert grown_mib < 300


def test_the_same_bytes_staged_again_are_fine(lake: Lake) -> None:
    job = lake.job({"table": "append"})
    assert child_data.stage(job, "table", column_x(1)) == child_data.stage(job, "table", column_x(1))


def test_other_bytes_under_the_same_name_are_refused_and_the_first_stay(lake: Lake) -> None:
    job = lake.job({"table": "append"})
    first = child_data.stage(job, "table", column_x(1))
    with pytest.raises(TaskError, match="exists already with other content") as refused:
        child_data.stage(job, "table", column_x(1, 2))
    assert refused.value.failure_class == "internal"
    publish(first | {"app_id": "run/table", "app_version": 1}, lake.connection)
    assert lake.rows() == [1]


def test_a_pandas_frame_is_staged_without_its_index(lake: Lake) -> None:
    frame = pd.DataFrame({"x": [1, 2], "name": ["a", None]}, index=[7, 8])
    publish(lake.staged(frame), lake.connection)
    assert lake.open().to_pyarrow_table().to_pydict() == {"x": [1, 2], "name": ["a", None]}


def test_a_table_is_read_at_its_pinned_version_0_included(lake: Lake) -> None:
    publish(lake.staged(column_x(1)), lake.connection)
    publish(lake.staged(column_x(2)), lake.connection)
    publish(lake.staged(column_x(9), "overwrite"), lake.connection)
    for version, rows in [(0, [1]), (1, [1, 2]), (2, [9])]:
        job = lake.job(inputs={"table": version})
        assert sorted(child_data.read_table(job, "table").column("x").to_pylist()) == rows
        assert sorted(child_data.read_batches(job, "table").read_all().column("x").to_pylist()) == rows


def test_only_the_columns_asked_for_are_read(lake: Lake) -> None:
    publish(lake.staged(pa.table({"x": [1], "y": ["a"]})), lake.connection)
    assert child_data.read_table(lake.job(inputs={"table": 0}), "table", ["y"]).to_pydict() == {"y": ["a"]}


def test_what_was_published_is_read_back_as_it_was(lake: Lake) -> None:
    table = pa.table(
        {
            "x": [1, None],
            "at": pa.array([0, None], pa.timestamp("us", "UTC")),
            "wall": pa.array([0, None], pa.timestamp("us")),
            "price": pa.array(["1.10", None]).cast(pa.decimal128(12, 2)),
            "tags": pa.array([["a"], None], pa.list_(pa.string())),
            "point": pa.array([{"lat": 1.5}, None], pa.struct([("lat", pa.float64())])),
        }
    )
    publish(lake.staged(table), lake.connection)
    assert child_data.read_table(lake.job(inputs={"table": 0}), "table").to_pylist() == table.to_pylist()


def test_statistics_let_a_reader_skip_files_and_never_hide_rows(lake: Lake) -> None:
    for value in range(3):
        at = pa.array([value * 1_000_001], pa.timestamp("us", "UTC"))
        wall = pa.array([value * 1_000_001], pa.timestamp("us"))
        text = [f"{'long text ' * 9}{value}"]
        publish(lake.staged(pa.table({"x": [value], "at": at, "wall": wall, "text": text})), lake.connection)
    for row in lake.open().to_pyarrow_table().to_pylist():
        for column, wanted in row.items():
            assert lake.open().to_pyarrow_table(filters=[(column, "=", wanted)]).to_pylist() == [row]


def test_a_file_with_a_nan_hides_no_row_from_a_filter(lake: Lake) -> None:
    """deltalake 1.6 hides the rows of a file that lacks a bound which another file has."""
    for values in ([1.0], [float("nan"), 2.0], [None], [float("inf"), 3.0], [float("-inf"), float("nan")]):
        publish(lake.staged(pa.table({"x": pa.array(values, pa.float64())})), lake.connection)
    for wanted in (1.0, 2.0, 3.0):
        assert lake.open().to_pyarrow_table(filters=[("x", "=", wanted)]).num_rows == 1


def test_a_file_without_statistics_hides_no_row_from_an_input(lake: Lake) -> None:
    publish(lake.staged(column_x(1)), lake.connection)
    bare = lake.staged(column_x(2))
    bare["files"][0]["stats"] = None
    publish(bare, lake.connection)
    dataset = child_data.dataset(lake.job(inputs={"table": 1}), "table")
    assert dataset.to_table(filter=pc.field("x") == 2).num_rows == 1


def test_a_partitioned_table_of_another_writer_is_read_with_its_partition_columns(lake: Lake) -> None:
    rows = pa.table({"x": [1, 2, 3], "day": ["a b", "c", None]})
    write_deltalake(lake.uri(), rows, partition_by=["day"], storage_options=storage_options(lake.connection))
    dataset = child_data.dataset(lake.job(inputs={"table": 0}), "table")
    assert dataset.to_table().sort_by("x").select(["x", "day"]).to_pylist() == rows.to_pylist()
    assert dataset.to_table(filter=pc.field("day") == "a b").column("x").to_pylist() == [1]


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ([], "input_unknown"),
        ([{"name": "table", "kind": "table", "uri": None, "version": None}], "input_not_pinned"),
        ([{"name": "table", "kind": "table", "uri": "s3://lakehouse/{}/nothing", "version": 0}], "input_missing"),
        ([{"name": "table", "kind": "table", "uri": "s3://lakehouse/{}/table", "version": 7}], "input_unreadable"),
        ([{"name": "table", "kind": "table", "uri": "s3://elsewhere/table", "version": 0}], "connection_missing"),
    ],
)
def test_an_input_that_cannot_be_read_says_which_and_why(
    lake: Lake, inputs: list[dict[str, object]], code: str
) -> None:
    publish(lake.staged(column_x(1)), lake.connection)
    for record in inputs:
        record["uri"] = str(record["uri"]).format(lake.folder) if record["uri"] else None
    with pytest.raises(TaskError, match=r"'table'|s3://elsewhere/table") as refused:
        child_data.read_table(lake.job() | {"inputs": inputs}, "table")
    assert (refused.value.failure_class, refused.value.code) == ("user", code)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (pa.table({"t": pa.array([1], pa.time64("us"))}), "type_unsupported"),
        (pa.table({"a": [1], "A": [2]}), "column_name_twice"),
        (pa.table({}), "schema_empty"),
        (pa.table({"t": pa.array([1], pa.timestamp("ns"))}), "value_lost"),
        (pa.table({"t": pa.array([2**63], pa.uint64())}), "value_lost"),
        ([1, 2], "data_unsupported"),
    ],
)
def test_data_that_delta_cannot_hold_is_refused_by_name_and_leaves_nothing(lake: Lake, data: object, code: str) -> None:
    with pytest.raises(TaskError, match="'table'") as refused:
        lake.staged(data)
    assert (refused.value.failure_class, refused.value.code) == ("user", code)
    assert lake.objects() == []
    assert list(lake.work_dir.iterdir()) == []


def test_a_store_that_is_down_is_an_external_failure(own_object_store: Seaweed, tmp_path: Path) -> None:  # noqa: F811
    lake = Lake(own_object_store, tmp_path)
    publish(lake.staged(column_x(1)), lake.connection)
    own_object_store.stop()
    for action in (
        lambda: lake.staged(column_x(1)),
        lambda: child_data.read_table(lake.job(inputs={"table": 0}), "table"),
    ):
        with pytest.raises(TaskError) as failed:
            action()
        assert failed.value.failure_class == "external"


def test_a_staged_file_is_ordinary_parquet_with_row_groups(lake: Lake) -> None:
    publication = lake.staged(batches(ROWS))
    key = f"{lake.folder}/table/{publication['files'][0]['path']}"
    body = lake.store.client().get_object(Bucket="lakehouse", Key=key)["Body"].read()
    metadata = pq.ParquetFile(pa.BufferReader(body)).metadata
    assert metadata.num_row_groups >= 2
    assert metadata.row_group(0).column(0).compression == "ZSTD"
