"""The supervisor: one process per data folder that keeps the services running, in one asyncio loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from contract.tasks import end
from control_room.errors import FAILED, ControlRoomError
from control_room.local import (
    command,
    engines,
    growth,
    objectstore,
    ports,
    postgres,
    processes,
    shutdown,
    sockets,
    spark,
    trino,
)
from control_room.local import state as states
from control_room.local.executor import Executor, available_executors, check_wanted
from control_room.local.folder import StackFolder
from control_room.local.keeper import GIVE_UP_AFTER, Keeper
from control_room.local.lock import FolderLock
from control_room.local.objectstore import ObjectStore
from control_room.local.postgres import Postgres
from control_room.local.processes import Identity
from control_room.local.report import Reporter
from control_room.local.server import Server, token_for, url_of
from control_room.local.service import Service
from control_room.local.state import ServiceRecord, StackState


@dataclass(frozen=True)
class Options:
    """What the user asked for. executors: kind -> slots, empty for the remembered or default ones; pinned: ports;
    engines: engine -> heap, None for the remembered ones."""

    executors: Mapping[str, int] = field(default_factory=dict)
    pinned: Mapping[str, int] = field(default_factory=dict)
    engines: Mapping[str, str] | None = None


class Supervisor:
    """Owns the folder's lock and stack.json while it runs."""

    def __init__(self, folder: StackFolder, options: Options, report: Reporter):
        self.folder = folder
        self.options = options
        self.report = report
        self.state = StackState()
        self.keepers: dict[str, Keeper] = {}
        self.problem: ControlRoomError | None = None
        self._lock = FolderLock(folder)
        self._began = time.monotonic()
        self._settled = asyncio.Event()  # ready, degraded or failed
        self._stop = asyncio.Event()
        self._asked = asyncio.Event()  # for more engines
        self._keeping: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Start, supervise until SIGTERM or SIGINT, stop. Raises ControlRoomError when the stack cannot start."""
        self.folder.ensure()
        self._lock.acquire()
        try:
            self._handle_signals()
            await asyncio.to_thread(self._take_over)
            await self._supervise()
        finally:
            self._lock.release()

    def save(self) -> None:
        states.save(self.folder, self.state)

    def progressed(self) -> None:
        """Called by a keeper whose service became ready, or ceased to answer, or answers again."""
        self._update_phase()

    def failed_to_start(self, keeper: Keeper, problem: Exception) -> None:
        """Called after each failed start: a core service that never comes up ends the attempt, with the reason."""
        if self._settled.is_set():
            self._update_phase()
        elif keeper.failures >= GIVE_UP_AFTER or isinstance(problem, ControlRoomError):
            keeper.record.state = "failed"
            if keeper.service.core:
                self._give_up(keeper, problem)
            self._update_phase()

    def move_port(self, name: str) -> None:
        """Give up a port that another process took, and restart whoever was told the old one."""
        old, new = self.state.ports[name], ports.choose_for(name, self.state.ports.values())
        self.state.ports[name] = new
        self._note(f"port {old} ({name}) was taken by {ports.holder(old)}; it is {new} now")
        self._configure()
        for keeper in self.keepers.values():
            keeper.restart_if_changed()

    def _take_over(self) -> None:
        """Read what the last supervisor left; settle ports; end what cannot be adopted."""
        self.folder.engines_request.unlink(missing_ok=True)
        self.state = states.load(self.folder)
        self.state.phase, self.state.problem, self.state.notes = "starting", None, []
        self.state.started_at, self.state.ready_seconds = states.now(), None
        self.state.version = _version()
        own = Identity.of(os.getpid())
        self.state.supervisor = {"pid": os.getpid(), "create_time": own.create_time if own else 0.0}
        self._settle_engines()
        self._settle_executors()
        self._settle_ports()
        self._configure()
        self._end_strangers()
        self.save()

    def _settle_engines(self) -> None:
        wanted = self.state.engines if self.options.engines is None else self.options.engines
        self.state.engines = engines.check(wanted)

    def _settle_executors(self) -> None:
        wanted = dict(self.options.executors) or self.state.executors or available_executors()
        self.state.executors = check_wanted(dict(wanted))
        self.state.command = command.settle(self.state.executors, os.environ, self.state.command)

    def _settle_ports(self) -> None:
        held = self._ports_of_living_services()
        pinned = {**self.state.pinned, **self.options.pinned}
        self.state.ports, notes = ports.settle(self.state.ports, pinned, held)
        self.state.pinned = pinned
        for note in notes:
            self._note(note)

    def _ports_of_living_services(self) -> set[int]:
        alive = {name for name, identity in shutdown.leftovers(self.state) if identity is not None}
        names = [name for service in self._services() if service.name in alive for name in service.ports]
        return {self.state.ports[name] for name in names if name in self.state.ports}

    def _configure(self) -> None:
        """Secrets and configuration, made in one thread before anything reads them; tokens come with the server."""
        postgres.write_passfiles(self.folder)
        objectstore.write_configuration(self.folder, self.state)
        url = url_of(self.state)
        self.state.urls = {"dashboard": f"{url}/", "api": f"{url}/api/v1", "s3": objectstore.endpoint(self.state)}
        if self.state.engines:
            self.state.urls["iceberg"] = objectstore.catalog_url(self.state)
        if trino.ENGINE in self.state.engines:
            trino.write_configuration(self.folder, self.state)
            self.state.urls["trino"] = trino.url_of(self.state)
        if spark.ENGINE in self.state.engines:
            spark.write_configuration(self.folder, self.state)
            self.state.urls["spark"] = spark.remote_of(self.state)

    def _end_strangers(self) -> None:
        """Processes that were started differently, that no longer belong, or that were never put on record."""
        services = {service.name: service for service in self._services()}
        old, self.state.services = self.state.services, {}
        ends = shutdown.unrecorded(self.state, [r.pid for r in old.values() if r.pid is not None])
        for name, record in old.items():
            identity = record.identity
            if identity is not None and identity.alive() and _digest(services.get(name)) != record.digest:
                ends.append((name, identity))
        for name, identity in ends:
            self._note(f"{name} (pid {identity.pid}) was left by an earlier run and was stopped")
        shutdown.stop_services(ends)
        for name, service in services.items():
            self.state.services[name] = self._record(service, old.get(name))

    def _record(self, service: Service, old: ServiceRecord | None) -> ServiceRecord:
        record = ServiceRecord(service.name, log=str(self.folder.log(service.name)))
        record.port = self.state.ports[service.ports[0]] if service.ports else None
        record.memory_cap_bytes = service.memory_cap_bytes
        if old is not None and old.identity is not None and old.identity.alive():
            record.set_identity(old.identity)
            record.digest, record.started_at, record.restarts = old.digest, old.started_at, old.restarts
        return record

    def _services(self) -> list[Service]:
        executors = [Executor(self.folder, self.state, kind) for kind in engines.executors_of(self.state)]
        return [
            Postgres(self.folder, self.state),
            ObjectStore(self.folder, self.state),
            Server(self.folder, self.state),
            *(kind(self.folder, self.state) for kind in (trino.Trino, spark.Spark) if kind.name in self.state.engines),
            *executors,
        ]

    async def _supervise(self) -> None:
        self.keepers = {s.name: Keeper(self, s, self.state.services[s.name]) for s in self._services()}
        self._keep(self.keepers.values())
        stop = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            while not stop.done():
                asked = asyncio.create_task(self._asked.wait(), name="asked")
                done, _ = await asyncio.wait([stop, asked, *self._keeping], return_when=asyncio.FIRST_COMPLETED)
                for task in done.intersection(self._keeping):
                    task.result()  # a keeper ends only by a defect of ours: show it
                await end([asked])
                if self._asked.is_set() and not stop.done():
                    await self._take_up_engines()
        finally:
            await end([stop, *self._keeping])
            await self._shut_down()
        if self.problem is not None:
            raise self.problem

    def _keep(self, keepers: Iterable[Keeper]) -> None:
        self._keeping += [asyncio.create_task(keeper.keep(), name=keeper.service.name) for keeper in keepers]

    async def _take_up_engines(self) -> None:
        """Engines that :mod:`control_room.local.growth` asks for."""
        self._asked.clear()
        wanted = growth.requested(self.folder.engines_request)
        if wanted is None or not self._settled.is_set():
            return
        try:
            await asyncio.to_thread(self._prepare_engines, wanted)
        except (ControlRoomError, OSError) as error:
            told = error if isinstance(error, ControlRoomError) else ControlRoomError(str(error), exit_code=FAILED)
            growth.refuse(self.folder.engines_request, told)
            return
        new = [service for service in self._services() if service.name not in self.keepers]
        for service in new:
            record = self.state.services[service.name] = self._record(service, None)
            self.keepers[service.name] = Keeper(self, service, record)
        self._enter("degraded")  # until all that starts now is ready
        outdated = [(name, identity) for name, keeper in self.keepers.items() if (identity := keeper.outdated())]
        await asyncio.to_thread(shutdown.stop_services, outdated)
        self._keep(self.keepers[service.name] for service in new)
        self.folder.engines_request.unlink(missing_ok=True)

    def _prepare_engines(self, wanted: Mapping[str, str]) -> None:
        """Configuration, and tokens of the executors that come with them."""
        before, self.state.engines = self.state.engines, engines.check(wanted)
        try:
            self._configure()
            for kind in engines.executors_of(self.state):
                token_for(self.folder, self.state, kind)
        except (ControlRoomError, OSError):
            self.state.engines = before
            raise

    async def _shut_down(self) -> None:
        self.state.phase = "stopping"
        self._save_if_possible()
        drain = shutdown.requested_drain(self.folder.stop_request)
        self.report("stopping", drain_seconds=drain)
        await asyncio.to_thread(shutdown.stop_services, shutdown.leftovers(self.state), drain)
        sockets.remove_own(self.state.ports.values())
        for record in self.state.services.values():
            record.state = "stopped" if record.state != "failed" else "failed"
            record.set_identity(None)
        self.state.phase = "failed" if self.problem else "stopped"
        self.state.supervisor = None
        self._save_if_possible()
        self.report("stopped")

    def _save_if_possible(self) -> None:
        with contextlib.suppress(OSError):
            self.save()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop.set)
        loop.add_signal_handler(growth.SIGNAL, self._asked.set)  # a terminal's hangup, which asks for nothing, too

    def _update_phase(self) -> None:
        found = {keeper.record.state for keeper in self.keepers.values()}
        if found == {"ready"}:
            self._enter("ready")
        elif found <= {"ready", "failed"} or (self._settled.is_set() and self.state.phase != "failed"):
            self._enter("degraded")

    def _enter(self, phase: str) -> None:
        first = not self._settled.is_set()
        if first:
            self.state.ready_seconds = round(time.monotonic() - self._began, 3)
            self._settled.set()
        changed, self.state.phase = self.state.phase != phase, phase
        self._save_if_possible()
        if changed:
            errors = {n: k.record.last_error for n, k in self.keepers.items() if k.record.state != "ready"}
            self.report("phase", phase=phase, seconds=self.state.ready_seconds, errors=errors, urls=self.state.urls)
        if first:
            self.report.close()

    def _give_up(self, keeper: Keeper, problem: Exception) -> None:
        self.problem = problem if isinstance(problem, ControlRoomError) else _start_failure(keeper, problem)
        self.state.problem = {"what": self.problem.what, "next": self.problem.next_step}
        self._stop.set()

    def _note(self, text: str) -> None:
        self.state.notes.append(text)
        self.report("note", text=text)


def _start_failure(keeper: Keeper, problem: Exception) -> ControlRoomError:
    log = keeper.service.folder.log(keeper.service.name)
    full = "no space left" in processes.tail(log).lower()
    remedy = "the disk is full: free some space" if full else "read that log"
    return ControlRoomError(
        f"{keeper.service.name} does not start: {problem}",
        where=str(log),
        next_step=f"{remedy}, then `control-room up`",
    )


def _digest(service: Service | None) -> str | None:
    """How the service would be started now; None when it would not be."""
    try:
        return service.launch().digest if service is not None else None
    except (ControlRoomError, OSError):
        return None


def _version() -> str:
    try:
        return version("lakehouse-control-room")
    except PackageNotFoundError:
        return "0"
