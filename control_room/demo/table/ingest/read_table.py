"""Read a CSV or Parquet file with the column names and types that the demo's tables use.

Shared by the generator of the quality tests and by the ingest task, so that both see the same types.
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq


class UnreadableInputError(ValueError):
    """The file is not a table that can be read; the message says why and what to do."""


def column_names(names: list[str]) -> list[str]:
    """Turn headings into plain lower-case SQL names, each one once: ``Unit Price`` becomes ``unit_price``."""
    taken: set[str] = set()
    plain: list[str] = []
    for position, name in enumerate(names, start=1):
        base = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or f"column_{position}"
        base = f"c_{base}" if base[0].isdigit() else base
        candidate, again = base, 2
        while candidate in taken:
            candidate, again = f"{base}_{again}", again + 1
        taken.add(candidate)
        plain.append(candidate)
    return plain


def storable(field: pa.Field) -> pa.DataType:
    """Return the type a Delta table and DuckDB both take; what has none is kept as text."""
    kind = field.type
    if pa.types.is_null(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_unsigned_integer(kind):
        return pa.int64() if kind.bit_width < 64 else pa.decimal128(20, 0)
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_date64(kind):
        return pa.date32()
    return kind


def printable(text: str) -> str:
    """Return at most 200 characters that a terminal can show: a wrong file's bytes may stand in its error."""
    return "".join(c if c.isprintable() else "?" for c in text)[:200]


def read_table(path: Path) -> pa.Table:
    """Read the whole file. Raises UnreadableInputError for anything that is not a table with a column and a row."""
    parquet = path.suffix.lower() in {".parquet", ".pq"}
    try:
        table = pq.read_table(path) if parquet else csv.read_csv(path, convert_options=OPTIONS)
    except FileNotFoundError as error:
        raise UnreadableInputError(f"{path}: there is no such file; give the path of a CSV or Parquet file") from error
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        shape, reason = "Parquet" if parquet else "CSV (UTF-8, comma)", printable(str(error).splitlines()[0])
        raise UnreadableInputError(f"{path.name}: not readable as {shape}: {reason}") from error
    if table.num_columns == 0 or table.num_rows == 0:
        raise UnreadableInputError(f"{path.name}: the table is empty; it needs at least one column and one row")
    if not parquet and (broken := [f.name for f in table.schema if pa.types.is_binary(f.type)]):
        raise UnreadableInputError(
            f"{path.name}: column {broken[0]!r} is not UTF-8 text; save the file as UTF-8 and try again"
        )
    table = table.rename_columns(column_names(table.column_names))
    try:
        return table.cast(pa.schema([field.with_type(storable(field)) for field in table.schema]))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UnreadableInputError(f"{path.name}: a column's type cannot be stored: {error}") from error


OPTIONS = csv.ConvertOptions(null_values=["", "NA", "N/A", "NULL", "null", "NaN"], strings_can_be_null=True)
