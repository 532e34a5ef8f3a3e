"""The inputs and outputs of a job, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executors.runtime.failures import TaskError

Job = Mapping[str, Any]


def record_of(job: Job, kind: str, name: str) -> Mapping[str, Any]:
    """The job's record of an input or output; TaskError (user) lists the declared names when there is none."""
    records = {item["name"]: item for item in job.get(kind) or []}
    if name not in records:
        word, names = kind.removesuffix("s"), ", ".join(sorted(records)) or "none"
        raise TaskError("user", f"{word}_unknown", f"{name!r} is no {word} of this run (declared: {names})")
    record: Mapping[str, Any] = records[name]
    return record
