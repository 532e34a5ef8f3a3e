"""The report: percentiles of cancellations with their bars, and the table cap × kind × layer."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.bench.executors.bench import OURS
from tests.bench.executors.report import facts
from tests.bench.limits.bench import LimitsBench
from tests.bench.limits.cancels import HEARD, RELEASED
from tests.bench.limits.room import ENGINES, PROCESSES

Json = dict[str, Any]
BEGIN, END = "<!-- limits: figures -->\n", "<!-- limits: end -->"
BARS = {"python": 1000, "notebook": 1000, "dbt": 1000, "trino": 2000, "spark": 2000}
__all__ = ["facts"]


def percentile(values: Sequence[float], hundredth: int) -> float:
    """Of these values, by linear interpolation."""
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[hundredth - 1]


def document(bench: LimitsBench, machine: dict[str, str]) -> Json:
    versions = ", ".join(f"{name} {number}" for name, number in bench.versions.items())
    return {
        "machine": machine | ({"engines": versions} if versions else {}),
        "figures": bench.figures,
        "caps": bench.caps,
        "left_out": bench.left_out,
    }


def markdown(made: Json) -> str:
    lines = [f"{key}: {value}  " for key, value in made["machine"].items()]
    lines += ["", *_cancels(made["figures"]), "", *_caps(made["caps"])]
    lines += [f"- {who}: not measured: {why}" for who, why in made["left_out"].items()]
    return "\n".join(lines) + "\n"


def _cancels(figures: Json) -> Iterator[str]:
    yield "| cancel requested to | kind | p50 (ms) | p95 (ms) | largest (ms) | n | bar of p95 | |"
    yield "|---|---|---|---|---|---|---|---|"
    for measure, what in ((RELEASED, "nothing of it left"), (HEARD, "heard by the executor")):
        for kind in (*PROCESSES, *ENGINES):
            if values := figures.get(measure.format(kind), {}).get(OURS):
                high, bar = percentile(values, 95), BARS.get(kind) if measure is RELEASED else None
                held = "" if bar is None else "holds" if high < bar else "**missed**"
                cells = [what, kind, *(f"{n:,.0f}" for n in (percentile(values, 50), high, max(values)))]
                yield f"| {' | '.join(cells)} | {len(values)} | {'' if bar is None else f'{bar:,}'} | {held} |"


def _caps(found: Sequence[Json]) -> Iterator[str]:
    yield "| cap | kind | layer | limit | observed | over by | for (ms) | done | outcome | n |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for _, group in groupby(found, key=lambda one: (one["case"]["kind"], one["case"]["cap"])):
        yield _row(list(group))


def _row(tries: Sequence[Json]) -> str:
    """The worst of the tries, by value and by time; a try without an entry is said."""
    case, entries = tries[0]["case"], [one["entry"] for one in tries if one["entry"]]
    ends = "; ".join(sorted({f"{one['run']['outcome']}, {one['run']['class']}" for one in tries}))
    if len(entries) < len(tries):
        ends += f"; **no entry in {len(tries) - len(entries)} of {len(tries)}**"
    worst = max(entries, key=lambda entry: entry["overshoot"] or 0, default={})
    late = max((entry["overshoot_ms"] for entry in entries if entry["overshoot_ms"] is not None), default=None)
    layers, done = ("/".join(sorted({str(entry[name]) for entry in entries})) for name in ("layer", "action"))
    numbers = (_number(case["limit"]), _number(worst.get("observed")), _number(worst.get("overshoot")), _number(late))
    return f"| `{case['cap']}` | {case['kind']} | {layers} | {' | '.join(numbers)} | {done} | {ends} | {len(tries)} |"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"


def write(made: Json, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "limits.json").write_text(json.dumps(made, indent=2, default=str) + "\n")
    (folder / "limits.md").write_text(markdown(made))
