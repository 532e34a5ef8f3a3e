"""Delta's schema JSON, in which publications tell their columns, as an Iceberg schema, and both in words to compare.

``byte`` and ``short`` become ``int``; ``timestamp`` (an instant) is Iceberg's ``timestamptz``, ``timestamp_ntz`` its
``timestamp``. Every column is optional.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pyiceberg import types as iceberg
from pyiceberg.schema import Schema

from executors.runtime.failures import TaskError

PLAIN: dict[str, iceberg.PrimitiveType] = {
    "boolean": iceberg.BooleanType(),
    "byte": iceberg.IntegerType(),
    "short": iceberg.IntegerType(),
    "integer": iceberg.IntegerType(),
    "long": iceberg.LongType(),
    "float": iceberg.FloatType(),
    "double": iceberg.DoubleType(),
    "date": iceberg.DateType(),
    "timestamp": iceberg.TimestamptzType(),
    "timestamp_ntz": iceberg.TimestampType(),
    "string": iceberg.StringType(),
    "binary": iceberg.BinaryType(),
}
DECIMAL = re.compile(r"^decimal\((\d+),\s*(-?\d+)\)$")
Json = dict[str, Any]


def iceberg_schema(delta: Mapping[str, Any]) -> Schema:
    """An Iceberg schema with ids from 1; TaskError (internal) for a type that no publication has."""
    return Schema(*struct_fields(delta, itertools.count(1)))


def struct_fields(delta: Mapping[str, Any], ids: Iterator[int]) -> list[iceberg.NestedField]:
    return [
        iceberg.NestedField(next(ids), field["name"], iceberg_type(field["type"], ids), required=False)
        for field in delta["fields"]
    ]


def iceberg_type(kind: Any, ids: Iterator[int]) -> iceberg.IcebergType:
    if isinstance(kind, str):
        if found := DECIMAL.match(kind):
            return iceberg.DecimalType(int(found[1]), int(found[2]))
        if kind not in PLAIN:
            raise TaskError("internal", "publication_invalid", f"the schema has an unknown type {kind!r}")
        return PLAIN[kind]
    if kind["type"] == "struct":
        return iceberg.StructType(*struct_fields(kind, ids))
    if kind["type"] == "map":
        key, value = next(ids), next(ids)
        kinds = iceberg_type(kind["keyType"], ids), iceberg_type(kind["valueType"], ids)
        return iceberg.MapType(key, kinds[0], value, kinds[1], value_required=False)
    return iceberg.ListType(next(ids), iceberg_type(kind["elementType"], ids), element_required=False)


def described_types(schema: Schema) -> Json:
    """The columns in the shape of Delta's schema JSON, with Iceberg's names of types."""
    return {"type": "struct", "fields": [described_field(field) for field in schema.fields]}


def described_field(field: iceberg.NestedField) -> Json:
    return {"name": field.name, "type": described_type(field.field_type), "nullable": not field.required}


def described_type(kind: iceberg.IcebergType) -> Any:
    if isinstance(kind, iceberg.StructType):
        return {"type": "struct", "fields": [described_field(field) for field in kind.fields]}
    if isinstance(kind, iceberg.MapType):
        return {
            "type": "map",
            "keyType": described_type(kind.key_type),
            "valueType": described_type(kind.value_type),
        }
    if isinstance(kind, iceberg.ListType):
        return {"type": "array", "elementType": described_type(kind.element_type)}
    return str(kind)
