"""Runs that publish a table of each format and an object, from submit to the next task that reads them."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_room.reactor.clock import SystemClock
from control_room.reactor.publisher import Publisher
from ops_schema.store import PostgresStore
from tests.executors.proxy import Proxy
from tests.executors.room import Json, Room, room, wait_for
from tests.support.postgres import Database, pg18  # noqa: F401
from tests.support.seaweed import IcebergSeaweed, iceberg_store  # noqa: F401

WRITER = """
import pyarrow as pa

def main(context):
    rows = pa.table({"n": [1, 2, 3], "at": pa.array([0, 1, 2], pa.timestamp("us", "UTC"))})
    context.publish("delta", rows)
    context.publish("iceberg", rows)
    context.publish("report", b"three rows")
    return {"catalog": "catalog" in context.connections["iceberg"]}
"""
READER = """
def main(context):
    return {
        "delta": context.read_table("delta").column("n").to_pylist(),
        "iceberg": context.read_table("iceberg").column("n").to_pylist(),
        "report": context.input_file("report").read_text(),
    }
"""
INPUTS = [
    {"name": "delta", "kind": "table"},
    {"name": "iceberg", "kind": "table"},
    {"name": "report", "kind": "object"},
]
READ = {"delta": [1, 2, 3], "iceberg": [1, 2, 3], "report": "three rows"}
CONNECTIONS = ["lakehouse", "iceberg"]


@pytest.fixture
def lake_room(pg18: Database, iceberg_store: IcebergSeaweed, tmp_path: Path) -> Iterator[Room]:  # noqa: F811
    with room(pg18, iceberg_store, tmp_path) as opened:
        yield opened


def submit_writer(lake_room: Room, **more: Any) -> str:
    name = f"t{secrets.token_hex(4)}"
    outputs = [
        {"name": "delta", "format": "delta", "mode": "append", "path": f"{name}/delta"},
        {"name": "iceberg", "format": "iceberg", "mode": "append", "path": f"{name}/numbers"},
        {"name": "report", "format": "object", "mode": "overwrite", "path": f"{name}/report.txt"},
    ]
    return lake_room.submit({"task.py": WRITER}, outputs=outputs, connections=CONNECTIONS, **more)


def submit_reader(lake_room: Room, writer: str) -> str:
    needs = [{"run": writer, "inputs": {each["name"]: each["name"] for each in INPUTS}}]
    return lake_room.submit({"task.py": READER}, inputs=INPUTS, depends_on=needs, connections=CONNECTIONS)


def publications(lake_room: Room, run_id: str) -> dict[str, Json]:
    with lake_room.database.connect() as connection:
        rows = connection.execute(
            "select to_jsonb(p) from ops.publications p where run_id = %s and state = 'committed'", [run_id]
        ).fetchall()
    return {row[0]["output"]: row[0] for row in rows}


def test_a_run_publishes_one_output_of_each_format_and_the_next_reads_all_three(lake_room: Room) -> None:
    lake_room.executor("python")
    writer = submit_writer(lake_room)
    reader = submit_reader(lake_room, writer)
    written, read = lake_room.ended(writer, 120), lake_room.ended(reader, 120)
    assert (written["state"], written["result"]) == ("succeeded", {"catalog": False}), written["error"]
    assert (read["state"], read["result"]) == ("succeeded", READ), read["error"]
    found = publications(lake_room, writer)
    assert found["iceberg"]["location"].startswith("s3://warehouse/")
    assert found["iceberg"]["table_version"] > 2**53
    assert (found["delta"]["table_version"], found["report"]["table_version"]) == (0, 1)


def test_the_reactor_commits_all_formats_when_the_executor_is_killed_after_its_report(lake_room: Room) -> None:
    proxy = Proxy(lake_room.port)
    try:
        for _ in range(1000):  # it asks again as long as it lives
            proxy.lose_answer("/report")
        executor = lake_room.executor("python", url=proxy.url)
        writer = submit_writer(lake_room)
        wait_for("the report to be accepted, and its answer lost", lambda: proxy.lost, 90)
        executor.process.kill()
        executor.process.wait()
    finally:
        proxy.close()
    assert publications(lake_room, writer) == {}
    asyncio.run(publish_until_all_are_out(lake_room, writer))
    assert lake_room.ended(writer)["state"] == "succeeded"
    lake_room.executor("python")
    read = lake_room.ended(submit_reader(lake_room, writer), 120)
    assert (read["state"], read["result"]) == ("succeeded", READ), read["error"]


async def publish_until_all_are_out(lake_room: Room, writer: str) -> None:
    async with PostgresStore(lake_room.database.conninfo) as store:
        publisher = Publisher(store, lake_room.secrets / "connections.json", SystemClock())
        async with asyncio.timeout(120):
            while len(publications(lake_room, writer)) < 3:
                await publisher.publish()
                await asyncio.sleep(0.2)


def test_an_executor_without_the_catalog_is_not_given_a_run_that_needs_it(lake_room: Room) -> None:
    without = lake_room.secrets / "without.json"
    known = json.loads((lake_room.secrets / "connections.json").read_text())
    without.write_text(json.dumps({"lakehouse": known["lakehouse"]}))
    lake_room.executor("python", connections_file=str(without))
    writer = submit_writer(lake_room)
    plain = lake_room.submit({"task.py": "def main(context): return {'done': True}"})
    assert lake_room.ended(plain)["state"] == "succeeded"
    assert lake_room.run(writer)["state"] == "queued"
    lake_room.executor("python")
    assert lake_room.ended(writer, 120)["state"] == "succeeded"
