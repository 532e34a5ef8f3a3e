"""Parameters as typed on a command line. Pure, but for reading the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from control_room.commands import yaml12
from control_room.errors import MISUSE, ControlRoomError


def collect(words: Sequence[str], file: Path | None, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters from the file, then from NAME=VALUE words, each read as the schema's type asks."""
    values = read_file(file) if file is not None else {}
    properties = schema.get("properties", {})
    for name, text in pairs(words, "-p").items():
        values[name] = typed(text, properties.get(name, {}))
    return values


def pairs(words: Sequence[str], option: str, form: str = "NAME=VALUE") -> dict[str, str]:
    """['a=b'] -> {a: b}; the value may hold further '='. form: how the option is written, for who writes it wrong."""
    found: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator or not name:
            step = f"for instance {option} day=2013-01-31" if form == "NAME=VALUE" else f"{option} {form}"
            raise ControlRoomError(
                f"{option} {word!r} is no {form.partition(',')[0]}", next_step=f"write {step}", exit_code=MISUSE
            )
        found[name] = value
    return found


def typed(text: str, schema: Mapping[str, Any]) -> Any:
    """The text itself where the schema wants a string, else what it says as JSON, else the text (and the server says
    what is wrong with it)."""
    types = schema.get("type", [])
    if "string" in ([types] if isinstance(types, str) else types):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_file(path: Path) -> dict[str, Any]:
    """A YAML or JSON mapping."""
    import yaml

    try:
        found = yaml12.load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ControlRoomError(f"the parameters cannot be read: {error}", where=str(path), exit_code=MISUSE) from error
    if not isinstance(found, dict):
        raise ControlRoomError("the file must hold a mapping of names to values", where=str(path), exit_code=MISUSE)
    return found
