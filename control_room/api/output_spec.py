"""What an output of a template must be, by its format: where it lies and how it is written. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from control_room.api.issues import Issue, pointer
from control_room.api.params import PLACEHOLDER

OBJECT_MODES = ("overwrite", "create")
TABLE_MODES = ("append", "overwrite")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*")
_RESERVED = {".", "..", "_delta_log"}
_STAGED = ".staged"
_WORKSPACES = "_ws"
_NAMESPACE_AND_TABLE = re.compile(r"[a-z][a-z0-9_]{0,62}/[a-z][a-z0-9_]{0,62}")
_NAMESPACES = "ws_"


def published_kind(format: str) -> str:
    """What an output of this format is to those who read it: object or table."""
    return "object" if format == "object" else "table"


def output_issues(outputs: Sequence[Mapping[str, Any]]) -> Iterator[Issue]:
    """All that is wrong with the outputs of a template that fits the schema; the database says the same at submit."""
    yield from _same_address(outputs)
    for index, output in enumerate(outputs):
        modes = OBJECT_MODES if output["format"] == "object" else TABLE_MODES
        if output["mode"] not in modes:
            message = f"{output['mode']!r} is not for format {output['format']!r}, only {' and '.join(modes)}"
            yield Issue(pointer("outputs", index, "mode"), message)
        wrong = iceberg_path_wrong(output["path"]) if output["format"] == "iceberg" else path_wrong(output["path"])
        if wrong:
            yield Issue(pointer("outputs", index, "path"), f"{output['path']!r} {wrong}")


def _same_address(outputs: Sequence[Mapping[str, Any]]) -> Iterator[Issue]:
    """Delta tables and objects lie in one lakehouse, Iceberg tables in a catalog. Parameters may make more paths equal:
    that is told at submit."""
    taken: dict[tuple[bool, str], str] = {}
    for index, output in enumerate(outputs):
        address = output["format"] == "iceberg", output["path"]
        other = taken.setdefault(address, output["name"])
        if other != output["name"]:
            message = f"{output['path']!r} is where output {other!r} lies; give each output a path of its own"
            yield Issue(pointer("outputs", index, "path"), message)


def is_inside(path: str) -> bool:
    """Whether a relative path stays below its root ('.' is the root itself)."""
    absolute = path.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:[/\\]", path)
    return not absolute and ".." not in re.split(r"[/\\]", path) and "\x00" not in path


def path_wrong(path: str) -> str:
    """What is wrong with the path of a Delta table or an object, '' when nothing is."""
    if not is_inside(path) or "://" in path:
        return "leaves the lakehouse root; give a relative path without '..'"
    filled = PLACEHOLDER.sub("x", path)
    if not _PLAIN_PATH.fullmatch(filled):
        return "is not a path of plain names: letters, digits, '_', '.', '=', '-' and {params.x}, with '/' between"
    if _RESERVED.intersection(filled.split("/")):
        return "has a name that is reserved: '.' and '_delta_log' cannot be part of it"
    if any(name.endswith(_STAGED) for name in filled.split("/")):
        return f"has a name that ends in {_STAGED!r}, which is reserved: objects are staged there"
    if filled.split("/")[0] == _WORKSPACES:
        return f"begins with {_WORKSPACES!r}, which is reserved for the tables of workspaces"
    return ""


def iceberg_path_wrong(path: str) -> str:
    """What is wrong with the path of an Iceberg table, '' when nothing is."""
    filled = PLACEHOLDER.sub("x", path)
    if not _NAMESPACE_AND_TABLE.fullmatch(filled):
        rule = "a small letter, then small letters, digits and '_', at most 63"
        return f"is not namespace/table of the Iceberg catalog, as in gold/delay: each is {rule}"
    if filled.startswith(_NAMESPACES):
        return f"is in a namespace that begins with {_NAMESPACES!r}, which is reserved for workspaces"
    return ""
