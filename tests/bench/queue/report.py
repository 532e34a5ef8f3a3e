"""The report: JSON, a Markdown table with floors and aims, and a plot."""

from __future__ import annotations

import json
import os
import platform
import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.queue import floor, install, peers
from tests.bench.queue.measures import BARE, FLOOR, OURS, Bench

BATCH = "finished/s, batch 100"
LATENCY = "submit to started at 50/s, {} (ms)"
# measure, ours, the other, floor, aim of the ratio ours / other. Latencies: the smaller the better.
RATIOS: list[tuple[str, str, str, float, float, bool]] = [
    (BATCH, OURS, FLOOR, 0.50, 0.80, True),
    (BATCH, OURS, "Graphile Worker", 0.25, 0.50, True),
    (BATCH, OURS, "pg-boss", 0.30, 0.65, True),
    (BATCH, OURS, "pgqueuer", 0.6, 1.2, True),
    (BATCH, OURS, "Procrastinate", 15, 35, True),
    ("finished/s, N = 1, 64 loops", OURS, FLOOR, 1.0, 2.5, True),
    ("finished/s, N = 1, 4 loops", OURS, "Procrastinate", 2.0, 3.5, True),
    ("submitted/s, 1,000 at once", OURS, "Graphile Worker addJobs", 0.6, 1.3, True),
    (LATENCY.format("p50"), OURS, "Graphile Worker", 1.2, 0.7, False),
    (LATENCY.format("p99"), OURS, "Graphile Worker", 1.5, 0.8, False),
    ("claims/s, N = 1, 16 loops, by history", "1 M finished runs", "fresh", 0.8, 0.95, True),
    ("claims/s, N = 1, 16 loops, by snapshot", "held 60 s", "none held", 0.8, 0.95, True),
    ("claims/s of 10 busy executors", "beside 1,000 idle", "alone", 0.85, 1.0, True),
]
# measure, floor, aim of the value itself; True: the more the better.
VALUES: list[tuple[str, float, float, bool]] = [
    ("heartbeats, share of one core (%)", 15, 5, False),
    ("lease renewals that were HOT (%)", 95, 95, True),
    ("log chunk stored at 200/s, p95 (ms)", 100, 10, False),
]
Row = dict[str, Any]


def facts(bench: Bench) -> dict[str, str]:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    with bench.cluster.connect() as connection:
        row = connection.execute("select version()").fetchone()
    versions = ", ".join(f"{name} {number}" for name, number in install.versions().items())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}",
        "load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "python": platform.python_version(),
        "postgres": str(row[0]).split(" on ")[0] if row else "",
        "settings": ", ".join(f"{name}={value}" for name, value in bench.cluster.settings.items() if value),
        "pgbench": floor.version(bench.cluster),
        "peers": versions,
    }


def ratios(figures: dict[str, dict[str, list[float]]]) -> list[Row]:
    """The rows of the table that were measured: ratio of medians, and of repetitions side by side the smallest and
    largest."""
    rows = []
    for measure, ours, other, least, aim, more in RATIOS:
        found = figures.get(measure, {})
        if ours in found and all(found.get(other, [0])):  # with tiny sizes a rate may be 0
            each = [a / b for a, b in zip(found[ours], found[other], strict=True)]
            median = statistics.median(found[ours]) / statistics.median(found[other])
            name = f"{measure}: {ours} / {other}"
            rows.append(_row(name, median, each, least, aim, more))
    for measure, least, aim, more in VALUES:
        if values := figures.get(measure, {}).get(OURS):
            rows.append(_row(measure, statistics.median(values), values, least, aim, more))
    return rows


def _row(name: str, median: float, each: list[float], least: float, aim: float, more: bool) -> Row:
    held = "aim" if _meets(median, aim, more) else "floor" if _meets(median, least, more) else "below"
    return {
        **{"name": name, "median": median, "min": min(each), "max": max(each)},
        **{"floor": least, "aim": aim, "more_is_better": more, "verdict": held},
    }


def _meets(value: float, wanted: float, more: bool) -> bool:
    return value >= wanted if more else value <= wanted


