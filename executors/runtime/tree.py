"""What the tree of processes below a child's warden holds and has used, cheap enough to be asked 20 times a second.

Read from /proc: the tree by ``task/*/children``, memory by ``statm``. The resident set counts shared pages once for
each process; where their sum is above a cap, the proportional set decides (``smaps_rollup``), which shares them out but
costs a walk of the page tables. The walks of tree and page tables are spaced so that each takes at most a hundredth of
a core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
# A walk that took so long comes again after a hundred times that.
SHARE = 100


class TreeWatch:
    """The descendants of one process. Bytes and seconds. Not thread-safe."""

    def __init__(self, root: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._root, self._clock = root, clock
        self._pids: list[int] = []
        self._walk_at = 0.0
        self._shared_at = 0.0
        # What was resident, and what of it was the tree's own, when page tables were last walked.
        self._resident, self._own = 0, 0

    def memory(self, limit: int | None) -> int:
        """Bytes that the tree holds; counted closely only where that tells whether ``limit`` is passed."""
        self._look()
        total = sum(resident(pid) for pid in self._pids)
        return total if limit is None or total <= limit else self._shared_out(total, limit)

    def cpu_seconds(self) -> float:
        """Of processors, by the living and by the dead that their parents have collected."""
        self._look()
        return collected(self._root) + sum(used(pid) for pid in self._pids)

    def _look(self) -> None:
        now = self._clock()
        if now < self._walk_at:
            return
        begun = time.thread_time()
        self._pids = descendants(self._root)
        self._walk_at = now + (time.thread_time() - begun) * SHARE

    def _shared_out(self, total: int, limit: int) -> int:
        """The proportional set; between two walks what was resident since is taken for the tree's own."""
        now, guess = self._clock(), self._own + max(0, total - self._resident)
        if now < self._shared_at and guess <= limit:
            return guess
        begun = time.thread_time()
        self._resident, self._own = total, sum(proportional(pid) for pid in self._pids)
        self._shared_at = now + (time.thread_time() - begun) * SHARE
        return self._own


def descendants(root: int) -> list[int]:
    """Living descendants of a process, the root left out."""
    found: list[int] = []
    todo = [root]
    try:
        while todo:
            below = children(todo.pop())
            found += below
            todo += below
    except FileNotFoundError:  # a kernel without lists of children
        with suppress(psutil.Error):
            return [process.pid for process in psutil.Process(root).children(recursive=True)]
    return found


def children(pid: int) -> list[int]:
    """Children of a process, [] of one that is gone. FileNotFoundError when the kernel does not tell."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - called often
    except OSError:
        return found
    for thread in threads:
        try:
            found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
        except FileNotFoundError:
            if os.path.exists(f"/proc/{pid}/task/{thread}"):  # noqa: PTH110
                raise
        except OSError:
            continue
    return found


def read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65536)
    finally:
        os.close(fd)


def resident(pid: int) -> int:
    try:
        return int(read(f"/proc/{pid}/statm").split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def proportional(pid: int) -> int:
    """0 of a process that is gone; the resident set of one that changed its user: only that is open to all."""
    try:
        for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except PermissionError:
        return resident(pid)
    except OSError:
        return 0
    return 0


def used(pid: int) -> float:
    """Seconds of a process and of the children that it has collected."""
    return sum(times(pid)[:4]) / TICKS


def collected(pid: int) -> float:
    """Seconds of the children that a process has collected."""
    return sum(times(pid)[2:4]) / TICKS


def times(pid: int) -> list[int]:
    """utime, stime, cutime, cstime in ticks; see proc_pid_stat(5)."""
    try:
        return [int(value) for value in read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[11:15]]
    except OSError:
        return [0, 0, 0, 0]
