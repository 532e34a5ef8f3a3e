"""The server as a process: how it starts, how it refuses to, and how it stops."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.contract.operator.conftest import API, EXECUTOR, OPERATOR, Server, Worker, problem
from tests.support.ops import Ops, registration
from tests.support.postgres import Database
from tests.support.seaweed import Seaweed, free_ports

COMMAND = (sys.executable, "-m", "control_room.api.serve")


def environment(database: Database | None, **settings: str) -> dict[str, str]:
    """The environment of a server process; without a database, one that nobody listens for."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_", "PG", "AWS_"))}
    found = conninfo_to_dict(database.conninfo) if database else {"host": "127.0.0.1", "port": str(free_ports(1)[0])}
    pg = {f"PG{name.upper().replace('DBNAME', 'DATABASE')}": str(value) for name, value in found.items()}
    store = {"OPS_S3_ENDPOINT": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    return kept | pg | store | {"OPS_ENVIRONMENT": "embedded"} | settings


@asynccontextmanager
async def process(env: dict[str, str]) -> AsyncIterator[Process]:
    started = await asyncio.create_subprocess_exec(*COMMAND, env=env, stdout=PIPE, stderr=PIPE)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


@asynccontextmanager
async def listening(database: Database | None, **settings: str) -> AsyncIterator[tuple[Process, str]]:
    """A server process that answers, and its URL."""
    (port,) = free_ports(1)
    async with process(environment(database, OPS_PORT=str(port), **settings)) as started:
        url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
            while True:
                try:
                    assert (await client.get(f"{url}/healthz")).text == "ok"
                    break
                except httpx.TransportError:
                    assert started.returncode is None, await started.communicate()
                    await asyncio.sleep(0.05)
        yield started, url


async def refused(env: dict[str, str]) -> str:
    """What a server says that refuses to start."""
    async with process(env) as started, asyncio.timeout(30):
        _, err = await started.communicate()
        assert started.returncode == 2
        assert b"Traceback" not in err
        return err.decode()


async def test_the_embedded_stack_never_listens_beyond_this_machine() -> None:
    said = await refused(environment(None, OPS_HOST="0.0.0.0", OPS_PORT="0"))
    assert "OPS_HOST=0.0.0.0" in said
    assert "OPS_ENVIRONMENT=production" in said


async def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = await refused(environment(None, OPS_PORT=str(port)))
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "OPS_PORT" in said


@pytest.mark.parametrize(
    ("name", "value"), [("OPS_PORT", "many"), ("OPS_ENVIRONMENT", "moon"), ("OPS_S3_CREDENTIALS_FILE", "/nowhere")]
)
async def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    assert name in await refused(environment(None, **{name: value}))


async def test_without_a_database_the_server_is_up_and_answers_503() -> None:
    async with listening(None) as (_, url), httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.get(f"{url}{API}/runs", headers={"authorization": "Bearer x"})
        problem(answer, 503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_lets_long_polls_and_streams_go_at_once(
    tokens: Ops, pg18: Database, how: signal.Signals
) -> None:
    async with (
        listening(pg18) as (server, url),
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client,
    ):
        executor = {"authorization": f"Bearer {EXECUTOR}"}
        known = (await client.post("/executor/v1/executors", json=registration(), headers=executor)).json()
        claim = {"request_id": known["executor_id"], "max_runs": 1, "wait_seconds": 60, "queues": None}
        poll = asyncio.create_task(
            client.post(f"/executor/v1/executors/{known['executor_id']}/claims", json=claim, headers=executor)
        )
        operator = {"authorization": f"Bearer {OPERATOR}"}
        async with client.stream("GET", f"{API}/events/stream", headers=operator) as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith(":")
            server.send_signal(how)
            async with asyncio.timeout(4):
                async for _ in lines:
                    pass
                assert (await poll).json()["runs"] == []
                await server.wait()
    assert server.returncode == (0 if how is signal.SIGTERM else 130)


async def test_no_secret_of_a_request_gets_into_the_log(tokens: Ops, pg18: Database, object_store: Seaweed) -> None:
    keys = {"AWS_ACCESS_KEY_ID": object_store.access_key, "AWS_SECRET_ACCESS_KEY": object_store.secret_key}
    async with listening(pg18, OPS_S3_ENDPOINT=object_store.endpoint, **keys) as (process_, url):
        server = Server(url, pg18)
        made = (await server.operator.post(f"{API}/auth/login-codes")).json()
        await server.client().post(f"{API}/auth/sessions", json={"code": made["code"]})
        await server.client().get("/login/?token=query-secret")
        await server.template()
        await server.submit()
        worker = await Worker.start(server)
        await worker.claim()
        shown = f"{API}/artifacts/{await worker.artifact('report.html', b'<p>')}/download?inline=true"
        assert (await server.operator.get(shown)).status_code == 200
        await server.close()
        process_.send_signal(signal.SIGTERM)
        out, err = await process_.communicate()
    for secret in (OPERATOR, EXECUTOR, made["code"], "query-secret", "X-Amz-Signature", *keys.values()):
        assert secret.encode() not in out + err
    assert b"/api/v1/auth/sessions" in err


async def test_a_connection_outlives_the_pause_between_two_heartbeats() -> None:
    """Else each heartbeat of an executor, or each page of a dashboard, would be a connection of its own."""
    async with listening(None) as (_, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        for pause in (0, 6):
            await asyncio.sleep(pause)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            async with asyncio.timeout(5):
                assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()
