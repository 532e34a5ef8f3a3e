"""Engines that a stack gets while it runs (`up --with trino`): asked for by a file and a signal, as its end is.

The supervisor makes the configuration anew, ends what would be started differently with it (executors drain, and give
their runs back), and keeps the new services beside the others. Engines can only come; one goes with the whole stack.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from control_room.errors import FAILED, REFUSED, ControlRoomError
from control_room.local import state as states
from control_room.local.engines import DEFAULT_HEAPS
from control_room.local.folder import StackFolder, write_private_json
from control_room.local.keeper import GIVE_UP_AFTER
from control_room.local.report import Event
from control_room.local.settings import settings_found
from control_room.local.state import ServiceRecord, StackState

SIGNAL = signal.SIGHUP
ANSWER_SECONDS = 60.0  # the drain of executors that start anew, and some
MORE_SECONDS = 60.0  # beside those that an engine gets to start
OnEvent = Callable[[Event], None]


def is_growth(state: StackState, wanted: Mapping[str, str]) -> bool:
    """Whether only engines are added to those that run; they keep their heaps."""
    return len(wanted) > len(state.engines) and all(wanted.get(name) == heap for name, heap in state.engines.items())


def instead(state: StackState, wanted: Mapping[str, str]) -> str:
    """What to write for the engines that are missing, beside those that run; '' when none is."""
    if not set(wanted) - set(state.engines):
        return ""
    return "`control-room up --with " + written({**wanted, **state.engines}) + "`"


def written(engines: Mapping[str, str]) -> str:
    """As --with has it: trino=2G,spark."""
    return ",".join(name if heap == DEFAULT_HEAPS.get(name) else f"{name}={heap}" for name, heap in engines.items())


def ask(folder: StackFolder, wanted: Mapping[str, str], on_event: OnEvent) -> StackState:
    """Have the running stack take up the engines; answers when all of its services are ready, or one does not come up.

    Raises ControlRoomError when the supervisor refuses, or does not answer.
    """
    before = states.load(folder)
    supervisor = before.supervisor_identity
    write_private_json(folder.engines_request, {"engines": dict(wanted)})
    if supervisor is not None:
        supervisor.send(SIGNAL)
    _await_answer(folder)
    return _await_ready(folder, before, on_event)


def requested(path: Path) -> dict[str, str] | None:
    """The supervisor's side: what is asked for, None when nothing is."""
    try:
        engines = json.loads(path.read_text())["engines"]
    except (OSError, ValueError, KeyError):
        return None
    return {str(name): str(heap) for name, heap in engines.items()}


def refuse(path: Path, error: ControlRoomError) -> None:
    """Leave word of why it cannot be."""
    told = {"what": error.what, "where": error.where, "next": error.next_step, "exit_code": error.exit_code}
    write_private_json(path, {"refused": told})


def _await_answer(folder: StackFolder) -> None:
    path, deadline = folder.engines_request, time.monotonic() + ANSWER_SECONDS
    try:
        while path.exists():
            if refused := _refusal(path):
                raise refused
            if time.monotonic() > deadline:
                raise ControlRoomError(
                    "the stack that runs does not take up engines",
                    where=str(folder.log("supervisor")),
                    next_step="run `control-room down`, then the same command again",
                    exit_code=REFUSED,
                )
            time.sleep(0.1)
    finally:
        path.unlink(missing_ok=True)


def _refusal(path: Path) -> ControlRoomError | None:
    try:
        told: dict[str, Any] = json.loads(path.read_text()).get("refused") or {}
    except (OSError, ValueError):
        return None
    if not told:
        return None
    return ControlRoomError(told["what"], where=told["where"], next_step=told["next"], exit_code=told["exit_code"])


def _await_ready(folder: StackFolder, before: StackState, on_event: OnEvent) -> StackState:
    told = {name: record.pid for name, record in before.services.items() if record.state == "ready"}
    for state in _states(folder):
        for name, record in state.services.items():
            if record.state == "ready" and told.get(name) != record.pid:
                told[name] = record.pid
                on_event({"event": "service", "name": name, "state": "ready", "seconds": record.ready_seconds})
        if state.phase == "ready":
            return state
        if not state.supervised():
            raise ControlRoomError(
                "the stack was stopped before the engines were ready",
                where=str(folder.log("supervisor")),
                next_step="see `control-room status`",
                exit_code=FAILED,
            )
        if any(_stuck(record, before.services.get(name)) for name, record in state.services.items()):
            return _degraded(state, on_event)
    return _degraded(states.load(folder), on_event)


def _stuck(record: ServiceRecord, before: ServiceRecord | None) -> bool:
    """One that failed so often since that it will hardly come up by itself; the supervisor goes on trying."""
    failed = record.restarts - (before.restarts if before else 0)
    return record.state == "backoff" and failed >= GIVE_UP_AFTER


def _degraded(state: StackState, on_event: OnEvent) -> StackState:
    errors = {name: record.last_error or record.state for name, record in state.services.items()
              if record.state != "ready"}  # fmt: skip
    on_event({"event": "phase", "phase": "degraded", "errors": errors})
    return state


def _states(folder: StackFolder) -> Iterator[StackState]:
    deadline = time.monotonic() + settings_found().engine_start_seconds + MORE_SECONDS
    while time.monotonic() < deadline:
        yield states.load(folder)
        time.sleep(0.2)
