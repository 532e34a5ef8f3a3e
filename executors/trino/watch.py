"""What is made of a query's statistics: progress, usage, caps for Trino, breaches of those it does not have. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from executors.trino.engine import Query

# The names of Trino's statistics -> those of a run's usage. All are sums over the run's statements but the peak.
SUMS = {
    "processedRows": "rows_read",
    "processedBytes": "processed_bytes",
    "physicalInputBytes": "scanned_bytes",
    "physicalWrittenBytes": "written_bytes",
    "spilledBytes": "spilled_bytes",
    "completedSplits": "splits",
}
MILLISECONDS = {
    "cpuTimeMillis": "cpu_seconds",
    "queuedTimeMillis": "queued_seconds",
    "elapsedTimeMillis": "engine_seconds",
}
WATCHED = ("scanned_bytes", "written_bytes", "rows_out", "cpu_seconds")


@dataclass
class Tally:
    """Usage of all statements of a run: those that are over, and the one at work."""

    done: dict[str, float] = field(default_factory=dict)
    now: dict[str, float] = field(default_factory=dict)
    rows_out: int = 0
    rows_written: int = 0

    def hear(self, query: Query) -> None:
        self.now = usage_of(query.stats)

    def end(self, query: Query) -> None:
        """The statement is over: its figures stay."""
        self.done, self.now = self.usage(), {}
        self.rows_written += query.update_count or 0

    def usage(self) -> dict[str, float]:
        """As a run's usage record; names carry their unit."""
        names = {*self.done, *self.now} - {"memory_peak_bytes"}
        found = {name: self.done.get(name, 0.0) + self.now.get(name, 0.0) for name in sorted(names)}
        peak = max(self.done.get("memory_peak_bytes", 0.0), self.now.get("memory_peak_bytes", 0.0))
        counted = {"rows_out": float(self.rows_out), "rows_written": float(self.rows_written)}
        return {**found, **counted, "memory_peak_bytes": peak}

    def breach(self, caps: Mapping[str, Any]) -> tuple[str, float, float] | None:
        """(cap, limit, observed) of the first cap that is passed."""
        usage = self.usage()
        for cap in WATCHED:
            limit = caps.get(cap)
            if limit is not None and usage.get(cap, 0.0) > float(limit):
                return cap, float(limit), usage[cap]
        return None


def usage_of(stats: Mapping[str, Any]) -> dict[str, float]:
    sums = {ours: float(stats.get(theirs) or 0) for theirs, ours in SUMS.items()}
    times = {ours: float(stats.get(theirs) or 0) / 1000 for theirs, ours in MILLISECONDS.items()}
    return {**sums, **times, "memory_peak_bytes": float(stats.get("peakMemoryBytes") or 0)}


def session_properties(
    caps: Mapping[str, Any], elapsed: float = 0.0, used: Mapping[str, float] | None = None
) -> dict[str, str]:
    """The caps that Trino enforces itself, as session properties of the next statement: what is left of each.

    They hold even when the executor is gone.
    """
    spent = used or {}
    found: dict[str, str] = {}
    if (wall := caps.get("wall_seconds")) is not None:
        left = f"{max(1, round((float(wall) - elapsed) * 1000))}ms"
        found |= {"query_max_run_time": left, "query_max_execution_time": left}
    if (cpu := caps.get("cpu_seconds")) is not None:
        found["query_max_cpu_time"] = f"{max(1, round((float(cpu) - spent.get('cpu_seconds', 0.0)) * 1000))}ms"
    if (memory := caps.get("memory_bytes")) is not None:
        found |= {"query_max_memory": f"{int(memory)}B", "query_max_total_memory": f"{int(memory)}B"}
    if (scanned := caps.get("scanned_bytes")) is not None:
        left_bytes = max(1, int(float(scanned) - spent.get("scanned_bytes", 0.0)))
        found["query_max_scan_physical_bytes"] = f"{left_bytes}B"
    return found


def progress_of(query: Query, head: str, rows_out: int) -> dict[str, Any]:
    """Fields of a progress message, in the engine's terms."""
    stats = query.stats
    done, total = int(stats.get("completedSplits") or 0), int(stats.get("totalSplits") or 0)
    read = f"{int(stats.get('processedRows') or 0):,} rows, {shown_bytes(stats)} read"
    text = f"{head}{stats.get('state', 'SENT')}: {done} of {total} splits, {read}, {rows_out:,} rows out"
    return {
        "fraction": done / total if total else None,
        "message": text,
        "current": done,
        "total": total,
        "unit": "splits",
    }


def shown_bytes(stats: Mapping[str, Any]) -> str:
    size = max(float(stats.get("physicalInputBytes") or 0), float(stats.get("processedBytes") or 0))
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return ""
