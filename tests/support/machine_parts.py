"""What the model of the state machine is made of: the templates of its room, runs, attempts, leases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
TERMINAL = {"succeeded", "failed", "cancelled", "skipped"}
RETRIED = {"external", "internal", "resources"}
SWEEPER_GAP, CANCEL_GRACE, MAX_EXPIRATIONS = 3, 10, 2
NOTED = 10  # differing repeats of one report

RETRY = {"backoff_seconds": 0, "max_attempts": 2}
OUTPUTS = [{"name": n, "format": "delta", "mode": "append", "path": f"t/{n}"} for n in ("a", "b")]
TASKS: dict[str, Json] = {
    "a": {"template": "job"},
    "b": {"template": "keyed"},
    "both": {"template": "job", "depends_on": ["a", "b"]},
    "rescue": {"template": "later", "depends_on": ["a", "b"], "condition": "at_least_one_failed"},
    "after": {"template": "job", "depends_on": ["both", "rescue"], "condition": "all_done"},
}
TEMPLATES: dict[str, Json] = {
    "job": {"retry": RETRY},
    "later": {"retry": {"backoff_seconds": 30, "max_attempts": 3}},
    "keyed": {"retry": RETRY | {"max_attempts": 9}, "concurrency": {"key": "k", "limit": 2}, "lease_seconds": 20},
    "table": {"retry": RETRY, "outputs": OUTPUTS},
    "unsafe": {"retry": RETRY, "rerun": "unsafe"},
    "tight": {"retry": RETRY},
    "flow": {"kind": "pipeline", "tasks": TASKS},
}

# A budget of runs at a time: (template, limit).
BUDGET = ("tight", 1)


class Refusal(Exception):  # noqa: N818 - it is no fault
    """The verb is refused with this SQLSTATE."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Run:
    """A run; `place` is its turn in the ready index while it is queued."""

    run_id: str
    template: str
    priority: int = 0
    not_before: float | None = None
    deadline: float | None = None
    parents: tuple[str, ...] = ()
    condition: str = "all_success"
    pipeline: str | None = None
    dedupe: str | None = None
    retry_of: str | None = None
    state: str = "new"
    reason: str | None = None
    place: int | None = None
    epoch: int = 0
    attempt: int = 0
    expirations: int = 0
    cancel_at: float | None = None
    differs: int = 0
    paused: bool = False

    @property
    def spec(self) -> Json:
        return TEMPLATES[self.template]

    @property
    def key(self) -> str | None:
        return str(self.spec["concurrency"]["key"]) if "concurrency" in self.spec else None

    @property
    def lease_seconds(self) -> int:
        return int(self.spec.get("lease_seconds", 60))

    @property
    def is_pipeline(self) -> bool:
        return self.template == "flow"

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL


@dataclass
class Attempt:
    """One claim. report: the body that was accepted."""

    worker: int
    outcome: str = "running"
    report: Json | None = None
    others: list[Json] = field(default_factory=list)  # differing bodies that came again
    artifacts: dict[str, list[str]] = field(default_factory=dict)  # name: [content, state]
    publications: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    logs: dict[int, str] = field(default_factory=dict)


@dataclass
class Lease:
    """Who holds a run."""

    epoch: int
    worker: int
    deadline: float
    reported: bool = False
