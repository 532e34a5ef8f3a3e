"""The dbt executor: a dbt project from a bundle, on DuckDB with Delta tables in and out, on Trino, or on Spark."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from executors.dbt.checkpoint import wanted
from executors.dbt.config import COMMANDS, DRILL, ENGINES, DbtConfig, parse_config, project_folder
from executors.dbt.spark_target import chosen_target
from executors.runtime.failures import TaskError
from executors.runtime.kinds import ExecutorKind
from executors.spark import settings as spark_settings
from executors.trino import settings as trino_settings

CORE = ("dbt-core", "dbt-duckdb", "duckdb")
# dbt's adapter for Spark is installed without a client of it: one of these, whole or alone.
CLIENTS = {"spark": ("pyspark", "pyspark-client")}
EXTRAS = {"trino": "dbt", "spark": "dbt-spark"}


def capabilities() -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in CORE}
    engines = {engine: version for engine in ENGINES if (version := adapter_version(engine))}
    versions |= {f"dbt-{engine}": version for engine, version in engines.items()}
    return {
        "commands": list(COMMANDS),
        "adapters": ["duckdb", *engines],
        "inputs": ["delta", "iceberg"],
        "publish": ["delta", "iceberg"],
        "progress": "nodes",
        "resume": "full",
        # What dbt writes into an engine is there at once, also of a run that fails later.
        "writes": {"delta": "fenced", **dict.fromkeys(engines, "at_least_once")},
        **versions,
    }


def adapter_version(engine: str) -> str | None:
    """Of dbt's adapter for an engine; None where it, or each client that it could have, is not installed."""
    clients = CLIENTS.get(engine)
    if clients and not any(map(version, clients)):
        return None
    return version(f"dbt-{engine}")


def version(distribution: str) -> str | None:
    """Of what is installed; None of what is not."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def prepare(job: dict[str, Any]) -> None:
    """Refuse a bad config, an engine that is not known, or a bundle without a project, before a process is started.

    A project on DuckDB may hold Python models, code of its author: it gets no credentials of an engine. Nor does
    another adapter's, nor the keys that Spark's drivers have.
    """
    if job.get("entrypoint") == DRILL:
        return
    config = parse_config(job)
    project_folder(Path(job["bundle_dir"]) if job.get("bundle_dir") else None, job.get("entrypoint") or ".")
    connections = job.get("connections") or {}
    if config.adapter in ENGINES:
        check_engine(config, connections)
    job["connections"] = {
        name: {key: value for key, value in one.items() if key != "properties" or one.get("kind") != "spark"}
        for name, one in connections.items()
        if one.get("kind") not in ENGINES or (one.get("kind") == config.adapter and name == config.connection)
    }


def check_engine(config: DbtConfig, connections: Mapping[str, Any]) -> None:
    """TaskError (external) where dbt's adapter for the engine is not installed, or the engine is not known."""
    if adapter_version(config.adapter) is None:
        extra = f"lakehouse-control-room[{EXTRAS[config.adapter]}]"
        text = f"this executor has no dbt-{config.adapter}; pip install '{extra}' where it runs"
        raise TaskError("external", "adapter_missing", text)
    if config.adapter == "trino":
        trino_settings.target_of(config.connection, connections)
    else:
        chosen_target(config, connections)


def configured() -> ExecutorKind:
    """The kind with the engines that the environment names; SettingsError for one that cannot work."""
    trino, spark = trino_settings.settings_found(), spark_settings.settings_found()

    def connections() -> dict[str, dict[str, Any]]:
        told = {"trino": trino.connection()} if trino.url else {}
        return told | ({"spark": spark.connection()} if spark.remote else {})

    # A model may be code of its author, which reads files.
    secret_files = (str(trino.password_file.resolve()),) if trino.password_file else ()
    return replace(EXECUTOR, connections=connections, secret_files=(*secret_files, *spark.secret_files()))


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
