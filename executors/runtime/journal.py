"""The executor's own log: one line per event, with a fixed ``action`` and the ids. Never a token, never user output."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from typing import Any, TextIO


class Journal:
    """Writes JSON lines, or plain ones for people at a terminal. ``bound`` fields stand on every line."""

    def __init__(self, out: TextIO | None = None, *, plain: bool = False, bound: dict[str, Any] | None = None) -> None:
        self._out = out or sys.stdout
        self._plain = plain
        self._bound = bound or {}
        self._lock = threading.Lock()

    def bind(self, **fields: Any) -> Journal:
        """A journal that adds these fields to each line."""
        return Journal(self._out, plain=self._plain, bound={**self._bound, **fields})

    def info(self, action: str, message: str = "", **fields: Any) -> None:
        self._write("info", action, message, fields)

    def warn(self, action: str, message: str = "", **fields: Any) -> None:
        self._write("warning", action, message, fields)

    def error(self, action: str, message: str = "", **fields: Any) -> None:
        self._write("error", action, message, fields)

    def _write(self, level: str, action: str, message: str, fields: dict[str, Any]) -> None:
        record = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "action": action}
        record |= {"message": message} if message else {}
        line = self._text(record | self._bound | fields)
        with self._lock:
            try:
                self._out.write(line + "\n")
                self._out.flush()
            except (OSError, ValueError):  # a full disk or a closed terminal must not stop the work
                return

    def _text(self, record: dict[str, Any]) -> str:
        if not self._plain:
            return json.dumps(record, default=str)
        head = f"{record.pop('at')[11:19]} {record.pop('level'):7} {record.pop('action')}"
        message = record.pop("message", "")
        return " ".join([head, *([message] if message else []), *(f"{k}={v}" for k, v in record.items())])
