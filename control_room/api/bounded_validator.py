"""A JSON Schema validator for schemas and values of users: patterns in linear time, formats bounded, steps counted.

The budget rides on the format checker, the one thing that a validator hands on to all its descendants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from control_room.api.issues import walk
from control_room.api.patterns import PatternError, compiled, found, repeats, weight

Errors = Iterator[ValidationError]
Keyword = Callable[[Any, Any, Any, Any], Any]
MAX_STEPS = 100_000
_MAX_FORMATTED = 2000
_CHARACTERS_PER_STEP = 1000
# The grammar of IRIs takes seconds for a thousand characters; `regex` is for our engine to say.
_SLOW_FORMATS = {"iri", "iri-reference", "regex"}
_KNOWN_FORMATS = sorted(set(FormatChecker.checkers) - _SLOW_FORMATS)
REFUSED_KEYWORDS = {
    "unevaluatedProperties": "use additionalProperties",
    "unevaluatedItems": "use items",
    "$dynamicRef": "use $ref",
    "$recursiveRef": "use $ref",
}


class BudgetError(Exception):
    """The check would take too long."""


class KeywordError(Exception):
    """A keyword that is refused when a template is applied, in a schema that came by another way."""


class Budget(FormatChecker):
    """Steps (about 10 microseconds each) that one request may spend on checking; and the formats."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        super().__init__(_KNOWN_FORMATS)
        self.left = steps

    def spend(self, steps: int) -> None:
        """Raises BudgetError when they are used up."""
        self.left -= steps
        if self.left < 0:
            raise BudgetError

    def matches(self, pattern: str, text: str) -> bool:
        """Whether the pattern is in the text. Raises PatternError, BudgetError."""
        self.spend(1 + len(text) * repeats(pattern) // _CHARACTERS_PER_STEP)
        return found(pattern, text)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, Sized) and not isinstance(value, str) else 0


def _counted(name: str, keyword: Keyword) -> Keyword:
    compares = name == "enum"

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
        budget: Budget = validator.format_checker
        inner, outer = _size(value), _size(instance) // 4
        budget.spend(1 + (inner * (1 + outer) if compares else inner + outer))
        for error in keyword(validator, value, instance, schema) or ():
            # A message shows the value, which may be long.
            budget.spend(1 + len(error.message) // _CHARACTERS_PER_STEP)
            yield error

    return counted


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Errors:
    if validator.is_type(instance, "string") and not validator.format_checker.matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any) -> Errors:
    if not validator.is_type(instance, "object"):
        return
    for pattern, subschema in patterns.items():
        for name, value in instance.items():
            if validator.format_checker.matches(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, rule: Any, instance: Any, schema: Mapping[str, Any]) -> Errors:
    if not validator.is_type(instance, "object"):
        return
    patterns = schema.get("patternProperties", {})
    extras = {
        name: value
        for name, value in instance.items()
        if name not in schema.get("properties", {})
        and not any(validator.format_checker.matches(pattern, name) for pattern in patterns)
    }
    plain = {key: value for key, value in schema.items() if key != "patternProperties"}
    yield from Draft202012Validator.VALIDATORS["additionalProperties"](validator, rule, extras, plain)


def _format(validator: Any, name: str, instance: Any, schema: Any) -> Errors:
    if not isinstance(instance, str) or name not in (*_KNOWN_FORMATS, "regex"):
        return
    if len(instance) > _MAX_FORMATTED:
        yield ValidationError(f"is longer than the {_MAX_FORMATTED} characters that a {name!r} may have")
    elif name == "regex":
        yield from _regex(validator.format_checker, instance)
    else:
        validator.format_checker.spend(len(instance) // 4)
        yield from Draft202012Validator.VALIDATORS["format"](validator, name, instance, schema)


def _regex(budget: Budget, pattern: str) -> Errors:
    budget.spend(100 + 4 * weight(pattern))
    try:
        compiled(pattern)
    except PatternError as error:
        yield ValidationError(str(error))


def _same(value: Any) -> Any:
    """A hashable value, equal for what JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list):
        return ("list", tuple(_same(item) for item in value))
    if isinstance(value, dict):
        return ("dict", frozenset((key, _same(item)) for key, item in value.items()))
    return value


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Errors:
    # jsonschema's own compares each with each when the items cannot be sorted.
    if not wanted or not validator.is_type(instance, "array"):
        return
    validator.format_checker.spend(sum(1 for _ in walk(instance)) // 4)
    if len({_same(item) for item in instance}) < len(instance):
        yield ValidationError(f"{instance!r} has non-unique elements")


def _refused(name: str) -> Keyword:
    def refused(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
        raise KeywordError(f"{name} is not supported; {REFUSED_KEYWORDS[name]}")
        yield

    return refused


_OURS: dict[str, Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "format": _format,
    "uniqueItems": _unique_items,
    **{name: _refused(name) for name in REFUSED_KEYWORDS},
}
_KEYWORDS = {**Draft202012Validator.VALIDATORS, **_OURS}
_extend: Callable[..., Any] = extend  # jsonschema's has no types
BoundedValidator = _extend(Draft202012Validator, {name: _counted(name, rule) for name, rule in _KEYWORDS.items()})
