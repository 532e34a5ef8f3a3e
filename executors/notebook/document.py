"""Notebook files: reading, parameters, and the marks of a failure."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat

from executors.runtime.failures import TaskError
from executors.runtime.text import Redactor

FAILED_TAG = "failed"
# papermill's own, so that it removes our notes when it executes such a notebook again.
MARKER_TAG = "papermill-error-cell-tag"
HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
TITLE_CHARACTERS = 80


def notebook_path(bundle_dir: Path | None, entrypoint: str) -> Path:
    """The notebook in the bundle; TaskError (user) when it is none, not there, or outside."""
    if bundle_dir is None:
        raise TaskError("user", "bundle_missing", "a notebook run needs a bundle with the notebook in it")
    if not entrypoint.endswith(".ipynb"):
        raise TaskError("user", "entrypoint_invalid", f"entrypoint {entrypoint!r} is no .ipynb file")
    path = (bundle_dir / entrypoint).resolve()
    if not path.is_relative_to(bundle_dir.resolve()):
        raise TaskError("user", "entrypoint_outside_bundle", f"entrypoint {entrypoint!r} leads outside the bundle")
    if not path.is_file():
        raise TaskError("user", "entrypoint_missing", f"the bundle has no file {entrypoint!r}")
    return path


def read_notebook(path: Path, name: str) -> Any:
    """Read a notebook of any version 4 (older ones are converted), without outputs; TaskError (user) when broken."""
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TaskError("user", "notebook_invalid", f"{name} is no valid notebook: {reason}") from error
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])  # papermill looks at every cell's
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def with_parameters(notebook: Any, params: Mapping[str, Any]) -> Any:
    """Add a cell with the run's parameters below the one tagged ``parameters`` (at the top when there is none)."""
    notebook.metadata.setdefault("papermill", {})
    return (
        parameterize_notebook(notebook, dict(params), kernel_name="python3", language="python") if params else notebook
    )


def parameterize() -> Callable[..., Any]:
    """papermill's function, without pyarrow: that is loaded for HDFS, which nothing here reads, and starts threads;
    a process that has some cannot be forked.
    """
    hidden = "pyarrow" not in sys.modules
    if hidden:
        sys.modules["pyarrow"] = None  # type: ignore[assignment]  # the import system's word for: not there
    try:
        function: Callable[..., Any] = importlib.import_module("papermill.parameterize").parameterize_notebook
        return function
    finally:
        if hidden:
            del sys.modules["pyarrow"]


parameterize_notebook = parameterize()


def title_of(notebook: Any, index: int) -> str:
    """What people call a cell: the last heading of the text right above it, else its own first line."""
    above = notebook.cells[index - 1] if index else None
    headings = HEADING.findall(above.source) if above is not None and above.cell_type == "markdown" else []
    lines = (line.strip() for line in notebook.cells[index].source.splitlines())
    title = headings[-1] if headings else next((line for line in lines if line), "")
    return str(title)[:TITLE_CHARACTERS]


def stamp(cell: Any, status: str, seconds: float | None = None) -> None:
    """Note in a cell's metadata, as papermill does, how it went: pending, completed or failed."""
    found = {"status": status, "exception": None if status == "pending" else status == "failed", "duration": seconds}
    cell.metadata["papermill"] = found


def mark(notebook: Any, index: int | None, verb: str, text: str) -> None:
    """Put a note on top; with the index of the cell where it happened also tag that, and link to it.

    verb: failed, or was stopped. text: HTML.
    """
    link = ""
    if index is not None:
        cell = notebook.cells[index]
        cell.metadata["tags"] = [*cell.metadata.tags, FAILED_TAG]
        notebook.metadata.papermill["exception"] = True
        notebook.cells.insert(
            index, marker(f'<div id="failed-cell"></div>\n\n**The run {verb} in the cell below:** {text}')
        )
        link = " ([go to the cell](#failed-cell))"
    notebook.cells.insert(0, marker(f"**This run {verb}.** {text}{link}"))


def marker(source: str) -> Any:
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": [MARKER_TAG]})


def scrubbed(notebook: Any, redactor: Redactor) -> Any:
    """A copy without the secrets that the redactor knows, wherever in sources, outputs and metadata they stood."""
    return nbformat.from_dict(redactor.json(notebook))
