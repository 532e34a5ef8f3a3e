"""Processes named by (pid, start time), so that a recycled pid is never taken for ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# The kernel's boot time, from which start times are computed, moves a little when the clock is set.
START_TIME_TOLERANCE = 2.0
# Names each service process of a stack, so that one started just before its supervisor was killed is still found.
MARKER = "CONTROL_ROOM_SERVICE"
ROTATE_BYTES = 10 * 1024 * 1024
KEPT_LOGS = 3


@dataclass(frozen=True)
class Identity:
    """One process: pid and start time (seconds since the epoch)."""

    pid: int
    create_time: float

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def process(self) -> psutil.Process | None:
        """The live process, or None when it is gone, a zombie, or another one under the same pid."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.create_time) < START_TIME_TOLERANCE
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None

    def alive(self) -> bool:
        return self.process() is not None

    def send(self, signum: int) -> None:
        process = self.process()
        if process is not None:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signum)

    def kill_session(self) -> None:
        """SIGKILL to the process and to all that still share its session (it was started as a session leader)."""
        if self.process() is None:
            return
        for pid in [*_session_members(self.pid), self.pid]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def launch(argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a process in its own session with its output appended to `log`; it holds nothing of our terminal."""
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


async def until_gone(identity: Identity, popen: subprocess.Popen[bytes] | None = None) -> None:
    """Return when the process has ended; our own children are reaped. Costs nothing while it runs (pidfd)."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except (AttributeError, OSError):
        await _poll_until_gone(identity)
    else:
        await _readable(descriptor, identity)
    if popen is not None:
        popen.poll()


async def _readable(descriptor: int, identity: Identity) -> None:
    loop = asyncio.get_running_loop()
    gone = loop.create_future()
    try:
        if identity.alive():
            loop.add_reader(descriptor, _settle, gone)
            await gone
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _poll_until_gone(identity: Identity) -> None:
    while identity.alive():  # noqa: ASYNC110 - without pidfd nothing tells us
        await asyncio.sleep(0.5)


def wait_gone(identity: Identity, seconds: float) -> bool:
    """Whether the process ended within `seconds`."""
    deadline = time.monotonic() + seconds
    while identity.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def stop_blocking(identity: Identity, signum: int, seconds: float, last: tuple[int, float] | None = None) -> None:
    """Ask a process to end, and make it end after `seconds`. last: a last signal first, and seconds for that."""
    identity.send(signum)
    gone = wait_gone(identity, seconds)
    if not gone and last is not None:
        identity.send(last[0])
        gone = wait_gone(identity, last[1])
    if not gone:
        identity.kill_session()
        wait_gone(identity, 5)


def marked(stack_id: str) -> Iterator[tuple[str, Identity]]:
    """(service, identity) of every process started for this stack; only session leaders, so no backends."""
    for process in psutil.process_iter():
        try:
            label = process.environ().get(MARKER, "")
            if label.startswith(f"{stack_id}:") and os.getsid(process.pid) == process.pid:
                yield label.partition(":")[2], Identity(process.pid, process.create_time())
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue


def rotate(log: Path) -> None:
    """Move a log that has grown past ROTATE_BYTES aside; the last KEPT_LOGS are kept."""
    if not log.exists() or log.stat().st_size < ROTATE_BYTES:
        return
    for number in range(KEPT_LOGS - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def tail(log: Path, lines: int = 12, since: int = 0, limit: int = 16_384) -> str:
    """The last lines of a log after byte `since`; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, since, log.stat().st_size - limit))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _session_members(leader: int) -> list[int]:
    members = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid != leader and os.getsid(pid) == leader:
                members.append(pid)
    return members
