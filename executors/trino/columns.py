"""Columns of Arrow from rows of Trino's JSON, whole columns at a time; each type in a form that loses nothing.

===========================  =============================================================
Trino                        Parquet
===========================  =============================================================
timestamp(0..6)              timestamp in ms or us
timestamp with time zone     timestamp in us, UTC (the zone of each value is not kept)
decimal(p, s)                decimal128(p, s)
date, time(0..6)             date32, time64 in us
varbinary                    binary
array, map, row              list, map, struct, of these
everything else              text, as Trino writes it: precision over microseconds, interval, json, uuid, ipaddress, …
===========================  =============================================================
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as compute

Values = Sequence[Any]
Signature = Mapping[str, Any]
MICROSECONDS = 6
MILLISECONDS = 3
DEFAULT_PRECISION = 3


def schema_of(columns: Sequence[Mapping[str, Any]]) -> pa.Schema:
    """The Arrow schema of a result's columns, with Trino's type in each one's metadata. Repeated names get a number."""
    names: list[str] = []
    for column in columns:
        names.append(free_name(str(column["name"]), names))
    fields = [
        pa.field(name, arrow_type(column["typeSignature"]), metadata={"trino_type": str(column["type"])})
        for name, column in zip(names, columns, strict=True)
    ]
    return pa.schema(fields)


def free_name(name: str, taken: Sequence[str]) -> str:
    """The name, or ``name_2`` and so on when it is taken."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def batch_of(rows: Sequence[Values], columns: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows of JSON as a record batch."""
    arrays = [
        array_of(values, column["typeSignature"])
        for values, column in zip(zip(*rows, strict=True), columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


PLAIN: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double": pa.float64(),
    "varbinary": pa.binary(),
    "date": pa.date32(),
}


def arrow_type(signature: Signature) -> pa.DataType:
    """The Arrow type for a type signature of Trino's protocol."""
    name, arguments = signature["rawType"], [each["value"] for each in signature.get("arguments", [])]
    if name == "decimal":
        return pa.decimal128(int(arguments[0]), int(arguments[1]))
    if name in ("timestamp", "timestamp with time zone", "time"):
        return time_type(name, int(arguments[0]) if arguments else DEFAULT_PRECISION)
    if name == "array":
        return pa.list_(arrow_type(arguments[0]))
    if name == "map":
        return pa.map_(arrow_type(arguments[0]), arrow_type(arguments[1]))
    if name == "row":
        return pa.struct([pa.field(label, arrow_type(inner)) for label, inner in row_fields(signature)])
    return PLAIN.get(name, pa.string())


def time_type(name: str, precision: int) -> pa.DataType:
    if precision > MICROSECONDS:
        return pa.string()
    if name == "time":
        return pa.time64("us")
    if name == "timestamp":
        return pa.timestamp("ms" if precision <= MILLISECONDS else "us")
    return pa.timestamp("us", "UTC")


def row_fields(signature: Signature) -> list[tuple[str, Signature]]:
    """(name, signature) of a row's fields; those without a name are ``field0`` and so on, as Trino calls them."""
    found: list[tuple[str, Signature]] = []
    for index, argument in enumerate(signature["arguments"]):
        value = argument["value"]
        label = (value.get("fieldName") or {}).get("name") or f"field{index}"
        found.append((free_name(label, [name for name, _ in found]), value["typeSignature"]))
    return found


def array_of(values: Values, signature: Signature) -> pa.Array:
    """One column."""
    kind = arrow_type(signature)
    if converter := NESTED.get(signature["rawType"]):
        return converter(values, signature, kind)
    if pa.types.is_floating(kind):
        return floats(values, kind)
    if pa.types.is_binary(kind):
        return pa.array([None if value is None else base64.b64decode(value) for value in values], kind)
    if pa.types.is_timestamp(kind) and kind.tz:
        return pa.array([None if value is None else instant(value) for value in values], kind)
    if pa.types.is_string(kind):
        return pa.array([value if value is None or isinstance(value, str) else str(value) for value in values], kind)
    if pa.types.is_decimal(kind) or pa.types.is_temporal(kind):
        return from_texts(values, kind)
    return pa.array(values, kind)


def from_texts(values: Values, kind: pa.DataType) -> pa.Array:
    """Dates, times and decimals come as text; Arrow reads those itself, but no year beyond 9999."""
    texts = pa.array(values, pa.string())
    if pa.types.is_time(kind):  # no time of day without a day
        return compute.binary_join_element_wise("1970-01-01", texts, " ").cast(pa.timestamp("us")).cast(kind)
    return texts.cast(kind)


def floats(values: Values, kind: pa.DataType) -> pa.Array:
    """NaN and infinities come as text."""
    try:
        return pa.array(values, pa.float64()).cast(kind, safe=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else float(value) for value in values], pa.float64()).cast(
            kind, safe=False
        )


def instant(text: str) -> datetime:
    """``2020-01-01 00:00:00.123 Europe/Berlin`` in UTC. ValueError for a zone that this machine does not know."""
    moment, _, zone = text.rpartition(" ")
    return datetime.fromisoformat(moment).replace(tzinfo=zone_of(zone)).astimezone(UTC)


@lru_cache(maxsize=1000)
def zone_of(name: str) -> Any:
    if name in ("UTC", "Z"):
        return UTC
    if name[:1] in "+-":
        hours, minutes = int(name[1:3]), int(name[4:6] or 0)
        return timezone((1 if name[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes))
    return ZoneInfo(name)


def lists(values: Values, signature: Signature, kind: pa.DataType) -> pa.Array:
    inner = signature["arguments"][0]["value"]
    flat = array_of([item for value in values if value is not None for item in value], inner)
    return pa.ListArray.from_arrays(offsets(values), flat, type=kind, mask=nulls(values))


def maps(values: Values, signature: Signature, kind: pa.DataType) -> pa.Array:
    """Keys of a JSON object are texts, whatever their type is."""
    key, item = (argument["value"] for argument in signature["arguments"])
    given = [value for value in values if value is not None]
    read = KEYS.get(key["rawType"], str)
    keys = array_of([read(name) for value in given for name in value], key)
    items = array_of([each for value in given for each in value.values()], item)
    return pa.MapArray.from_arrays(offsets(values), keys, items, type=kind, mask=nulls(values))


def rows(values: Values, signature: Signature, kind: pa.DataType) -> pa.Array:
    fields = row_fields(signature)
    children = [
        array_of([None if value is None else value[index] for value in values], inner)
        for index, (_, inner) in enumerate(fields)
    ]
    return pa.StructArray.from_arrays(children, fields=list(kind), mask=nulls(values))


NESTED: dict[str, Callable[[Values, Signature, pa.DataType], pa.Array]] = {"array": lists, "map": maps, "row": rows}
KEYS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint"), int),
    **dict.fromkeys(("real", "double"), float),
    "boolean": lambda text: text == "true",
}


def offsets(values: Values) -> pa.Array:
    found, at = [0], 0
    for value in values:
        at += 0 if value is None else len(value)
        found.append(at)
    return pa.array(found, pa.int32())


def nulls(values: Values) -> pa.Array:
    return pa.array([value is None for value in values], pa.bool_())
