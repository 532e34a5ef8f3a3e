"""What SQL can name of a run: its params and the versions of its inputs."""

from __future__ import annotations

from executors.runtime.sql_config import values


def test_a_table_input_gives_its_version_and_address_and_a_param_of_that_name_wins() -> None:
    inputs = [
        {"name": "raw.flights-2", "kind": "table", "uri": "s3://lake/f", "version": 0},
        {"name": "weather", "kind": "table", "uri": "s3://lake/w", "version": 2**62},
        {"name": "page", "kind": "artifact", "uri": None, "version": None},
    ]
    assert values({"inputs": inputs, "params": {"day": 1, "weather_uri": "mine"}}) == {
        "raw_flights_2_version": 0,
        "raw_flights_2_uri": "s3://lake/f",
        "weather_version": 2**62,
        "weather_uri": "mine",
        "day": 1,
    }
    assert values({}) == {}
