"""The database or the object store away: a problem that says so, and everything works again when it is back."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from tests.contract.operator.conftest import API, Server, Worker, problem, serving
from tests.contract.operator.test_stream import keys, stream
from tests.support.ops import Ops
from tests.support.postgres import Database
from tests.support.seaweed import Seaweed


async def test_without_the_database_everything_says_so_and_then_recovers(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    async with serving(pg18, object_store, tmp_path, reactor=True) as server:
        await server.template()
        accepted = await server.submit()
        async with stream(server.operator) as opened:
            # Not a crash: the test clusters do not wait for the disk. Crashes are the chaos tests' business.
            pg18.cluster.stop(signal.SIGINT)
            try:
                for path in ("/runs", "/runs/1", "/info", "/auth/me", "/events/stream"):
                    answer = await server.operator.get(API + path)
                    problem(answer, 503, "database_unavailable")
                    assert int(answer.headers["retry-after"]) >= 1
                body = {"template": "job"}
                problem(await server.operator.post(f"{API}/runs", json=body), 503, "database_unavailable")
                assert (await server.client().get("/healthz")).status_code == 200
                assert (await server.client().get("/")).status_code == 200
            finally:
                pg18.cluster.start()
            await until_it_answers(server)
            found = (await server.operator.get(f"{API}/runs")).json()["items"]
            assert [run["run_id"] for run in found] == [accepted["run_id"]]
            run = await server.submit()
            assert keys(await opened.events(1)) == [(run["run_id"], 1)]
        # The connections that arranged things died with the server; this one is new.
        with pg18.connect() as fresh:
            assert fresh.execute("select count(*) from ops.events").fetchone() == (2,)


async def until_it_answers(server: Server) -> None:
    client = server.operator
    async with asyncio.timeout(30):
        while (await client.get(f"{API}/runs")).status_code == 503:  # noqa: ASYNC110 - each round asks the server
            await asyncio.sleep(0.1)


async def test_without_the_object_store_what_needs_it_says_so_and_then_recovers(
    pg18: Database, tokens: Ops, own_object_store: Seaweed, tmp_path: Path
) -> None:
    async with serving(pg18, own_object_store, tmp_path) as server:
        await server.template()
        await server.submit()
        worker = await Worker.start(server)
        await worker.claim()
        artifact_id = await worker.artifact("report.html", b"<p>hello")
        own_object_store.stop()
        bundle = {"sha256": "c" * 64, "size": 3}
        spec = {"name": "other", "kind": "python", "entrypoint": "a:b", "bundle": bundle}
        for answer in (
            await server.operator.get(f"{API}/artifacts/{artifact_id}/verify"),
            await server.operator.get(f"{API}/artifacts/{artifact_id}/download", params={"inline": "true"}),
            await server.operator.post(f"{API}/bundles", json=bundle),
            await server.operator.put(f"{API}/templates/other", json=spec),
        ):
            problem(answer, 503, "object_store_unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        assert (await server.operator.get(f"{API}/runs")).status_code == 200
        own_object_store.start()
        found = (await server.operator.get(f"{API}/artifacts/{artifact_id}/verify")).json()
        assert found["ok"]


async def test_a_server_that_starts_before_its_database_works_once_it_comes(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    tokens.close()
    pg18.cluster.stop(signal.SIGINT)
    started = asyncio.Event()

    async def late() -> None:
        await started.wait()
        pg18.cluster.start()

    task = asyncio.create_task(late())
    async with serving(pg18, object_store, tmp_path, reactor=True) as server:
        problem(await server.operator.get(f"{API}/runs"), 503, "database_unavailable")
        started.set()
        await task
        await until_it_answers(server)
        assert (await server.operator.get(f"{API}/runs")).json()["items"] == []
