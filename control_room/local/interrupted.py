"""Runs that executors had to interrupt: counted where the executors say so, in their logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from control_room.local.folder import StackFolder

ACTION = "run.interrupted"


def sizes(folder: StackFolder) -> dict[Path, int]:
    """The log of each executor with its size in bytes: what comes after is new."""
    return {log: log.stat().st_size for log in folder.log("any").parent.glob("executor-*.log")}


def count(before: Mapping[Path, int]) -> int:
    """How many runs were interrupted since; an executor that was killed could not say so."""
    return sum(_action(line) == ACTION for log, size in before.items() for line in _lines(log, size))


def _lines(log: Path, since: int) -> Iterator[bytes]:
    try:
        with log.open("rb") as file:
            file.seek(since)
            yield from file
    except OSError:
        return


def _action(line: bytes) -> str | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return str(found.get("action")) if isinstance(found, dict) else None
