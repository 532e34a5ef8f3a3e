"""First pages of files that hold a table: Parquet, CSV, JSON lines."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from executors.runtime.shown import shown_value

Json = dict[str, Any]
ROWS = 100
COLUMNS = 100
CELL_CHARACTERS = 200
HEAD_BYTES = 64 * 1024
COUNTED_BYTES = 64 * 2**20
GROUP_BYTES = 64 * 2**20  # of a row group that is larger no row is decoded
DELIMITERS = ",;\t|"


def table(columns: list[Json], rows: int | None, page: list[list[Any]], form: str) -> Json:
    """The preview. rows: of the whole file, None when nobody counted."""
    cells = [[cell(value) for value in row[:COLUMNS]] for row in page[:ROWS]]
    cut = len(columns) > COLUMNS or len(page) > ROWS
    return {
        **{"type": "table", "format": form, "columns": columns[:COLUMNS], "column_count": len(columns)},
        **{"rows": rows, "page": cells, "cut": cut},
    }


def cell(value: Any) -> Any:
    """A value as it is shown: short, and of JSON."""
    found = shown_value(value)
    if found is None or isinstance(found, bool | int | float):
        return found
    text = found if isinstance(found, str) else json.dumps(found)
    return text if len(text) <= CELL_CHARACTERS else text[:CELL_CHARACTERS] + "…"


def parquet(path: Path) -> Json | None:
    """Schema and rows by its footer; the first page unless its row group is large.

    None where nobody has loaded pyarrow: it would count against the run's memory, for a look.
    """
    if "pyarrow" not in sys.modules:
        return None
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        meta = file.metadata
        columns = [{"name": field.name, "type": str(field.type)[:CELL_CHARACTERS]} for field in file.schema_arrow]
        small = meta.num_row_groups > 0 and meta.row_group(0).total_byte_size <= GROUP_BYTES
        page: list[list[Any]] = []
        if small:
            names = list(dict.fromkeys(column["name"] for column in columns[:COLUMNS]))
            batch = next(file.iter_batches(ROWS, row_groups=[0], columns=names, use_threads=False), None)
            page = [list(row.values()) for row in batch.to_pylist()] if batch is not None else []
        return table(columns, meta.num_rows, page, "parquet")


def comma_separated(path: Path) -> Json | None:
    """The first row names the columns, as most files have it."""
    size = path.stat().st_size
    head, whole = _head(path)
    sample = head.decode("utf-8-sig", "replace")
    try:
        dialect: Any = csv.Sniffer().sniff(sample[:8192], DELIMITERS)
    except csv.Error:
        dialect = csv.excel
    rows = [row for row in csv.reader(io.StringIO(sample), dialect) if row]
    if not whole and len(rows) > 1:
        rows.pop()  # cut in the middle
    if not rows:
        return None
    columns = [{"name": name[:CELL_CHARACTERS], "type": "text"} for name in rows[0]]
    counted = _counted(path, dialect) - 1 if size <= COUNTED_BYTES else None
    return table(columns, counted, rows[1 : ROWS + 1], "csv") | {"cut": counted is None or counted > ROWS}


def _counted(path: Path, dialect: Any) -> int:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return sum(1 for row in csv.reader(file, dialect) if row)


def json_lines(path: Path) -> Json | None:
    """Columns are the members of the first objects, in the order in which they come."""
    head, whole = _head(path)
    lines = [line for line in head.splitlines() if line.strip()]
    if not whole and len(lines) > 1:
        lines.pop()
    found = [json.loads(line) for line in lines[:ROWS]]
    if not found or not all(isinstance(each, dict) for each in found):
        return None
    names = list(dict.fromkeys(name for each in found for name in each))
    columns = [{"name": name[:CELL_CHARACTERS], "type": _type_of([each.get(name) for each in found])} for name in names]
    page = [[each.get(name) for name in names] for each in found]
    rows = len(lines) if whole else _lines(path) if path.stat().st_size <= COUNTED_BYTES else None
    return table(columns, rows, page, "jsonl") | {"cut": rows is None or rows > len(page)}


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _type_of(values: list[Any]) -> str:
    words = {bool: "boolean", int: "integer", float: "number", str: "text", list: "list", dict: "object"}
    found = {words[type(value)] for value in values if value is not None}
    return found.pop() if len(found) == 1 else "number" if found == {"integer", "number"} else "any"


def _head(path: Path) -> tuple[bytes, bool]:
    """The first 64 KiB, and whether they are all."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        return head, not file.read(1)
