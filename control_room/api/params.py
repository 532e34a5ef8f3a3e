"""Parameters of a run: defaults, placeholders and checks. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from control_room.api.json_schema import Budget, Issue, number_issues, pointer, validation_issues, with_defaults
from control_room.api.names import did_you_mean
from control_room.api.plain_schema import acceptance

PLACEHOLDER = re.compile(r"\{params\.([A-Za-z_][A-Za-z0-9_-]*)\}")


def known_params(schema: Mapping[str, Any]) -> set[str]:
    """The parameter names a schema declares."""
    return set(schema.get("properties", {}))


def is_open(schema: Mapping[str, Any]) -> bool:
    """Whether the schema takes names it does not declare. Silence means no: a typo must not pass."""
    return schema.get("additionalProperties", False) is not False or "patternProperties" in schema


def unknown_param_issues(schema: Mapping[str, Any], params: Mapping[str, Any], *prefix: object) -> list[Issue]:
    """One issue for each parameter the schema does not know, with near names."""
    if is_open(schema):
        return []
    known = known_params(schema)
    return [
        Issue(pointer(*prefix, name), f"unknown parameter {name!r}{did_you_mean(name, known)}")
        for name in params
        if name not in known
    ]


def check_params(
    schema: Mapping[str, Any], params: Mapping[str, Any], *prefix: object, budget: Budget | None = None
) -> tuple[dict[str, Any], list[Issue]]:
    """(parameters with defaults applied, what is wrong with them); see :class:`ParamsRule`."""
    return ParamsRule(schema).check(params, *prefix, budget=budget)


class ParamsRule:
    """A parameters schema, made ready once for the many values that are checked by it."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._open = is_open(schema)
        self._known = known_params(schema)
        self._accepts = acceptance(schema)

    def check(
        self, params: Mapping[str, Any], *prefix: object, budget: Budget | None = None
    ) -> tuple[dict[str, Any], list[Issue]]:
        """(parameters with defaults applied, what is wrong with them). Both may share values with what was given.

        budget: what one request may spend on it, shared when there is more than one check. Slow for large values: up
        to about a second, so not for the event loop.
        """
        strange = set() if self._open else params.keys() - self._known
        kept = {name: value for name, value in params.items() if name not in strange}
        resolved: dict[str, Any] = with_defaults(self._schema, kept)
        found = number_issues(resolved, *prefix)
        if not found and not self._accepts(resolved):
            found = validation_issues(self._schema, resolved, *prefix, budget=budget)
        return resolved, [*unknown_param_issues(self._schema, params, *prefix), *found] if strange else found


def placeholders(value: Any) -> set[str]:
    """Names x of all {params.x} inside a JSON value."""
    if isinstance(value, str):
        return set(PLACEHOLDER.findall(value))
    if isinstance(value, Mapping):
        return set().union(*(placeholders(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(placeholders(item) for item in value))
    return set()


def render(value: Any, params: Mapping[str, Any]) -> Any:
    """`value` with {params.x} replaced; a string that is one placeholder takes the parameter's own type."""
    if isinstance(value, str):
        return _render_text(value, params)
    if isinstance(value, Mapping):
        return {key: render(item, params) for key, item in value.items()}
    if isinstance(value, list):
        return [render(item, params) for item in value]
    return value


def _render_text(text: str, params: Mapping[str, Any]) -> Any:
    whole = PLACEHOLDER.fullmatch(text)
    if whole:
        return params.get(whole.group(1))
    return PLACEHOLDER.sub(lambda match: str(params.get(match.group(1), "")), text)
