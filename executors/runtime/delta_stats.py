"""Statistics of a data file in Delta's form: numRecords, minValues, maxValues, nullCount.

They let readers skip files, so a bound may be too wide and never too narrow. And each column has either both bounds or,
in every file, none: deltalake (1.6) hides rows of a file that lacks a bound which another file of the table has.

* texts: the first 32 characters; the maximum ends in U+10FFFF where it was cut
* floats with NaN or infinity: the largest finite numbers stand in (only a filter for infinity itself is misled)
* decimals over 15 digits: the next double below and above, since a JSON number is a double
* columns nested or binary, and those after the first 32 (Delta's default), have none
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

INDEXED_COLUMNS = 32
TEXT_LIMIT = 32
EXACT_DIGITS = 15
LAST_CHARACTER = "\U0010ffff"
LARGEST = {pa.float32(): 3.4028234663852886e38, pa.float64(): 1.7976931348623157e308}
BOUNDED = (
    kinds.is_integer,
    kinds.is_floating,
    kinds.is_decimal,
    kinds.is_boolean,
    kinds.is_string,
    kinds.is_date,
    kinds.is_timestamp,
)


class FileStats:
    """Gathers the statistics of one file, batch by batch."""

    def __init__(self, schema: pa.Schema) -> None:
        self._fields = [field for field in schema if not kinds.is_nested(field.type)][:INDEXED_COLUMNS]
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
            if column.null_count < len(column) and any(is_kind(field.type) for is_kind in BOUNDED):
                self._widen(field.name, *bounds_of(column))

    def _widen(self, name: str, low: Any, high: Any) -> None:
        self._low[name] = min(low, self._low.get(name, low))
        self._high[name] = max(high, self._high.get(name, high))

    def as_delta(self) -> dict[str, Any]:
        """The statistics as a JSON-able mapping."""
        return {
            "numRecords": self.rows,
            "minValues": {name: as_json(value, -math.inf) for name, value in self._low.items()},
            "maxValues": {name: as_json(value, math.inf) for name, value in self._high.items()},
            "nullCount": self._nulls,
        }


def bounds_of(column: pa.Array) -> tuple[Any, Any]:
    """The least and the greatest value of a column that is not all null."""
    if kinds.is_floating(column.type):
        return float_bounds(column)
    if kinds.is_date(column.type) or kinds.is_timestamp(column.type):
        return time_bounds(column)
    bounds = pc.min_max(column).as_py()
    return bounds["min"], bounds["max"]


def float_bounds(column: pa.Array) -> tuple[float, float]:
    largest = LARGEST[column.type]
    bounds = pc.min_max(column.filter(pc.is_finite(column))).as_py()
    odd = not pc.all(pc.is_finite(column)).as_py()
    if bounds["min"] is None:
        return -largest, largest
    endless = pc.any(pc.equal(column, -math.inf)).as_py()
    return -largest if endless else bounds["min"], largest if odd else bounds["max"]


def time_bounds(column: pa.Array) -> tuple[Any, Any]:
    """Dates and instants as Python holds them; those beyond the years 1 to 9999 become its first and last."""
    integers = column.cast(pa.int32() if kinds.is_date(column.type) else pa.int64())
    bounds = pc.min_max(integers).as_py()
    return as_time(bounds["min"], column.type), as_time(bounds["max"], column.type)


def as_time(value: int, kind: pa.DataType) -> dt.date | dt.datetime:
    try:
        moment: dt.date | dt.datetime = (
            pa.scalar(value, pa.int32() if kinds.is_date(kind) else pa.int64()).cast(kind).as_py()
        )
        return moment
    except (OverflowError, ValueError):
        edge = dt.datetime.max if value > 0 else dt.datetime.min
        return edge.date() if kinds.is_date(kind) else edge.replace(tzinfo=dt.UTC if kind.tz else None)


def as_json(value: Any, outwards: float) -> Any:
    """Numbers and texts, rounded outwards; times as Delta writes them (UTC instants end in Z, wall times do not)."""
    if isinstance(value, str):
        return cut(value, outwards)
    if isinstance(value, decimal.Decimal):
        number = float(value)
        return number if len(value.as_tuple().digits) <= EXACT_DIGITS else math.nextafter(number, outwards)
    if isinstance(value, dt.datetime):
        text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
        return f"{text}Z" if value.tzinfo else text
    return value.isoformat() if isinstance(value, dt.date) else value


def cut(text: str, outwards: float) -> str:
    """A prefix sorts before the text; with the last character of all at its end it sorts after every such text."""
    if len(text) <= TEXT_LIMIT:
        return text
    if outwards < 0:
        return text[:TEXT_LIMIT]
    rest = text[TEXT_LIMIT:]
    return text[:TEXT_LIMIT] + LAST_CHARACTER * (1 + len(rest) - len(rest.lstrip(LAST_CHARACTER)))
