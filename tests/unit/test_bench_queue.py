"""The queue's benchmark: what it computes and prints; and, slowly, that the whole harness runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.measuring import PAGE
from tests.bench.queue import floor, install, report
from tests.bench.queue.measures import FLOOR, MEASURES, OURS, quantile

ROOT = Path(__file__).parents[2]
BATCH = report.BATCH
P50 = report.LATENCY.format("p50")


def test_a_quantile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (quantile(values, 0.5), quantile(values, 0.95), quantile(values, 0.99)) == (50, 95, 99)
    assert quantile([7.0], 0.99) == 7


def test_a_ratio_is_of_medians_and_its_range_of_repetitions_side_by_side() -> None:
    (row,) = report.ratios({BATCH: {OURS: [10.0, 30.0, 20.0], FLOOR: [20.0, 50.0, 40.0]}})
    assert (row["median"], row["min"], row["max"], row["verdict"]) == (0.5, 0.5, 0.6, "floor")


@pytest.mark.parametrize(("ours", "verdict"), [(6.0, "aim"), (10.0, "floor"), (13.0, "below")])
def test_of_latencies_the_smaller_ratio_is_the_better(ours: float, verdict: str) -> None:
    (row,) = report.ratios({P50: {OURS: [ours], "Graphile Worker": [10.0]}})
    assert row["verdict"] == verdict


def test_a_measure_below_its_floor_is_told_so_in_the_table() -> None:
    rows = report.ratios({BATCH: {OURS: [1.0], FLOOR: [10.0]}})
    text = report.markdown({"machine": {}, "ratios": rows, "figures": {}, "peers": []})
    assert "| 0.10 | 0.10 | 0.10 | ≥ 0.5 | ≥ 0.8 | **below the floor** |" in text


@pytest.mark.parametrize("bare", [False, True])
def test_pgbench_sees_one_variable_in_the_floors_script(bare: bool) -> None:
    text = floor.script(100, bare).replace("::", "")
    assert set(re.findall(r":(\w+)", text)) == {"held"}


def test_the_locks_of_the_peers_name_no_registry() -> None:
    assert "resolved" not in install.NPM_LOCK.read_text()
    assert "://" not in install.LOCK.read_text()
    assert set(install.versions()) == {"graphile-worker", "pg-boss", "procrastinate", "pgqueuer"}


@pytest.mark.parametrize("part", [["--only", "batch"], ["--quick"], ["--profile"]], ids=lambda part: part[0])
def test_a_part_of_the_figures_is_not_published_over_all_of_them(part: list[str]) -> None:
    before = PAGE.read_bytes()
    command = [sys.executable, "-m", "tests.bench", "queue", *part, "--publish"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"leave {part[0]} out" in done.stderr
    assert PAGE.read_bytes() == before


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_whole_harness_runs_with_tiny_sizes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "queue", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    made = json.loads((tmp_path / "queue.json").read_text())
    told = {name for measure in made["figures"].values() for name in measure}
    assert {OURS, FLOOR, "Graphile Worker", "pg-boss", "pgqueuer", "Procrastinate"} <= told
    assert len(made["figures"]) >= len(MEASURES)
    assert (tmp_path / "queue.svg").read_text().startswith("<?xml")


def test_figures_are_published_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    page, plotted = tmp_path / "docs" / "page.md", tmp_path / "queue.svg"
    page.parent.mkdir()
    page.write_text("before\n<!-- queue: figures -->\nold\n<!-- queue: end -->\nafter\n")
    plotted.write_text("<svg/>")
    report.publish("new\n", plotted, page)
    report.publish("newer\n", plotted, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "newer" in text
    assert "old" not in text
    assert (page.parent / "queue.svg").read_text() == "<svg/>"


def test_the_documentation_has_a_place_for_the_figures(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text((ROOT / "spec" / "docs" / "explanation" / "performance.md").read_text())
    (tmp_path / "queue.svg").write_text("<svg/>")
    report.publish("| new |\n", tmp_path / "queue.svg", page)
    assert "| new |" in page.read_text()
