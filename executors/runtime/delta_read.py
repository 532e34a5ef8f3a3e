"""Reading the table inputs of a job, each at its pinned version."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from executors.runtime.connections import connection_for
from executors.runtime.delta_storage import is_store_error, reason_of, storage_options, store_failed
from executors.runtime.failures import TaskError
from executors.runtime.records import record_of

Job = Mapping[str, Any]


def read_table(job: Job, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table input at its pinned version (0 included), whole or some columns, as a pyarrow Table."""
    return dataset(job, name).to_table(columns=None if columns is None else list(columns))


def read_batches(job: Job, name: str, columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
    """Stream a table input at its pinned version; memory holds a few batches at a time."""
    return dataset(job, name).scanner(columns=None if columns is None else list(columns)).to_reader()


def dataset(job: Job, name: str) -> Any:
    """The table input ``name`` at its pinned version as a pyarrow Dataset; it takes projections and filters.

    Raises TaskError: ``user`` when there is no such input, version or readable table, ``external`` for the store.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    record = record_of(job, "inputs", name)
    uri, version = record.get("uri"), record.get("version")
    if not uri or version is None:
        message = f"input {name!r} names no table version; bind it to a task's output or to a version"
        raise TaskError("user", "input_not_pinned", message)
    options = storage_options(connection_for(uri, job.get("connections") or {}))
    try:
        return as_dataset(DeltaTable(uri, version=int(version), storage_options=options))
    except TableNotFoundError as error:
        raise TaskError("user", "input_missing", f"input {name!r}: there is no Delta table at {uri}") from error
    except DeltaError as error:
        message = f"input {name!r}: version {version} of {uri} cannot be read: {reason_of(error)}"
        raise TaskError("user", "input_unreadable", message) from error
    except Exception as error:
        if not is_store_error(error):
            raise
        raise store_failed(f"input {name!r}: {uri} cannot be read", error) from error


def as_dataset(table: Any) -> Any:
    """A Dataset of a DeltaTable whose files carry their partition values and no other promise.

    deltalake's own also promises ``column <= null`` where one file lacks a bound that another one has (a NaN, a writer
    with fewer statistics), and a filter then hides that file's rows (deltalake 1.6).
    """
    own = table.to_pyarrow_dataset()
    columns = table.metadata().partition_columns
    fragments = [
        own.format.make_fragment(
            fragment.path,
            filesystem=own.filesystem,
            partition_expression=promise(ds.get_partition_keys(fragment.partition_expression), columns),
        )
        for fragment in own.get_fragments()
    ]
    return ds.FileSystemDataset(fragments, own.schema, own.format, own.filesystem)


def promise(values: Mapping[str, Any], columns: Sequence[str]) -> Any:
    """The expression that gives a file's rows their partition values; None for an unpartitioned table."""
    parts = [
        pc.field(name).is_null() if values.get(name) is None else pc.field(name) == values[name] for name in columns
    ]
    return functools.reduce(operator.and_, parts) if parts else None
