"""Statistics of a data file: bounds may be wide, never narrow."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.runtime.delta_stats import FileStats


def stats_of(*columns: pa.Array) -> dict[str, Any]:
    """The statistics of a file of one column, written batch by batch."""
    stats = FileStats(pa.schema([("x", columns[0].type)]))
    for column in columns:
        stats.add(pa.record_batch([column], names=["x"]))
    value: dict[str, Any] = json.loads(json.dumps(stats.as_delta(), allow_nan=False))
    return value


def test_batches_are_counted_together() -> None:
    stats = stats_of(pa.array([3, None]), pa.array([1, 7]), pa.array([None], pa.int64()))
    assert stats == {"numRecords": 5, "minValues": {"x": 1}, "maxValues": {"x": 7}, "nullCount": {"x": 2}}


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        (pa.array(["b", "a"]), "a", "b"),
        (pa.array([True, False]), False, True),
        (pa.array([dt.date(2026, 1, 2)]), "2026-01-02", "2026-01-02"),
        (pa.array([1], pa.timestamp("us", "UTC")), "1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00.000001Z"),
        (pa.array([1], pa.timestamp("us")), "1970-01-01T00:00:00.000001", "1970-01-01T00:00:00.000001"),
        (pa.array([2**62], pa.timestamp("us")), "9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.999999"),
        (pa.array([Decimal("1.10")]), 1.1, 1.1),
        (pa.array([1.5, math.nan]), 1.5, 1.7976931348623157e308),
        (pa.array([1.5, math.inf]), 1.5, 1.7976931348623157e308),
        (pa.array([1.5, -math.inf]), -1.7976931348623157e308, 1.7976931348623157e308),
        (pa.array([math.nan]), -1.7976931348623157e308, 1.7976931348623157e308),
    ],
)
def test_bounds_are_written_as_delta_has_them(column: pa.Array, low: object, high: object) -> None:
    stats = stats_of(column)
    assert (stats["minValues"]["x"], stats["maxValues"]["x"]) == (low, high)


def test_a_column_of_nulls_has_no_bounds_and_a_nested_one_no_statistics() -> None:
    assert stats_of(pa.array([None], pa.string()))["minValues"] == {}
    assert stats_of(pa.array([[1]]))["nullCount"] == {}


@given(st.lists(st.text(max_size=80), min_size=1))
def test_every_text_lies_within_the_bounds(texts: list[str]) -> None:
    try:
        column = pa.array(texts, pa.string())
    except UnicodeEncodeError:  # lone surrogates are no text for Arrow
        return
    stats = stats_of(column)
    low, high = stats["minValues"]["x"].encode(), stats["maxValues"]["x"].encode()
    assert all(low <= text.encode() <= high for text in texts)


@given(st.lists(st.decimals(min_value=-(10**18), max_value=10**18, places=4), min_size=1))
def test_every_decimal_lies_within_the_bounds(numbers: list[Decimal]) -> None:
    stats = stats_of(pa.array(numbers, pa.decimal128(38, 4)))
    # As a reader parses a bound: to the column's scale.
    low, high = (Decimal(repr(stats[side]["x"])).quantize(Decimal("0.0001")) for side in ("minValues", "maxValues"))
    assert all(low <= number <= high for number in numbers)


@given(st.lists(st.floats(width=32), min_size=1))
def test_every_finite_float_lies_within_the_bounds(numbers: list[float]) -> None:
    stats = stats_of(pa.array(numbers, pa.float32()))
    low, high = stats["minValues"]["x"], stats["maxValues"]["x"]
    assert all(low <= number <= high for number in numbers if math.isfinite(number))
