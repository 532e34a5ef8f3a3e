"""A notebook run: parameters and pinned inputs in, notebook and offline page out, the kernel gone in the end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from papermill.execute import remove_error_markers

from executors.notebook.executor import EXECUTOR
from executors.runtime.commit import publish
from executors.runtime.failures import TaskError
from executors.runtime.text import spellings
from tests.executors.child_harness import ChildRun, RunningChild, run_child, start_child
from tests.executors.lake import Lake, column_x
from tests.support.seaweed import Seaweed, object_store  # noqa: F401

IMPORT = "from executors.notebook import kernel as control_room"
WIDGETS = "application/vnd.jupyter.widget-state+json"
FETCHED = re.compile(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|url\(\s*["']?https?:|@import|<script[^>]+src""")


class Desk:
    """A notebook in a bundle, and the job that runs it."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self.lake, self.bundle = lake, folder / "bundle"
        self.bundle.mkdir()
        lake.work_dir = folder / "work"
        lake.work_dir.mkdir()
        publish(lake.staged(column_x(1, 2)), lake.connection)
        publish(lake.staged(column_x(9), "overwrite"), lake.connection)

    def job(self, *cells: str, outputs: dict[str, str] | None = None, **params: Any) -> dict[str, Any]:
        first = nbformat.v4.new_code_cell("factor = 1", metadata={"tags": ["parameters"]})
        code = [nbformat.v4.new_code_cell(source) for source in cells]
        title = nbformat.v4.new_markdown_cell("# A title\n\n$x^2$")
        nbformat.write(nbformat.v4.new_notebook(cells=[title, first, *code]), self.bundle / "work.ipynb")
        fields = {"entrypoint": "work.ipynb", "bundle_dir": str(self.bundle), "params": params}
        return self.lake.job(outputs or {}, {"table": 0}) | fields

    def run(self, *cells: str, **more: Any) -> ChildRun:
        return run_child("notebook", self.job(*cells, **more))

    def start(self, *cells: str) -> RunningChild:
        return start_child("notebook", self.job(*cells))


@pytest.fixture
def desk(object_store: Seaweed, tmp_path: Path) -> Desk:  # noqa: F811
    return Desk(Lake(object_store, tmp_path), tmp_path)


def output_texts(notebook: Any) -> list[str]:
    return [o.text for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "stream"]


def test_a_notebook_is_executed_with_its_parameters_on_pinned_inputs_and_rendered_offline(desk: Desk) -> None:
    run = desk.run(
        f"{IMPORT}\ntable = control_room.read_table('table')\nprint('sum', sum(table['x'].to_pylist()) * factor)",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\ncontrol_room.read_pandas('table')",
        "control_room.publish('doubled', control_room.read_pandas('table') * 2)\ncontrol_room.metric('score', 0.5)",
        "control_room.artifact('note.txt', 'kept')\n"
        "print(control_room.params, control_room.inputs(), control_room.outputs())",
        "import os, pathlib\nprint('environment', dict(os.environ))\n"
        "for p in pathlib.Path(os.environ['IPYTHONDIR']).parents[1].rglob('*'):\n"
        "    if p.is_file(): print(p, p.read_text(errors='replace')[:2000])",
        "%history",
        outputs={"doubled": "overwrite"},
        factor=10,
    )
    assert (run.code, run.of("error")) == (0, []), run.error
    notebook = nbformat.reads(run.artifacts["work.ipynb"].decode(), as_version=4)
    assert notebook.cells[2].source == "# Parameters\nfactor = 10\n"
    texts = output_texts(notebook)
    assert texts[0] == "sum 30\n"
    assert "{'factor': 10} ['table'] ['doubled']\n" in texts
    # Live log and progress
    assert "sum 30" in run.output
    assert "without encryption" not in run.output
    assert run.of("progress")[0]["message"] == "cell 1 of 8: A title"
    assert [cell["status"] for cell in run.result["cells"]] == ["ok"] * 8
    # Page
    page = run.artifacts["work.html"].decode()
    assert "data:image/png;base64," in page
    assert "A title" in page
    assert not FETCHED.search(page), FETCHED.search(page)
    assert {m["name"]: m["kind"] for m in run.of("artifact")} == {
        "work.ipynb": "file",
        "work.html": "report",
        "note.txt": "file",
    }
    # What the kernel handed on
    assert run.artifacts["note.txt"] == b"kept"
    assert [(m["name"], m["value"]) for m in run.of("metric")] == [("score", 0.5)]
    assert run.result["published"] == {"doubled": 2}
    (publication,) = run.of("publication")
    publication = {key: value for key, value in publication.items() if key != "type"}
    publish(publication | {"app_id": "run/doubled", "app_version": 1}, desk.lake.connection)
    assert desk.lake.rows("doubled") == [2, 4]
    # Traces
    assert list((desk.lake.work_dir / "home").rglob("*")) == []
    assert not list(desk.lake.work_dir.rglob("*history*"))
    assert [path.name for path in desk.bundle.iterdir()] == ["work.ipynb"]
    assert_no_secret(desk, run)


def assert_no_secret(desk: Desk, run: ChildRun) -> None:
    secrets = (desk.lake.store.access_key.encode(), desk.lake.store.secret_key.encode())
    files = {path: path.read_bytes() for path in desk.lake.work_dir.rglob("*") if path.is_file()}
    said = {"output": run.output.encode(), "messages": json.dumps(run.messages).encode()}
    for place, text in (files | said).items():
        assert not any(secret in text for secret in secrets), place


def test_a_cell_that_raises_keeps_the_partial_notebook_with_its_mark_and_publishes_nothing(desk: Desk) -> None:
    run = desk.run(
        f"{IMPORT}\ncontrol_room.publish('doubled', control_room.read_table('table'))",
        "print('before')\n\n1 / 0",
        "print('never')",
        outputs={"doubled": "append"},
    )
    assert (run.code, run.of("publication")) == (1, [])
    assert (run.error["class"], run.error["code"]) == ("user", "zero_division_error")
    assert run.error["message"] == "cell 3, line 3: ZeroDivisionError: division by zero"
    assert run.error["position"] == {"file": "work.ipynb", "cell": 3, "line": 3}
    assert "1 / 0" in run.error["trace"]
    assert "\x1b" not in run.error["trace"]
    assert [cell["status"] for cell in run.of("result")[-1]["value"]["cells"]] == ["ok", "ok", "failed"]
    assert [cell["cell"] for cell in run.of("result")[-1]["value"]["cells"]] == [1, 2, 3]
    notebook = nbformat.reads(run.artifacts["work.ipynb"].decode(), as_version=4)
    failed = [cell for cell in notebook.cells if "failed" in cell.metadata.get("tags", [])]
    assert [cell.source for cell in failed] == ["print('before')\n\n1 / 0"]
    assert [output.output_type for output in failed[0].outputs] == ["stream", "error"]
    assert failed[0].execution_count == 3, "the number of the error is the one that the page shows"
    assert "ZeroDivisionError" in notebook.cells[0].source
    assert_marked_as_papermill_does(notebook, ["completed", "completed", "failed", "pending"])
    assert b'id="failed-cell"' in run.artifacts["work.html"]
    assert not FETCHED.search(run.artifacts["work.html"].decode())


def assert_marked_as_papermill_does(notebook: Any, statuses: list[str]) -> None:
    """So that papermill executes it again without our notes, and shows what ran."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.metadata.papermill["status"] for cell in code] == statuses
    assert [cell.metadata.papermill["exception"] for cell in code].count(True) == statuses.count("failed")
    assert notebook.metadata.papermill["exception"] is True
    with_notes, without = len(notebook.cells), len(remove_error_markers(notebook).cells)
    assert with_notes - without == 2, "one note on top, one before the cell"


