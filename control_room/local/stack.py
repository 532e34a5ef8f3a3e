"""The stack as the command line sees it: bring up, take down, look at."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import psutil

from control_room.errors import FAILED, INTERRUPTED, REFUSED, ControlRoomError, interruptible
from control_room.local import command, growth, interrupted, processes, shutdown, sockets
from control_room.local import state as states
from control_room.local.folder import StackFolder
from control_room.local.lock import FolderLock
from control_room.local.report import Event
from control_room.local.settings import settings_found
from control_room.local.state import StackState
from control_room.local.supervisor import Options

UP_SECONDS = 180.0
GIVEN_UP_DRAIN_SECONDS = 2.0  # for runs that an executor claimed before the start was interrupted
SETTLED = ("ready", "degraded")
OnEvent = Callable[[Event], None]


def up(folder: StackFolder, options: Options, on_event: OnEvent) -> StackState:
    """Bring the stack up, or find it up; answers when it is ready or degraded.

    on_event gets {event: service|note|phase, …} as they happen. Raises ControlRoomError when the stack does not start.
    """
    folder.ensure()
    with interruptible("interrupted before the stack was started", "run the same command again to go on"):
        _wait_while_stopping(folder)
    if _is_free(folder):
        try:
            return _start(folder, options, on_event)
        except ControlRoomError as error:
            if error.exit_code != REFUSED or _is_free(folder):
                raise  # else: another `up` was quicker
    with interruptible(
        "interrupted while another command starts the stack, which goes on",
        "`control-room status` shows it, `control-room down` stops it",
    ):
        return _attach(folder, options, on_event)


@dataclass(frozen=True)
class Stopped:
    """What `down` found: whether anything ran, and how many runs had to be interrupted (`up` goes on with them)."""

    anything: bool
    interrupted: int = 0


def down(folder: StackFolder, drain_seconds: float, on_event: OnEvent) -> Stopped:
    """Stop everything; nothing is lost."""
    if not folder.root.exists():
        return Stopped(anything=False)
    before = interrupted.sizes(folder)
    with interruptible(
        "interrupted while the stack was stopping; some of it may still run",
        "run `control-room down` again, or see `control-room status`",
    ):
        return Stopped(_down(folder, drain_seconds, on_event), interrupted.count(before))


def _down(folder: StackFolder, drain_seconds: float, on_event: OnEvent) -> bool:
    state = states.load(folder)
    supervisor = state.supervisor_identity
    if supervisor is not None and supervisor.alive() and not _is_free(folder):
        shutdown.request(folder, drain_seconds)
        on_event({"event": "stopping", "drain_seconds": drain_seconds})
        processes.stop_blocking(supervisor, signal.SIGTERM, drain_seconds + 90)
        _sweep(folder)
        return True
    return _sweep(folder)


def status(folder: StackFolder) -> dict[str, Any]:
    """stack.json with what is true now: dead supervisors and services are told, memory and uptime are measured."""
    state = states.load(folder)
    answer = state.to_json()
    supervised = state.supervised()
    if not supervised and state.phase in ("starting", "stopping", *SETTLED):
        left = any(r.identity and r.identity.alive() for r in state.services.values())
        answer["phase"] = "unsupervised" if left else "stopped"
    answer["data_dir"] = str(folder.root)
    answer["services"] = [_service_status(state, name) for name in state.services]
    answer["supervisor"] = _measured(state.supervisor_identity, children=False) if supervised else None
    return answer


def running_state(folder: StackFolder) -> StackState | None:
    """The state of a stack that is up; None when it is not."""
    if not folder.state_file.exists():
        return None
    state = states.load(folder)
    return state if state.supervised() and state.phase in ("starting", *SETTLED) else None


def _start(folder: StackFolder, options: Options, on_event: OnEvent) -> StackState:
    settings_found()  # refused here, not by each start of an engine
    reading, writing = os.pipe()
    argv = [sys.executable, "-m", "control_room.local.supervise", "--folder", str(folder.root)]
    argv += ["--executors", json.dumps(dict(options.executors)), "--pinned", json.dumps(dict(options.pinned))]
    argv += ["--engines", json.dumps(None if options.engines is None else dict(options.engines))]
    log = folder.log("supervisor")
    processes.rotate(log)
    child: subprocess.Popen[bytes] | None = None
    try:
        with log.open("ab") as output, _held_back() as interrupts:
            child = subprocess.Popen(
                [*argv, "--report-fd", str(writing)],
                cwd=folder.root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(writing,),
            )
            os.close(writing)
        if interrupts:
            raise KeyboardInterrupt
        with os.fdopen(reading) as events:
            failure = _follow(events, on_event)
    except KeyboardInterrupt:
        if child is None:
            raise
        raise _given_up(folder, child, on_event) from None
    if failure is not None:
        child.wait()
        raise failure
    child.returncode = 0  # it lives on without us; spares us the warning about a child not waited for
    return states.load(folder)


@contextlib.contextmanager
def _held_back() -> Iterator[list[int]]:
    """Ctrl-C inside is only put on the list: a process must not be started without our knowing which."""
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda signum, _: interrupts.append(signum))
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


def _given_up(folder: StackFolder, child: subprocess.Popen[bytes], on_event: OnEvent) -> ControlRoomError:
    """Stop what a start that the user interrupted has started so far; answers what to say of it."""
    with _held_back() as again:
        ours = _is_ours(folder, child)
        on_event({"event": "stopping", "drain_seconds": GIVEN_UP_DRAIN_SECONDS})
        if ours:
            shutdown.request(folder, GIVEN_UP_DRAIN_SECONDS)
        child.terminate()
    with interruptible(
        "interrupted while the stack was starting, and again while it was being stopped; the stopping goes on",
        "see `control-room status`, then run the same command again",
    ):
        if again:
            raise KeyboardInterrupt
        child.wait()
        if ours:
            try:
                _sweep(folder)
            finally:
                # a supervisor that ended before it listened has not read it
                folder.stop_request.unlink(missing_ok=True)
    if not ours:
        return ControlRoomError(
            "interrupted; another command had started the stack of this folder in the meantime, and it goes on",
            next_step="see `control-room status`; `control-room down` stops it",
            exit_code=INTERRUPTED,
        )
    return ControlRoomError(
        "interrupted while the stack was starting; what had been started is stopped again, and nothing is lost",
        next_step="run the same command again to go on",
        exit_code=INTERRUPTED,
    )


def _is_ours(folder: StackFolder, child: subprocess.Popen[bytes]) -> bool:
    """Whether no other supervisor works on the folder: ours would be refused, and its stack is not ours to stop."""
    found = states.load(folder).supervisor_identity
    return found is None or found.pid == child.pid or not found.alive()


def _follow(events: IO[str], on_event: OnEvent) -> ControlRoomError | None:
    """Pass events on until the supervisor closes the pipe; the error when the stack did not start."""
    settled = False
    for line in events:
        event = json.loads(line)
        if event["event"] == "failed":
            return _as_error(event)
        settled = settled or (event["event"] == "phase" and event["phase"] in SETTLED)
        on_event(event)
    if settled:
        return None
    return ControlRoomError(
        "the supervisor ended before the stack was ready", next_step="run `control-room up` again; it picks up the rest"
    )


def _attach(folder: StackFolder, options: Options, on_event: OnEvent) -> StackState:
    deadline = time.monotonic() + UP_SECONDS
    for state in _states(folder):
        if state.phase in SETTLED and state.supervised():
            if _refuse_other_options(state, options, folder):
                return growth.ask(folder, options.engines or {}, on_event)
            on_event({"event": "already_up", "phase": state.phase})
            return state
        if state.phase == "failed" or time.monotonic() > deadline:
            raise ControlRoomError(
                "the stack that was starting did not become ready",
                where=str(folder.log("supervisor")),
                next_step="read that log, then `control-room down` and `control-room up`",
            )
    raise AssertionError("unreachable: _states never ends")


def _states(folder: StackFolder) -> Iterator[StackState]:
    while True:
        yield states.load(folder)
        time.sleep(0.2)


def _refuse_other_options(state: StackState, options: Options, folder: StackFolder) -> bool:
    """Whether engines are to be added, which is the one thing that a running stack can do."""
    executors_differ = options.executors and dict(options.executors) != state.executors
    ports_differ = any(state.ports.get(name) != port for name, port in options.pinned.items())
    wanted = state.engines if options.engines is None else dict(options.engines)
    more = growth.is_growth(state, wanted)
    engines_differ = wanted != state.engines and not more
    if executors_differ or ports_differ or engines_differ or command.differs(state, os.environ):
        raise ControlRoomError(
            "the stack is up with other options",
            where=str(folder.root),
            next_step=_way_there(growth.instead(state, wanted)),
            exit_code=REFUSED,
        )
    return more


def _way_there(with_engines: str) -> str:
    anew = "run `control-room down`, then `control-room up` with the options you want"
    return f"{with_engines} adds what is missing to what runs; else {anew}" if with_engines else anew


def _wait_while_stopping(folder: StackFolder) -> None:
    state = states.load(folder)
    supervisor = state.supervisor_identity
    if state.phase == "stopping" and supervisor is not None and not processes.wait_gone(supervisor, 90):
        raise ControlRoomError(
            f"the stack is being stopped by pid {supervisor.pid}, which does not end",
            where=str(folder.log("supervisor")),
            next_step="run `control-room down` again",
            exit_code=FAILED,
        )


def _is_free(folder: StackFolder) -> bool:
    lock = FolderLock(folder)
    free = lock.try_acquire()
    lock.release()
    return free


def _sweep(folder: StackFolder) -> bool:
    """Stop what a dead supervisor left. True when there was anything."""
    lock = FolderLock(folder)
    lock.acquire()
    try:
        state = states.load(folder)
        left = shutdown.leftovers(state)
        shutdown.stop_services(left)
        sockets.remove_own(state.ports.values())
        for record in state.services.values():
            record.set_identity(None)
            record.state = "stopped"
        state.phase, state.supervisor = "stopped", None
        with contextlib.suppress(OSError):  # a full disk: what is on record is only out of date
            if folder.state_file.exists():
                states.save(folder, state)
        return bool(left)
    finally:
        lock.release()


def _service_status(state: StackState, name: str) -> dict[str, Any]:
    record = state.services[name]
    alive = record.identity is not None and record.identity.alive()
    answer = {**vars(record), **_measured(record.identity if alive else None)}
    answer.pop("digest")
    answer["state"] = record.state if alive or record.state in ("backoff", "failed", "starting") else "stopped"
    return answer


def _measured(identity: processes.Identity | None, children: bool = True) -> dict[str, Any]:
    """pid, uptime in seconds and resident memory in bytes, that of its children included."""
    process = identity.process() if identity else None
    if process is None:
        return {"pid": None, "uptime_seconds": None, "memory_bytes": None}
    memory = sum(_resident(member) for member in [process, *(_children(process) if children else [])])
    uptime = round(time.time() - process.create_time(), 1)
    return {"pid": process.pid, "uptime_seconds": uptime, "memory_bytes": memory}


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _as_error(event: Event) -> ControlRoomError:
    return ControlRoomError(
        event["what"], where=event.get("where", ""), next_step=event.get("next", ""), exit_code=event["exit_code"]
    )
