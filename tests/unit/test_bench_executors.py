"""The executors' benchmark: what it computes, prints and publishes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.bench.executors import idle, projects, rates, report
from tests.bench.executors.bench import OURS, Bench, Contender, Sizes
from tests.bench.executors.beside_commands import DBT, PLAIN
from tests.bench.executors.peers import install, prefect
from tests.bench.measuring import PAGE

ROOT = Path(__file__).parents[2]
GOALS = report.goals(1_000_000)


def rows(**figures: dict[str, list[float]]) -> list[report.Row]:
    return report.table(figures, GOALS)


@pytest.mark.parametrize(("ours", "verdict"), [(1.04, "aim"), (1.1, "floor"), (1.2, "below")])
def test_a_run_is_held_against_the_command_beside_it(ours: float, verdict: str) -> None:
    (row,) = rows(**{DBT: {OURS: [ours * 2, ours * 4, ours * 3], PLAIN.name: [2, 4, 3]}})
    assert (round(row["median"], 6), row["verdict"], row["n"]) == (ours, verdict, 3)


@pytest.mark.parametrize(("ours", "verdict"), [(2000, "aim"), (600, "floor"), (400, "below")])
def test_of_rates_the_larger_ratio_is_the_better(ours: float, verdict: str) -> None:
    (row,) = rows(**{rates.RATE: {OURS: [ours], prefect.NAME: [100]}})
    assert row["verdict"] == verdict


def test_a_value_without_a_peer_is_held_against_its_floor_as_it_is() -> None:
    (row,) = rows(**{idle.MEMORY.format("dbt"): {OURS: [90, 85, 95]}})
    assert (row["median"], row["min"], row["max"], row["verdict"]) == (90, 85, 95, "below")


def test_who_is_left_out_stands_in_the_table_with_the_reason() -> None:
    bench = Bench(Path(), Sizes(), lambda text: None)
    bench.add(DBT, OURS, 3.0)
    bench.meet(Contender("somebody", "tuned", "no log"))
    bench.leave_out("Airflow 3", "it did not install\nand a long log")
    text = report.markdown(report.document(bench, {"machine": "a quiet one"}))
    assert "| Airflow 3 | not measured: it did not install |" in text
    assert "| somebody | tuned | no log |" in text
    assert f"| {DBT} | {OURS} | 3.00 |" in text
    assert "machine: a quiet one" in text


def test_the_rate_counts_from_the_first_claim_to_the_last_end() -> None:
    times = [("00:00:01", "00:00:03"), ("00:00:02", "00:00:11")]
    runs = [{"started_at": f"2026-01-01T{a}+00:00", "finished_at": f"2026-01-01T{b}+00:00"} for a, b in times]
    assert rates.runs_per_minute(runs) == pytest.approx(12)


def test_tables_are_published_between_their_marks_and_nothing_else_is_touched(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text())
    report.publish("NEW FIGURES\n", page)
    before, after = PAGE.read_text(), page.read_text()
    assert after.partition(report.BEGIN)[0] == before.partition(report.BEGIN)[0]
    assert after.partition(report.END)[2] == before.partition(report.END)[2]
    assert f"{report.BEGIN}NEW FIGURES\n{report.END}" in after


@pytest.mark.parametrize("part", [["--only", "dbt"], ["--quick"]], ids=lambda part: part[0])
def test_a_part_of_the_figures_is_not_published_over_all_of_them(part: list[str]) -> None:
    before = PAGE.read_bytes()
    command = [sys.executable, "-m", "tests.bench", "executors", *part, "--publish"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "replaces the whole table" in done.stderr
    assert PAGE.read_bytes() == before


@pytest.mark.parametrize(("name", "package"), [("prefect", "prefect"), ("airflow", "apache-airflow")])
def test_the_peers_are_pinned_by_hashes_and_name_no_registry(name: str, package: str) -> None:
    text = install.requirements(name).read_text()
    assert "://" not in text
    assert "--hash=sha256:" in text
    assert install.version(name, package)[0] == "3"


def test_the_notebook_is_one_that_papermill_takes_and_dbt_s_project_is_whole() -> None:
    notebook = nbformat.reads(projects.notebook(), as_version=4)
    nbformat.validate(notebook)
    assert [cell.metadata.get("tags") for cell in notebook.cells].count(["parameters"]) == 1
    files = projects.dbt_project(3)
    assert sum(name.startswith("models/marts/mart_") for name in files) == 3
    assert json.dumps(files)
