"""Stage an output that is a table, Delta's or Iceberg's; called by :mod:`executors.runtime.child_data`.

Staging writes Parquet files at the output's place (:mod:`executors.runtime.places`), named
``part-<run_id>-<epoch>-<nnnnn>.parquet``, by conditional PUT with a sha256 that the store checks. No reader sees them:
they become part of the table when the accepted report's publication is committed (:mod:`executors.runtime.commit`).
What Delta can hold, Iceberg can: the same files and the same schema serve both.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from executors.runtime.connections import connection_for
from executors.runtime.delta_stats import FileStats
from executors.runtime.delta_storage import s3_client
from executors.runtime.delta_types import delta_arrow_schema, delta_schema_json, to_delta
from executors.runtime.failures import TaskError
from executors.runtime.places import part_name, staging_place
from executors.runtime.put_once import put_once
from executors.runtime.records import record_of

TARGET_FILE_BYTES = 128 * 1024 * 1024
ROW_GROUP_ROWS = 128 * 1024
ROW_GROUP_BYTES = 64 * 1024 * 1024
PARQUET = "application/vnd.apache.parquet"
Job = Mapping[str, Any]


def stage(job: Job, output: str, data: Any, *, target_file_bytes: int = TARGET_FILE_BYTES) -> dict[str, Any]:
    """Write ``data`` for a declared output that is a table, and return the contract's Publication.

    ``data``: pyarrow Table, RecordBatch, RecordBatchReader or Dataset, pandas DataFrame (its index is left out), or
    anything with ``__arrow_c_stream__`` (polars, DuckDB). It is streamed: memory holds one row group at a time.
    No rows means no files. Raises TaskError: ``user`` for data that Delta cannot hold, ``external`` for the store.
    """
    record = record_of(job, "outputs", output)
    reader = as_reader(data, output)
    schema = delta_arrow_schema(reader.schema, output)
    connection = connection_for(record["uri"], job.get("connections") or {})
    form = record.get("format") or "delta"
    place = staging_place(record["uri"], form, connection)
    with Parts(job, place, schema, s3_client(connection), target_file_bytes) as parts:
        for group in row_groups((to_delta(batch, schema, output) for batch in slices(reader)), ROW_GROUP_BYTES):
            parts.write(group)
    return {
        "output": output,
        "format": form,
        "mode": record["mode"],
        "uri": record["uri"],
        "files": parts.files,
        "schema": delta_schema_json(schema),
        "rows": sum(file["rows"] for file in parts.files),
        "partition_by": [],
    }


def as_reader(data: Any, output: str) -> pa.RecordBatchReader:
    """See the shapes that :func:`stage` takes."""
    if type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns"):
        data = pa.Table.from_pandas(data, preserve_index=False)
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    if isinstance(data, pa.RecordBatchReader):
        return data
    if hasattr(data, "scanner"):
        return data.scanner().to_reader()
    if hasattr(data, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(data)
    raise TaskError(
        "user",
        "data_unsupported",
        f"output {output!r}: publish a pyarrow Table or RecordBatchReader or a pandas frame, not {type(data).__name__}",
    )


def slices(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut batches so that none exceeds a row group's rows."""
    for batch in batches:
        for start in range(0, batch.num_rows, ROW_GROUP_ROWS):
            yield batch.slice(start, ROW_GROUP_ROWS)


def row_groups(batches: Iterable[pa.RecordBatch], max_bytes: int) -> Iterator[list[pa.RecordBatch]]:
    """Gather small batches until a row group is full, by rows or by bytes."""
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if sum(b.num_rows for b in group) >= ROW_GROUP_ROWS or sum(b.nbytes for b in group) >= max_bytes:
            yield group
            group = []
    if group:
        yield group


class Parts:
    """The Parquet files of one output: each is written to a local file, then put whole, then forgotten."""

    def __init__(self, job: Job, uri: str, schema: pa.Schema, client: Any, target_bytes: int) -> None:
        self._job = {"run_id": job["run_id"], "epoch": job["epoch"]}
        self._uri, self._schema, self._client, self._target = uri, schema, client, target_bytes
        self._folder = tempfile.TemporaryDirectory(prefix=".staging-", dir=job["work_dir"])
        self._part: Part | None = None
        self.files: list[dict[str, Any]] = []

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if self._part is not None and kind is None:
                self._put(self._part)
        finally:
            self._folder.cleanup()

    def write(self, group: list[pa.RecordBatch]) -> None:
        """Append one row group; a file that has reached the target size is put at once."""
        if self._part is None:
            name = part_name(self._job, len(self.files), ".parquet")
            self._part = Part(Path(self._folder.name) / name, self._schema)
        self._part.write(group)
        if self._part.size >= self._target:
            self._put(self._part)
            self._part = None

    def _put(self, part: Part) -> None:
        record = part.close()
        put_once(self._client, self._uri, part.path, record, PARQUET)
        part.path.unlink()
        self.files.append(record)


class Part:
    """One Parquet file on the local disk."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pq.ParquetWriter(self._sink, schema, compression="zstd", store_schema=False)
        self._stats = FileStats(schema)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return int(self._sink.tell())

    def write(self, group: list[pa.RecordBatch]) -> None:
        for batch in group:
            self._stats.add(batch)
        table = pa.Table.from_batches(group)
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def close(self) -> dict[str, Any]:
        """Finish the file and describe it as the contract's publication file."""
        self._writer.close()
        self._sink.close()
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {
            "path": self.path.name,
            "size": self.path.stat().st_size,
            "sha256": digest,
            "rows": self._stats.rows,
            "stats": self._stats.as_delta(),
        }
