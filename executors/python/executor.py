"""The python executor: a function or a script from a code bundle."""

from __future__ import annotations

import platform
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from executors.python.entrypoint import parse_entrypoint
from executors.python.settings import PythonSettings
from executors.runtime.bundles import check_entrypoint
from executors.runtime.environments import find_pip
from executors.runtime.failures import TaskError
from executors.runtime.forks import can_fork
from executors.runtime.kinds import ExecutorKind
from executors.runtime.settings import SettingsError


def capabilities() -> dict[str, Any]:
    return {
        "entrypoints": ["module:function", "script.py"],
        "python": platform.python_version(),
        "publish": ["delta", "object", "iceberg"],
        # A requirements.txt with hashes in the bundle.
        "environments": "full" if find_pip() else "none",
        "warm_start": "full" if can_fork() else "none",
    }


def prepare(job: dict[str, Any]) -> None:
    """Refuse a bad entrypoint before a process is started for it."""
    from pathlib import Path

    if not job.get("entrypoint"):
        raise TaskError(
            "user", "entrypoint_missing", "the template names no entrypoint; give module:function or script.py"
        )
    bundle_dir = Path(job["bundle_dir"]) if job.get("bundle_dir") else None
    check_entrypoint(job["entrypoint"], bundle_dir)
    parse_entrypoint(job["entrypoint"])


def configured() -> ExecutorKind:
    """The kind with the environments that the settings allow; SettingsError for settings that cannot work."""
    try:
        settings = PythonSettings()
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"OPS_PYTHON_{str(first['loc'][0]).upper()}: {first['msg']}") from None
    return replace(EXECUTOR, environments=settings.policy())


EXECUTOR = ExecutorKind(
    "python",
    "executors.python.child",
    capabilities,
    prepare,
    forked=True,
    configure=configured,
    tells=frozenset({"rows_out", "written_bytes"}),
    limited_data=True,
)
