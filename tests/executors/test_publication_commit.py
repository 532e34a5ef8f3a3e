"""A publication is committed exactly once, whoever repeats it and whenever."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from executors.runtime.commit import NotNowError, publish
from executors.runtime.failures import TaskError
from tests.executors.lake import Lake, column_x, end_of, start_commit
from tests.executors.races import overtaken
from tests.support.seaweed import Seaweed, object_store, own_object_store  # noqa: F401


@pytest.fixture
def lake(object_store: Seaweed, tmp_path: Path) -> Lake:  # noqa: F811
    return Lake(object_store, tmp_path)


def test_a_missing_table_is_created_with_the_data_and_the_marker_in_version_0(lake: Lake) -> None:
    publication = lake.staged(column_x(1, 2, 3))
    assert publish(publication, lake.connection) == {"table_version": 0, "already": False}
    assert lake.rows() == [1, 2, 3]
    assert lake.open().transaction_version(publication["app_id"]) == 1


def test_a_second_commit_finds_the_version_of_the_first_even_below_newer_ones(lake: Lake) -> None:
    publish(lake.staged(column_x(0)), lake.connection)
    publication = lake.staged(column_x(1))
    assert publish(publication, lake.connection) == {"table_version": 1, "already": False}
    publish(lake.staged(column_x(2)), lake.connection)
    assert publish(publication, lake.connection) == {"table_version": 1, "already": True}
    assert lake.rows() == [0, 1, 2]


def test_the_version_is_found_after_a_checkpoint_too(lake: Lake) -> None:
    publication = lake.staged(column_x(1))
    publish(publication, lake.connection)
    publish(lake.staged(column_x(2)), lake.connection)
    lake.open().create_checkpoint()
    assert publish(publication, lake.connection) == {"table_version": 0, "already": True}


def test_an_overwrite_removes_every_old_file_and_its_schema_replaces_the_old_one(lake: Lake) -> None:
    publish(lake.staged(column_x(1)), lake.connection)
    publish(lake.staged(column_x(2)), lake.connection)
    new = pa.table({"x": ["a"], "when": pa.array([0], pa.timestamp("us", "UTC"))})
    assert publish(lake.staged(new, "overwrite"), lake.connection)["table_version"] == 2
    assert lake.open().to_pyarrow_table().to_pylist() == new.to_pylist()
    assert len(lake.open().file_uris()) == 1
    assert lake.open(version=1).to_pyarrow_table().num_rows == 2


def test_an_overwrite_with_a_timestamp_without_zone_keeps_the_table_readable(lake: Lake) -> None:
    publish(lake.staged(column_x(1)), lake.connection)
    wall = pa.table({"x": pa.array([1_000_000], pa.timestamp("us"))})
    publication = lake.staged(wall, "overwrite")
    version = publish(publication, lake.connection)["table_version"]
    assert lake.open().version() == version
    assert lake.open().to_pyarrow_table().equals(wall)
    assert publish(publication, lake.connection) == {"table_version": version, "already": True}


def test_an_overwrite_without_rows_empties_the_table(lake: Lake) -> None:
    publish(lake.staged(column_x(1)), lake.connection)
    publication = lake.staged(column_x(), "overwrite")
    assert (publication["rows"], publication["files"]) == (0, [])
    assert publish(publication, lake.connection) == {"table_version": 1, "already": False}
    assert publish(publication, lake.connection) == {"table_version": 1, "already": True}
    assert lake.rows() == []


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_publication_without_rows_creates_the_table(lake: Lake, mode: str) -> None:
    assert publish(lake.staged(column_x(), mode), lake.connection) == {"table_version": 0, "already": False}
    assert lake.open().to_pyarrow_table().schema.names == ["x"]


def test_an_append_with_other_columns_is_refused_and_shows_both_schemas(lake: Lake) -> None:
    publish(lake.staged(column_x(1)), lake.connection)
    code, answer = end_of(start_commit(lake.staged(pa.table({"x": ["text"], "y": [1]})), lake.connection))
    assert code == 2
    assert (answer["error"]["class"], answer["error"]["code"]) == ("user", "schema_mismatch")
    assert "the table has (x long)" in answer["error"]["message"]
    assert "the data has (x string, y long)" in answer["error"]["message"]
    assert lake.open().version() == 0


def test_an_append_takes_the_columns_in_another_order(lake: Lake) -> None:
    publish(lake.staged(pa.table({"x": [1], "y": ["a"]})), lake.connection)
    publish(lake.staged(pa.table({"y": ["b"], "x": [2]})), lake.connection)
    table = lake.open().to_pyarrow_table().sort_by("x")
    assert table.to_pylist() == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]


def test_a_staged_object_that_is_gone_fails_for_good_and_commits_nothing(lake: Lake) -> None:
    publication = lake.staged(column_x(1))
    lake.store.client().delete_object(Bucket="lakehouse", Key=f"{lake.folder}/table/{publication['files'][0]['path']}")
    code, answer = end_of(start_commit(publication, lake.connection))
    assert (code, answer["error"]["class"], answer["error"]["code"]) == (2, "internal", "staged_missing")
    assert lake.objects() == []


def test_a_staged_object_of_other_size_fails_for_good(lake: Lake) -> None:
    publication = lake.staged(column_x(1))
    publication["files"][0]["size"] += 1
    with pytest.raises(TaskError, match="not the file that was reported"):
        publish(publication, lake.connection)


def test_a_marker_of_another_epoch_is_refused(lake: Lake) -> None:
    publication = lake.staged(column_x(1))
    publish(publication, lake.connection)
    with pytest.raises(TaskError, match="committed under epoch 1, this publication is of epoch 2"):
        publish(publication | {"app_version": 2}, lake.connection)


@pytest.mark.parametrize("path", ["../other/part.parquet", "/part.parquet", "s3://other/part", "a b", "a/../b"])
def test_a_file_outside_the_table_is_refused(lake: Lake, path: str) -> None:
    publication = lake.staged(column_x(1))
    publication["files"][0]["path"] = path
    with pytest.raises(TaskError, match="no plain path"):
        publish(publication, lake.connection)


@pytest.mark.parametrize("request_text", ["", "{", "[]", "{}", '{"publication": {}, "connection": {}}'])
def test_a_broken_request_is_answered_not_thrown(request_text: str) -> None:
    from executors.runtime.commit import answer

    code, value = answer(request_text)
    assert (code, value["error"]["class"]) == (2, "internal")


@pytest.mark.parametrize("mode", ["append", "overwrite"])
@pytest.mark.parametrize("exists", [True, False], ids=["table exists", "table is missing"])
@pytest.mark.parametrize("same", [True, False], ids=["same marker", "other marker"])
def test_a_writer_paused_between_check_and_commit_looks_again(
    lake: Lake, pool: ThreadPoolExecutor, mode: str, exists: bool, same: bool
) -> None:
    if exists:
        publish(lake.staged(column_x(0)), lake.connection)
    slow = lake.staged(column_x(1), mode)
    fast = slow if same else lake.staged(column_x(2), "append")
    first, second = overtaken(pool, lake.connection, slow, fast)
    if same:
        assert second == {"table_version": first["table_version"], "already": True}
        assert lake.rows() == [0, 1] if exists and mode == "append" else [1]
    else:
        assert second == {"table_version": first["table_version"] + 1, "already": False}
        assert lake.rows() == ([1] if mode == "overwrite" else [0, 1, 2] if exists else [1, 2])


@pytest.mark.parametrize("mode", ["append", "overwrite"])
@pytest.mark.parametrize("exists", [True, False], ids=["table exists", "table is missing"])
def test_two_writers_that_both_checked_commit_once(
    lake: Lake, pool: ThreadPoolExecutor, mode: str, exists: bool
) -> None:
    if exists:
        publish(lake.staged(column_x(0), mode), lake.connection)
    publication = lake.staged(column_x(1), mode)
    both = threading.Barrier(2)
    passed = threading.local()

    def meet() -> None:
        if not getattr(passed, "once", False):
            passed.once = True
            both.wait(60)

    def write() -> dict[str, Any]:
        return publish(publication, lake.connection, before_commit=meet)

    answers = [future.result(60) for future in [pool.submit(write), pool.submit(write)]]
    assert sorted(answer["already"] for answer in answers) == [False, True]
    assert len({answer["table_version"] for answer in answers}) == 1
    assert lake.rows() == ([0, 1] if exists and mode == "append" else [1])


def test_many_creators_of_one_table_lose_no_row_and_double_none(lake: Lake, pool: ThreadPoolExecutor) -> None:
    publications = [lake.staged(column_x(number)) for number in range(6)]
    answers = list(pool.map(lambda p: publish(p, lake.connection), [*publications, *publications]))
    assert lake.rows() == list(range(6))
    assert sorted(a["table_version"] for a in answers if not a["already"]) == list(range(6))


def test_two_processes_commit_one_publication_once(lake: Lake) -> None:
    publish(lake.staged(column_x(0)), lake.connection)
    publication = lake.staged(column_x(1))
    ends = [end_of(p) for p in [start_commit(publication, lake.connection) for _ in range(3)]]
    assert [code for code, _ in ends] == [0, 0, 0]
    assert sorted(answer["already"] for _, answer in ends) == [False, True, True]
    assert {answer["table_version"] for _, answer in ends} == {1}
    assert lake.rows() == [0, 1]


def test_a_commit_file_names_run_and_epoch_for_auditors(lake: Lake) -> None:
    publication = lake.staged(column_x(1))
    publish(publication, lake.connection)
    assert publication["app_id"] in json.dumps(lake.open().history())


def test_a_store_that_is_down_asks_to_come_back_later(own_object_store: Seaweed, tmp_path: Path) -> None:  # noqa: F811
    lake = Lake(own_object_store, tmp_path)
    publication = lake.staged(column_x(1))
    own_object_store.stop()
    with pytest.raises(NotNowError, match="Connection refused"):
        publish(publication, lake.connection, patience_seconds=0)
    own_object_store.start()
    assert publish(publication, lake.connection)["already"] is False
    assert lake.rows() == [1]
