"""Where publications lie, and which connection leads there."""

from __future__ import annotations

from typing import Any

import pytest

from control_room.reactor import connections as of_the_reactor
from executors.runtime.connections import connection_for, formats
from executors.runtime.failures import TaskError
from executors.runtime.places import check_place, identifier, part_name, read_places, staging_place

ICEBERG: dict[str, Any] = {
    "kind": "iceberg",
    "root": "iceberg://lakehouse",
    "storage_root": "s3://lakehouse/_ws/_iceberg",
    "warehouse_root": "s3://warehouse",
}
KNOWN: dict[str, dict[str, Any]] = {"lakehouse": {"kind": "s3", "root": "s3://lakehouse"}, "iceberg": ICEBERG}
ID = "b0f81494-b75a-41e6-bd69-e96ce96b42c3"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://lakehouse/gold/t", "lakehouse"),
        ("iceberg://lakehouse/gold/t", "iceberg"),
        ("s3://warehouse/gold/t", "iceberg"),
        ("s3://lakehouse/_ws/_iceberg/gold/t/data", "iceberg"),
        ("s3://lakehouse/_ws/other/t", "lakehouse"),
    ],
)
def test_executor_and_reactor_take_the_connection_with_the_longest_root(uri: str, name: str) -> None:
    assert connection_for(uri, KNOWN) is KNOWN[name]
    assert of_the_reactor.connection_for(uri, KNOWN) == KNOWN[name]


@pytest.mark.parametrize("uri", ["iceberg://lake/t", "s3://lakehouses/t", "iceberg://lakehouse2/a/b"])
def test_a_place_of_no_connection_is_said_so(uri: str) -> None:
    with pytest.raises(TaskError, match="no declared connection"):
        connection_for(uri, KNOWN)
    with pytest.raises(of_the_reactor.ConnectionsError, match="no connection"):
        of_the_reactor.connection_for(uri, KNOWN)


def test_staged_files_lie_where_no_report_can_say() -> None:
    assert staging_place("s3://lakehouse/t", "delta", {}) == "s3://lakehouse/t"
    assert staging_place("s3://lakehouse/r.pdf", "object", {}) == "s3://lakehouse/r.pdf.staged"
    place = staging_place("iceberg://lakehouse/gold/t", "iceberg", ICEBERG)
    assert place == "s3://lakehouse/_ws/_iceberg/gold/t/data"
    assert part_name({"run_id": "r", "epoch": 3}, 7, ".parquet") == "part-r-3-00007.parquet"


def test_a_connection_that_has_no_place_for_files_is_said_so() -> None:
    with pytest.raises(TaskError, match="storage_root") as refused:
        staging_place("iceberg://lakehouse/gold/t", "iceberg", {"kind": "iceberg"})
    assert (refused.value.failure_class, refused.value.code) == ("external", "connection_incomplete")


@pytest.mark.parametrize(
    "uri", ["iceberg://x/t", "iceberg://x/../t", "s3://x/a/b", "iceberg://x/a/B", "iceberg://x/a b/c"]
)
def test_what_is_no_address_of_an_iceberg_table_is_refused(uri: str) -> None:
    with pytest.raises(TaskError, match="no address"):
        identifier(uri)


@pytest.mark.parametrize("table", ["t", f"t-{ID}", f"t-{ID.replace('-', '')}"])
def test_a_table_is_read_in_its_own_folder_and_where_its_published_files_are(table: str) -> None:
    own = f"s3://warehouse/gold/{table}"
    assert read_places(own, ICEBERG) == [own, "s3://lakehouse/_ws/_iceberg/gold/t/data"]
    assert read_places("s3://all/gold/t", ICEBERG | {"storage_root": "s3://all"}) == ["s3://all/gold/t"]


def test_an_object_may_have_a_name_that_only_looks_like_a_staged_one() -> None:
    check_place("s3://lakehouse/report.staged.pdf", "object")
    check_place("s3://lakehouse/table.staged", "delta")
    with pytest.raises(TaskError, match="choose another path"):
        check_place("s3://lakehouse/a/report.staged", "object")


def test_iceberg_is_offered_with_a_connection_of_that_kind() -> None:
    assert formats(KNOWN.values()) == ["delta", "object", "iceberg"]
    assert formats([KNOWN["lakehouse"]]) == ["delta", "object"]
