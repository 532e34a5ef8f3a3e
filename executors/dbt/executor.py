"""The dbt executor: a dbt project from a bundle, on DuckDB with Delta tables in and out, or on Trino."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import Any

from executors.dbt.checkpoint import wanted
from executors.dbt.config import COMMANDS, DRILL, OWN_TRINO, parse_config, project_folder
from executors.runtime.failures import TaskError
from executors.runtime.kinds import ExecutorKind
from executors.trino.settings import settings_found, target_of

CORE = ("dbt-core", "dbt-duckdb", "duckdb")


def capabilities() -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in CORE}
    versions |= {"dbt-trino": version} if (version := trino_version()) else {}
    return {
        "commands": list(COMMANDS),
        "adapters": ["duckdb", "trino"] if version else ["duckdb"],
        "inputs": ["delta", "iceberg"],
        "publish": ["delta", "iceberg"],
        "progress": "nodes",
        "resume": "full",
        # What dbt writes into Trino is there at once, also of a run that fails later.
        "writes": {"delta": "fenced", "trino": "at_least_once"} if version else {"delta": "fenced"},
        **versions,
    }


def trino_version() -> str | None:
    """Of dbt's adapter for Trino; None where it is not installed."""
    try:
        return importlib.metadata.version("dbt-trino")
    except importlib.metadata.PackageNotFoundError:
        return None


def prepare(job: dict[str, Any]) -> None:
    """Refuse a bad config, a Trino that is not known, or a bundle without a project, before a process is started.

    A project on DuckDB may hold Python models, code of its author: it gets no credentials of a Trino.
    """
    if job.get("entrypoint") == DRILL:
        return
    config = parse_config(job)
    project_folder(Path(job["bundle_dir"]) if job.get("bundle_dir") else None, job.get("entrypoint") or ".")
    connections = job.get("connections") or {}
    if config.adapter == "trino":
        if trino_version() is None:
            text = "this executor has no dbt-trino; pip install 'lakehouse-control-room[dbt]' where it runs"
            raise TaskError("external", "adapter_missing", text)
        target_of(config.connection, connections)
    else:
        job["connections"] = {name: one for name, one in connections.items() if one.get("kind") != "trino"}


def configured() -> ExecutorKind:
    """The kind with the Trino that the environment names; SettingsError for one that cannot work."""
    settings = settings_found()

    def connections() -> dict[str, dict[str, Any]]:
        return {OWN_TRINO: settings.connection()} if settings.url else {}

    # A model may be code of its author, which reads files.
    secret_files = (str(settings.password_file.resolve()),) if settings.password_file else ()
    return replace(EXECUTOR, connections=connections, secret_files=secret_files)


# dbt takes longer to load than many projects to build. None of these starts a thread, which pyarrow would, or sets up
# logging, which the Trino client would, also in runs on DuckDB.
EXECUTOR = ExecutorKind(
    "dbt",
    "executors.dbt.child",
    capabilities,
    prepare,
    earlier=wanted,
    configure=configured,
    forked=True,
    preloaded=("executors.dbt.duckdb_warehouse",),
    rests=True,
)
