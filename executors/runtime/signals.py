"""Signals, heard on a thread of their own.

A handler runs on the main thread, between any two of its instructions: one that takes a lock can meet the code that
holds it, or itself, interrupted by the next signal, and neither goes on. So it only writes a byte.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType


def hear(numbers: Iterable[int], told: Callable[[int], None]) -> None:
    """Call ``told`` with each signal of these from now on, one after another. Call it on the main thread."""
    heard, noted = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(noted, False)

    def note(number: int, frame: FrameType | None) -> None:
        with suppress(BlockingIOError):  # thousands of signals that nobody has heard yet say no more than these do
            os.write(noted, bytes([number]))

    def listen() -> None:
        while found := os.read(heard, 1):
            told(found[0])

    threading.Thread(target=listen, name="signals", daemon=True).start()
    for number in numbers:
        signal.signal(number, note)
