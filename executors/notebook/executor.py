"""The notebook executor: a parameterised Jupyter notebook from a bundle, executed and rendered."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from executors.notebook.drill import DRILL
from executors.runtime.bundles import check_entrypoint
from executors.runtime.failures import TaskError
from executors.runtime.kinds import ExecutorKind


def capabilities() -> dict[str, Any]:
    return {
        "entrypoints": ["notebook.ipynb"],
        "inputs": ["delta", "iceberg"],
        "publish": ["delta", "object", "iceberg"],
        "python": platform.python_version(),
    }


def prepare(job: dict[str, Any]) -> None:
    """Refuse an entrypoint that is no notebook of the bundle before a process is started; no config key is known."""
    entrypoint = job.get("entrypoint") or ""
    if unknown := sorted(job.get("config") or {}):
        message = f"the template's config.{unknown[0]} is unknown; a notebook takes its values as params"
        raise TaskError("user", "config_invalid", message)
    if entrypoint == DRILL:
        return
    if not entrypoint.endswith(".ipynb"):
        raise TaskError("user", "entrypoint_invalid", f"entrypoint {entrypoint!r} is no .ipynb file")
    if not check_entrypoint(entrypoint, Path(job["bundle_dir"]) if job.get("bundle_dir") else None).is_file():
        raise TaskError("user", "entrypoint_missing", f"the bundle has no file {entrypoint!r}")


# To write the partial notebook and render its page: a second or two. Loading what renders it took more than 15 s on a
# machine under load; who is done sooner waits for nothing.
KEEP_SECONDS = 45.0
EXECUTOR = ExecutorKind(
    "notebook",
    "executors.notebook.child",
    capabilities,
    prepare,
    keep_seconds=KEEP_SECONDS,
    forked=True,
    preloaded=("executors.notebook.client", "executors.notebook.render"),
    rests=True,
    tells=frozenset({"rows_out", "written_bytes"}),
    limited_data=True,
)
