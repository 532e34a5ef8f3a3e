"""What a query returns: the first rows for the run's result, all of them as Parquet, in constant memory.

Rows come in pages and leave in row groups; nothing else is kept of them. pyarrow is loaded with the first row, so that
a process that only waits stays small.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PREVIEW_ROWS = 1000
PREVIEW_BYTES = 512 * 1024
GROUP_ROWS = 128 * 1024
GROUP_BYTES = 64 * 1024 * 1024
SAFE_INTEGER = 2**53 - 1
Json = dict[str, Any]


class Preview:
    """The schema and the first rows, as far as a run's result has room: ``columns``, ``rows``, ``truncated``."""

    def __init__(self) -> None:
        self.columns: list[Json] = []
        self.rows: list[list[Any]] = []
        self.count = 0
        self._bytes = 0
        self._full = False

    def begin(self, columns: Sequence[Mapping[str, Any]]) -> None:
        self.columns = [{"name": column["name"], "type": column["type"]} for column in columns]

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        self.count += len(rows)
        for row in rows:
            if self._full or len(self.rows) >= PREVIEW_ROWS:
                return
            shown = [shown_value(value) for value in row]
            self._bytes += len(json.dumps(shown).encode())
            self._full = self._bytes > PREVIEW_BYTES
            if not self._full:
                self.rows.append(shown)

    def record(self) -> Json:
        """Part of the run's result."""
        truncated = len(self.rows) < self.count
        return {"columns": self.columns, "rows": self.rows, "row_count": self.count, "truncated": truncated}


def shown_value(value: Any) -> Any:
    """A value that every reader of JSON reads alike: whole numbers that no double holds become texts."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > SAFE_INTEGER:
        return str(value)
    if isinstance(value, list):
        return [shown_value(each) for each in value]
    if isinstance(value, dict):
        return {name: shown_value(each) for name, each in value.items()}
    return value


class ParquetFile:
    """Writes pages of rows. Use as a context; ``close`` may raise OSError (a full disk)."""

    def __init__(self, path: Path, columns: Sequence[Mapping[str, Any]]) -> None:
        import pyarrow.parquet as parquet

        from executors.trino import columns as arrow

        self._arrow, self._columns = arrow, columns
        self._schema = arrow.schema_of(columns)
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd", compression_level=1)
        self._held: list[Any] = []
        self._rows = self._bytes = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        batch = self._arrow.batch_of(rows, self._columns, self._schema)
        self._held.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._held:
            self._writer.write_table(pa.Table.from_batches(self._held, self._schema))
        self._held, self._rows, self._bytes = [], 0, 0

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Let go of the file; half of a result is none."""
        self._held = []
        try:
            self._writer.close()
        except OSError:  # the disk that is full already
            return
