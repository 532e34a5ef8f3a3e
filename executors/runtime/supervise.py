"""Watches one child from start to end: output, messages, caps, orders to stop. One thread."""

from __future__ import annotations

import json
import os
import selectors
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from executors.runtime.caps import Breach, Caps, cpu_pause, least, memory_pause
from executors.runtime.failures import TaskError, error_record
from executors.runtime.logs import FLUSH_SECONDS, LogBook
from executors.runtime.process import WARDEN_SECONDS, ChildProcess
from executors.runtime.result import arrived_result
from executors.runtime.warm import WarmRun

READ_BYTES = 256 * 1024
MESSAGE_LIMIT = 16 * 1024 * 1024
TAIL_BYTES = 4096
DRAIN_SECONDS = 1.0
SPOOL_GRACE_SECONDS = 2.0
# After which what a killed process held no longer counts.
SPARED_SECONDS = 1.0

StopKind = Literal["cancel", "shutdown", "superseded", "lapsed", "breach"]
SILENT: frozenset[StopKind] = frozenset({"superseded", "lapsed"})
# What is kept reaches the report of these only.
KEEPING: frozenset[StopKind] = frozenset({"breach", "cancel"})


@dataclass(frozen=True)
class Stop:
    """Why a child is stopped, how many seconds it has between SIGTERM and SIGKILL, and since when (by the loop's clock)
    the executor knows."""

    kind: StopKind
    reason: str
    grace_seconds: float = 0.0
    heard_at: float | None = None


@dataclass
class ChildEnd:
    """All that is known when the last process of the child's tree is gone. Seconds and bytes."""

    status: int | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    stop: Stop | None = None
    breaches: list[Breach] = field(default_factory=list)
    # Caps passed after which the work went on.
    notices: list[Breach] = field(default_factory=list)
    # By the loop's clock: the first order to stop, the end of the child itself, the end of its tree.
    ordered_at: float | None = None
    exited_at: float | None = None
    released_at: float | None = None
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_peak: int = 0
    leftovers: int = 0
    sandbox: str = ""
    stderr_tail: str = ""
    problem: str | None = None
    # Why the executor itself could not go on with the run; stands before what the child says.
    fault: dict[str, Any] | None = None
    # A result that came after the order to stop may be half of one: the code saw the order and returned.
    stopped_first: bool = False
    # The child was about to change something at its engine: if it is lost, nobody knows whether that happened.
    unsure: bool = False


