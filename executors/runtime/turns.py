"""Keeps the order of what a child writes to several pipes.

Pipes carry no times: when two of them hold text, their reader cannot tell which was written first. So a child that
turns from one pipe to another waits until the first is read empty. Output of processes that it starts takes no turns:
it is in the order of reading.
"""

from __future__ import annotations

import fcntl
import io
import os
import stat
import struct
import sys
import time
from collections.abc import Callable
from termios import FIONREAD
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# What order may cost a task: half a second at once, and a tenth of its time for as long as it alternates. A reader that
# is busy or stopped holds no task for longer than that.
CREDIT_SECONDS = 0.5
CREDIT_SHARE = 0.1
LONGEST_SECONDS = 0.1
LEAST_SECONDS = 0.001
PAUSE_SECONDS = 0.00005


class Turns:
    """Whose turn it is to write. Threads that write at the same moment have no order, so no lock is held."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._writer: int | None = None
        self._credit = CREDIT_SECONDS
        self._counted = clock()

    def take(self, fd: int) -> None:
        """Call before writing to ``fd``: waits, within bounds, until what was written elsewhere before is read."""
        before, self._writer = self._writer, fd
        if before is None or before == fd or not unread(before):
            return
        started = self._clock()
        self._credit = min(CREDIT_SECONDS, self._credit + (started - self._counted) * CREDIT_SHARE)
        self._counted = started
        if self._credit >= LEAST_SECONDS:
            self._wait(before, started)

    def _wait(self, fd: int, started: float) -> None:
        """A busy machine sleeps longer than asked for: the credit pays all that was waited, and may end below zero."""
        end = started + min(self._credit, LONGEST_SECONDS)
        while self._clock() < end and unread(fd):
            time.sleep(PAUSE_SECONDS)
        self._counted = self._clock()
        self._credit -= self._counted - started


def unread(fd: int) -> int:
    """Bytes that the reader of this pipe has not taken yet; 0 of what is no pipe."""
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            return 0
        count: int = struct.unpack("i", fcntl.ioctl(fd, FIONREAD, bytes(4)))[0]
    except OSError:  # user code closed it
        return 0
    return count


class TurnFile(io.FileIO):
    """A file that takes its turn before it writes."""

    def __init__(self, fd: int, turns: Turns) -> None:
        super().__init__(fd, "wb", closefd=False)
        self._turns = turns

    def write(self, data: ReadableBuffer, /) -> int:
        self._turns.take(self.fileno())
        return super().write(data)


def line_writer(fd: int, turns: Turns) -> io.TextIOWrapper:
    """Text in whole lines at once, so that they reach the log while the task runs; odd characters must not end it."""
    file = io.BufferedWriter(TurnFile(fd, turns))
    return io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="\n", line_buffering=True)


def take_over_output(turns: Turns) -> None:
    """Make ``print`` and all else that writes to ``sys.stdout`` and ``sys.stderr`` take turns."""
    for name in ("stdout", "stderr"):
        before = getattr(sys, name)
        before.flush()
        # Who holds the file of before (a handler made at import) still gets whole lines out.
        before.reconfigure(line_buffering=True, errors="backslashreplace")
        setattr(sys, name, line_writer(before.fileno(), turns))


__all__ = ["Turns", "line_writer", "take_over_output", "unread"]
