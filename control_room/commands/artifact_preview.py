"""An artifact's preview for people at a terminal. What a run told is shown as text, control characters replaced."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from control_room.commands.context import print_table, say
from control_room.commands.words import counted, printable, size_text, value_text

Json = dict[str, Any]
ROWS, COLUMNS = 20, 12
LINES = 40
CELL = 40


def print_preview(found: Json) -> None:
    """Facts, then what there is to show."""
    artifact, told = found["artifact"], found["preview"] or {}
    size = "" if artifact["size"] is None else f", {size_text(artifact['size'])}"
    say(printable(f"{artifact['name']}: {artifact['kind']}, {artifact['media_type']}{size}, {artifact['state']}"))
    if artifact["sha256"]:
        say(f"sha256 {artifact['sha256']}")
    if artifact["verify_ms"] is not None:
        say(f"came in parts; read and hashed by the server in {artifact['verify_ms'] / 1000:.1f} s")
    if artifact["table"]:
        table = artifact["table"]
        say(printable(f"{table['format']} table {table['uri']} at version {table['version']}"))
    printer = PRINTERS.get(str(told.get("type")))
    if printer:
        printer(told)
    if found["text"] is not None:
        _text(found["text"], found["text_cut"], is_json=told.get("type") == "json")
    elif printer is None and not artifact["table"]:
        say("nothing more was told of its content")


def _table(told: Json) -> None:
    columns = told.get("columns") or []
    names = [printable(str(column.get("name"))) for column in columns[:COLUMNS]]
    rows = "" if told.get("rows") is None else f"{counted(told['rows'], 'row')}, "
    say(f"{rows}{counted(told.get('column_count', len(columns)), 'column')}: {_listed(map(_column, columns))}")
    page = [[_cell(value) for value in row[:COLUMNS]] for row in (told.get("page") or [])[:ROWS]]
    if page and names:
        print_table(dict.fromkeys(_distinct(names), "left"), page)


def _distinct(names: list[str]) -> list[str]:
    """A file may have several columns of one name."""
    return [name if name not in names[:n] else f"{name} ({n + 1})" for n, name in enumerate(names)]


def _column(column: Json) -> str:
    return f"{column.get('name')} {column.get('type')}"


def _cell(value: Any) -> str:
    text = printable("–" if value is None else value_text(value))
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def _image(told: Json) -> None:
    say(printable(f"{told.get('format')} image, {told.get('width')} × {told.get('height')} pixels"))


def _html(told: Json) -> None:
    if told.get("title"):
        say(printable(f"title: {told['title']}"))


def _metrics(told: Json) -> None:
    values = told.get("values") or {}
    print_table(
        {"metric": "left", "value": "right"}, [[printable(name), _cell(value)] for name, value in values.items()]
    )


def _archive(told: Json) -> None:
    say(f"{counted(told.get('count', 0), 'file')}, {size_text(told.get('bytes'))} unpacked")
    rows = [[printable(str(file.get("name"))), size_text(file.get("size"))] for file in told.get("files") or []]
    print_table({"file": "left", "size": "right"}, rows[:LINES])


def _lines(told: Json) -> None:
    if told.get("lines") is not None:
        say(counted(told["lines"], "line"))


def _text(text: str, cut: bool, *, is_json: bool) -> None:
    lines = (_pretty(text) if is_json and not cut else text).splitlines()
    for line in lines[:LINES]:
        say(printable(line))
    if cut or len(lines) > LINES:
        say("… there is more: `control-room artifacts get` brings it whole")


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _listed(words: Iterable[str]) -> str:
    found = [printable(word) for word in words]
    return ", ".join(found[:COLUMNS]) + (", …" if len(found) > COLUMNS else "")


PRINTERS: dict[str, Callable[[Json], None]] = {
    "table": _table,
    "image": _image,
    "html": _html,
    "metrics": _metrics,
    "archive": _archive,
    "text": _lines,
    "json": lambda told: None,
}
