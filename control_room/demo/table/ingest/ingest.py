"""Publish the file that travels in this bundle as a bronze Delta table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from read_table import read_table


def input_file() -> Path:
    """Return the one data file of the bundle."""
    found = sorted(Path(__file__).parent.glob("input.*"))
    if len(found) != 1:
        raise FileNotFoundError(
            "the bundle holds no file named input.csv or input.parquet: apply the template through control-room demo"
        )
    return found[0]


def main(context: Any) -> dict[str, Any]:
    """Stage the table; return its row count and each column's type and missing values."""
    table = read_table(input_file())
    context.progress(fraction=0.5, message=f"{table.num_rows} rows, {table.num_columns} columns read")
    context.publish("table", table)
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        columns.append({"name": name, "type": str(column.type), "nulls": column.null_count})
        print(f"{name}: {column.type}, {column.null_count} missing", flush=True)
    context.progress(fraction=1.0, message="table staged")
    return {"rows": {"table": table.num_rows}, "columns": columns}
