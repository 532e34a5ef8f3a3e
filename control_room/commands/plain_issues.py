"""What a JSON Schema finds wrong with a template, in words of templates: near keys, TASK.OUTPUT, kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from control_room.api.issues import Issue, pointer
from control_room.api.names import near
from control_room.api.template_spec import template_schema
from control_room.commands.entrypoints import CHECKS

Spec = Mapping[str, Any]


def plain(issue: Issue, spec: Spec, known: Mapping[str, Spec]) -> Iterator[tuple[str, str]]:
    """(pointer, message), one for each key where the schema names several in one sentence."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in issue.path.split("/")[1:]]
    if issue.message.startswith("Additional properties"):
        yield from _unknown_keys(parts, spec)
    elif _is_reference(parts) and "does not match" in issue.message:
        yield issue.path, _reference(_value(spec, parts), spec, known)
    elif issue.message == "'kind' is missing":
        yield issue.path, f"{issue.message}; known kinds: {', '.join([*CHECKS, 'pipeline'])}"
    else:
        yield issue.path, issue.message


def _unknown_keys(parts: list[str], spec: Spec) -> Iterator[tuple[str, str]]:
    allowed = _keys(parts)
    for key in _value(spec, parts):
        if key not in allowed:
            close = near(str(key), allowed, limit=1)
            listed = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(allowed))}"
            yield pointer(*parts, key), f"{key!r} is not known here{listed}"


def _keys(parts: list[str]) -> set[str]:
    """The keys that the schema of templates knows at this place."""
    node: Mapping[str, Any] = template_schema()
    for part in parts:
        below = node.get("properties", {}).get(part) or node.get("items") or node.get("additionalProperties")
        node = _resolved(below if isinstance(below, Mapping) else {})
    return set(node.get("properties", {}))


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in node:
        found: Mapping[str, Any] = template_schema()["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        return found
    options = [_resolved(option) for option in node.get("anyOf", [])]
    return next((option for option in options if "properties" in option), node)


def _value(spec: Any, parts: list[str]) -> Any:
    for part in parts:
        spec = spec[int(part)] if isinstance(spec, list) else spec[part]
    return spec


def _is_reference(parts: list[str]) -> bool:
    """/tasks/KEY/inputs/NAME"""
    return len(parts) == 4 and parts[0] == "tasks" and parts[2] == "inputs"


def _reference(value: Any, spec: Spec, known: Mapping[str, Spec]) -> str:
    """An input of a task is TASK.OUTPUT; where the task alone was named, its outputs are offered."""
    task = spec["tasks"].get(value)
    template = known.get(task.get("template", "")) if isinstance(task, Mapping) else None
    outputs = [f"{value}.{port['name']}" for port in (template or {}).get("outputs", [])]
    example = f"write one of: {', '.join(outputs)}" if outputs else "for instance ingest.flights"
    return f"{value!r} is not of the form TASK.OUTPUT; {example}"
