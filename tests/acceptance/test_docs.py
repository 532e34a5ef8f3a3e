"""Every command in the README and the tutorial is run, and the how-to's task is written and run as it says."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.conftest import DemoRun
from tests.support.stack import ROOT, Stack

# What cannot be run from inside itself: these are expanded, not executed, which shows that the target exists.
EXPANDED_ONLY = {"make test", "make demo-lakehouse"}


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def write_files(page: str, folder: Path) -> int:
    """Write each block of the page that stands below the name of its file, in a line that ends with the name and a
    colon; ``Cells of`` a notebook become one. Returns how many there are."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"`([\w./-]+\.\w+)`[^`\n]*:\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for name, block in found:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_notebook(block) if path.suffix == ".ipynb" else block)
    return len(found)


def as_notebook(block: str) -> str:
    """A notebook of the cells that begin with ``# %%``, with their tags."""
    cells = []
    for cell in re.split(r"^# %%", block, flags=re.MULTILINE)[1:]:
        head, _, source = cell.partition("\n")
        tags = re.findall(r'"(\w+)"', head)
        cells.append(nbformat.v4.new_code_cell(source.strip(), metadata={"tags": tags}))
    return str(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))


def commands(page: str) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.splitlines() if line and not line.startswith("#")]


def shell(line: str, stack: Stack, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("page", ["README.md", pytest.param("spec/docs/tutorial/demo.md", marks=pytest.mark.slow)])
def test_every_command_of_the_page_succeeds_in_its_order(page: str, demo: DemoRun, tmp_path: Path) -> None:
    own = tmp_path / "FILE.csv"
    own.write_text("id,amount\n1,2.5\n2,3.5\n")
    lines = commands(page)
    assert len(lines) >= 6
    for line in lines:
        actual = line.replace("make ", "make -n ", 1) if line in EXPANDED_ONLY else line.replace("FILE.csv", str(own))
        done = shell(actual, demo.stack, ROOT)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}\n{demo.stack.tails()}"
        assert "Traceback" not in done.stdout + done.stderr


def test_the_tutorials_wrong_parameter_is_refused_with_its_name(demo: DemoRun) -> None:
    done = demo.stack.run("submit", "nycflights", "-p", "min_flights=many", check=False)
    assert done.returncode != 0
    assert "min_flights" in done.stderr


def test_the_tasks_of_the_how_to_can_be_written_applied_and_run_as_the_page_says(demo: DemoRun, tmp_path: Path) -> None:
    page = "spec/docs/how-to/write-a-task.md"
    python, templates = blocks(page, "python"), blocks(page, "yaml")
    for name, text in zip(("words/count.py", "longest/longest.py"), python, strict=True):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    for name, text in zip(("words.yaml", "longest.yaml", "pipeline.yaml"), templates, strict=True):
        (tmp_path / name).write_text(text)
    for line in commands(page):
        done = shell(line, demo.stack, tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}\n{demo.stack.tails()}"
    pipeline = next(run for run in demo.stack.json("runs", "ls")["items"] if run["template_name"] == "word-report")
    assert demo.stack.runs(str(pipeline["number"]))["longest"]["result"] == {"longest": "rose"}


def passes(page: str, demo: DemoRun, folder: Path, files: int) -> dict[str, Any]:
    """Write the page's files, apply and submit as it says; the tasks of the pipeline that came of it."""
    assert write_files(page, folder) == files
    return demo.stack.runs(str(submitted(page, demo.stack, folder, "meters")["number"]))


def submitted(page: str, stack: Stack, folder: Path, template: str) -> dict[str, Any]:
    """Apply and submit by the page's own commands, which name the template: the run that came of it."""
    lines = [line for line in commands(page) if line.startswith("control-room ")]
    [submit] = [line for line in lines if line == f"control-room submit {template} --follow"]
    for line in (lines[lines.index(submit) - 1], submit):
        done = shell(line, stack, folder)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}\n{stack.tails()}"
    [newest, *_] = [run for run in stack.json("runs", "ls")["items"] if run["template_name"] == template]
    return dict(stack.json("runs", "show", str(newest["number"])))


def test_the_notebook_of_the_how_to_runs_as_the_page_says(demo: DemoRun, tmp_path: Path) -> None:
    page = "spec/docs/how-to/run-a-notebook.md"
    report = passes(page, demo, tmp_path, files=4)["report"]
    assert report["result"]["published"] == {"totals": 1}
    names = {item["name"] for item in demo.stack.json("artifacts", "ls", str(report["number"]))["items"]}
    assert {"report.ipynb", "report.html", "totals.csv"} <= names
    done = shell(f"control-room artifacts get {report['number']}/totals.csv", demo.stack, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "totals.csv").read_text().split() == ["meter,kwh", "b,4.0"]


def test_the_dbt_project_of_the_how_to_runs_on_duckdb_as_the_page_says(demo: DemoRun, tmp_path: Path) -> None:
    totals = passes("spec/docs/how-to/run-dbt.md", demo, tmp_path, files=10)["totals"]
    assert totals["result"]["published"] == {"totals": 2}


def test_a_published_table_can_be_read_as_the_how_to_says(demo: DemoRun, tmp_path: Path) -> None:
    script = tmp_path / "read.py"
    script.write_text("\n".join(blocks("spec/docs/how-to/read-a-table.md", "python")))
    done = shell(f"python {script}", demo.stack, ROOT)
    assert done.returncode == 0, done.stderr
    assert "224" in done.stdout
    assert "EWR" in done.stdout


def anchors(page: Path) -> set[str]:
    """What links to the page's headings say behind the ``#``."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_between_our_pages_leads_to_a_page_and_its_heading() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "spec").rglob("*.md")]:
        for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:")):
                found = page.parent / target if target else page
                assert found.exists(), f"{page.relative_to(ROOT)} links to {target}, which is not there"
                assert not anchor or anchor in anchors(found), f"{page.relative_to(ROOT)}: {target}#{anchor}"


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "spec" / "docs").rglob("*.md")]:
        for line in re.findall(r"^(?:    )?(make [^#\n]*)", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
            assert shlex.split(line)[1] in targets, f"{page.relative_to(ROOT)}: {line}"
