"""What an attempt used, when it was stopped, and whether memory ended it: from what the runtime saw. Pure.

Seconds and bytes; times of the loop's clock become times of day by how long ago they were.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from executors.runtime.caps import Breach, Caps
from executors.runtime.notes import Notes
from executors.runtime.supervise import ChildEnd

# What a process may reserve beyond its memory cap (stacks of threads, arenas that are not used): RLIMIT_DATA counts
# that, the cap does not. It is the backstop for one allocation that is larger than what a sample can miss.
DATA_MARGIN_BYTES = 1024**3
TOLD = ("rows_out", "written_bytes", "scanned_bytes")


def data_bytes(caps: Caps, *, limited: bool) -> int | None:
    """The RLIMIT_DATA of a child whose memory is capped; None for none."""
    if not limited or caps.memory_bytes is None or caps.rule("memory_bytes").action == "warn":
        return None
    return caps.memory_bytes + DATA_MARGIN_BYTES


def amounts(notes: Notes) -> dict[str, float]:
    """What a child told that caps count: its usage, and on top of it what it published."""
    found = {name: notes.usage[name] for name in TOLD if name in notes.usage}
    for publication in notes.publications.values():
        sizes = sum(file["size"] for file in publication["files"])
        found["rows_out"] = found.get("rows_out", 0.0) + publication["rows"]
        found["written_bytes"] = found.get("written_bytes", 0.0) + sizes
    return found


def memory_breach(end: ChildEnd, caps: Caps, *, oom_killed: bool, now: float, own_group: bool = False) -> Breach | None:
    """The breach that nobody of ours saw: the system refused memory to a child with a cap on it, or killed it.

    own_group: the kill was counted in a cgroup of the attempt's own, so it was for this cap, whatever the child says.
    """
    if caps.memory_bytes is None or end.breaches:
        return None
    if oom_killed and own_group:
        return Breach("memory_bytes", caps.memory_bytes, float(caps.memory_bytes), now, "killed", now, "engine")
    if end.stop is not None:
        return None
    killed = oom_killed and end.status is not None and os.WIFSIGNALED(end.status)
    refused = end.error is not None and end.error.get("code") == "out_of_memory"
    if not refused and not (killed and os.WTERMSIG(end.status or 0) == signal.SIGKILL):
        return None
    observed = float(max(end.memory_peak, caps.memory_bytes))
    action = "refused" if refused else "killed"
    return Breach("memory_bytes", caps.memory_bytes, observed, now, action, now, "engine")


def stop_timings(end: ChildEnd, clock: float, day: datetime) -> dict[str, Any] | None:
    """The contract's StopTimings; None when nothing was ordered to stop. ``clock`` and ``day`` are the same moment."""
    if end.ordered_at is None or end.stop is None or end.stop.kind not in ("cancel", "breach"):
        return None

    def at(moment: float | None) -> str | None:
        return None if moment is None else (day - timedelta(seconds=clock - moment)).isoformat()

    return {
        "cause": "cap" if end.breaches else "cancel",
        "delivered_at": at(end.ordered_at),
        "engine_stopped_at": at(end.exited_at),
        "released_at": at(end.released_at),
    }


def measured(end: ChildEnd, elapsed: float, told: Mapping[str, float]) -> dict[str, float]:
    """The usage that the runtime itself knows of, while the child works and after."""
    found = {
        "wall_seconds": round(end.wall_seconds or elapsed, 3),
        "cpu_seconds": end.cpu_seconds,
        "memory_peak_bytes": float(end.memory_peak),
    }
    return {**found, **told}
