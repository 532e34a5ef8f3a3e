"""What a server's calls make claimable: its own waiting claims hear of it in memory, other servers soon."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from tests.contract.operator.conftest import API, Server, Worker, serving
from tests.support.ops import Ops
from tests.support.postgres import Database
from tests.support.seaweed import Seaweed


async def heard(listener: psycopg.AsyncConnection[Any], seconds: float = 20) -> str:
    """The next notification."""
    async for note in listener.notifies(timeout=seconds, stop_after=1):
        return note.payload
    raise AssertionError(f"nothing was notified within {seconds:g} s")


async def listening(database: Database) -> psycopg.AsyncConnection[Any]:
    connection = await psycopg.AsyncConnection.connect(database.conninfo, autocommit=True)
    await connection.execute("listen ops_ready")
    return connection


def teller(server: Server) -> str:
    name: str = server.app.state.executor_plane.ready.name
    return name


async def test_what_an_operator_makes_claimable_reaches_claims_here_and_other_servers(server: Server) -> None:
    await server.template()
    worker = await Worker.start(server)
    async with await listening(server.database) as other:
        waiting = asyncio.create_task(worker.claim())
        run = await server.submit(concurrency_key="k")
        assert (await waiting)["run_id"] == run["run_id"]
        assert await heard(other) == f"python:1;{teller(server)}"

        later = await server.submit(concurrency_key="k")
        assert await heard(other) == f"python:1;{teller(server)}"
        cancelled = await server.operator.post(f"{API}/runs/{run['number']}/cancel", json={"force": True})
        assert cancelled.json()["state"] == "cancelled"
        assert await heard(other) == f"python:1;{teller(server)}"
        assert (await worker.claim())["run_id"] == later["run_id"]

        waiting = asyncio.create_task(worker.claim())
        again = await server.operator.post(f"{API}/runs/{run['number']}/retry")
        assert await heard(other) == f"python:1;{teller(server)}"
        path = f"{API}/runs/{later['number']}/cancel"
        assert (await server.operator.post(path, json={"force": True})).status_code == 200
        assert (await waiting)["run_id"] == again.json()["run_id"]


async def test_what_the_reactor_makes_claimable_is_told_by_its_server(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    async with serving(pg18, object_store, tmp_path, reactor=True) as server, await listening(pg18) as other:
        await server.template()
        soon = datetime.now(UTC) + timedelta(seconds=1)
        await server.submit(not_before=soon.isoformat())
        assert await heard(other) == f"python:1;{teller(server)}"
