"""A publication gets into its Iceberg table exactly once, whoever repeats it and whenever."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.transforms import IdentityTransform

from executors.runtime import child_data
from executors.runtime.commit import NotNowError, publish
from executors.runtime.failures import TaskError
from tests.executors.lake import IcebergLake, column_x, end_of, of_next_epoch, start_commit
from tests.executors.proxy import Proxy
from tests.executors.races import overtaken
from tests.support.seaweed import IcebergSeaweed, iceberg_store  # noqa: F401


@pytest.fixture
def lake(iceberg_store: IcebergSeaweed, tmp_path: Path) -> IcebergLake:  # noqa: F811
    return IcebergLake(iceberg_store, tmp_path)


def snapshots(lake: IcebergLake) -> list[int]:
    return [snapshot.snapshot_id for snapshot in lake.table().metadata.snapshots]


def test_a_missing_table_is_created_with_the_data_and_the_marker_in_one_commit(lake: IcebergLake) -> None:
    publication = lake.staged(column_x(1, 2, 3))
    answer = publish(publication, lake.connection)
    (snapshot,) = lake.table().metadata.snapshots
    location = lake.table().location()
    assert location.startswith(f"s3://warehouse/{lake.namespace}/table")
    assert answer == {"table_version": snapshot.snapshot_id, "already": False, "location": location}
    assert lake.rows() == [1, 2, 3]
    told = snapshot.summary.additional_properties if snapshot.summary else {}
    assert (told["control-room.publication"], told["control-room.epoch"]) == (publication["app_id"], "1")
    assert lake.table().format_version == 2


def test_a_second_commit_finds_the_snapshot_of_the_first_even_below_newer_ones(lake: IcebergLake) -> None:
    publish(lake.staged(column_x(0)), lake.connection)
    publication = lake.staged(column_x(1))
    first = publish(publication, lake.connection)
    publish(lake.staged(column_x(2)), lake.connection)
    assert publish(publication, lake.connection) == first | {"already": True}
    assert lake.rows() == [0, 1, 2]


def test_a_commit_that_was_rolled_back_is_not_done_again(lake: IcebergLake) -> None:
    first = publish(lake.staged(column_x(0)), lake.connection)
    publication = lake.staged(column_x(1))
    second = publish(publication, lake.connection)
    table = lake.table()
    table.manage_snapshots().set_current_snapshot(snapshot_id=first["table_version"]).commit()
    assert publish(publication, lake.connection) == second | {"already": True}
    assert lake.rows() == [0]


def test_an_overwrite_removes_every_old_file_and_its_schema_replaces_the_old_one(lake: IcebergLake) -> None:
    publish(lake.staged(pa.table({"x": [1], "stays": ["a"], "goes": [1.5]})), lake.connection)
    second = publish(lake.staged(pa.table({"x": [2], "stays": ["b"], "goes": [2.5]})), lake.connection)
    before = lake.table().schema()
    new = pa.table({"x": ["text"], "stays": ["c"], "when": pa.array([0], pa.timestamp("us", "UTC"))})
    third = publish(lake.staged(new, "overwrite"), lake.connection)
    table = lake.table()
    assert sorted(table.scan().to_arrow().column_names) == ["stays", "when", "x"]
    assert table.scan().to_arrow().select(new.column_names).to_pylist() == new.to_pylist()
    assert len(list(table.scan().plan_files())) == 1
    assert table.schema().find_field("stays").field_id == before.find_field("stays").field_id
    assert table.schema().find_field("x").field_id != before.find_field("x").field_id
    assert len(snapshots(lake)) == 3
    old = child_data.read_table(lake.job(inputs={"table": second["table_version"]}), "table")
    assert sorted(old.column("x").to_pylist()) == [1, 2]
    assert sorted(old.column("goes").to_pylist()) == [1.5, 2.5]
    read = child_data.read_table(lake.job(inputs={"table": third["table_version"]}), "table")
    assert read.select(new.column_names).to_pylist() == new.to_pylist()


def test_an_overwrite_without_rows_empties_the_table(lake: IcebergLake) -> None:
    publish(lake.staged(column_x(1)), lake.connection)
    publication = lake.staged(column_x(), "overwrite")
    done = publish(publication, lake.connection)
    assert publish(publication, lake.connection) == done | {"already": True}
    assert lake.rows() == []


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_publication_without_rows_creates_the_table_and_is_found_again(lake: IcebergLake, mode: str) -> None:
    publication = lake.staged(column_x(), mode)
    done = publish(publication, lake.connection)
    assert publish(publication, lake.connection) == done | {"already": True}
    assert lake.table().schema().column_names == ["x"]


def test_an_append_with_other_columns_is_refused_and_shows_both_schemas(lake: IcebergLake) -> None:
    publish(lake.staged(column_x(1)), lake.connection)
    code, answer = end_of(start_commit(lake.staged(pa.table({"x": ["text"], "y": [1]})), lake.connection))
    assert code == 2
    assert (answer["error"]["class"], answer["error"]["code"]) == ("user", "schema_mismatch")
    assert "the table has (x long)" in answer["error"]["message"]
    assert "the data has (x string, y long)" in answer["error"]["message"]
    assert len(snapshots(lake)) == 1


def test_what_was_published_is_read_back_as_it_was(lake: IcebergLake) -> None:
    table = pa.table(
        {
            "x": [1, None],
            "small": pa.array([1, None], pa.int8()),
            "at": pa.array([0, None], pa.timestamp("us", "UTC")),
            "wall": pa.array([0, None], pa.timestamp("us")),
            "day": pa.array([0, None], pa.date32()),
            "price": pa.array(["1.10", None]).cast(pa.decimal128(12, 2)),
            "tags": pa.array([["a"], None], pa.list_(pa.string())),
            "point": pa.array([{"lat": 1.5, "way": [1]}, None]),
            "raw": pa.array([b"x", None], pa.binary()),
            "yes": [True, None],
        }
    )
    publication = lake.staged(table)
    version = publish(publication, lake.connection)["table_version"]
    publish(lake.staged(table), lake.connection)
    job = lake.job(inputs={"table": version})
    assert child_data.read_table(job, "table").to_pylist() == table.to_pylist()
    assert child_data.read_batches(job, "table", ["x"]).read_all().to_pydict() == {"x": [1, None]}
    assert child_data.dataset(job, "table").to_table().to_pylist() == table.to_pylist()
    assert child_data.read_table(job, "table", ["yes", "x"]).num_columns == 2


def test_a_table_of_another_writer_is_appended_to_and_read(lake: IcebergLake) -> None:
    catalog = lake.catalog()
    catalog.create_namespace(lake.namespace)
    theirs = catalog.create_table((lake.namespace, "table"), pa.schema([("x", pa.int64()), ("y", pa.string())]))
    theirs.append(pa.table({"x": [1], "y": ["a"]}))
    done = publish(lake.staged(pa.table({"y": ["b"], "x": [2]})), lake.connection)
    assert done["location"] == theirs.location()
    read = child_data.read_table(lake.job(inputs={"table": done["table_version"]}), "table").sort_by("x")
    assert read.to_pylist() == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]


def test_a_partitioned_table_is_refused_by_name(lake: IcebergLake) -> None:
    publish(lake.staged(column_x(1)), lake.connection)
    with lake.table().update_spec() as update:
        update.add_field("x", IdentityTransform(), "by_x")
    with pytest.raises(TaskError, match="partitioned by by_x") as refused:
        publish(lake.staged(column_x(2)), lake.connection)
    assert (refused.value.failure_class, refused.value.code) == ("user", "partitioning_unsupported")


@pytest.mark.parametrize(("change", "code"), [("size", "staged_differs"), ("sha256", "staged_differs")])
def test_a_staged_file_that_is_another_fails_for_good(lake: IcebergLake, change: str, code: str) -> None:
    publication = lake.staged(column_x(1))
    publication["files"][0][change] = 7 if change == "size" else "0" * 64
    with pytest.raises(TaskError) as refused:
        publish(publication, lake.connection)
    assert (refused.value.failure_class, refused.value.code) == ("internal", code)
    assert not lake.catalog().table_exists((lake.namespace, "table"))


def test_a_marker_of_another_epoch_is_refused(lake: IcebergLake) -> None:
    publication = lake.staged(column_x(1))
    publish(publication, lake.connection)
    with pytest.raises(TaskError, match="committed under epoch 1, this publication is of epoch 2"):
        publish(of_next_epoch(publication), lake.connection)


@pytest.mark.parametrize("mode", ["append", "overwrite"])
@pytest.mark.parametrize("exists", [True, False], ids=["table exists", "table is missing"])
@pytest.mark.parametrize("same", [True, False], ids=["same marker", "other marker"])
def test_a_writer_paused_between_check_and_commit_looks_again(
    lake: IcebergLake, pool: ThreadPoolExecutor, mode: str, exists: bool, same: bool
) -> None:
    if exists:
        publish(lake.staged(column_x(0)), lake.connection)
    slow = lake.staged(column_x(1), mode)
    fast = slow if same else lake.staged(column_x(2), "append")
    first, second = overtaken(pool, lake.connection, slow, fast)
    if same:
        assert second == first | {"already": True}
        assert lake.rows() == ([0, 1] if exists and mode == "append" else [1])
    else:
        assert second["already"] is False
        assert lake.rows() == ([1] if mode == "overwrite" else [0, 1, 2] if exists else [1, 2])


def test_many_committers_race_on_one_table_and_each_is_in_once(lake: IcebergLake, pool: ThreadPoolExecutor) -> None:
    publications = [lake.staged(column_x(number)) for number in range(6)]
    answers = list(pool.map(lambda p: publish(p, lake.connection, patience_seconds=200), [*publications] * 2))
    assert lake.rows() == list(range(6))
    assert sorted(snapshots(lake)) == sorted(a["table_version"] for a in answers if not a["already"])
    assert len({answer["table_version"] for answer in answers}) == 6


def test_three_processes_commit_one_publication_once(lake: IcebergLake) -> None:
    publish(lake.staged(column_x(0)), lake.connection)
    publication = lake.staged(column_x(1))
    ends = [end_of(p) for p in [start_commit(publication, lake.connection) for _ in range(3)]]
    assert [code for code, _ in ends] == [0, 0, 0]
    assert sorted(answer["already"] for _, answer in ends) == [False, True, True]
    assert lake.rows() == [0, 1]


class Killed(BaseException):
    """The process ends here."""


def killed() -> None:
    raise Killed


@pytest.mark.parametrize("exists", [True, False], ids=["table exists", "table is missing"])
def test_one_killed_between_check_and_commit_leaves_nothing_and_the_next_commits(
    lake: IcebergLake, exists: bool
) -> None:
    if exists:
        publish(lake.staged(column_x(0)), lake.connection)
    publication = lake.staged(column_x(1))
    with pytest.raises(Killed):
        publish(publication, lake.connection, before_commit=killed)
    assert lake.rows() == [0] if exists else not lake.catalog().table_exists((lake.namespace, "table"))
    assert publish(publication, lake.connection)["already"] is False
    assert lake.rows() == ([0, 1] if exists else [1])


@pytest.mark.parametrize("exists", [True, False], ids=["table exists", "table is missing"])
def test_a_commit_whose_answer_is_lost_is_found_and_not_repeated(lake: IcebergLake, exists: bool) -> None:
    if exists:
        publish(lake.staged(column_x(0)), lake.connection)
    publication = lake.staged(column_x(1))
    proxy = Proxy(lake.store.ports["s3.port.iceberg"])
    try:
        connection = lake.connection
        connection["catalog"] |= {"uri": proxy.url}
        answer = publish(publication, connection, before_commit=lambda: proxy.lose_answer("/tables/table"))
        assert (proxy.lost, answer["already"]) == (1, True)
    finally:
        proxy.close()
    assert lake.rows() == ([0, 1] if exists else [1])
    assert publish(publication, lake.connection) == answer


def test_a_losing_epoch_that_only_staged_is_in_no_table(lake: IcebergLake) -> None:
    job = lake.job({"table": "append"})
    child_data.stage(job, "table", column_x(7))
    winner = child_data.stage(job | {"epoch": 2}, "table", column_x(1))
    publish(winner | {"app_id": f"{job['run_id']}/table", "app_version": 2}, lake.connection)
    assert lake.rows() == [1]


def expire(lake: IcebergLake, *snapshots: int) -> None:
    lake.table().maintenance.expire_snapshots().by_ids(list(snapshots)).commit()


def at(moment: datetime) -> dict[str, str]:
    return {"recorded_at": moment.isoformat()}


def test_what_may_be_among_expired_snapshots_is_not_committed_again(lake: IcebergLake) -> None:
    publication = lake.staged(column_x(1)) | at(datetime.now(UTC))
    first = publish(publication, lake.connection)
    publish(lake.staged(column_x(2)), lake.connection)
    expire(lake, first["table_version"])
    with pytest.raises(TaskError, match="cannot be known any more") as refused:
        publish(publication, lake.connection)
    assert (refused.value.failure_class, refused.value.code) == ("external", "publication_unknown")
    assert lake.rows() == [1, 2]


def test_a_history_that_expired_before_the_publication_was_recorded_stops_nothing(lake: IcebergLake) -> None:
    first = publish(lake.staged(column_x(1)), lake.connection)
    publish(lake.staged(column_x(2)), lake.connection)
    expire(lake, first["table_version"])
    later = lake.staged(column_x(3)) | at(datetime.now(UTC) + timedelta(hours=1))
    assert publish(later, lake.connection)["already"] is False
    assert lake.rows() == [1, 2, 3]


def test_a_catalog_that_is_away_asks_to_come_back_later(lake: IcebergLake) -> None:
    publication = lake.staged(column_x(1))
    connection = lake.connection
    connection["catalog"] |= {"uri": "http://127.0.0.1:9"}
    began = time.monotonic()
    with pytest.raises(NotNowError, match=r"127\.0\.0\.1"):
        publish(publication, connection, patience_seconds=0)
    assert time.monotonic() - began < 30
    code, answer = end_of(start_commit(publication, lake.connection))
    assert (code, answer["already"]) == (0, False)


def test_a_connection_without_a_catalog_is_said_so(lake: IcebergLake) -> None:
    connection: dict[str, Any] = {k: v for k, v in lake.connection.items() if k != "catalog"}
    publication = lake.staged(column_x(1))
    with pytest.raises(TaskError, match="no catalog") as refused:
        publish(publication, connection)
    assert refused.value.code == "connection_incomplete"
    # whoever keeps the connections file mends it: the publication is not given up for that
    for lacks in ("catalog", "storage_root"):
        code, answer = end_of(start_commit(publication, {k: v for k, v in lake.connection.items() if k != lacks}))
        assert (code, answer["error"]["code"]) == (75, "connection_incomplete")
    code, answer = end_of(start_commit(publication, lake.connection))
    assert (code, answer["already"]) == (0, False)
