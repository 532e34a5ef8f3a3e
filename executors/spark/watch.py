"""What is made of what Spark tells of a statement: progress, usage, breaches of caps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Figures of plans, by the first word of the operator ("" for any) -> those of a run's usage: sums over its statements.
SUMS = {
    ("Scan", "numOutputRows"): "rows_read",
    ("BatchScan", "numOutputRows"): "rows_read",
    ("Scan", "filesSize"): "scanned_bytes",
    ("", "spillSize"): "spilled_bytes",
    ("", "shuffleBytesWritten"): "shuffled_bytes",
}
PEAK = "peakMemory"
WATCHED = ("rows_out",)
Metrics = Iterable[tuple[str, str, float]]


@dataclass
class Tally:
    """Usage of all statements of a run."""

    figures: dict[str, float] = field(default_factory=dict)
    rows_out: int = 0
    rows_written: int = 0
    tasks: int = 0
    bytes_now: float = 0.0
    tasks_now: int = 0
    peak: float = 0.0

    def hear(self, stages: Iterable[Any]) -> None:
        """Stages of the statement at work."""
        told = list(stages)
        self.tasks_now = sum(int(stage.num_completed_tasks) for stage in told)
        self.bytes_now = float(sum(int(stage.num_bytes_read) for stage in told))

    def end(self, metrics: Metrics, rows_written: int = 0) -> None:
        """The statement is over: its figures stay. The engine counts bytes twice: the larger sum is nearer to it."""
        found = figures_of(metrics)
        found["scanned_bytes"] = max(found.get("scanned_bytes", 0.0), self.bytes_now)
        self.peak = max(self.peak, found.pop("", 0.0))
        for name, value in found.items():
            self.figures[name] = self.figures.get(name, 0.0) + value
        self.tasks += self.tasks_now
        self.rows_written += rows_written
        self.bytes_now, self.tasks_now = 0.0, 0

    def usage(self) -> dict[str, float]:
        """As a run's usage record; names carry their unit."""
        scanned = self.figures.get("scanned_bytes", 0.0) + self.bytes_now
        counted = {"rows_out": self.rows_out, "rows_written": self.rows_written, "tasks": self.tasks + self.tasks_now}
        found = {**self.figures, "scanned_bytes": scanned, **{name: float(value) for name, value in counted.items()}}
        return found | ({"operator_memory_peak_bytes": self.peak} if self.peak else {})

    def breach(self, caps: Mapping[str, Any]) -> tuple[str, float, float] | None:
        """(cap, limit, observed) of the first cap that is passed."""
        usage = self.usage()
        for cap in WATCHED:
            limit = caps.get(cap)
            if limit is not None and usage.get(cap, 0.0) > float(limit):
                return cap, float(limit), usage[cap]
        return None


def figures_of(metrics: Metrics) -> dict[str, float]:
    """The sums by their names in the usage, and below "" the largest peak of an operator's memory."""
    found: dict[str, float] = {}
    for operator, name, value in metrics:
        ours = SUMS.get((operator.partition(" ")[0], name)) or SUMS.get(("", name))
        if ours:
            found[ours] = found.get(ours, 0.0) + value
        elif name == PEAK:
            found[""] = max(found.get("", 0.0), value)
    return found


def progress_of(stages: Iterable[Any], inflight: int, head: str, rows_out: int) -> dict[str, Any]:
    """Fields of a progress message, in the engine's terms."""
    told = list(stages)
    done = sum(int(stage.num_completed_tasks) for stage in told)
    total = sum(int(stage.num_tasks) for stage in told)
    open_stages = sum(not stage.done for stage in told)
    read = sum(int(stage.num_bytes_read) for stage in told)
    text = f"{head}{open_stages} of {len(told)} stages at work: {done} of {total} tasks done, {inflight} running"
    return {
        "fraction": min(1.0, done / total) if total else None,
        "message": f"{text}, {read:,} bytes read, {rows_out:,} rows out",
        "current": done,
        "total": total,
        "unit": "tasks",
    }