def markdown(document: dict[str, Any]) -> str:
    """The tables, as they stand in spec/docs/explanation/performance.md."""
    lines = [f"{key}: {value}  " for key, value in document["machine"].items()]
    lines += ["", "| measure | median | min | max | floor | aim | |", "|---|---|---|---|---|---|---|"]
    for row in document["ratios"]:
        sign = "≥" if row["more_is_better"] else "≤"
        cells = [row["name"], *(_number(row[key]) for key in ("median", "min", "max"))]
        cells += [
            f"{sign} {row['floor']:g}",
            f"{sign} {row['aim']:g}",
            {"below": "**below the floor**"}.get(row["verdict"], row["verdict"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| figure | | median | min | max | n |", "|---|---|---|---|---|---|"]
    for measure, contenders in document["figures"].items():
        for name, values in contenders.items():
            numbers = [_number(f(values)) for f in (statistics.median, min, max)]
            lines.append(f"| {measure} | {name} | {' | '.join(numbers)} | {len(values)} |")
    lines += ["", "| peer | its setting here | what it does not record or do |", "|---|---|---|"]
    lines += [f"| {p['name']} {p['version']} | {p['setting']} | {p['unrecorded']} |" for p in document["peers"]]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def document(bench: Bench, machine: dict[str, str]) -> dict[str, Any]:
    """Everything, ready for JSON."""
    versions = install.versions()
    floors = [
        {
            "name": FLOOR,
            "version": "",
            "setting": "one prepared statement reports and claims; 2 clients at batch 100, 64 at N = 1",
            "unrecorded": "run, attempt and events as rows alone: no hash, no lease, no request id, no answer, "
            "no checks, no HTTP, nobody authenticated",
        },
        {"name": BARE, "version": "", "setting": "as above", "unrecorded": "the run's row alone"},
    ]
    listed = [
        {"name": p.name, "version": versions[p.package], "setting": p.setting, "unrecorded": p.unrecorded}
        for p in peers.PEERS
    ]
    return {
        "machine": machine,
        "ratios": ratios(bench.figures),
        "figures": bench.figures,
        "notes": bench.notes,
        "peers": floors + listed,
    }


def plot(document: dict[str, Any], path: Path) -> None:
    """Two panels: finished runs a second at batch 100; each ratio between its floor and its aim."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "control-room", "svg.fonttype": "none"}
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(13, 5), width_ratios=[2, 3], layout="constrained")
    found = sorted(document["figures"].get(BATCH, {}).items(), key=lambda item: statistics.median(item[1]))
    for name, values in found:
        middle = statistics.median(values)
        error = [[middle - min(values)], [max(values) - middle]]
        left.barh(name, middle, xerr=error, color="#2f6f8f" if name == OURS else "#b8c4cc", capsize=3)
    left.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k")
    left.set_xlabel("runs finished a second, batch 100, 200k queued")
    rows = list(reversed(document["ratios"]))
    for at, row in enumerate(rows):
        # On one axis for all: 0 is nothing, 1 the floor, 2 the aim; turned round where less is better.
        right.barh(at, _reach(row), color={"aim": "#2e7d4f", "floor": "#d1a13b", "below": "#b8433f"}[row["verdict"]])
        right.annotate(f" {_number(row['median'])}", (min(_reach(row), 2.6), at), va="center", fontsize=8)
    right.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=7)
    right.axvline(1, color="#555", linewidth=1, linestyle="--")
    right.axvline(2, color="#555", linewidth=1)
    right.set_xticks([1, 2], ["floor", "aim"])
    right.set_xlim(0, 3)
    figure.suptitle(f"{document['machine']['machine']}, {document['machine']['date']}", fontsize=9)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _reach(row: Row) -> float:
    value, least, aim = row["median"], row["floor"], row["aim"]
    if not row["more_is_better"]:
        value, least, aim = 1 / max(value, 1e-9), 1 / least, 1 / aim
    if value <= least or least == aim:
        return float(min(2.0, value / least) if least == aim and value >= least else value / least)
    return float(min(3.0, 1 + (value - least) / (aim - least)))


def publish(text: str, plotted: Path, page: Path) -> None:
    """Put the tables between the marks of the documentation's page, and the plot beside it."""
    begin, end = "<!-- queue: figures -->\n", "<!-- queue: end -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    if not rest or not after:
        raise ValueError(f"{page} has no place for the figures: {begin.strip()} … {end}")
    picture = f"![Finished runs a second, and each measure between its floor and its aim]({plotted.name})\n"
    page.write_text(f"{before}{begin}{text}\n{picture}{end}{after}", encoding="utf-8")
    (page.parent / plotted.name).write_bytes(plotted.read_bytes())


def write(bench: Bench, machine: dict[str, str], json_file: Path | None, folder: Path | None) -> str:
    """Write what was asked for; answers the Markdown."""
    made = document(bench, machine)
    text = markdown(made)
    if json_file is not None:
        json_file.write_text(json.dumps(made, indent=2) + "\n")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "queue.md").write_text(text)
        (folder / "queue.json").write_text(json.dumps(made, indent=2) + "\n")
        plot(made, folder / "queue.svg")
    return text
