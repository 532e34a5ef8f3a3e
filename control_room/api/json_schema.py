"""JSON Schema, spoken plainly: errors as (path, message) with the path as a JSON Pointer.

Schemas come from users, so nothing they name is ever fetched: `$ref` reaches inside its own document only.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

_MAX_ERRORS = 50
_MAX_MESSAGE = 400
_OFFLINE: Registry[Any] = Registry()


@dataclass(frozen=True)
class Issue:
    """One thing wrong: where (JSON Pointer, '' for the whole document) and what."""

    path: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return {"path": self.path, "message": self.message}


def pointer(*parts: object) -> str:
    """JSON Pointer (RFC 6901) of the parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _plain(error: ValidationError | SchemaError) -> str:
    if error.validator == "not" and error.validator_value == {}:
        return "is not allowed here"
    if error.validator == "required":
        return error.message.replace("is a required property", "is missing")
    return error.message if len(error.message) <= _MAX_MESSAGE else error.message[:_MAX_MESSAGE] + "…"


def validation_issues(schema: Mapping[str, Any], value: Any, *prefix: object) -> list[Issue]:
    """All that is wrong with `value` by `schema` (at most 50), ordered by path."""
    validator = Draft202012Validator(schema, registry=_OFFLINE, format_checker=FormatChecker())
    found: list[Issue] = []
    try:
        for error in validator.iter_errors(value):
            found.append(Issue(pointer(*prefix, *error.absolute_path), _plain(error)))
            if len(found) >= _MAX_ERRORS:
                break
    except (Unresolvable, RecursionError) as error:
        found.append(Issue(pointer(*prefix), f"cannot be checked, its schema does not resolve: {error}"))
    return sorted(found, key=lambda issue: (issue.path, issue.message))


def schema_issues(schema: Mapping[str, Any], *prefix: object) -> list[Issue]:
    """What is wrong with a parameters schema itself: form, references, and defaults that break their own rules."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [Issue(pointer(*prefix, *error.absolute_path), _plain(error))]
    except RecursionError:
        return [Issue(pointer(*prefix), "is nested too deeply")]
    return [*_foreign_refs(schema, prefix), *_object_issues(schema, prefix), *_default_issues(schema, prefix)]


def _object_issues(schema: Mapping[str, Any], prefix: tuple[object, ...]) -> Iterator[Issue]:
    if schema.get("type", "object") != "object":
        yield Issue(pointer(*prefix, "type"), "must be 'object': parameters are named")


def _foreign_refs(node: Any, prefix: tuple[object, ...]) -> Iterator[Issue]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str) and not value.startswith("#"):
                yield Issue(pointer(*prefix, key), f"{value!r} is outside this document; use '#/$defs/…'")
            yield from _foreign_refs(value, (*prefix, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _foreign_refs(value, (*prefix, index))


def _default_issues(schema: Mapping[str, Any], prefix: tuple[object, ...]) -> Iterator[Issue]:
    for name, rule in schema.get("properties", {}).items():
        if isinstance(rule, Mapping) and "default" in rule:
            whole = {**rule, "$defs": schema.get("$defs", {})}
            yield from validation_issues(whole, rule["default"], *prefix, "properties", name, "default")


def with_defaults(schema: Any, value: Any) -> Any:
    """A copy of `value` with the defaults of `properties` filled in, nested objects included."""
    if not isinstance(schema, Mapping) or not isinstance(value, dict):
        return copy.deepcopy(value)
    filled = {key: with_defaults(schema.get("properties", {}).get(key), item) for key, item in value.items()}
    for name, rule in schema.get("properties", {}).items():
        if name not in filled and isinstance(rule, Mapping) and "default" in rule:
            filled[name] = copy.deepcopy(rule["default"])
    return filled
