"""What a statement returns: the first rows for the run's result, all of them as Parquet, a batch at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as parquet

from executors.runtime.shown import shown_value

PREVIEW_ROWS = 1000
PREVIEW_BYTES = 512 * 1024
GROUP_ROWS = 128 * 1024
GROUP_BYTES = 64 * 1024 * 1024
Json = dict[str, Any]


class Reader(Protocol):
    """Batches of one schema, as of pyarrow's RecordBatchReader."""

    @property
    def schema(self) -> pa.Schema: ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...


def store(reader: Reader, path: Path | None) -> Json:
    """Read all batches: {columns, rows, row_count, truncated}. path: where they go as Parquet; None: nowhere."""
    preview = Preview(reader.schema)
    writer = parquet.ParquetWriter(path, reader.schema, compression="zstd") if path else None
    try:
        for group in groups(reader, preview):
            if writer:
                writer.write_table(pa.Table.from_batches(group, reader.schema))
    finally:
        if writer:
            writer.close()
    return preview.record()


def groups(reader: Reader, preview: Preview) -> Iterator[list[pa.RecordBatch]]:
    """Batches as row groups: small ones together, so that a file is read well."""
    held: list[pa.RecordBatch] = []
    for batch in reader:
        preview.add(batch)
        held.append(batch)
        if sum(each.num_rows for each in held) >= GROUP_ROWS or sum(each.nbytes for each in held) >= GROUP_BYTES:
            yield held
            held = []
    if held:
        yield held


def rows_of(found: pa.RecordBatch | pa.Table) -> Iterator[tuple[Any, ...]]:
    """Row by row, by place: several columns of a query may have one name, of which Arrow's own rows keep the last."""
    return zip(*(column.to_pylist() for column in found.columns), strict=True)


class Preview:
    """The schema and the first rows, as far as a run's result has room."""

    def __init__(self, schema: pa.Schema) -> None:
        self._columns = [{"name": field.name, "type": str(field.type)} for field in schema]
        self._rows: list[list[Any]] = []
        self._count = self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self._count += batch.num_rows
        left = PREVIEW_ROWS - len(self._rows)
        if left <= 0 or self._bytes > PREVIEW_BYTES:
            return
        for row in rows_of(batch.slice(0, left)):
            shown = [shown_value(value) for value in row]
            self._bytes += len(json.dumps(shown).encode())
            if self._bytes > PREVIEW_BYTES:
                return
            self._rows.append(shown)

    def record(self) -> Json:
        truncated = len(self._rows) < self._count
        return {"columns": self._columns, "rows": self._rows, "row_count": self._count, "truncated": truncated}
