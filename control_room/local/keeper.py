"""Keeps one service running: adopt or start, wait until ready, watch, start again after a growing pause."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from typing import TYPE_CHECKING

from control_room.errors import ControlRoomError
from control_room.local import ports, processes
from control_room.local.processes import Identity
from control_room.local.service import NotReady, Service
from control_room.local.state import ServiceRecord, now

if TYPE_CHECKING:
    from control_room.local.supervisor import Supervisor

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0  # ready for so long: the next pause is short again
ADOPT_SECONDS = 15.0
PROBE_SECONDS = 8.0
GIVE_UP_AFTER = 3  # failed starts in a row of a service that was never ready
PATIENCE = 2  # failed starts before a port held by another process is given up


class Stopped(Exception):  # noqa: N818 - it is a state, and says why
    """The process ended, or was ended because it did not answer; the text says which."""


class Keeper:
    """One service of the stack. `ready` is set while the service answers."""

    def __init__(self, supervisor: Supervisor, service: Service, record: ServiceRecord):
        self.supervisor = supervisor
        self.service = service
        self.record = record
        self.ready = asyncio.Event()
        self.failures = 0  # in a row
        self.was_ready = False
        self._popen: subprocess.Popen[bytes] | None = None
        self._restart_reason: str | None = None
        self._ready_since = 0.0
        self._log_start = 0  # where in its log this start of the service begins

    async def keep(self) -> None:
        """Runs until cancelled; leaves the process as it is."""
        identity = self.record.identity
        while True:
            await self._dependencies()
            try:
                identity = await self._run_once(identity)
            except (Stopped, ControlRoomError, OSError) as problem:
                identity = None
                await self._pause(problem)

    def running(self) -> Identity | None:
        identity = self.record.identity
        return identity if identity is not None and identity.alive() else None

    def restart_if_changed(self) -> None:
        """End the process when it would be started differently now (a port moved); keep() starts it anew."""
        if (identity := self.outdated()) is not None:
            identity.send(self.service.stop_signal)

    def outdated(self) -> Identity | None:
        """The process when it would be started differently now; whoever asks ends it, which counts as no failure."""
        identity = self.running()
        if identity is None or self._digest() in (None, self.record.digest):
            return None
        self._restart_reason = "its configuration changed"
        return identity

    def _digest(self) -> str | None:
        """None of a service that could not be started now, so that it is left as it is."""
        try:
            return self.service.launch().digest
        except (ControlRoomError, OSError):
            return None

    async def _dependencies(self) -> None:
        for name in self.service.needs:
            await self.supervisor.keepers[name].ready.wait()

    async def _run_once(self, identity: Identity | None) -> Identity | None:
        started = time.monotonic()
        adopted = identity is not None
        if identity is None:
            identity = await self._start()
        await self._until_ready(identity, started, ADOPT_SECONDS if adopted else self.service.start_seconds)
        self._now_ready(identity, time.monotonic() - started, adopted)
        await self._watch(identity)
        return None

    async def _start(self) -> Identity:
        self._settle_ports()
        self._set(state="starting", ready_seconds=None)
        await asyncio.to_thread(self.service.prepare)
        launch = self.service.launch()
        processes.rotate(launch.log)
        self._log_start = launch.log.stat().st_size if launch.log.exists() else 0
        self._popen = processes.launch(launch.argv, launch.env, launch.cwd, launch.log)
        identity = Identity.of(self._popen.pid)
        if identity is None:
            raise Stopped(self._epitaph())
        self.record.set_identity(identity)
        self._set(digest=launch.digest, started_at=now(), adopted=False, log=str(launch.log))
        return identity

    def _settle_ports(self) -> None:
        """A port that someone else took while the service was down is waited for a little, then given up."""
        for name in self.service.ports:
            port = self.supervisor.state.ports[name]
            if ports.is_free(port):
                continue
            if name in self.supervisor.state.pinned:
                raise ports.taken(name, port)
            if self.failures < PATIENCE:
                raise Stopped(ports.taken(name, port).what)
            self.supervisor.move_port(name)
        self.record.port = self.supervisor.state.ports[self.service.ports[0]] if self.service.ports else None

    async def _until_ready(self, identity: Identity, started: float, seconds: float) -> None:
        pause, seen = 0.03, "no answer yet"
        while time.monotonic() - started < seconds:
            if not self._alive(identity):
                raise Stopped(self._epitaph())
            try:
                await self._probe(identity)
            except (NotReady, TimeoutError) as problem:
                seen = str(problem) or "no answer in time"
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.3)
        await self._end(identity)
        self.failures = max(self.failures, GIVE_UP_AFTER - 1)  # that was patience enough
        raise Stopped(f"not ready within {seconds:.0f} s: {seen}")

    def _now_ready(self, identity: Identity, seconds: float, adopted: bool) -> None:
        self.ready.set()
        self.was_ready, self._ready_since = True, time.monotonic()
        self._set(state="ready", ready_seconds=round(seconds, 3), adopted=adopted)
        words = "adopted" if adopted else "ready"
        self.supervisor.report("service", name=self.service.name, state=words, seconds=round(seconds, 2))
        self.supervisor.progressed()

    async def _watch(self, identity: Identity) -> None:
        """Returns never: raises Stopped when the process ended or hung."""
        gone = asyncio.ensure_future(processes.until_gone(identity, self._popen))
        hung = asyncio.ensure_future(self._until_hung(identity))
        try:
            await asyncio.wait({gone, hung}, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                await self._end(identity)
                raise Stopped(f"did not answer for {self.service.hang_seconds:.0f} s and was ended: {hung.result()}")
        finally:
            self.ready.clear()
            gone.cancel()
            hung.cancel()
        raise Stopped(self._epitaph())

    async def _until_hung(self, identity: Identity) -> str:
        silent_since: float | None = None
        while True:
            await asyncio.sleep(self.service.probe_interval)
            seen = await self._probe_once(identity)
            if seen is None or not self._dependencies_ready():
                silent_since = None
                await self._renew_if_worn(identity)
            elif silent_since is None:
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since > self.service.hang_seconds:
                return seen

    async def _renew_if_worn(self, identity: Identity) -> None:
        """End it, and keep() starts it anew: at a moment of its own choice, so that it counts as no failure."""
        if self._restart_reason is None and (why := await asyncio.to_thread(self.service.worn, identity)):
            self._restart_reason = why
            identity.send(self.service.stop_signal)

    async def _probe(self, identity: Identity) -> None:
        async with asyncio.timeout(PROBE_SECONDS):
            await self.service.probe(identity)

    async def _probe_once(self, identity: Identity) -> str | None:
        """What was wrong, or None when all is well."""
        try:
            await self._probe(identity)
        except (NotReady, TimeoutError) as problem:
            seen = str(problem) or "no answer in time"
            if self.record.state == "ready":
                self._set(state="unhealthy", last_error=seen, last_error_at=now())
                self.supervisor.progressed()
            return seen
        if self.record.state == "unhealthy":
            self._set(state="ready")
            self.supervisor.progressed()
        return None

    def _dependencies_ready(self) -> bool:
        return all(self.supervisor.keepers[name].ready.is_set() for name in self.service.needs)

    async def _pause(self, problem: Exception) -> None:
        planned, self._restart_reason = self._restart_reason, None
        why = planned or (problem.what if isinstance(problem, ControlRoomError) else str(problem))
        if self.was_ready and time.monotonic() - self._ready_since > STEADY_SECONDS:
            self.failures = 0
        self.was_ready = False
        self.failures += 0 if planned else 1
        self.record.restarts += 1
        self.record.set_identity(None)
        self._set(state="backoff", last_error=why, last_error_at=now())
        pause = min(FIRST_PAUSE * 2 ** max(self.failures - 1, 0), LONGEST_PAUSE)
        self.supervisor.report("service", name=self.service.name, state="down", why=why, pause=pause)
        self.supervisor.failed_to_start(self, problem)
        await asyncio.sleep(pause)

    async def _end(self, identity: Identity) -> None:
        await asyncio.to_thread(processes.stop_blocking, identity, self.service.stop_signal, self.service.stop_seconds)

    def _alive(self, identity: Identity) -> bool:
        if self._popen is not None and self._popen.pid == identity.pid:
            return self._popen.poll() is None
        return identity.alive()

    def _epitaph(self) -> str:
        code = self._popen.poll() if self._popen is not None else None
        if code is None:
            return "the process ended"
        if code < 0:
            return f"the process was killed by signal {-code}"
        log = self.service.folder.log(self.service.name)
        last = processes.tail(log, lines=3, since=self._log_start).replace("\n", " | ")
        return f"the process ended with exit code {code}" + (f"; its log ends: {last[-400:]}" if last else "")

    def _set(self, **fields: object) -> None:
        for name, value in fields.items():
            setattr(self.record, name, value)
        with contextlib.suppress(OSError):  # a full disk must not end the supervision
            self.supervisor.save()
