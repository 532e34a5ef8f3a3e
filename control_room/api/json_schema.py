"""JSON Schema, spoken plainly: errors as (path, message) with the path as a JSON Pointer.

Schemas come from users, so nothing they name is ever fetched: `$ref` reaches inside its own document only.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, UnknownType, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from control_room.api.bounded_validator import BoundedValidator, Budget, BudgetError, KeywordError
from control_room.api.issues import Issue, leaves, pointer, walk
from control_room.api.patterns import PatternError
from control_room.api.schema_bounds import bound_issues, rule_issues

__all__ = ["Budget", "Issue", "number_issues", "pointer", "schema_issues", "validation_issues", "with_defaults"]
_MAX_ERRORS = 50
_MAX_MESSAGE = 400
_OFFLINE: Registry[Any] = Registry()


def _plain(error: ValidationError | SchemaError) -> str:
    if error.validator == "not" and error.validator_value == {}:
        return "is not allowed here"
    if error.validator == "required":
        return error.message.replace("is a required property", "is missing")
    return error.message if len(error.message) <= _MAX_MESSAGE else error.message[:_MAX_MESSAGE] + "…"


def _without_dialect(node: Any) -> Any:
    """The schema without `$schema`, which would exchange the bounded validator for a plain one on the way down."""
    if isinstance(node, Mapping):
        return {key: _without_dialect(item) for key, item in node.items() if key != "$schema"}
    return [_without_dialect(item) for item in node] if isinstance(node, list) else node


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    """The validator of a schema, kept for the next time: a batch checks a thousand values by one."""
    return BoundedValidator(_without_dialect(json.loads(schema)), registry=_OFFLINE)


def validation_issues(
    schema: Mapping[str, Any], value: Any, *prefix: object, budget: Budget | None = None
) -> list[Issue]:
    """All that is wrong with `value` by `schema` (at most 50), ordered by path.

    budget: shared by the checks of one request; a check that would use more than is left is an issue of its own.
    """
    found: list[Issue] = []
    try:
        validator = _validator(json.dumps(schema)).evolve(format_checker=budget or Budget())
        for error in validator.iter_errors(value):
            found.append(Issue(pointer(*prefix, *error.absolute_path), _plain(error)))
            if len(found) >= _MAX_ERRORS:
                break
    except (Unresolvable, RecursionError) as error:
        found.append(Issue(pointer(*prefix), f"cannot be checked, its schema does not resolve: {error}"))
    except (ArithmeticError, PatternError, KeywordError) as error:
        found.append(Issue(pointer(*prefix), f"cannot be checked: {error}"))
    except BudgetError:
        message = "takes too many steps to check; make the value smaller, or its schema simpler (fewer nested $ref)"
        found.append(Issue(pointer(*prefix), message))
    except (AttributeError, KeyError, TypeError, UnknownType, ValueError):
        # Only what the schema holds outside of its rules can be malformed, and only a $ref leads there.
        found.append(Issue(pointer(*prefix), "cannot be checked: a $ref of its schema leads to what is no schema"))
    return sorted(found, key=lambda issue: (issue.path, issue.message))


def number_issues(value: Any, *prefix: object) -> list[Issue]:
    """The integers in a value that are not of 64 bits: no executor could hold them (at most 50). A float of that size
    is one: 1e19 is whole, and what the database hands out is its digits."""
    if not any(_is_wide(leaf) for leaf in leaves(value)):
        return []
    message = "is an integer beyond 64 bits, as 1e19 is one; give it as a string"
    wide = (path for path, item in walk(value, prefix) if _is_wide(item))
    return [Issue(pointer(*path), message) for path, _ in zip(wide, range(_MAX_ERRORS), strict=False)]


def _is_wide(value: Any) -> bool:
    return isinstance(value, (int, float)) and not -(2**63) <= value < 2**63


def schema_issues(schema: Mapping[str, Any], *prefix: object) -> list[Issue]:
    """What is wrong with a parameters schema itself: size, form, rules, and defaults that break their own rules."""
    large = bound_issues(schema, prefix)
    if large:
        return large
    try:
        # Formats off: the one that matters is `regex`, and a pattern must suit our engine, not Python's.
        Draft202012Validator.check_schema(_without_dialect(schema), format_checker=None)  # type: ignore[arg-type]
    except SchemaError as error:
        return [Issue(pointer(*prefix, *error.absolute_path), _plain(error))]
    except RecursionError:
        return [Issue(pointer(*prefix), "is nested too deeply")]
    refused = [*rule_issues(schema, prefix), *_object_issues(schema, prefix)]
    return refused or _default_issues(schema, prefix)


def _object_issues(schema: Mapping[str, Any], prefix: tuple[object, ...]) -> Iterator[Issue]:
    if schema.get("type", "object") != "object":
        yield Issue(pointer(*prefix, "type"), "must be 'object': parameters are named")


def _default_issues(schema: Mapping[str, Any], prefix: tuple[object, ...]) -> list[Issue]:
    budget, found = Budget(), []
    for name, rule in schema.get("properties", {}).items():
        if isinstance(rule, Mapping) and "default" in rule:
            whole = {**rule, "$defs": schema.get("$defs", {})}
            place = (*prefix, "properties", name, "default")
            found += number_issues(rule["default"], *place)
            found += validation_issues(whole, rule["default"], *place, budget=budget)
    return found


def with_defaults(schema: Any, value: Any) -> Any:
    """`value` with the defaults of `properties` filled in, nested objects included: another object where anything is
    filled in, with the values of the first."""
    if not isinstance(value, dict) or not isinstance(schema, Mapping):
        return value
    rules = schema.get("properties", {})
    filled = {
        key: with_defaults(rules.get(key), item) if isinstance(item, dict) else item for key, item in value.items()
    }
    for name, rule in rules.items():
        if name not in filled and isinstance(rule, Mapping) and "default" in rule:
            filled[name] = copy.deepcopy(rule["default"])
    return filled
