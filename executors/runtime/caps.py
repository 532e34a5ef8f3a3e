"""The caps that an executor itself watches, and what is done when one is passed. Holds without the control room.

Decisions are pure; times are seconds of a monotonic clock, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# What protects the machine when neither template nor platform names a cap.
DEFAULT_LOG_BYTES = 64 * 1024 * 1024
CAP_NAMES = (
    "wall_seconds",
    "memory_bytes",
    "log_bytes",
    "artifact_bytes",
    "artifact_count",
    "cpu_seconds",
    "rows_out",
    "written_bytes",
)
# A breach is no negotiation: time to write a last line (or to end a query at its engine), no more.
BREACH_GRACE = {"wall_seconds": 0.5, "log_bytes": 0.0, "memory_bytes": 0.0, "cpu_seconds": 0.5}
ENGINE_GRACE = 2.0
# Between two looks at the tree: for the run's usage, for a cap of processor time, for one of memory.
USAGE_SECONDS = 1.0
CPU_SECONDS = 0.25
MEMORY_SECONDS = 0.05
# From a breach to the last allocation of its tree, on a machine that is not overloaded.
KILL_SECONDS = 0.1
# Weakest first; see the contract's CapRule.
ACTIONS = ("cut", "cancel", "kill")
DONE = {"cut": "cut", "cancel": "cancelled", "kill": "killed"}
WARNED = "warned"
# After these the work goes on.
GOES_ON = frozenset({"cut", WARNED})


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

    @property
    def goes_on(self) -> bool:
        """Whether the work does."""
        return self.action in GOES_ON

    def stopped(self, at: float, observed: float | None = None) -> Breach:
        return replace(self, stopped_at=at, observed=max(self.observed, observed or 0))

    def ledger_entry(self) -> dict[str, Any]:
        """The contract's cap ledger entry; ``overshoot_ms`` is from breach to stop, if there was one."""
        until = self.at if self.stopped_at is None else self.stopped_at
        return {
            "layer": self.layer,
            "cap": self.cap,
            "limit": self.limit,
            "observed": round(self.observed, 3),
            "overshoot": round(self.observed - self.limit, 3),
            "overshoot_ms": None if self.goes_on else max(0, round((until - self.at) * 1000)),
            "action": self.action,
        }

    def message(self) -> str:
        what = f"cap {self.cap} is {shown(self.cap, self.limit)}, observed {shown(self.cap, self.observed)}"
        if self.action == WARNED:
            return f"warning: {what}; the run goes on"
        if self.action == "cut":
            return f"{what}: later output is dropped, the run goes on"
        return f"{what}: the run was stopped; make it smaller, or have the cap raised on the template"


def shown(cap: str, value: float) -> str:
    """A value with its unit, for people."""
    if cap.endswith("_seconds"):
        return f"{value:g} s"
    unit = "bytes" if cap.endswith("_bytes") else "artifacts" if cap == "artifact_count" else "rows"
    return f"{round(value):,} {unit}"


@dataclass(frozen=True)
class Rule:
    """What a cap says beside its limit; the contract's CapRule. ``warn`` is a limit that only warns."""

    action: str | None = None
    grace_seconds: float | None = None
    warn: float | None = None

    @classmethod
    def of(cls, rule: Mapping[str, Any]) -> Rule:
        """A word that is not known, of a later contract, counts as the strongest."""
        action = rule.get("action")
        known = action if action is None or action in ACTIONS else "kill"
        return cls(known, rule.get("grace_seconds"), rule.get("warn"))

    def tightened(self, other: Rule) -> Rule:
        """With the stronger action, the shorter grace and the lower warning of both."""
        action = max(self.action, other.action, key=lambda word: ACTIONS.index(word) if word else -1)
        grace = least(self.grace_seconds, other.grace_seconds)
        return Rule(action, grace, least(self.warn, other.warn))


def least(*values: Any) -> Any:
    given = [value for value in values if value is not None]
    return min(given) if given else None


def rules_of(rules: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Rule]:
    return {name: Rule.of(rule) for name, rule in (rules or {}).items()}


@dataclass(frozen=True)
class Caps:
    """Effective caps of a run; None means no cap of that name."""

    wall_seconds: float | None = None
    memory_bytes: int | None = None
    log_bytes: int = DEFAULT_LOG_BYTES
    artifact_bytes: int | None = None
    artifact_count: int | None = None
    cpu_seconds: float | None = None
    rows_out: int | None = None
    written_bytes: int | None = None
    rules: Mapping[str, Rule] = field(default_factory=dict)

    @classmethod
    def of(cls, caps: Mapping[str, Any], rules: Mapping[str, Mapping[str, Any]] | None = None) -> Caps:
        """Of a claimed run's ``caps`` and ``cap_rules``."""
        return cls(**{name: caps[name] for name in CAP_NAMES if caps.get(name) is not None}, rules=rules_of(rules))

    def tightened(self, caps: Mapping[str, Any], rules: Mapping[str, Mapping[str, Any]] | None = None) -> Caps:
        """With the tighter of both for each name: a directive can tighten, never loosen."""
        found = {name: least(getattr(self, name), caps.get(name)) for name in CAP_NAMES}
        merged = dict(self.rules)
        for name, rule in rules_of(rules).items():
            merged[name] = merged.get(name, Rule()).tightened(rule)
        return Caps(**found, rules=merged)

    def rule(self, cap: str) -> Rule:
        return self.rules.get(cap, Rule())

    def grace(self, cap: str, *, engine: bool = False) -> float:
        """Seconds from the order to stop to the kill. engine: there is something beyond the process to be ended."""
        rule = self.rule(cap)
        own = ENGINE_GRACE if engine else BREACH_GRACE.get(cap, ENGINE_GRACE)
        if rule.action == "kill":
            return 0.0
        return own if rule.grace_seconds is None else rule.grace_seconds

    def check(self, cap: str, observed: float, at: float) -> Breach | None:
        """What ``observed`` passes: the limit, else the one that warns. ``at``: since when."""
        limit, rule = getattr(self, cap, None), self.rule(cap)
        if limit is not None and observed > limit:
            action = DONE[rule.action] if rule.action else "cancelled" if self.grace(cap) else "killed"
            return Breach(cap, limit, observed, at, action)
        if rule.warn is not None and observed > rule.warn:
            return Breach(cap, rule.warn, observed, at, WARNED)
        return None

    def check_wall(self, started: float, now: float) -> Breach | None:
        """A breach of the wall clock dates from its limit."""
        found = self.check("wall_seconds", now - started, now)
        return replace(found, at=started + found.limit) if found else None


def memory_pause(caps: Caps) -> float:
    """Seconds from one look at the tree's memory to the next."""
    watched = caps.memory_bytes is not None or caps.rule("memory_bytes").warn is not None
    return MEMORY_SECONDS if watched else USAGE_SECONDS


def cpu_pause(caps: Caps) -> float:
    """The same of its processor time."""
    watched = caps.cpu_seconds is not None or caps.rule("cpu_seconds").warn is not None
    return CPU_SECONDS if watched else USAGE_SECONDS
