"""Statistics of a data file in Delta's form: numRecords, minValues, maxValues, nullCount.

They are hints for skipping files, so a bound is left out rather than risked: floats with NaN or infinity, decimals over
15 digits (JSON numbers are doubles), maxima of long texts, nested columns.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

# As Spark's default `delta.dataSkippingNumIndexedCols`.
INDEXED_COLUMNS = 32
TEXT_LIMIT = 32
EXACT_DIGITS = 15


class FileStats:
    """Gathers the statistics of one file, batch by batch."""

    def __init__(self, schema: pa.Schema) -> None:
        self._fields = [field for field in schema if not kinds.is_nested(field.type)][:INDEXED_COLUMNS]
        self._bounded = {field.name for field in self._fields if has_bounds(field.type)}
        self.rows = 0
        self._nulls = {field.name: 0 for field in self._fields}
        self._low: dict[str, Any] = {}
        self._high: dict[str, Any] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in a batch of the file's schema."""
        self.rows += batch.num_rows
        for field in self._fields:
            column = batch.column(field.name)
            self._nulls[field.name] += column.null_count
            if field.name in self._bounded and column.null_count < len(column):
                self._widen(field.name, column)

    def _widen(self, name: str, column: pa.Array) -> None:
        if (bounds := bounds_of(column)) is None:
            self._bounded.discard(name)
            return
        low, high = bounds
        self._low[name] = low if name not in self._low else min(low, self._low[name])
        self._high[name] = high if name not in self._high else max(high, self._high[name])

    def as_delta(self) -> dict[str, Any]:
        """The statistics as a JSON-able mapping."""
        return {
            "numRecords": self.rows,
            "minValues": {name: as_min(value) for name, value in self._low.items() if name in self._bounded},
            "maxValues": {
                name: as_json(value)
                for name, value in self._high.items()
                if name in self._bounded and not (isinstance(value, str) and len(value) > TEXT_LIMIT)
            },
            "nullCount": self._nulls,
        }


def has_bounds(kind: pa.DataType) -> bool:
    """Tell whether Delta keeps minima and maxima for a column type."""
    if kinds.is_decimal(kind):
        return bool(kind.precision <= EXACT_DIGITS)
    return bool(
        kinds.is_integer(kind)
        or kinds.is_floating(kind)
        or kinds.is_string(kind)
        or kinds.is_date(kind)
        or kinds.is_timestamp(kind)
    )


def bounds_of(column: pa.Array) -> tuple[Any, Any] | None:
    """The least and the greatest value, or None when JSON or Python cannot hold them."""
    try:
        bounds = pc.min_max(column).as_py()
    except (OverflowError, ValueError):  # dates beyond the year 9999
        return None
    low, high = bounds["min"], bounds["max"]
    if kinds.is_floating(column.type) and not is_finite(column, low, high):
        return None
    return low, high


def is_finite(column: pa.Array, low: float, high: float) -> bool:
    return math.isfinite(low) and math.isfinite(high) and not pc.any(pc.is_nan(column)).as_py()


def as_min(value: Any) -> Any:
    """A lower bound: the beginning of a text sorts before the text."""
    return as_json(value[:TEXT_LIMIT] if isinstance(value, str) else value)


def as_json(value: Any) -> Any:
    """Numbers and texts as they are; times as Delta writes them (UTC instants end in Z, wall times do not)."""
    if isinstance(value, dt.datetime):
        text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
        return f"{text}Z" if value.tzinfo else text
    if isinstance(value, dt.date):
        return value.isoformat()
    return value if isinstance(value, int | float | str) else float(value)