class Supervision:
    """Runs the event loop of one child. ``stop``, ``tighten`` and ``breach`` may be called from any thread."""

    def __init__(
        self,
        child: ChildProcess | WarmRun,
        book: LogBook,
        caps: Caps,
        on_message: Callable[[dict[str, Any]], None],
        clock: Callable[[], float] = time.monotonic,
        keep_seconds: float = 0.0,
        *,
        clean: bool = False,
    ) -> None:
        """keep_seconds, and which processes are clean: see :class:`executors.runtime.kinds.ExecutorKind`."""
        self.end = ChildEnd()
        self._keep_seconds = keep_seconds
        self._clean = clean or isinstance(child, WarmRun)
        self._child, self._book, self._caps = child, book, caps
        self._on_message, self._clock = on_message, clock
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._pending: list[Stop | Breach] = []
        self._control = self._life = self._tail = b""
        self._tree = child.tree()
        self._memory = 0
        self._started = self._flushed = self._sampled = self._cpu_sampled = clock()
        self._kill_at: float | None = None
        self._spared_at: float | None = None
        self._killed_at: float | None = None
        self._life_ended: float | None = None

    @property
    def elapsed(self) -> float:
        return self._clock() - self._started

    def stop(self, stop: Stop) -> None:
        """End the child: SIGTERM to its group, SIGKILL to its whole tree after the grace."""
        self._push(stop)

    def breach(self, breach: Breach) -> None:
        """Tell of a cap passed elsewhere (artifacts are counted where they are uploaded)."""
        self._push(breach)

    def tighten(self, caps: dict[str, Any], rules: dict[str, Any] | None = None) -> None:
        """By the contract's ``caps`` and ``cap_rules``."""
        with self._lock:
            self._caps = self._caps.tightened(caps, rules)
            self._book.tighten(self._caps.log_bytes)

    def observe(self, cap: str, observed: float, *, stops: bool = True) -> None:
        """Tell how much of a cap is used, where somebody else counts it. stops: only a warning follows else."""
        with self._lock:
            found = self._caps.check(cap, observed, self._clock())
        if found and (stops or found.goes_on):
            self._push(found)

    def _push(self, item: Stop | Breach) -> None:
        with self._lock:
            self._pending.append(item)
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def run(self) -> ChildEnd:
        """Until no process of the tree is left and its output is read.

        What goes wrong here goes to the caller, who reports the run and may see it started again: so only after the
        tree is dead.
        """
        try:
            self._watch()
        except BaseException:
            self._close_orders()
            self._child.destroy()
            raise
        return self._finish()

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            for fd, handle in self._sources().items():
                os.set_blocking(fd, False)
                selector.register(fd, selectors.EVENT_READ, handle)
            while not self._finished(selector):
                for key, _ in selector.select(self._timeout()):
                    if not key.data():
                        selector.unregister(key.fd)
                self._tick()

    def _sources(self) -> dict[int, Callable[[], bool]]:
        child = self._child
        return {
            child.stdout: lambda: self._output("stdout", child.stdout),
            child.stderr: lambda: self._output("stderr", child.stderr),
            child.control: self._read_control,
            child.life.fileno(): self._read_life,
            self._wake: self._read_orders,
        }

    def _finished(self, selector: selectors.BaseSelector) -> bool:
        """The warden is gone; the pipes ended too, or someone outside the tree keeps them open and the time is up."""
        if self._life_ended is None:
            return False
        return len(selector.get_map()) <= 1 or self._clock() - self._life_ended > DRAIN_SECONDS

    def _output(self, stream: str, fd: int) -> bool:
        data = read_some(fd)
        if data and stream == "stderr":
            self._tail = (self._tail + data)[-TAIL_BYTES:]
        if data:
            self._book.feed(stream, data)
        return data != b""

    def _read_control(self) -> bool:
        data = read_some(self._child.control)
        *lines, self._control = (self._control + (data or b"")).split(b"\n")
        for line in lines:
            self._message(line)
        if len(self._control) > MESSAGE_LIMIT:
            self._control = b""
            self.end.problem = f"a message of the child is over {MESSAGE_LIMIT} bytes"
            self._stop_now(Stop("breach", self.end.problem))
        return data != b""

    def _message(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            kind = message["type"]
        except (ValueError, KeyError, TypeError, RecursionError):
            self._book.note("a message of the child was no JSON object with a type; it was left out")
            return
        if kind == "result" and isinstance(message.get("value"), dict):
            self._result(message["value"])
        elif kind == "error":
            self.end.error = {name: message.get(name) for name in ("class", "code", "message", "trace", "position")}
        elif kind == "unsure":
            self.end.unsure = message.get("value") is True
        elif kind == "breach" and self._clean:
            self._passed(message)
        else:
            self._on_message(message)

    def _passed(self, message: dict[str, Any]) -> None:
        """A cap passed at the engine, which only a process without code of the run's author may say."""
        numbers = float(message["limit"]), float(message["observed"])
        self._breached(Breach(message["cap"], *numbers, at=self._clock(), action="cancelled", layer=message["layer"]))

    def _result(self, value: dict[str, Any]) -> None:
        try:
            self.end.result = arrived_result(value)
        except TaskError as error:
            self.end.error = error_record(error.failure_class, error.code, error.message)
        self.end.stopped_first = self.end.stop is not None

    def _read_life(self) -> bool:
        try:
            data = self._child.life.recv(READ_BYTES)
        except BlockingIOError:
            return True
        except ConnectionError:
            data = b""
        *lines, self._life = (self._life + data).split(b"\n")
        for line in lines:
            self._from_warden(json.loads(line))
        if not data:
            self._life_ended = self.end.released_at = self._clock()
        return data != b""

    def _from_warden(self, message: dict[str, Any]) -> None:
        if "pid" in message:
            self._child.pid, self.end.sandbox = message["pid"], message["sandbox"]
            return
        self.end.exited_at = self.end.exited_at or self._clock()
        if "status" in message:
            self.end.status, self.end.leftovers = message["status"], message["leftovers"]
            self.end.cpu_seconds = max(self.end.cpu_seconds, message["cpu_seconds"])
            self.end.memory_peak = max(self.end.memory_peak, message["max_rss_bytes"])

    def _read_orders(self) -> bool:
        os.eventfd_read(self._wake)
        with self._lock:
            pending, self._pending = self._pending, []
        for item in pending:
            if isinstance(item, Breach):
                self._breached(item)
            else:
                self._stop_now(item)
        return True

    def _stop_now(self, stop: Stop) -> None:
        """The first reason stands, except that a lost lease silences every other."""
        if self.end.stop is None or stop.kind in SILENT:
            self.end.stop = stop
        now = self._clock()
        kill_at = now + stop.grace_seconds
        if self._kill_at is None:
            self.end.ordered_at = now if stop.heard_at is None else stop.heard_at
            self._child.order("term\n")
        self._kill_at = kill_at if self._kill_at is None else min(kill_at, self._kill_at)

    def _breached(self, breach: Breach) -> None:
        known = self.end.notices if breach.goes_on else self.end.breaches
        if any((each.cap, each.action) == (breach.cap, breach.action) for each in known):
            return
        known.append(breach)
        self._book.note(breach.message())
        if not breach.goes_on:
            grace = self._caps.grace(breach.cap, engine=self._clean)
            self._stop_now(Stop("breach", breach.message(), grace, breach.at))

    def _tick(self) -> None:
        now = self._clock()
        if now - self._flushed >= FLUSH_SECONDS:
            self._flushed = now
            self._book.flush()
        self._check_caps(now)
        self._check_spool()
        if self._kill_at is not None and now >= self._kill_at and self._killed_at is None:
            self._kill(now)
        if self._killed_at is not None and self._life_ended is None and now - self._killed_at > WARDEN_SECONDS:
            self._killed_at = now
            self._child.kill_warden()

    def _kill(self, now: float) -> None:
        """The author's code at once; a child that is none of it may first keep what is left."""
        stop = self.end.stop
        if self._keep_seconds and self._spared_at is None and stop is not None and stop.kind in KEEPING:
            self._spared_at, self._kill_at = now, now + self._keep_seconds
            self._child.order("spare\n")
            return
        self._killed_at = now
        self._child.order("kill\n")

    def _check_caps(self, now: float) -> None:
        with self._lock:
            caps = self._caps
        self._sample(caps, now)
        memory = caps.check("memory_bytes", self._memory, now)
        cpu = None if self._tree is None else caps.check("cpu_seconds", self.end.cpu_seconds, now)
        logs = caps.check("log_bytes", self._book.observed, now)
        for breach in (caps.check_wall(self._started, now), logs, memory, cpu):
            if breach and self._life_ended is None and self._spared_at is None:
                self._breached(breach)
        if self._spared_at is not None and memory and not memory.goes_on and now - self._spared_at > SPARED_SECONDS:
            self._kill_at = now  # it is the child itself that holds the memory

    def _check_spool(self) -> None:
        """A log that cannot be written would be a log with holes nobody is told of: the run ends instead."""
        if self._book.failure and self.end.fault is None and self._life_ended is None:
            text = f"the executor cannot write the run's log: {self._book.failure}; give its work folder more room"
            self.end.fault = error_record("resources", "log_spool_failed", text)
            self._stop_now(Stop("breach", text, SPOOL_GRACE_SECONDS))

    def _sample(self, caps: Caps, now: float) -> None:
        if self._tree is None:
            return
        if now - self._sampled >= memory_pause(caps):
            self._sampled = now
            self._memory = self._tree.memory(least(caps.memory_bytes, caps.rule("memory_bytes").warn))
            self.end.memory_peak = max(self.end.memory_peak, self._memory)
        if now - self._cpu_sampled >= cpu_pause(caps):
            self._cpu_sampled = now
            self.end.cpu_seconds = max(self.end.cpu_seconds, round(self._tree.cpu_seconds(), 3))

    def _timeout(self) -> float:
        """Seconds until something of ours is due; output of the child wakes earlier."""
        now = self._clock()
        due = [self._flushed + FLUSH_SECONDS]
        if self._tree is not None:
            due += [self._sampled + memory_pause(self._caps), self._cpu_sampled + cpu_pause(self._caps)]
        if self._caps.wall_seconds is not None and not self.end.breaches:
            due.append(self._started + self._caps.wall_seconds + 0.001)
        if self._kill_at is not None and self._killed_at is None:
            due.append(self._kill_at)
        return max(0.0, min(due) - now)

    def _close_orders(self) -> None:
        """What was told last counts, too: a child that passes a cap and ends at once has passed it."""
        with self._lock:
            os.close(self._wake)
            self._wake = -1
            pending, self._pending = self._pending, []
        for item in pending:
            if isinstance(item, Breach):
                self._breached(item)

    def _finish(self) -> ChildEnd:
        self._close_orders()
        self._child.close()
        stopped = self._spared_at or self._clock()
        self.end.wall_seconds = stopped - self._started
        observed = {
            "wall_seconds": self.end.wall_seconds,
            "log_bytes": float(self._book.observed),
            "memory_bytes": float(self.end.memory_peak),
            "cpu_seconds": self.end.cpu_seconds,
        }
        self.end.breaches = [each.stopped(stopped, observed.get(each.cap)) for each in self.end.breaches]
        self.end.notices = [
            replace(each, observed=max(each.observed, observed.get(each.cap, 0))) for each in self.end.notices
        ]
        self.end.stderr_tail = self._tail.decode("utf-8", "replace")
        return self.end


def read_some(fd: int) -> bytes | None:
    """Bytes at hand, b"" at the end, None when there is nothing now."""
    try:
        return os.read(fd, READ_BYTES)
    except BlockingIOError:
        return None
