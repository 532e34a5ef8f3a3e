"""Cancellations: from the request on record until nothing of the work is left, by the clock of this machine."""

from __future__ import annotations

import random
import time
from typing import Any

from tests.bench.executors.bench import OURS, Bench
from tests.bench.executors.room import at
from tests.bench.limits.room import ENGINES, PROCESSES, LimitsRoom, missing

Json = dict[str, Any]
RELEASED = "{}, cancel requested to nothing left (ms)"
HEARD = "{}, cancel requested to heard (ms)"
WORKS = {"python": "sleep", "notebook": "sleep", "command": "sleep"}
# Orders come with heartbeats: a request may fall anywhere between two.
SPREAD_SECONDS = 2.0


def measure(bench: Bench) -> None:
    with LimitsRoom(bench.folder / "cancels", *PROCESSES) as room:
        for kind in PROCESSES:
            several(bench, room, kind)
    for kind, name in ENGINES.items():
        if why := missing(kind):
            bench.leave_out(name, why)
            continue
        with LimitsRoom(bench.folder / f"cancels-{kind}", kind) as room:
            several(bench, room, kind)


def several(bench: Bench, room: LimitsRoom, kind: str) -> None:
    cancelled(room, kind)  # the executor's first run loads what the next ones find loaded
    for _ in range(bench.sizes.cancels):
        heard, released = cancelled(room, kind)
        bench.add(HEARD.format(kind), OURS, heard)
        bench.add(RELEASED.format(kind), OURS, released)


def cancelled(room: LimitsRoom, kind: str) -> tuple[float, float]:
    """(until it was heard, until nothing was left) of one run, in milliseconds."""
    ref = room.start(kind, WORKS.get(kind, "spin"))
    room.until(ref, "at work", lambda run: at_work(run, kind))
    time.sleep(random.uniform(0.5, SPREAD_SECONDS))
    room.client.cancel(ref, "measured")
    run = room.ended(ref)
    if run["state"] != "cancelled":
        raise RuntimeError(f"run {ref} of {kind} {run['state']}: {run['error']}")
    timings, asked = run["attempts"][-1]["timings"], at(run["cancel_requested_at"])
    return tuple((at(timings[name]) - asked) * 1000 for name in ("delivered_at", "released_at"))  # type: ignore[return-value]


def at_work(run: Json, kind: str) -> bool:
    """Whether its code, or its query, has begun. A program tells no progress of its own."""
    told = (run["progress"] or {}).get("message") or ""
    return run["state"] == "running" and (kind == "command" or (bool(told) and "cell 1 of" not in told))
