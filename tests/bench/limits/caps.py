"""Caps: what each layer saw of work that goes beyond, by how much, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.bench.executors.bench import OURS
from tests.bench.limits.bench import LimitsBench
from tests.bench.limits.room import ENGINES, PROCESSES, LimitsRoom, missing
from tests.bench.limits.work import PREPARE

Json = dict[str, Any]
OVER = "{} · {} · {}: over its limit for (ms)"
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Case:
    """A cap that this work of this kind goes beyond."""

    kind: str
    cap: str
    limit: float
    do: str


CASES = (
    Case("python", "wall_seconds", 2, "sleep"),
    Case("python", "cpu_seconds", 1, "spin"),
    Case("python", "memory_bytes", 300 * MEGABYTE, "eat"),
    Case("python", "log_bytes", 200_000, "talk"),
    Case("python", "rows_out", 500, "tell"),
    Case("python", "artifact_bytes", 250_000, "keep"),
    Case("python", "artifact_count", 2, "keep"),
    Case("notebook", "wall_seconds", 6, "sleep"),
    Case("notebook", "cpu_seconds", 6, "spin"),
    Case("notebook", "memory_bytes", 600 * MEGABYTE, "eat"),
    Case("notebook", "log_bytes", 200_000, "talk"),
    Case("command", "wall_seconds", 2, "sleep"),
    Case("command", "cpu_seconds", 1, "spin"),
    Case("command", "memory_bytes", 300 * MEGABYTE, "eat"),
    Case("command", "log_bytes", 200_000, "talk"),
    Case("duckdb", "wall_seconds", 2, "spin"),
    Case("duckdb", "cpu_seconds", 2, "spin"),
    Case("duckdb", "memory_bytes", 300 * MEGABYTE, "eat"),
    Case("dbt", "wall_seconds", 6, "spin"),
    Case("dbt", "cpu_seconds", 6, "spin"),
    Case("dbt", "memory_bytes", 300 * MEGABYTE, "eat"),
    Case("trino", "wall_seconds", 2, "spin"),
    Case("trino", "cpu_seconds", 1, "spin"),
    Case("trino", "memory_bytes", MEGABYTE, "eat"),
    Case("trino", "rows_out", 20_000, "return"),
    Case("trino", "scanned_bytes", MEGABYTE, "scan"),
    Case("spark", "wall_seconds", 4, "spin"),
    Case("spark", "rows_out", 1000, "return"),
)


def measure(bench: LimitsBench) -> None:
    groups = {"processes": PROCESSES, **{kind: (kind,) for kind in ENGINES}}
    for name, kinds in groups.items():
        if kinds[0] in ENGINES and (why := missing(kinds[0])):
            bench.leave_out(ENGINES[kinds[0]], why)
            continue
        with LimitsRoom(bench.folder / f"caps-{name}", *kinds) as room:
            if name == "trino":
                room.prepare(PREPARE)
            for case in CASES:
                if case.kind in kinds:
                    enforced(bench, room, case)


def enforced(bench: LimitsBench, room: LimitsRoom, case: Case) -> None:
    """So many runs beyond the cap; each has to end by it, with an entry in the ledger."""
    for _ in range(bench.sizes.repeat):
        ref = room.start(case.kind, case.do, {case.cap: case.limit})
        run = room.ended(ref)
        entries = [entry for entry in room.client.explain_caps(ref)["ledger"] if entry["cap"] == case.cap]
        bench.caps.append({"case": vars(case), "run": outcome(run), "entry": entries[0] if entries else None})
        if entries and entries[0]["overshoot_ms"] is not None:
            bench.add(OVER.format(case.kind, case.cap, entries[0]["layer"]), OURS, float(entries[0]["overshoot_ms"]))


def outcome(run: Json) -> Json:
    error = run["error"] or {}
    last = run["attempts"][-1] if run["attempts"] else {}
    return {
        "state": run["state"],
        "outcome": last.get("outcome"),
        "class": error.get("class"),
        "code": error.get("code"),
    }
