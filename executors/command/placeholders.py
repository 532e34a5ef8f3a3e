"""``{params.NAME}``, ``{inputs.NAME}``, ``{bundle}`` and ``{outputs}`` in texts of a template. Pure.

A value stays inside the argument that names it, whatever it holds: no shell reads it. All other braces are text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executors.runtime.failures import TaskError

PLACEHOLDER = re.compile(r"\{(?:(params|inputs)\.([A-Za-z_][A-Za-z0-9_.-]*)|(params|bundle|outputs))\}")


@dataclass(frozen=True)
class Values:
    """What placeholders stand for: params as given, inputs as paths (files) or addresses (tables), folders as paths."""

    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)

    def fill(self, text: str, where: str) -> str:
        """The text with values in place. TaskError (user) for a name that is not there, or U+0000 in a value."""
        filled = PLACEHOLDER.sub(lambda found: self._value(found, where), text)
        if "\x00" in filled:
            raise TaskError("user", "param_invalid", f"{where} would hold U+0000, which no program can be given")
        return filled

    def _value(self, found: re.Match[str], where: str) -> str:
        kind, name, word = found.groups()
        if word == "params":
            return shown(dict(self.params))
        if word:
            return self._one(self.folders, word, "folder", where)
        return self._one(self.params if kind == "params" else self.inputs, name, kind.removesuffix("s"), where)

    def _one(self, known: Mapping[str, Any], name: str, what: str, where: str) -> str:
        if name not in known:
            have = ", ".join(sorted(known)) or "none"
            raise TaskError("user", f"{what}_missing", f"{where} asks for {what} {name!r}; the run has: {have}")
        return shown(known[name])


def shown(value: Any) -> str:
    """A text as it is, nothing for null, all else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
