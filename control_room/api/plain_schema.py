"""Schemas so plain that a compiled validator may say yes to a value.

Plain: each keyword costs time in proportion to the value, and both validators read it alike. A yes is final; what it
does not accept, and every other schema, is for the bounded validator, which says what is wrong. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema_rs import Draft202012Validator

Accepts = Callable[[Any], bool]
_SAFE_INTEGERS = range(-(2**53), 2**53 + 1)
_MAX_CHOICES = 200
_REMARKS = {"title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly", "$schema"}
_BOUNDS = {
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
}
_RULES = {"type", "required", "properties", "additionalProperties", "items", "enum", "const", *_BOUNDS}


def acceptance(schema: Mapping[str, Any]) -> Accepts:
    """What says yes to values of a plain schema; of any other, it never does."""
    return _acceptance(json.dumps(schema))


@lru_cache(maxsize=256)
def _acceptance(text: str) -> Accepts:
    schema = json.loads(text)
    if not _is_plain(schema):
        return _never
    valid = Draft202012Validator(schema).is_valid

    def accepts(value: Any) -> bool:
        try:
            return bool(valid(value))
        except (ValueError, TypeError):  # a value beyond its own types: the other validator says what
            return False

    return accepts


def _never(_: Any) -> bool:
    return False


def _is_plain(schema: Any) -> bool:
    if isinstance(schema, bool):
        return True
    return (
        isinstance(schema, dict)
        and schema.keys() <= _RULES | _REMARKS
        and all(_is_exact(schema[key]) for key in _BOUNDS & schema.keys())
        and all(_is_exact(choice) for choice in _choices(schema))
        and all(_is_plain(inner) for inner in _inside(schema))
    )


def _inside(schema: Mapping[str, Any]) -> Iterator[Any]:
    yield from schema.get("properties", {}).values()
    yield from (schema[key] for key in ("additionalProperties", "items") if key in schema)


def _choices(schema: Mapping[str, Any]) -> list[Any]:
    listed = schema.get("enum", [])
    # A list too long to compare with is no exact value.
    return [*(listed if len(listed) <= _MAX_CHOICES else [listed]), *([schema["const"]] if "const" in schema else [])]


def _is_exact(value: Any) -> bool:
    """Whether two validators cannot differ on what equals it: fractions and large integers they might round."""
    return value is None or isinstance(value, str | bool) or (isinstance(value, int) and value in _SAFE_INTEGERS)
