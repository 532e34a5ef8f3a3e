"""What a program writes, passed on live, with its end kept for the error of a run that fails."""

from __future__ import annotations

import os
import threading
from typing import Any

TAIL_BYTES = 64 * 1024
READ_BYTES = 64 * 1024
# For what is still in the pipe when the program has ended; a process that it left behind may hold it open.
DRAIN_SECONDS = 1.0


class Tail:
    """Passes on what comes over a pipe to a descriptor, on a thread of its own."""

    def __init__(self, pipe: Any, onto: int) -> None:
        self._kept, self._onto = b"", onto
        self._thread = threading.Thread(target=self._pass_on, args=(pipe,), daemon=True)
        self._thread.start()

    def _pass_on(self, pipe: Any) -> None:
        while data := os.read(pipe.fileno(), READ_BYTES):
            self._kept = (self._kept + data)[-TAIL_BYTES:]
            view = memoryview(data)
            while view:
                view = view[os.write(self._onto, view) :]

    def text(self) -> str:
        """The end of it, once the program has ended."""
        self._thread.join(DRAIN_SECONDS)
        return self._kept.decode("utf-8", "replace")