def test_progress_says_which_of_how_many_cells_by_its_heading_or_its_first_line(desk: Desk) -> None:
    run = desk.run("\n\nx = 1  # what it does\ny = 2", "")
    shown = [(m["message"], m["current"], m["total"], m["unit"]) for m in run.of("progress")]
    assert shown == [
        ("cell 1 of 2: A title", 0, 2, "cells"),
        ("cell 2 of 2: x = 1  # what it does", 1, 2, "cells"),
        ("2 of 2 cells done; rendering the page", 2, 2, "cells"),
    ]


def test_a_cancelled_notebook_is_kept_with_the_interrupted_cell_marked_and_what_its_cells_made(desk: Desk) -> None:
    child = desk.start(
        f"{IMPORT}\ncontrol_room.artifact('early.txt', 'kept')\ncontrol_room.metric('rows', 7)",
        "import threading\nprint('half of it', flush=True)\nthreading.Event().wait()",
        "print('never')",
    )
    child.wait_for("half of it")
    child.terminate_group()
    run = child.end(60)
    assert (run.code, run.messages[-1]["type"]) == (143, "cancelled")
    assert run.artifacts["early.txt"] == b"kept"
    assert [(m["name"], m["value"]) for m in run.of("metric")] == [("rows", 7)]
    notebook = nbformat.reads(run.artifacts["work.ipynb"].decode(), as_version=4)
    (stopped,) = [cell for cell in notebook.cells if "failed" in cell.metadata.get("tags", [])]
    assert "threading.Event" in stopped.source
    assert output_texts(notebook) == ["half of it\n"]
    assert "was stopped" in notebook.cells[0].source
    page = run.artifacts["work.html"].decode()
    assert 'id="failed-cell"' in page
    assert "half of it" in page
    assert_marked_as_papermill_does(notebook, ["completed", "completed", "failed", "pending"])


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
def test_no_secret_of_a_connection_stands_in_the_notebook_or_its_page(desk: Desk, fails: bool) -> None:
    secret = "pa&ss'wo\"rd<1>"
    job = desk.job(
        "import IPython.display as d\nfound = control_room.connections()['warehouse']['password']\n"
        "print(found, repr(found))",
        "d.display(d.JSON({'password': found}))\nfound",
        "import pandas\npandas.DataFrame({'x': [found]})",
        f"raise ValueError('no entry with ' + found + {secret!r})" if fails else f"said = {secret!r}",
        given=secret,
    )
    job["connections"] = {**job["connections"], "warehouse": {"password": secret}}
    run = run_child("notebook", job)
    assert run.code == (1 if fails else 0), run.messages
    for name in ("work.ipynb", "work.html"):
        text = run.artifacts[name].decode()
        assert "***" in text
        for spelling in spellings(secret) | {"ss'wo", "rd<1>", "rd&lt;1"}:
            assert spelling not in text, (name, spelling)


