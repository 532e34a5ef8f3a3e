"""Ending services: executors first (they drain), then the server and the engines, then the stores."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from control_room.local import processes
from control_room.local.folder import StackFolder
from control_room.local.processes import Identity
from control_room.local.state import StackState

DRAIN_SECONDS = 10.0
# The drain is over: an executor ends its children now, gives their runs back and leaves. Seconds for that.
HAND_BACK = (signal.SIGINT, 15.0)
Job = tuple[Identity, int, float, tuple[int, float] | None]
# (service, signal, seconds until it is killed); None: the drain time, then HAND_BACK
STEPS: tuple[tuple[tuple[str, ...], int, float | None], ...] = (
    (("executor-",), signal.SIGTERM, None),
    (("server",), signal.SIGTERM, 15.0),
    (("trino", "spark"), signal.SIGTERM, 20.0),
    (("objectstore",), signal.SIGTERM, 15.0),
    (("postgres",), signal.SIGINT, 30.0),
)
AT_ONCE = ((0,), (1, 2), (3, 4))  # steps that go together


def stop_services(running: Sequence[tuple[str, Identity]], drain_seconds: float = DRAIN_SECONDS) -> None:
    """Stop the named processes in reverse order of their dependencies; returns when all of them are gone."""
    for group in AT_ONCE:
        jobs = [job for number in group for job in _jobs(running, number, drain_seconds)]
        if jobs:
            with ThreadPoolExecutor(len(jobs)) as pool:
                list(pool.map(lambda job: processes.stop_blocking(*job), jobs))


def leftovers(state: StackState) -> list[tuple[str, Identity]]:
    """Processes of this stack that live: those on record, and those started just before a supervisor was killed."""
    recorded = [(name, record.identity) for name, record in state.services.items()]
    alive = [(name, identity) for name, identity in recorded if identity is not None and identity.alive()]
    return alive + unrecorded(state, (identity.pid for _, identity in alive))


def unrecorded(state: StackState, known: Iterable[int]) -> list[tuple[str, Identity]]:
    """Processes that carry this stack's mark without being on record."""
    pids = set(known)
    return [(name, identity) for name, identity in processes.marked(state.stack_id) if identity.pid not in pids]


def request(folder: StackFolder, drain_seconds: float) -> None:
    """Leave word for the supervisor about how long executors may drain; a full disk must not keep it from stopping."""
    with contextlib.suppress(OSError):
        folder.stop_request.write_text(json.dumps({"drain_seconds": drain_seconds}))


def requested_drain(path: Path) -> float:
    try:
        return float(json.loads(path.read_text())["drain_seconds"])
    except (OSError, ValueError, KeyError):
        return DRAIN_SECONDS
    finally:
        path.unlink(missing_ok=True)


def _jobs(running: Sequence[tuple[str, Identity]], step: int, drain: float) -> list[Job]:
    prefixes, signum, seconds = STEPS[step]
    return [
        (identity, signum, drain, HAND_BACK) if seconds is None else (identity, signum, seconds, None)
        for name, identity in running
        if name.startswith(prefixes)
    ]
