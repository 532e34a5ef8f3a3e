"""What a parameters schema may hold beyond being JSON Schema: bounded in size and depth, patterns that can be used,
references inside of the document, nothing that makes a check run long. Pure, and itself linear."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from control_room.api.bounded_validator import REFUSED_KEYWORDS
from control_room.api.issues import Issue, Path, pointer, walk
from control_room.api.patterns import MAX_PATTERN, MAX_REPEATS, PatternError, compiled, repeats, weight

MAX_NODES = 5000
MAX_DEPTH = 40
MAX_DEFAULTS = 64 << 10  # bytes as JSON: every run has them, a thousand in one request
_MAX_PATTERNS = 100_000
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_DATA = ("default", "const", "enum", "examples")


def bound_issues(schema: Any, prefix: Path) -> list[Issue]:
    """Whether the schema is too large or too deep; to be asked first."""
    for count, (path, _) in enumerate(walk(schema)):
        if count >= MAX_NODES:
            return [Issue(pointer(*prefix), f"is too large: at most {MAX_NODES} values are taken")]
        if len(path) > MAX_DEPTH:
            return [Issue(pointer(*prefix), f"is nested too deeply: at most {MAX_DEPTH} levels are taken")]
    return []


def rule_issues(schema: Mapping[str, Any], prefix: Path) -> list[Issue]:
    """What of a well-formed schema is refused, each with its place."""
    # First: compiling takes time by weight.
    patterns = [pattern for _, pattern in _patterns(schema, prefix)]
    usable = [one for one in patterns if len(one) <= MAX_PATTERN and repeats(one) <= MAX_REPEATS]
    if sum(map(weight, usable)) > _MAX_PATTERNS:
        return [Issue(pointer(*prefix), "its patterns are too large taken together; make them fewer or shorter")]
    return [*_size_issues(schema, prefix), *_node_issues(schema, prefix, root=True)]


def _size_issues(schema: Mapping[str, Any], prefix: Path) -> Iterator[Issue]:
    size = sum(len(json.dumps(one, ensure_ascii=False).encode("utf-8", "replace")) for one in _defaults(schema, prefix))
    if size > MAX_DEFAULTS:
        instead = "have large values in the bundle or an artifact"
        yield Issue(pointer(*prefix), f"its defaults take {size} bytes as JSON, at most {MAX_DEFAULTS}; {instead}")


def _defaults(schema: Mapping[str, Any], path: Path) -> Iterator[Any]:
    if "default" in schema:
        yield schema["default"]
    for place, item in _subschemas(schema, path):
        yield from _defaults(item, place)


def _subschemas(schema: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for key, value in schema.items():
        if key in _DATA:
            continue
        if key in _NAMED and isinstance(value, Mapping):
            inside = [((*path, key, name), item) for name, item in value.items()]
        elif isinstance(value, list):
            inside = [((*path, key, index), item) for index, item in enumerate(value)]
        else:
            inside = [((*path, key), value)]
        yield from ((place, item) for place, item in inside if isinstance(item, Mapping))


def _node_issues(schema: Mapping[str, Any], path: Path, *, root: bool = False) -> Iterator[Issue]:
    yield from _keyword_issues(schema, path)
    yield from _dialect_issues(schema, path, root)
    for place, pattern in _own_patterns(schema, path):
        try:
            compiled(pattern)
        except PatternError as error:
            yield Issue(pointer(*place), str(error))
    for place, item in _subschemas(schema, path):
        yield from _node_issues(item, place)


def _keyword_issues(schema: Mapping[str, Any], path: Path) -> Iterator[Issue]:
    for key, instead in REFUSED_KEYWORDS.items():
        if key in schema:
            yield Issue(pointer(*path, key), f"{key} is not supported in parameters; {instead}")
    ref = schema.get("$ref", "#")
    if isinstance(ref, str) and not (ref == "#" or ref.startswith("#/")):
        where = "names an anchor" if ref.startswith("#") else "is outside this document"
        yield Issue(pointer(*path, "$ref"), f"{ref!r} {where}; use '#/$defs/…'")


def _dialect_issues(schema: Mapping[str, Any], path: Path, root: bool) -> Iterator[Issue]:
    if "$id" in schema and not root:
        yield Issue(pointer(*path, "$id"), "only the whole schema may have an $id")
    dialect = schema.get("$schema", _DIALECT)
    if not root and "$schema" in schema:
        yield Issue(pointer(*path, "$schema"), "only the whole schema may name its dialect")
    elif not isinstance(dialect, str) or dialect.rstrip("#") != _DIALECT:
        yield Issue(pointer(*path, "$schema"), f"must be {_DIALECT!r}, or left out")


def _own_patterns(schema: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(schema.get("pattern"), str):
        yield (*path, "pattern"), schema["pattern"]
    for pattern in schema.get("patternProperties", {}):
        yield (*path, "patternProperties", pattern), pattern


def _patterns(schema: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
    yield from _own_patterns(schema, path)
    for place, item in _subschemas(schema, path):
        yield from _patterns(item, place)
