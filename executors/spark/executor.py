"""The spark executor: SQL, or Python with a session, on a warm Spark Connect server or on a driver of one run's own;
and applications for spark-submit.

SQL is executed in warm processes that are used again (executors.runtime.warm): a process that loads the client costs
1.5 s, a short statement a tenth. What must be killed, the operation, is interrupted at the server by the run's tag.
Python is code of its author: it gets a process of its own, confined as every run's; and so does SQL on a driver of the
run's own, in which its author can execute code.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from executors.python.entrypoint import parse_entrypoint
from executors.runtime.bundles import check_entrypoint
from executors.runtime.engine_gate import no_engine
from executors.runtime.kinds import ExecutorKind
from executors.spark.config import CONNECT, ISOLATED, OWN_CONNECTION, SUBMIT, config_of, is_code, is_submit
from executors.spark.ready import trouble_of
from executors.spark.settings import secrets_of, settings_found, target_of
from executors.spark.shared_memory import SharedMemory

# Raises ImportError without it: this process itself never loads it, the others do.
CLIENT = importlib.metadata.version("pyspark")
NO_NOTE = SharedMemory(None)
CODE, ALONE, APPLICATION = "executors.spark.script", "executors.spark.isolated", "executors.spark.submitted"


def capabilities() -> dict[str, Any]:
    return {
        "sql": "spark",
        "entrypoints": ["script.sql", "module:function", "script.py"],
        "submit": ["py", "jar"],
        "parameters": "full",
        "progress": "full",
        "results": ["preview", "parquet"],
        "cancel": "full",
        # A server's memory is shared: the cap holds where the run has a driver of its own.
        "caps": {
            "wall_seconds": "full",
            "memory_bytes": ISOLATED,
            "rows_out": "watched",
            "log_bytes": "full",
            "artifact_bytes": "full",
            "artifact_count": "full",
        },
        # Statements commit by themselves; to Delta a statement is written once however often the run is repeated.
        "writes": {"engine": "at_least_once"},
        "isolation": "engine",
        "pyspark": CLIENT,
    }


def prepare(job: dict[str, Any], memory: SharedMemory = NO_NOTE) -> None:
    """Refuse a bad config, a bad entrypoint, or a Spark that is not known, before anything is started."""
    config = config_of(job)
    memory.apart(job)
    if is_code(job):
        check_entrypoint(job["entrypoint"], Path(job["bundle_dir"]) if job.get("bundle_dir") else None)
        parse_entrypoint(job["entrypoint"])
    if config.submit:
        config.submit.check(Path(job["bundle_dir"]) if job.get("bundle_dir") else None)
    target = target_of(config, job["connections"])
    memory.begin(job, target.mode, config.connection)
    job["secrets"] = sorted(secrets_of(target.properties))
    job["connections"] = needed(job["connections"], config.connection, target.mode)


def needed(connections: Mapping[str, Any], name: str, mode: str) -> dict[str, Any]:
    """A run, and its author's code, gets no more than its mode takes: the driver's settings have keys in them, the
    token is of the warm server. Of a run that names a Spark of its own the executor's is no matter: it gets neither."""
    spare = "properties" if mode == CONNECT else "token"
    kept = {key: value for key, value in connections[name].items() if key != spare}
    others = {other: one for other, one in connections.items() if other not in (OWN_CONNECTION, name)}
    return {**others, name: kept}


def own_module(job: Mapping[str, Any]) -> str | None:
    """Code of an author gets a process of its own, and so does SQL on a driver of its own, which may become code."""
    if is_submit(job):
        return APPLICATION
    if is_code(job):
        return CODE
    return ALONE if target_of(config_of(job), job["connections"]).mode == ISOLATED else None


def configured() -> ExecutorKind:
    """The kind with the Spark that the environment names; SettingsError for one that cannot work."""
    settings = settings_found()

    def known() -> dict[str, Any]:
        modes = [CONNECT, ISOLATED, SUBMIT] if settings.remote else [ISOLATED, SUBMIT]
        return {**capabilities(), "modes": modes, "master": settings.master}

    def connections() -> dict[str, dict[str, Any]]:
        return {OWN_CONNECTION: settings.connection()}

    memory = SharedMemory(settings.oom_file)
    return replace(
        EXECUTOR,
        connections=connections,
        capabilities=known,
        secret_files=settings.secret_files(),
        prepare=partial(prepare, memory=memory),
        explain=memory.explain,
        engine_trouble=partial(trouble_of, settings.remote) if settings.remote else no_engine,
    )


EXECUTOR = ExecutorKind(
    "spark",
    "executors.spark.child",
    capabilities,
    prepare,
    warm=True,
    own_module=own_module,
    clean_modules=frozenset({ALONE}),
    configure=configured,
    engine_usage=frozenset({"cpu_seconds", "memory_peak_bytes"}),
)
