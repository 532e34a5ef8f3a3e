"""The Trino executor: SQL statements from a template or a bundle, executed by a Trino cluster.

Statements run in a warm process that is used again (executors.runtime.warm), not in one per run: a process that loads
the client and pyarrow costs 300 ms, a short statement 30. SQL is no code of this machine, so what the process of a run
is there for (to confine it, to kill what it started) has nothing to hold here; what must be killed, the query, is
ended through Trino's own API, also when the executor itself is killed.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from functools import partial
from typing import Any

from executors.runtime.kinds import ExecutorKind
from executors.trino.config import DRILL, OWN_CONNECTION, parse_config
from executors.trino.ready import trouble_of
from executors.trino.settings import settings_found, target_of

# Raises ImportError without the client: this process itself never loads it, the warm ones do.
CLIENT = importlib.metadata.version("trino")


def capabilities() -> dict[str, Any]:
    return {
        "sql": "trino",
        "entrypoints": ["script.sql"],
        "parameters": "full",
        "progress": "full",
        "results": ["preview", "parquet"],
        "cancel": "full",
        # What the engine enforces itself, and what the executor watches in its statistics.
        "caps": {
            "wall_seconds": "full",
            "cpu_seconds": "full",
            "memory_bytes": "engine",
            **dict.fromkeys(("scanned_bytes", "written_bytes", "rows_out"), "watched"),
            "log_bytes": "full",
            "artifact_bytes": "full",
            "artifact_count": "full",
        },
        # Statements commit by themselves. A template that says config.read_only does not use this path.
        "writes": {"engine": "at_least_once"},
        "isolation": "engine",
        "trino-client": CLIENT,
    }


def prepare(job: dict[str, Any]) -> None:
    """Refuse a bad config, or a Trino that is not known, before the statement's turn."""
    if job.get("entrypoint") == DRILL:
        target_of(OWN_CONNECTION, job["connections"])
        return
    target_of(parse_config(job).connection, job["connections"])


def configured() -> ExecutorKind:
    """The kind with the Trino that the environment names; SettingsError for one that cannot work."""
    settings = settings_found()

    def connections() -> dict[str, dict[str, Any]]:
        return {OWN_CONNECTION: settings.connection()} if settings.url else {}

    def known() -> dict[str, Any]:
        found = {"catalog": settings.catalog, "schema": settings.schema_name}
        return {**capabilities(), **{name: value for name, value in found.items() if value}}

    found = replace(EXECUTOR, connections=connections, capabilities=known)
    return replace(found, engine_trouble=partial(trouble_of, settings)) if settings.url else found


EXECUTOR = ExecutorKind(
    "trino",
    "executors.trino.child",
    capabilities,
    prepare,
    warm=True,
    configure=configured,
    engine_usage=frozenset({"cpu_seconds", "memory_peak_bytes"}),
)