@pytest.mark.parametrize(
    ("cell", "failure_class", "code", "words"),
    [
        ("raise MemoryError()", "resources", "out_of_memory", "MemoryError"),
        ("raise ConnectionRefusedError('no one there')", "external", "connection_failed", "no one there"),
        (f"{IMPORT}\ncontrol_room.read_table('other')", "user", "input_unknown", "'other' is no input of this run"),
        (f"{IMPORT}\ncontrol_room.publish('x', 1)", "user", "output_unknown", "'x' is no output of this run"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "resources", "kernel_killed", "killed"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "user", "kernel_crashed", "SIGSEGV"),
        ("import os\nos._exit(3)", "user", "kernel_exited", "exit code 3"),
        ("this is broken(", "user", "syntax_error", "SyntaxError"),
    ],
)
def test_each_way_to_fail_has_its_class(desk: Desk, cell: str, failure_class: str, code: str, words: str) -> None:
    run = desk.run("print('first')", cell)
    assert (run.error["class"], run.error["code"]) == (failure_class, code), run.error
    assert words in run.error["message"]
    assert run.error["position"]["cell"] == 3
    assert {"work.ipynb", "work.html"} <= set(run.artifacts)
    assert b"first" in run.artifacts["work.ipynb"]


FUNCTION = "def inverse(x):\n    return 1 / x"


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        pytest.param(f"{FUNCTION}\n\n\ninverse(0)", 2, id="in-a-function-of-the-cell"),
        pytest.param("x = 0\ngiven(x)", 2, id="in-a-function-of-another-cell"),
        pytest.param("import json\n\njson.loads('{')", 3, id="in-a-package"),
        pytest.param("try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError() from e", 4, id="with-a-cause"),
        pytest.param("x = 1\nthis is broken(", 2, id="syntax"),
        pytest.param("if True:\n    x = 1\n  y = 2", 3, id="indentation"),
        pytest.param("!true\nx = (1,\n  2 / 0)", 3, id="after-a-shell-command"),
        pytest.param(f"raise ValueError({'Traceback (most recent call last)' + chr(10)!r} + 'x')", 1, id="quotes"),
        pytest.param("%%time\nx = 1\n1 / 0", None, id="below-a-magic-of-the-cell"),
    ],
)
def test_a_failure_names_the_line_in_its_cell(desk: Desk, cell: str, line: int | None) -> None:
    run = desk.run(f"\n\n{FUNCTION}\ngiven = inverse", "  \n", cell)
    told = {} if line is None else {"line": line}
    assert run.error["position"] == {"file": "work.ipynb", "cell": 3} | told, run.error
    assert run.error["message"].startswith("cell 3: " if line is None else f"cell 3, line {line}: ")


