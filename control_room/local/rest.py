"""Whether a server that keeps what it took has rested long enough, and has grown enough, to be started anew."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

# Of the memory that it had when it was ready.
GROWN = 1.5


class Rest:
    """A server's process, looked at now and then: its memory at first, and since when nobody has been connected."""

    def __init__(self, pid: int, port: int, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        """port: where clients connect; patience: seconds without one, after which it may be started anew, 0: never."""
        self.pid, self._port, self._patience, self._clock = pid, port, patience, clock
        self._first = self._idle_since = 0.0

    def worn(self) -> str:
        """Why it should be started anew, "" as long as it should not."""
        try:
            tree = [process := psutil.Process(self.pid), *process.children(recursive=True)]
            clients = sum(self._clients(each) for each in tree)
            held = float(sum(each.memory_info().rss for each in tree))
        except psutil.Error:  # it ends just now
            return ""
        if clients or not self._idle_since:
            self._idle_since = self._clock()
        self._first = self._first or held
        rested = self._clock() - self._idle_since
        if not self._patience or rested < self._patience or held < self._first * GROWN:
            return ""
        grown = f"{held / 2**20:.0f} MiB, {self._first / 2**20:.0f} MiB when it was new"
        return f"it rests: no client for {rested:.0f} s, and it holds {grown}"

    def _clients(self, process: psutil.Process) -> int:
        return sum(
            connection.status == psutil.CONN_ESTABLISHED and connection.laddr[1:2] == (self._port,)
            for connection in process.net_connections("tcp")
        )
