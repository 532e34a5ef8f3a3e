"""How the error of a run is written for people: where it happened, what it was, and the end of its trace."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from control_room.commands.words import printable

FRAME = re.compile(r'^ *File "(?P<file>[^"]*)", line \d+')
FRAMES_SHOWN = 3
FILES_SHOWN = 5
OTHER_LINES_SHOWN = 15  # of a trace that is not Python's: a notebook's, dbt's


def error_text(error: Mapping[str, Any] | None) -> str:
    """class/code at place: message, of as many lines as the message has; '' when there is no error."""
    if not error:
        return ""
    place = position_text(error.get("position"))
    message = str(error.get("message") or "")
    line = line_text(error.get("position"))
    cell = (error.get("position") or {}).get("cell")
    if cell is not None:
        message = message.removeprefix(f"{_in_cell(cell, line)}: ")  # the place says so already
    elif line:
        message = message.replace(f"line {line}: ", "", 1)  # as Trino's begin
    return printable(f"{error.get('class')}/{error.get('code')}{f' at {place}' if place else ''}: {message}")


def failing_rows_text(run: Mapping[str, Any], program: str) -> str:
    """The commands that bring the rows which tests of a dbt run found, one a line; '' where it kept none.

    program: the name by which this one was called.
    """
    nodes = (run["result"] or {}).get("nodes")
    kept = [node.get("failing_rows") for node in nodes if isinstance(node, Mapping)] if isinstance(nodes, list) else []
    names = [rows["artifact"] for rows in kept if isinstance(rows, Mapping) and rows.get("artifact")]
    number, more = run["number"], len(names) - FILES_SHOWN
    told = [f"{program} artifacts get " + shlex.quote(f"{number}/{name}") for name in names[:FILES_SHOWN]]
    return "\n".join([*told, *([f"{program} artifacts ls {number}   (and {more} more)"] if more > 0 else [])])


def error_line(error: Mapping[str, Any] | None) -> str:
    """The same in one line, for tables and lists."""
    return next(iter(error_text(error).splitlines()), "")


def position_text(position: Mapping[str, Any] | None) -> str:
    """file.py:12[:4], line 12[:4] of SQL in the template, book.ipynb cell 3[, line 4] or models/m.sql (model m)."""
    found = position or {}
    text, line = str(found.get("file") or ""), line_text(found)
    if found.get("cell") is not None:
        text += f" {_in_cell(found['cell'], line)}"
    elif line:
        text += f":{line}" if text else f"line {line}"
    if found.get("node"):
        text += f" ({_node(str(found['node']))})"
    return text.strip()


def _in_cell(cell: Any, line: str) -> str:
    return f"cell {cell}, line {line}" if line else f"cell {cell}"


def line_text(position: Mapping[str, Any] | None) -> str:
    """12 or 12:4; '' without a line."""
    found = position or {}
    if not found.get("line"):
        return ""
    return str(found["line"]) + (f":{found['column']}" if found.get("column") else "")


def trace_end(trace: str | None) -> str:
    """The last frames of the user's own files and the exception; what was left out is said. '' without a trace."""
    lines = printable(trace or "").rstrip().splitlines()
    starts = [number for number, line in enumerate(lines) if FRAME.match(line)]
    if not starts:
        return _joined(len(lines) > OTHER_LINES_SHOWN, lines[-OTHER_LINES_SHOWN:])
    frames = [
        lines[start:end] for start, end in zip(starts, [*starts[1:], _frames_end(lines, starts[-1])], strict=True)
    ]
    own = [frame for frame in frames if _is_own(frame[0])] or frames
    shown = own[-FRAMES_SHOWN:]
    rest = lines[starts[-1] + len(frames[-1]) :]
    return _joined(len(shown) < len(frames), [line for frame in shown for line in frame] + rest)


def _frames_end(lines: list[str], last: int) -> int:
    """Where the exception's own lines begin: the lines of a frame are indented deeper than those."""
    after = (number for number in range(last + 1, len(lines)) if not lines[number].startswith("    "))
    return next(after, len(lines))


def _is_own(frame: str) -> bool:
    """Files of the bundle are named relative to it, those of libraries are not."""
    found = FRAME.match(frame)
    return found is not None and not found["file"].startswith(("/", "<"))


def _joined(cut: bool, lines: list[str]) -> str:
    return "\n".join([*(["…"] if cut else []), *lines])


def _node(unique_id: str) -> str:
    """dbt's 'model.project.orders' -> 'model orders'."""
    kind, *names = unique_id.split(".")
    return f"{kind} {names[1]}" if len(names) > 1 else unique_id
