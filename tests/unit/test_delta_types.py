"""What goes into a Delta table: types are brought to Delta's on purpose, and nothing is lost in silence."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from executors.runtime.delta_types import delta_arrow_schema, delta_schema_json, delta_type, to_delta
from executors.runtime.failures import TaskError


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (pa.timestamp("ms", "Europe/Paris"), pa.timestamp("us", "UTC")),
        (pa.timestamp("ns"), pa.timestamp("us")),
        (pa.date64(), pa.date32()),
        (pa.uint8(), pa.int16()),
        (pa.uint16(), pa.int32()),
        (pa.uint32(), pa.int64()),
        (pa.uint64(), pa.int64()),
        (pa.float16(), pa.float32()),
        (pa.null(), pa.string()),
        (pa.large_string(), pa.string()),
        (pa.string_view(), pa.string()),
        (pa.binary(16), pa.binary()),
        (pa.large_binary(), pa.binary()),
        (pa.binary_view(), pa.binary()),
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string()),
        (pa.decimal256(38, 2), pa.decimal128(38, 2)),
        (pa.large_list(pa.uint8()), pa.list_(pa.int16())),
        (pa.list_(pa.float32(), 3), pa.list_(pa.float32())),
        (pa.map_(pa.large_string(), pa.date64()), pa.map_(pa.string(), pa.date32())),
        (pa.struct([("a", pa.timestamp("s"))]), pa.struct([("a", pa.timestamp("us"))])),
        (pa.json_(), pa.string()),
        (pa.int64(), pa.int64()),
    ],
)
def test_a_type_has_its_delta_type(given: pa.DataType, stored: pa.DataType) -> None:
    assert delta_type(given) == stored
    schema = delta_arrow_schema(pa.schema([("x", given)]), "out")
    assert delta_schema_json(schema)["fields"][0]["nullable"] is True


@pytest.mark.parametrize(
    "kind",
    [
        pa.time32("s"),
        pa.time64("us"),
        pa.duration("us"),
        pa.month_day_nano_interval(),
        pa.decimal256(39, 0),
        pa.struct([]),
        pa.list_(pa.time32("s")),
        pa.map_(pa.string(), pa.duration("s")),
        pa.dense_union([pa.field("a", pa.int8())]),
    ],
)
def test_a_type_that_delta_lacks_is_refused_with_the_column(kind: pa.DataType) -> None:
    with pytest.raises(TaskError, match="output 'out', column 'odd'") as refused:
        delta_arrow_schema(pa.schema([("odd", kind)]), "out")
    assert (refused.value.failure_class, refused.value.code) == ("user", "type_unsupported")


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ([], "schema_empty"),
        (["a", "A"], "column_name_twice"),
        (["a", "a"], "column_name_twice"),
        ([""], "column_name_invalid"),
    ],
)
def test_columns_that_delta_cannot_tell_apart_are_refused(names: list[str], code: str) -> None:
    with pytest.raises(TaskError) as refused:
        delta_arrow_schema(pa.schema([(name, pa.int8()) for name in names]), "out")
    assert refused.value.code == code


def converted(column: pa.Array) -> list[Any]:
    batch = pa.record_batch([column], names=["x"])
    result: list[Any] = to_delta(batch, delta_arrow_schema(batch.schema, "out"), "out").column(0).to_pylist()
    return result


def test_an_instant_stays_the_same_instant_and_a_wall_time_the_same_wall_time() -> None:
    noon = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
    assert converted(pa.array([noon], pa.timestamp("s", "Asia/Tokyo"))) == [noon]
    wall = dt.datetime(2026, 7, 1, 12)
    assert converted(pa.array([wall], pa.timestamp("ns"))) == [wall]


def test_nulls_and_values_survive() -> None:
    assert converted(pa.array([None, None], pa.null())) == [None, None]
    assert converted(pa.array([255, None], pa.uint8())) == [255, None]
    assert converted(pa.array(["a", None, "a"]).dictionary_encode()) == ["a", None, "a"]
    assert converted(pa.array([Decimal("1.10")], pa.decimal256(30, 2))) == [Decimal("1.10")]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1], pa.timestamp("ns")),
        pa.array([2**63], pa.uint64()),
        pa.array([1], pa.date64()),
    ],
)
def test_a_value_that_would_lose_something_is_refused(column: pa.Array) -> None:
    with pytest.raises(TaskError, match="without loss") as refused:
        converted(column)
    assert refused.value.code == "value_lost"
