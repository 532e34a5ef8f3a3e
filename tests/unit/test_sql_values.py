"""What SQL can name of a run: its params and the versions of its inputs."""

from __future__ import annotations

import pytest

from executors.runtime.failures import TaskError
from executors.runtime.sql_config import values


def test_a_table_input_gives_its_version_and_address_beside_the_params() -> None:
    inputs = [
        {"name": "raw.flights-2", "kind": "table", "uri": "s3://lake/f", "version": 0},
        {"name": "weather", "kind": "table", "uri": "s3://lake/w", "version": 2**62},
        {"name": "page", "kind": "artifact", "uri": None, "version": None},
    ]
    assert values({"inputs": inputs, "params": {"day": 1}}) == {
        "raw_flights_2_version": 0,
        "raw_flights_2_uri": "s3://lake/f",
        "weather_version": 2**62,
        "weather_uri": "s3://lake/w",
        "day": 1,
    }
    assert values({}) == {}


def test_no_param_and_no_other_input_passes_for_an_input_s_version() -> None:
    flights = {"name": "flights", "kind": "table", "uri": "s3://lake/f", "version": 5}
    with pytest.raises(TaskError, match="'flights_version' has the name of an input's version"):
        values({"inputs": [flights], "params": {"flights_version": 3}})
    dotted, dashed = flights | {"name": "a.b"}, flights | {"name": "a-b"}
    with pytest.raises(TaskError, match="two inputs are a_b in SQL"):
        values({"inputs": [dotted, dashed]})
