"""The dbt executor: a dbt project from a bundle, on DuckDB, with Delta tables in and out."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from executors.dbt.checkpoint import wanted
from executors.dbt.config import COMMANDS, parse_config, project_folder
from executors.runtime.kinds import ExecutorKind


def capabilities() -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb")}
    return {"commands": list(COMMANDS), "inputs": ["delta"], "publish": ["delta"], **versions}


def prepare(job: dict[str, Any]) -> None:
    """Refuse a bad config or a bundle without a project before a process is started."""
    parse_config(job)
    project_folder(Path(job["bundle_dir"]) if job.get("bundle_dir") else None, job.get("entrypoint") or ".")


EXECUTOR = ExecutorKind("dbt", "executors.dbt.child", capabilities, prepare, earlier=wanted)
