"""What a Delta table can hold: Arrow schemas and batches brought to Delta's types, on purpose and never in silence.

==============================  ==============================================================================
Arrow                           Delta
==============================  ==============================================================================
timestamp with a zone           ``timestamp``: the same instant in UTC, microseconds
timestamp without a zone        ``timestamp_ntz``: the same wall time, microseconds; no zone is made up
finer than microseconds         refused when digits would be lost (code ``value_lost``): round before publishing
unsigned 8, 16, 32, 64 bit      ``short``, ``integer``, ``long``, ``long`` (a value over 2^63-1: ``value_lost``)
float16                         ``float``
decimal                         ``decimal`` up to 38 digits; wider is refused
null (no value, no type)        ``string``, all null
dictionary                      the type of its values
large, view and fixed variants  ``string``, ``binary``, ``array``
extension                       its storage type
time, duration, interval        refused (``type_unsupported``): Delta has none; publish text or a number
==============================  ==============================================================================

Every column is nullable. Two names that differ in case alone are refused: Delta does not tell them apart.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from executors.runtime.failures import TaskError

MICROS = pa.timestamp("us")
MICROS_UTC = pa.timestamp("us", "UTC")
WIDER = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.int64()}
SAME = frozenset({pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.date32()})
CHANGED = {pa.float16(): pa.float32(), pa.date64(): pa.date32(), pa.null(): pa.string()}
MAX_DECIMAL_DIGITS = 38


def delta_arrow_schema(schema: pa.Schema, output: str) -> pa.Schema:
    """The Arrow schema that the data files will have; TaskError (user) naming the column when there is none."""
    if not len(schema):
        raise TaskError("user", "schema_empty", f"output {output!r}: the data has no columns")
    refuse_same_names(schema.names, output)
    fields = []
    for field in schema:
        if (kind := delta_type(field.type)) is None:
            raise TaskError(
                "user",
                "type_unsupported",
                f"output {output!r}, column {field.name!r}: Delta has no type for {field.type}; "
                "publish it as text or as a number",
            )
        fields.append(pa.field(field.name, kind))
    return pa.schema(fields)


def refuse_same_names(names: list[str], output: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if not name:
            raise TaskError("user", "column_name_invalid", f"output {output!r}: a column has an empty name")
        if other := seen.get(name.lower()):
            message = f"output {output!r}: columns {other!r} and {name!r} are one name in Delta"
            raise TaskError("user", "column_name_twice", message)
        seen[name.lower()] = name


def delta_type(kind: pa.DataType) -> pa.DataType | None:
    """The Arrow type that Delta stores for ``kind``; None when it has none."""
    if kind in SAME:
        return kind
    if isinstance(kind, pa.BaseExtensionType):
        return delta_type(kind.storage_type)
    if kinds.is_dictionary(kind):
        return delta_type(kind.value_type)
    if kinds.is_nested(kind):
        return nested_type(kind)
    return plain_type(kind)


def plain_type(kind: pa.DataType) -> pa.DataType | None:
    if known := WIDER.get(kind) or CHANGED.get(kind):
        return known
    if kinds.is_timestamp(kind):
        return MICROS_UTC if kind.tz else MICROS
    if kinds.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if fits_decimal(kind) else None
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        return pa.string()
    if kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_fixed_size_binary(kind):
        return pa.binary()
    return pa.binary() if kinds.is_binary_view(kind) else None


def fits_decimal(kind: pa.DataType) -> bool:
    return bool(kind.precision <= MAX_DECIMAL_DIGITS and 0 <= kind.scale <= kind.precision)


def nested_type(kind: pa.DataType) -> pa.DataType | None:
    if kinds.is_struct(kind):
        fields = [(field.name, delta_type(field.type)) for field in kind]
        return pa.struct(fields) if fields and all(inner is not None for _, inner in fields) else None
    if kinds.is_map(kind):
        key, item = delta_type(kind.key_type), delta_type(kind.item_type)
        return pa.map_(key, item) if key is not None and item is not None else None
    if kinds.is_union(kind):
        return None
    inner = delta_type(kind.value_type)
    return pa.list_(inner) if inner is not None else None


def to_delta(batch: pa.RecordBatch, schema: pa.Schema, output: str) -> pa.RecordBatch:
    """Bring a batch to ``schema`` (from :func:`delta_arrow_schema`); TaskError (user) when a value does not fit."""
    columns = [cast(batch.column(i), field, output) for i, field in enumerate(schema)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def cast(column: pa.Array, field: pa.Field, output: str) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if column.type == field.type:
        return column
    try:
        return column.cast(field.type, safe=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TaskError(
            "user",
            "value_lost",
            f"output {output!r}, column {field.name!r}: {column.type} does not go into Delta's {field.type} "
            f"without loss: {error}; round or cast it before publishing",
        ) from error


def delta_schema_json(schema: pa.Schema) -> dict[str, Any]:
    """The Delta schema (``{"type": "struct", "fields": […]}``) of an Arrow schema that Delta can hold."""
    from deltalake import Schema  # starts threads: only in processes that write

    value: dict[str, Any] = json.loads(Schema.from_arrow(schema).to_json())
    return value
