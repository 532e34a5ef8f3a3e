"""Notebook files: reading, parameters, and the marks of a failure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from papermill.parameterize import parameterize_notebook

from executors.runtime.failures import TaskError

FAILED_TAG = "failed"


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


def mark_failure(notebook: Any, index: int, text: str) -> None:
    """Tag the failing cell, and put a note with a link to it on top."""
    cell = notebook.cells[index]
    cell.metadata["tags"] = [*cell.metadata.tags, FAILED_TAG]
    anchor = nbformat.v4.new_markdown_cell(
        f'<div id="failed-cell"></div>\n\n**The run failed in the cell below:** {text}'
    )
    note = nbformat.v4.new_markdown_cell(f"**This run failed.** {text} ([go to the cell](#failed-cell))")
    notebook.cells[index:index] = [anchor]
    notebook.cells.insert(0, note)
