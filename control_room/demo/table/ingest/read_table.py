"""Read a CSV or Parquet file with the column names and types that the demo's tables use.

Shared by the generator of the quality tests and by the ingest task, so that both see the same types.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as pq


class UnreadableInputError(ValueError):
    """The file is not a table that can be read; the message says why and what to do."""


# What a letter is written as in plain ASCII where leaving its mark out would change the word.
SPELLED = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa", "ł": "l", "đ": "d"}
)


def plain(text: str) -> str:
    """Return `text` in lower-case letters, digits and underscores: ``Zähler-Nr.`` becomes ``zaehler_nr``."""
    spelled = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).lower().translate(SPELLED))
    letters = "".join(c for c in spelled if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "_", letters).strip("_")


def column_names(names: list[str]) -> list[str]:
    """Turn headings into plain SQL names, each one once: ``Unit Price`` becomes ``unit_price``."""
    taken: set[str] = set()
    unique: list[str] = []
    for position, name in enumerate(names, start=1):
        base = plain(name) or f"column_{position}"
        base = f"c_{base}" if base[0].isdigit() else base
        candidate, again = base, 2
        while candidate in taken:
            candidate, again = f"{base}_{again}", again + 1
        taken.add(candidate)
        unique.append(candidate)
    return unique


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
    return read(path)[0]


def read(path: Path) -> tuple[pa.Table, list[str]]:
    """Read the whole file; return it with plain column names and storable types, and the headings as they were."""
    parquet = path.suffix.lower() in {".parquet", ".pq"}
    try:
        table = pq.read_table(path) if parquet else read_csv(path)
        headings = list(table.column_names)
    except FileNotFoundError as error:
        raise UnreadableInputError(f"{path}: there is no such file; give the path of a CSV or Parquet file") from error
    except UnicodeDecodeError as error:
        raise UnreadableInputError(f"{path.name}: its headings are not UTF-8; {CONVERT}") from error
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        shape, reason = "Parquet" if parquet else "CSV", printable(str(error).splitlines()[0])
        raise UnreadableInputError(f"{path.name}: not readable as {shape}: {reason}") from error
    if table.num_columns == 0 or table.num_rows == 0:
        raise UnreadableInputError(f"{path.name}: the table is empty; it needs at least one column and one row")
    if not parquet and (broken := [f.name for f in table.schema if pa.types.is_binary(f.type)]):
        raise UnreadableInputError(f"{path.name}: column {printable(broken[0])!r} is not UTF-8 text; {CONVERT}")
    table = table.rename_columns(column_names(headings))
    try:
        return table.cast(pa.schema([field.with_type(storable(field)) for field in table.schema])), headings
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UnreadableInputError(f"{path.name}: a column's type cannot be stored: {error}") from error


def read_csv(path: Path) -> pa.Table:
    """Read a CSV with the separator that its heading shows. Numbers that are names (``00123``) stay text."""
    separator = separator_of(path)
    table = parse(path, separator, ".")
    if separator != ",":  # where a comma does not separate, it may be the decimal sign
        with_comma = parse(path, separator, ",")
        table = max(table, with_comma, key=lambda found: sum(pa.types.is_floating(t) for t in found.schema.types))
    return keep_identifiers(path, separator, table)


def separator_of(path: Path) -> str:
    """Return the separator that stands most often in the first line: comma, semicolon, tab or bar."""
    with path.open("rb") as file:
        line = file.readline(1_000_000)
    return max((b",", b";", b"\t", b"|"), key=line.count).decode()


def parse(path: Path, separator: str, decimal: str, **more: Any) -> pa.Table:
    """Read the CSV once, types inferred where `more` does not give them."""
    options = csv.ConvertOptions(null_values=NULLS, strings_can_be_null=True, decimal_point=decimal, **more)
    return csv.read_csv(path, parse_options=csv.ParseOptions(delimiter=separator), convert_options=options)


def keep_identifiers(path: Path, separator: str, table: pa.Table) -> pa.Table:
    """Keep as text what only looks like numbers: digits with a leading zero, or more digits than a number keeps.

    A meter number ``00123`` is not 123, and a twenty-digit key read as a floating number loses its end.
    """
    names = [f.name for f in table.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]
    names = [name for name in names if table.column_names.count(name) == 1]
    if not names:
        return table
    texts = parse(path, separator, ".", include_columns=names, column_types=dict.fromkeys(names, pa.string()))
    for name in names:
        if pc.any(pc.match_substring_regex(texts[name], IDENTIFIER)).as_py():
            table = table.set_column(table.column_names.index(name), name, texts[name])
    return table


IDENTIFIER = r"^\s*[-+]?(0[0-9]+|[0-9]{16,})\s*$"
NULLS = ["", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "NaN", "nan"]
CONVERT = "convert it first, for instance: iconv -f WINDOWS-1252 -t UTF-8 OLD.csv > NEW.csv"