def test_a_failure_that_a_magic_swallows_is_one_unless_the_cell_says_that_it_raises(desk: Desk) -> None:
    run = desk.run("%%capture\n1 / 0", "print('never')")
    assert (run.code, run.error["code"], run.error["position"]["cell"]) == (1, "zero_division_error", 2)
    assert "never" not in run.output
    job = desk.job("1 / 0", "print('goes on')")
    notebook = nbformat.read(desk.bundle / "work.ipynb", as_version=4)
    notebook.cells[2].metadata["tags"] = ["raises-exception"]
    nbformat.write(notebook, desk.bundle / "work.ipynb")
    run = run_child("notebook", job)
    assert (run.code, run.output.count("goes on")) == (0, 1), run.messages


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_the_kernel_ends_with_its_child(desk: Desk, end: str) -> None:
    child = desk.start("import os, threading\nprint(f'kernel {os.getpid()} runs')\nthreading.Event().wait()")
    child.wait_for("runs")
    found = re.search(r"kernel (\d+) runs", child._said())
    assert found
    kernel = psutil.Process(int(found[1]))
    if end == "kill":
        child.kill()
    else:
        child.terminate_group()
    run = child.end(30)
    gone, _ = psutil.wait_procs([kernel], timeout=30)
    assert gone
    assert run.code == (-9 if end == "kill" else 143)
    if end == "terminate":
        assert run.messages[-1]["type"] == "cancelled"


def test_a_broken_notebook_is_the_users_failure(desk: Desk) -> None:
    job = desk.job()
    (desk.bundle / "work.ipynb").write_text("{ no json")
    run = run_child("notebook", job)
    assert (run.error["class"], run.error["code"]) == ("user", "notebook_invalid")
    assert "work.ipynb is no valid notebook" in run.error["message"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"entrypoint": "missing.ipynb"}, "entrypoint_missing"),
        ({"entrypoint": "work.py"}, "entrypoint_invalid"),
        ({"entrypoint": "../work.ipynb"}, "entrypoint_outside_bundle"),
        ({"bundle_dir": None}, "bundle_missing"),
        ({"config": {"kernel": "R"}}, "config_invalid"),
    ],
)
def test_a_job_without_a_notebook_is_refused_before_a_process_starts(
    tmp_path: Path, change: dict[str, Any], code: str
) -> None:
    (tmp_path / "work.ipynb").write_text("{}")
    job = {"entrypoint": "work.ipynb", "bundle_dir": str(tmp_path), "config": {}} | change
    with pytest.raises(TaskError) as refused:
        EXECUTOR.prepare(job)
    assert (refused.value.failure_class, refused.value.code) == ("user", code)


def test_the_run_has_its_name_in_every_notebook_and_an_import_of_it_gives_the_same(desk: Desk) -> None:
    run = desk.run(
        "given = control_room\nprint(control_room.inputs(), control_room.params)",
        "import control_room\nprint('same', control_room is given)",
        "from control_room import publish, read_pandas\npublish('doubled', read_pandas('table') * 2)",
        outputs={"doubled": "overwrite"},
        factor=10,
    )
    assert run.code == 0, run.error
    notebook = nbformat.reads(run.artifacts["work.ipynb"].decode(), as_version=4)
    assert output_texts(notebook) == ["['table'] {'factor': 10}\n", "same True\n"]
    # What comes before the first cell is no cell: the page counts from 1.
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [1, 2, 3, 4, 5]
    assert run.result["published"] == {"doubled": 2}


def test_outside_a_run_the_helper_says_so() -> None:
    from executors.notebook import kernel

    with pytest.raises(kernel.ControlRoomError, match="not executed by a run"):
        kernel.read_table("x")


def test_a_page_keeps_what_cells_show_and_fetches_nothing() -> None:
    from executors.notebook.render import to_html

    output = nbformat.v4.new_output("display_data", data={"text/html": "<b>shown</b>"})
    cell = nbformat.v4.new_code_cell("1", outputs=[output])
    notebook = nbformat.v4.new_notebook(
        cells=[cell], metadata={"widgets": {WIDGETS: {"state": {}, "version_major": 2}}}
    )
    page = to_html(notebook, "title")
    assert "<b>shown</b>" in page
    assert "<title>title</title>" in page
    assert not FETCHED.search(page)
