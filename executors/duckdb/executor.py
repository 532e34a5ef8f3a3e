"""The duckdb executor: SQL over the run's inputs without a server, tables in and out."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from executors.duckdb.config import DRILL, parse_config
from executors.runtime.kinds import ExecutorKind


def capabilities() -> dict[str, Any]:
    return {
        "sql": "duckdb",
        "entrypoints": ["script.sql"],
        "parameters": "full",
        "progress": "full",
        "results": ["preview", "parquet"],
        "inputs": ["delta", "iceberg", "parquet", "csv", "json"],
        "publish": ["delta", "object", "iceberg"],
        "duckdb": importlib.metadata.version("duckdb"),
    }


def prepare(job: dict[str, Any]) -> None:
    """Refuse a bad config before a process is started."""
    if job.get("entrypoint") != DRILL:
        parse_config(job)


EXECUTOR = ExecutorKind("duckdb", "executors.duckdb.child", capabilities, prepare)
