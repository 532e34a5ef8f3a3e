"""The python executor: a function or a script from a code bundle."""

from __future__ import annotations

import platform
from typing import Any

from executors.python.entrypoint import parse_entrypoint
from executors.runtime.bundles import check_entrypoint
from executors.runtime.failures import TaskError
from executors.runtime.kinds import ExecutorKind


def capabilities() -> dict[str, Any]:
    return {"entrypoints": ["module:function", "script.py"], "python": platform.python_version(), "publish": ["delta"]}


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


EXECUTOR = ExecutorKind("python", "executors.python.child", capabilities, prepare, forked=True)
