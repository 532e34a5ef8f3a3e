"""Processes that execute one run after the other, for kinds whose work is no code of the run's author (SQL).

The executor's side. A process is started with the first run that finds none idle, gets each run's job and pipes over a
socket, and ends when it was idle for long, when it misbehaved, or with the executor. To what watches a run
(executors.runtime.supervise) it looks as a child of its own.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from executors.runtime.process import WARDEN_SECONDS, ChildSpec, feed

IDLE_SECONDS = 60.0
# Between the end of a run and the word that the process is ready for the next one.
READY_SECONDS = 1.0
READY = b"r"
BEGIN = b"b"


@dataclass(frozen=True)
class WarmSpec:
    """How a warm process is started: ``python -m module``; paths as of executors.runtime.process.ChildSpec."""

    module: str
    folder: Path
    environment: Mapping[str, str]
    hide: Sequence[str] = ()
    visible: Sequence[str] = ()
    writable: Sequence[str] = ()

    def start_document(self) -> bytes:
        paths = {"hide": list(self.hide), "visible": list(self.visible), "writable": list(self.writable)}
        return json.dumps(paths).encode() + b"\n"


@dataclass
class WarmProcess:
    """A process and the socket over which it gets its runs."""

    process: subprocess.Popen[bytes]
    desk: socket.socket
    idle_since: float = 0.0

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ready(self, seconds: float) -> bool:
        """Whether it says, within so long, that it is ready for another run."""
        with suppress(OSError):
            return bool(select.select([self.desk], [], [], seconds)[0]) and self.desk.recv(1) == READY
        return False

    def end(self) -> None:
        """Close its socket: it ends what it does, and itself. Killed when it does not."""
        self.desk.close()
        try:
            self.process.wait(WARDEN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class WarmRun:
    """One run in a warm process: what executors.runtime.supervise asks of a child."""

    worker: WarmProcess
    pool: WarmPool
    life: socket.socket
    stdout: int
    stderr: int
    control: int
    pid: int = 0
    sandbox: str = ""
    _spoiled: bool = False
    _orders: threading.Lock = field(default_factory=threading.Lock)

    def order(self, word: str) -> None:
        """Send ``term`` or ``kill``: either ends the run's query, the second also what waits for it."""
        with self._orders, suppress(OSError):
            self.life.send(word.encode() + b"\n")

    def tree(self) -> None:
        """Memory and processors are the engine's to count; the process streams."""

    def kill_warden(self) -> None:
        """Last resort when the process does not answer."""
        self._spoiled = True
        self.worker.process.kill()

    def destroy(self) -> None:
        self.order("kill\n")
        self._spoiled = True
        self.close()

    def close(self) -> None:
        """Close what is still open, and give the process back."""
        self.life.close()
        for fd in (self.stdout, self.stderr, self.control):
            with suppress(OSError):
                os.close(fd)
        self.pool.settle(self.worker, spoiled=self._spoiled)


class WarmPool:
    """Starts runs. Idle processes are kept for ``idle_seconds``, the one used last goes first."""

    def __init__(self, spec: WarmSpec, idle_seconds: float = IDLE_SECONDS, clock: Callable[[], float] = time.monotonic):
        self.spec, self._idle_seconds, self._clock = spec, idle_seconds, clock
        self._lock = threading.Lock()
        self._idle: list[WarmProcess] = []
        self._sweeper: threading.Timer | None = None

    def __call__(self, spec: ChildSpec) -> WarmRun:
        """Hand a run over. OSError when the system has no room for a process."""
        (spec.work_dir / ".tmp").mkdir(parents=True, exist_ok=True)
        with self._lock:
            worker = self._take() or start(self.spec)
            return hand_over(worker, self, spec)

    def _take(self) -> WarmProcess | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            worker.end()
        return None

    def settle(self, worker: WarmProcess, *, spoiled: bool) -> None:
        """A run is over: keep its process, or end it."""
        if spoiled or not worker.ready(READY_SECONDS):
            worker.end()
            return
        worker.idle_since = self._clock()
        with self._lock:
            self._idle.append(worker)
            self._sweep_later()

    def _sweep_later(self) -> None:
        if self._sweeper is None:
            self._sweeper = threading.Timer(self._idle_seconds, self._sweep)
            self._sweeper.daemon = True
            self._sweeper.start()

    def _sweep(self) -> None:
        with self._lock:
            self._sweeper = None
            limit = self._clock() - self._idle_seconds
            old = [worker for worker in self._idle if worker.idle_since <= limit]
            self._idle = [worker for worker in self._idle if worker.idle_since > limit]
            if self._idle:
                self._sweep_later()
        for worker in old:
            worker.end()


def start(spec: WarmSpec) -> WarmProcess:
    """Start a process; it is told at once what it must not read and where it may write."""
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", spec.module, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=spec.folder,
            env=dict(spec.environment),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        ours.sendall(spec.start_document())
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return WarmProcess(process, ours)


def hand_over(worker: WarmProcess, pool: WarmPool, spec: ChildSpec) -> WarmRun:
    """Give a run's job and the ends of its pipes to a process."""
    ours, theirs = socket.socketpair()
    job_r, job_w = os.pipe()
    control_r, control_w = os.pipe()
    try:
        socket.send_fds(worker.desk, [BEGIN], [job_r, control_w, theirs.fileno()])
    except BaseException:
        ours.close()
        os.close(control_r)
        os.close(job_w)
        raise
    finally:
        theirs.close()
        os.close(job_r)
        os.close(control_w)
    feed(job_w, json.dumps(spec.job).encode())
    return WarmRun(worker, pool, ours, closed_pipe(), closed_pipe(), control_r)


def closed_pipe() -> int:
    """A pipe that has ended: such a run writes no output but messages."""
    reading, writing = os.pipe()
    os.close(writing)
    return reading
