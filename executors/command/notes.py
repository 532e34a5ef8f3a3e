"""What a program tells while it works: JSON lines that it adds to the file ``notes.jsonl`` of its work folder.

::

    {"current": 3, "total": 12, "unit": "files", "message": "copying"}     progress, as executors.runtime.child has it
    {"metric": "rows", "value": 4711}
"""

from __future__ import annotations

import json
import os
import stat
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from executors.runtime.child import Context

FILE = "notes.jsonl"
LOOK_SECONDS = 0.5
MOST_BYTES = 1024 * 1024  # of one look; a longer line is no note
LAST_LOOKS = 64
PROGRESS = frozenset({"fraction", "message", "current", "total", "unit"})


class Follower(AbstractContextManager["Follower"]):
    """Reads the file on a thread of its own while it is entered, and once more at the end."""

    def __init__(self, context: Context) -> None:
        self._context, self._path = context, context.work_dir / FILE
        self._at = 0
        self._in_long_line = False
        self._misfits = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notes", daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            self._look()
        for _ in range(LAST_LOOKS):
            if not self._look():
                return

    def _look(self) -> bool:
        """Whether it went on in the file. Of several notes at once the last one counts, for each metric too: a program
        may write many."""
        before = self._at
        self._tell(self._whole_lines(some_of(self._path, before)))
        return self._at > before

    def _whole_lines(self, data: bytes) -> list[bytes]:
        """Lines that have ended. One that is longer than a look is told once, and passed over to its end."""
        lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
        self._at += sum(map(len, lines))
        if lines:
            in_it, self._in_long_line = self._in_long_line, False
            return lines[1:] if in_it else lines
        if len(data) == MOST_BYTES:
            self._at += len(data)
            if not self._in_long_line:
                self._misfit(data)
            self._in_long_line = True
        return []

    def _tell(self, lines: list[bytes]) -> None:
        found: dict[str, dict[str, Any]] = {}
        for line in lines:
            note = note_of(line)
            if note is None:
                self._misfit(line)
            else:
                found[str(note.get("metric", ""))] = note
        for name, note in found.items():
            if name:
                self._context.metric(name, note["value"])
            else:
                self._context.progress(**note)

    def _misfit(self, line: bytes) -> None:
        self._misfits += 1
        if self._misfits == 1:
            shown = line[:200].decode("utf-8", "replace").strip()
            self._context.log(f"{FILE}: {shown!r} is neither progress nor a metric; it is left out", "system")


def some_of(path: Path, start: int) -> bytes:
    """As much of a file from a place on as one look takes; nothing of what is no plain file.

    A program in a container may not read what this process may: a link that it made is not followed.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(fd, MOST_BYTES, start) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)


def note_of(line: bytes) -> dict[str, Any] | None:
    """The note of a line; None when it is none."""
    try:
        note = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(note, dict) or not note:
        return None
    if set(note) == {"metric", "value"}:
        return note if isinstance(note["metric"], str) and note["metric"] and is_number(note["value"]) else None
    numbers = all(is_number(note[name]) for name in ("fraction", "current", "total") if name in note)
    return note if numbers and set(note) <= PROGRESS else None


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value and abs(value) <= 1e15
