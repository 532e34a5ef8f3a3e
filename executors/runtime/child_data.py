"""A child's hands on data: read an input at its pinned version, stage an output for publication, whatever its format.

``job`` is the child protocol's job document everywhere. Tables are Delta's or Iceberg's and are read and published by
the same calls; an object is bytes in, a local file out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from executors.runtime.failures import TaskError
from executors.runtime.records import record_of

Job = Mapping[str, Any]

__all__ = ["dataset", "object_path", "read_batches", "read_table", "stage"]


def stage(job: Job, output: str, data: Any) -> dict[str, Any]:
    """Write ``data`` for a declared output and return the contract's Publication; shapes and errors as in
    :func:`executors.runtime.stage_table.stage` and :func:`executors.runtime.stage_object.stage`."""
    if record_of(job, "outputs", output).get("format") == "object":
        from executors.runtime import stage_object

        return stage_object.stage(job, output, data)
    from executors.runtime import stage_table  # loads pyarrow: only for tables

    return stage_table.stage(job, output, data)


def read_table(job: Job, name: str, columns: Sequence[str] | None = None) -> Any:
    """Read a table input at its pinned version (0 included), whole or some columns, as a pyarrow Table."""
    return reader(job, name).read_table(job, name, columns)


def read_batches(job: Job, name: str, columns: Sequence[str] | None = None) -> Any:
    """Stream a table input at its pinned version as a pyarrow RecordBatchReader."""
    return reader(job, name).read_batches(job, name, columns)


def dataset(job: Job, name: str) -> Any:
    """A table input at its pinned version as a pyarrow Dataset, which takes projections and filters."""
    return reader(job, name).dataset(job, name)


def object_path(job: Job, name: str) -> Path:
    """A local copy of an object input; see :mod:`executors.runtime.object_read`."""
    from executors.runtime import object_read  # loads boto3: only when one is read

    return object_read.object_path(job, name)


def reader(job: Job, name: str) -> Any:
    """The module that reads a table input's format."""
    record = record_of(job, "inputs", name)
    if record.get("kind") == "object":
        text = f"input {name!r} is an object, no table; take its file: input_file({name!r})"
        raise TaskError("user", "input_no_table", text)
    if record.get("format") == "iceberg":
        from executors.runtime import iceberg_read

        return iceberg_read
    from executors.runtime import delta_read

    return delta_read
