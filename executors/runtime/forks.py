"""Starts children by forking: the executor's side of fork servers (executors.runtime.fork_server).

One server per environment: the executor's own, started before the executor reads its token, and one per environment of
a bundle, started with its first run. Where the modules of a kind are large, its own server too is started with the
first run, and ends after a while without one, so that an executor that waits is small. A server that was lost is
started again; what it forked runs on, because wardens belong to the executor. Where a server cannot fork, the child is
a fresh process as of other kinds, and the journal says so.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from executors.runtime.journal import Journal
from executors.runtime.process import (
    APART,
    WARDEN_SECONDS,
    ChildProcess,
    ChildSpec,
    Spawner,
    child_environment,
    feed,
    spawn,
    widened,
)

# A fork takes milliseconds; a server that loads its modules on a busy machine, many seconds.
ANSWER_SECONDS = 60.0
IDLE_SECONDS = 600.0
MOST_SERVERS = 8
# Room for the environment of a run where others see it (executors.runtime.title).
MARKER_ROOM = "-" * 1024
FORK = b"f"


class CannotForkError(Exception):
    """The server does not fork now; the text says why."""


class LostError(Exception):
    """The server is gone, or does not answer."""


@dataclass
class ForkedWarden:
    """A warden that the executor did not start itself, by its descriptor: its number may be given away, this not."""

    pid: int
    fd: int
    over: Callable[[], None] | None = None  # called once it has ended and was collected
    _ended: bool = False

    def send_signal(self, number: int, /) -> None:
        if not self._ended:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.fd, number)

    def wait(self, timeout: float | None = None) -> None:
        """Until it has ended, and collect it: it was adopted by this process, if this process adopts."""
        if self._ended:
            return
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if not poll.poll(None if timeout is None else timeout * 1000):
            raise subprocess.TimeoutExpired("warden", timeout or 0)
        with suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self.fd, os.WEXITED)
        self._ended = True
        os.close(self.fd)
        if self.over:
            self.over()


@dataclass
class ForkServer:
    """A server's process and its desk. used: when it last forked, or a run of it ended; at_work: runs that have not."""

    process: subprocess.Popen[bytes]
    desk: socket.socket
    used: float = 0.0
    at_work: int = 0

    def fork(self, fds: list[int]) -> ForkedWarden:
        """Have a warden forked that holds these descriptors (LIFE, job, control, stdout, stderr).

        CannotForkError and LostError; OSError when the system has no room for a process.
        """
        try:
            socket.send_fds(self.desk, [FORK], fds)
            words, given, _, _ = socket.recv_fds(self.desk, 4096, 1)
        except OSError as error:  # the desk's end, or its time is up
            raise LostError(f"the fork server does not answer: {error}") from None
        if not words:
            raise LostError("the fork server is gone")
        found = json.loads(words)
        if given:
            return ForkedWarden(found["pid"], given[0])
        if "refused" in found:
            raise CannotForkError(found["refused"])
        number = found.get("errno", errno.EMFILE)  # without one, the warden's descriptor found no room here
        raise OSError(number, os.strerror(number))

    def end(self) -> None:
        """Close its desk: it ends itself. Killed when it does not."""
        self.desk.close()
        try:
            self.process.wait(WARDEN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def collect(self) -> bool:
        """Collect what a killed server left half forked, which this process adopted; whether nothing of it is left.

        All of it is in the server's process group: a child of a run, and a warden that is known, have left that.
        """
        with suppress(ChildProcessError):
            while os.waitpid(-self.process.pid, os.WNOHANG)[0]:
                pass
            return False
        return True


def start_server(prefix: str, module: str, environment: Mapping[str, str], preloaded: Sequence[str] = ()) -> ForkServer:
    """Start a server; ``prefix`` is an environment's folder, "" for the executor's own. OSError without room.

    preloaded: what children will load, beside their module.

    Nothing confines it: of that folder it is told the name, and reads no file.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    desk = str(theirs.fileno())
    plain = [sys.executable, "-P", "-m", "executors.runtime.fork_main", desk]
    try:
        process = subprocess.Popen(
            [*APART, desk, prefix] if prefix else plain,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env=dict(environment),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        ours.sendall(" ".join((module, *preloaded)).encode())
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    ours.settimeout(ANSWER_SECONDS)
    return ForkServer(process, ours)


def hatch(server: ForkServer, spec: ChildSpec, over: Callable[[ForkServer], None]) -> ChildProcess:
    """A forked child, as executors.runtime.process.spawn starts one. over: called with the server when it has ended."""
    (spec.work_dir / ".tmp").mkdir(parents=True, exist_ok=True)
    with ExitStack() as ours, ExitStack() as theirs:
        life, wardens_life = socket.socketpair()
        ours.callback(life.close)
        theirs.callback(wardens_life.close)
        job_r, job_w = pipe_between(theirs, ours)
        (control_r, control_w), (out_r, out_w), (err_r, err_w) = (pipe_between(ours, theirs) for _ in range(3))
        warden = server.fork([wardens_life.fileno(), job_r, control_w, out_w, err_w])
        try:
            life.sendall(spec.fork_document())
            feed(job_w, json.dumps(spec.job).encode())
        except BaseException:  # nothing may run that nobody watches: without an executor the warden ends
            life.close()
            warden.wait(WARDEN_SECONDS)
            raise
        ours.pop_all()
    server.at_work += 1
    warden.over = lambda: over(server)
    return ChildProcess(warden, life, widened(out_r), widened(err_r), control_r)


def pipe_between(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """A pipe whose ends are closed by two sides, each of its own."""
    reading, writing = os.pipe()
    reader.callback(os.close, reading)
    writer.callback(os.close, writing)
    return reading, writing


class ForkSpawner:
    """Starts children one after the other, forked where that can be. Servers of environments go when idle for long."""

    def __init__(
        self,
        module: str,
        journal: Journal,
        clock: Callable[[], float] = time.monotonic,
        preloaded: Sequence[str] = (),
        rest_seconds: float | None = None,
    ) -> None:
        """preloaded: see :func:`start_server`. rest_seconds: for how long the executor's own server waits for a run
        before it ends; None: for ever."""
        self._module, self._journal, self._clock = module, journal, clock
        self._preloaded, self._rest_seconds = tuple(preloaded), rest_seconds
        self._lock = threading.Lock()
        self._servers: dict[str, ForkServer] = {}
        self._ended: list[ForkServer] = []
        self._sweeper: threading.Timer | None = None

    def warm_up(self) -> None:
        """Start the server of the executor's own environment."""
        with self._lock, suppress(OSError):  # asked for again with the first run, which tells of it
            self._server("")

    def __call__(self, spec: ChildSpec) -> ChildProcess:
        """OSError when the system has no room for a process."""
        with self._lock:
            try:
                return self._forked(spec)
            except (CannotForkError, LostError) as error:
                self._journal.warn("forks.fell_back", f"{error}; a child is started as a process of its own")
            finally:
                self._ended = [server for server in self._ended if not server.collect()]
            return spawn(spec)

    def end(self) -> None:
        """End the servers; what they forked runs on."""
        with self._lock:
            for prefix in list(self._servers):
                self._end(prefix)
            if self._sweeper:
                self._sweeper.cancel()

    def _forked(self, spec: ChildSpec) -> ChildProcess:
        try:
            return hatch(self._server(spec.prefix), spec, self._over)
        except LostError as error:  # it ended since it was looked at, and nothing of this run was begun
            self._journal.warn("forks.lost", f"{error}; it is started again")
            self._end(spec.prefix)
            return hatch(self._server(spec.prefix), spec, self._over)

    def _over(self, server: ForkServer) -> None:
        """A run has ended: its server is idle from now on, if no other is at work."""
        with self._lock:
            server.at_work -= 1
            server.used = self._clock()
            self._sweep_later()

    def _server(self, prefix: str) -> ForkServer:
        server = self._servers.get(prefix)
        if server is None:
            environment = server_environment(os.environ, prefix)
            server = self._servers[prefix] = start_server(prefix, self._module, environment, self._preloaded)
            self._make_room(prefix)
        server.used = self._clock()
        self._sweep_later()
        return server

    def _make_room(self, newest: str) -> None:
        """Keep the executor's own server, and of the others those used last."""
        others = sorted((name for name in self._servers if name not in ("", newest)), key=self._used)
        for name in others[: max(0, len(others) + 2 - MOST_SERVERS)]:
            self._end(name)

    def _end(self, prefix: str) -> None:
        server = self._servers.pop(prefix)
        server.end()
        if not server.collect():
            self._ended.append(server)

    def _used(self, name: str) -> float:
        return self._servers[name].used

    def _due(self, name: str) -> float | None:
        """When a server has waited long enough for a run; None: not as long as one is at work, or never."""
        wait = IDLE_SECONDS if name else self._rest_seconds
        return None if wait is None or self._servers[name].at_work else self._used(name) + wait

    def _sweep_later(self) -> None:
        ends = [end for name in self._servers if (end := self._due(name)) is not None]
        if self._sweeper is None and ends:
            sweeper = threading.Timer(max(0.0, min(ends) - self._clock()), self._sweep)
            sweeper.daemon = True
            with suppress(RuntimeError):  # no room for a thread: the next run asks again, and this one has its child
                sweeper.start()
                self._sweeper = sweeper

    def _sweep(self) -> None:
        with self._lock:
            self._sweeper = None
            now = self._clock()
            for name in list(self._servers):
                if (end := self._due(name)) is not None and end <= now:
                    self._end(name)
            self._sweep_later()


def server_environment(base: Mapping[str, str], prefix: str) -> dict[str, str]:
    """What a server starts with: what children are given; in an environment of its own no PYTHON variables."""
    kept = {name: value for name, value in base.items() if not (prefix and name.startswith("PYTHON"))}
    return child_environment(kept, Path("/"), Path("/"), MARKER_ROOM, {})


def can_fork() -> bool:
    """Whether this system has what wardens that are forked need: descriptors of processes."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def make_spawner(
    module: str, journal: Journal, preloaded: Sequence[str] = (), rest_seconds: float | None = None
) -> ForkSpawner | Spawner:
    """With its server under way, unless that rests; where children cannot be forked, what starts each as a process of
    its own."""
    if not can_fork():
        journal.warn("forks.fell_back", "this system has no pidfd_open; each child is started as a process of its own")
        return Spawner()
    spawner = ForkSpawner(module, journal, preloaded=preloaded, rest_seconds=rest_seconds)
    if rest_seconds is None:
        spawner.warm_up()
    return spawner
