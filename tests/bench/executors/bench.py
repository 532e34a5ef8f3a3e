"""What all measures share: sizes, figures, what each contender is set to and does not record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
OURS = "Control Room"


@dataclass(frozen=True)
class Sizes:
    """How much is done. Counts of runs, of rows, of repetitions; seconds."""

    repeat: int = 3
    statements: int = 100
    rows: int = 1_000_000
    trivial_runs: int = 400
    prefect_runs: int = 24
    airflow_runs: int = 60
    dbt_models: int = 12
    dbt_repeat: int = 5
    notebook_repeat: int = 5
    spark_runs: int = 5
    idle_seconds: float = 20.0
    cancels: int = 20


QUICK = Sizes(
    **{"repeat": 1, "statements": 3, "rows": 2000, "trivial_runs": 4, "prefect_runs": 2, "airflow_runs": 2},
    **{"dbt_models": 2, "dbt_repeat": 1, "notebook_repeat": 1, "spark_runs": 1, "idle_seconds": 1.0, "cancels": 2},
)


@dataclass(frozen=True)
class Contender:
    """Somebody who is measured: how it is set, and what it does not record or do."""

    name: str
    setting: str
    unrecorded: str


@dataclass
class Bench:
    """One run of the benchmark. ``figures``: measure -> who -> values in the order of repetitions."""

    folder: Path
    sizes: Sizes
    say: Callable[[str], None]
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    contenders: dict[str, Contender] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, measure: str, who: str, value: float) -> None:
        self.figures.setdefault(measure, {}).setdefault(who, []).append(value)
        self.say(f"   {measure} · {who}: {value:.4g}")

    def meet(self, contender: Contender, **versions: str) -> None:
        """Somebody takes part."""
        self.contenders[contender.name] = contender
        self.versions |= versions

    def leave_out(self, who: str, why: str) -> None:
        """Somebody does not, and why."""
        self.left_out[who] = why
        self.say(f"-- without {who}: {why}")


def timed(do: Callable[[], Any]) -> float:
    """Seconds that it takes."""
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun
