"""The executor's watchdog: wall clock, memory, log bytes, artifact bytes. Holds without the control room.

Decisions are pure; times are seconds of a monotonic clock, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import psutil

# What protects the machine when neither template nor platform names a cap.
DEFAULT_LOG_BYTES = 64 * 1024 * 1024
CAP_NAMES = ("wall_seconds", "memory_bytes", "log_bytes", "artifact_bytes")


@dataclass(frozen=True)
class Breach:
    """One cap passed: by how much, since when, and what was done."""

    cap: str
    limit: float
    observed: float
    at: float
    action: str = "killed"
    stopped_at: float | None = None
    layer: str = "watchdog"

    def stopped(self, at: float, observed: float | None = None) -> Breach:
        return replace(self, stopped_at=at, observed=max(self.observed, observed or 0))

    def ledger_entry(self) -> dict[str, Any]:
        """The contract's cap ledger entry; ``overshoot_ms`` is from breach to stop."""
        until = self.at if self.stopped_at is None else self.stopped_at
        return {
            "layer": self.layer,
            "cap": self.cap,
            "limit": self.limit,
            "observed": round(self.observed, 3),
            "overshoot": round(self.observed - self.limit, 3),
            "overshoot_ms": max(0, round((until - self.at) * 1000)),
            "action": self.action,
        }

    def message(self) -> str:
        return (
            f"cap {self.cap} is {shown(self.cap, self.limit)}, observed {shown(self.cap, self.observed)}: "
            "the run was stopped; make it smaller, or have the cap raised on the template"
        )


def shown(cap: str, value: float) -> str:
    """A value with its unit, for people."""
    if cap.endswith("_seconds"):
        return f"{value:g} s"
    return f"{round(value):,} {'bytes' if cap.endswith('_bytes') else 'rows'}"


@dataclass(frozen=True)
class Caps:
    """Effective caps of a run; None means no cap of that name."""

    wall_seconds: float | None = None
    memory_bytes: int | None = None
    log_bytes: int = DEFAULT_LOG_BYTES
    artifact_bytes: int | None = None

    @classmethod
    def of(cls, caps: Mapping[str, Any]) -> Caps:
        return cls(**{name: caps[name] for name in CAP_NAMES if caps.get(name) is not None})

    def tightened(self, caps: Mapping[str, Any]) -> Caps:
        """With the tighter of both for each name: a directive can tighten, never loosen."""
        found: dict[str, Any] = {}
        for name in CAP_NAMES:
            values = [value for value in (getattr(self, name), caps.get(name)) if value is not None]
            found[name] = min(values) if values else None
        return Caps(**found)

    def check_wall(self, started: float, now: float) -> Breach | None:
        if self.wall_seconds is None or now - started <= self.wall_seconds:
            return None
        return Breach("wall_seconds", self.wall_seconds, now - started, started + self.wall_seconds)

    def check_memory(self, observed: int, now: float) -> Breach | None:
        if self.memory_bytes is None or observed <= self.memory_bytes:
            return None
        return Breach("memory_bytes", self.memory_bytes, observed, now)

    def check_logs(self, observed: int, now: float) -> Breach | None:
        if observed <= self.log_bytes:
            return None
        return Breach("log_bytes", self.log_bytes, observed, now, action="cut and killed")

    def check_artifacts(self, observed: int, now: float) -> Breach | None:
        if self.artifact_bytes is None or observed <= self.artifact_bytes:
            return None
        return Breach("artifact_bytes", self.artifact_bytes, observed, now, action="refused and killed")


def tree_memory(root: int, precise_above: int | None) -> int:
    """Memory of a process's descendants in bytes: the sum of RSS, or of PSS once RSS comes near a cap.

    RSS counts shared pages once per process; PSS shares them out, but costs a walk of the page tables.
    """
    try:
        tree = psutil.Process(root).children(recursive=True)
    except psutil.Error:
        return 0
    total = sum(process_memory(process, precise=False) for process in tree)
    if precise_above is None or total < precise_above:
        return total
    return sum(process_memory(process, precise=True) for process in tree)


def process_memory(process: psutil.Process, *, precise: bool) -> int:
    try:
        return int(process.memory_full_info().pss if precise else process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
    except psutil.AccessDenied:  # a program that changed its user: RSS is open to all
        return 0 if not precise else process_memory(process, precise=False)
