"""The reactor's duties on the real parts."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, Schema

from control_room.reactor.clock import SystemClock
from control_room.reactor.duty import Duty
from control_room.reactor.leader import Leader
from ops_schema.store import PostgresStore
from tests.contract.operator.conftest import API, Worker, server_conninfo, serving, until
from tests.support.ops import Ops
from tests.support.postgres import Database
from tests.support.seaweed import Seaweed


def stage(seaweed: Seaweed, uri: str, run: dict[str, Any], rows: int) -> dict[str, Any]:
    """A staged file below the table's root, and the publication that names it."""
    table = pa.table({"n": pa.array(range(rows), pa.int64())})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    data = buffer.getvalue()
    sha256, name = hashlib.sha256(data).hexdigest(), f"part-{run['run_id']}-{run['epoch']}-0.parquet"
    key = f"{uri.removeprefix('s3://lakehouse/')}/{name}"
    seaweed.client().put_object(Bucket="lakehouse", Key=key, Body=data, Metadata={"sha256": sha256})
    return {
        "output": "numbers",
        "format": "delta",
        "mode": "append",
        "uri": uri,
        "files": [{"path": name, "size": len(data), "sha256": sha256, "rows": rows}],
        "schema": json.loads(Schema.from_arrow(table.schema).to_json()),
        "rows": rows,
        "partition_by": [],
    }


def short_lease(ops: Ops, **spec: Any) -> None:
    """A template with a shorter lease than its schema allows: the server would refuse it, the store does not."""
    ops.template(ops.token("operator"), **spec)


async def test_a_publication_whose_executor_died_is_completed(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    folder = f"t-{uuid4().hex}"
    async with serving(pg18, object_store, tmp_path, reactor=True) as server:
        output = {"name": "numbers", "format": "delta", "mode": "append", "path": folder}
        short_lease(tokens, outputs=[output], connections=["lakehouse"], lease_seconds=6)
        await server.submit()
        worker = await Worker.start(server)
        run = await worker.claim()
        publication = stage(object_store, run["outputs"][0]["uri"], run, rows=7)
        answer = await worker.succeed(publications=[publication])
        assert answer["route"]["decision"] == "publish"
        found = (await server.operator.get(f"{API}/runs/1")).json()
        assert (found["state"], found["state_reason"]) == ("running", "publishing")
        # The executor is never heard of again.
        await until(lambda: server.ops.value("select state from ops.runs") == "succeeded", seconds=60)
        found = (await server.operator.get(f"{API}/runs/1")).json()
        assert found["rows"] == 7
        (published,) = found["publications"]
        assert (published["state"], published["table_version"]) == ("committed", 0)
        assert published["app_id"] == f"{run['run_id']}/numbers"
    table = DeltaTable(f"s3://lakehouse/{folder}", storage_options=object_store.storage_options())
    assert table.to_pyarrow_table().num_rows == 7
    assert table.transaction_version(f"{run['run_id']}/numbers") == run["epoch"]


async def test_a_run_whose_executor_fell_silent_is_queued_again(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    async with serving(pg18, object_store, tmp_path, reactor=True) as server:
        short_lease(tokens, lease_seconds=1, retry={"max_attempts": 2, "backoff_seconds": 0})
        await server.submit()
        worker = await Worker.start(server)
        first = await worker.claim()
        await until(lambda: server.ops.value("select state from ops.runs") == "queued", seconds=60)
        second = await worker.claim()
        assert (second["run_id"], second["epoch"] > first["epoch"]) == (first["run_id"], True)


async def test_a_run_whose_time_has_come_is_queued(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    async with serving(pg18, object_store, tmp_path, reactor=True) as server:
        await server.template()
        soon = datetime.now(UTC) + timedelta(seconds=1)
        run = await server.submit(not_before=soon.isoformat())
        assert run["state"] == "waiting"
        await until(lambda: server.ops.value("select state from ops.runs") == "queued")


async def test_the_partitions_of_the_coming_months_are_made(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    count = "select count(*) from pg_inherits where inhparent = 'ops.events'::regclass"
    for (name,) in tokens.admin.execute(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'ops.events'::regclass "
        "and inhrelid::regclass::text not like '%default'"
    ).fetchall():
        tokens.admin.execute(f"drop table {name}")
    assert tokens.value(count) == 1
    async with serving(pg18, object_store, tmp_path, reactor=True) as server:
        await until(lambda: server.ops.value(count) > 1)


async def test_a_month_of_events_that_is_over_its_time_is_dropped(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    for month in ("2001-01-01Z", "2001-02-01Z"):
        tokens.admin.execute(
            "select ops.create_partition('events', 'events_' || to_char(%s::timestamptz, 'YYYY_MM'), %s)",
            (month, month),
        )
    tokens.admin.execute("update ops.settings set value = '12' where key = 'events_kept_months'")
    left = "select count(*) from pg_class where relname like 'events_2001%%' and relkind = 'r'"
    async with serving(pg18, object_store, tmp_path, reactor=True) as server:
        await until(lambda: server.ops.value(left) == 0)
    assert tokens.value("select count(*) from ops.dropped_partitions") == 2


async def test_of_two_servers_only_one_leads_and_the_other_takes_over(pg18: Database, tokens: Ops) -> None:
    rounds: list[str] = []

    def duty(name: str) -> Duty:
        async def work() -> bool:
            rounds.append(name)
            return False

        return Duty("count", 0.02, work)

    async with PostgresStore(server_conninfo(pg18)) as store:
        tasks = {
            name: asyncio.create_task(Leader(store, "test", name, 1, SystemClock()).run([duty(name)]))
            for name in ("a", "b")
        }
        await until(lambda: len(rounds) > 20)
        assert len(set(rounds)) == 1
        first = rounds[0]
        stopped = tasks.pop(first)
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        ended = len(rounds)
        await until(lambda: len(rounds) > ended + 5)
        assert set(rounds[ended:]) == {"a", "b"} - {first}
        assert tokens.value("select term from ops.leadership where name = 'test'") == 2
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def test_two_servers_share_one_database(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    async with (
        serving(pg18, object_store, tmp_path, reactor=True) as one,
        serving(pg18, object_store, tmp_path, reactor=True) as two,
    ):
        await one.template()
        run = await two.submit()
        assert (await one.operator.get(f"{API}/runs/{run['number']}")).json()["run_id"] == run["run_id"]
        await until(lambda: one.ops.value("select count(*) from ops.leadership where expires_at > now()") == 1)
