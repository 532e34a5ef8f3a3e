"""A real server (uvicorn on loopback) over a real Postgres and a real object store, per test."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from psycopg.conninfo import make_conninfo
from starlette.applications import Starlette

from contract.server.object_store import ObjectStore
from contract.server.settings import ServerSettings
from control_room.api.app import create_app
from control_room.api.serve import PromptServer
from ops_schema.store import PostgresStore
from tests.support.ops import Ops, registration
from tests.support.postgres import Database, pg18, stop_clusters_at_the_end
from tests.support.seaweed import Seaweed, object_store, own_object_store

__all__ = ["object_store", "own_object_store", "pg18", "stop_clusters_at_the_end"]

OPERATOR, VIEWER, EXECUTOR = "operator-secret", "viewer-secret", "executor-secret"
API = "/api/v1"


@dataclass
class Server:
    """A running server and clients of it."""

    url: str
    database: Database
    app: Starlette = field(default_factory=Starlette)
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client with this bearer token and these headers."""
        sent = headers | ({"authorization": f"Bearer {token}"} if token else {})
        client = httpx.AsyncClient(base_url=self.url, headers=sent, trust_env=False, timeout=30)
        self.clients.append(client)
        return client

    @cached_property
    def ops(self) -> Ops:
        """The database behind the server, for arranging and looking."""
        return Ops(self.database)

    async def close(self) -> None:
        """Close what was opened."""
        for client in self.clients:
            await client.aclose()
        if "ops" in self.__dict__:
            self.ops.close()

    @property
    def operator(self) -> httpx.AsyncClient:
        return self.client(OPERATOR)

    async def dashboard(self) -> httpx.AsyncClient:
        """A client that logged in through a link, as a browser does, and sends our Origin."""
        made = (await self.operator.post(f"{API}/auth/login-codes")).json()
        client = self.client(origin=self.url)
        answer = await client.post(f"{API}/auth/sessions", json={"code": made["code"]})
        assert answer.status_code == 200, answer.text
        return client

    async def template(self, name: str = "job", **spec: Any) -> dict[str, Any]:
        """Apply a python template."""
        body = {"name": name, "kind": "python", "entrypoint": "main:run", "params_schema": {"type": "object"}} | spec
        answer = await self.operator.put(f"{API}/templates/{name}", json=body)
        assert answer.status_code == 200, answer.text
        applied: dict[str, Any] = answer.json()
        return applied

    async def submit(self, template: str = "job", **more: Any) -> dict[str, Any]:
        """Submit a run."""
        answer = await self.operator.post(f"{API}/runs", json={"template": template} | more)
        assert answer.status_code in (200, 201), answer.text
        run: dict[str, Any] = answer.json()
        return run


def server_conninfo(database: Database) -> str:
    """As the server's login would be: a member of ops_server and nothing else."""
    return make_conninfo(database.conninfo, options="-c role=ops_server")


def settings_for(url: str, seaweed: Seaweed, folder: Path, **more: Any) -> ServerSettings:
    """Settings that point at the test's parts."""
    keys = folder / "s3.json"
    keys.write_text(json.dumps({"access_key": seaweed.access_key, "secret_key": seaweed.secret_key}))
    lakehouse = {"kind": "s3", "endpoint": seaweed.endpoint, "region": "us-east-1", "root": "s3://lakehouse"}
    lakehouse |= {"access_key": seaweed.access_key, "secret_key": seaweed.secret_key}
    connections = folder / "connections.json"
    connections.write_text(json.dumps({"lakehouse": lakehouse}))
    told = {"public_url": url, "environment": "embedded", "web_dir": folder / "web", "connections_file": connections}
    return ServerSettings(**(told | {"s3_endpoint": seaweed.endpoint, "s3_credentials_file": keys} | more))


@asynccontextmanager
async def serving(
    database: Database,
    seaweed: Seaweed,
    folder: Path,
    *,
    reactor: bool = False,
    **settings: Any,
) -> AsyncIterator[Server]:
    """A server on a port given by the system, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        found = settings_for(url, seaweed, folder, **settings)
        async with PostgresStore(server_conninfo(database), wait_seconds=1.0) as store:
            app = create_app(found, store, ObjectStore.from_settings(found), reactor=reactor)
            config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=5)
            running = PromptServer(config)
            task = asyncio.create_task(running.serve(sockets=[listener]))
            await until(lambda: running.started or task.done())
            server = Server(url, database, app)
            try:
                yield server
            finally:
                running.should_exit = True
                await server.close()
                await task


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for a condition, not for a time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to wait on
            await asyncio.sleep(0.01)


def bootstrap(ops: Ops) -> None:
    """The three tokens that tests use."""
    for role, token in (("operator", OPERATOR), ("viewer", VIEWER), ("executor", EXECUTOR)):
        ops.token(role, token)


@pytest.fixture
def tokens(pg18: Database) -> Iterator[Ops]:
    ops = Ops(pg18)
    bootstrap(ops)
    yield ops
    ops.close()


@pytest.fixture
async def server(pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path) -> AsyncIterator[Server]:
    """A server without the reactor's duties."""
    async with serving(pg18, object_store, tmp_path) as found:
        yield found


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem of an answer, checked to be one."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text[:500]}"
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["type"] == f"urn:control-room:error:{code}"
    assert body["detail"]
    assert "Traceback" not in answer.text
    return body


class Worker:
    """An executor at the wire: it claims a run and does what a test says."""

    def __init__(self, client: httpx.AsyncClient, executor_id: str) -> None:
        self.client, self.executor_id = client, executor_id
        self.run: dict[str, Any] = {}

    @classmethod
    async def start(cls, server: Server) -> Worker:
        """Register."""
        client = server.client(EXECUTOR)
        answer = await client.post("/executor/v1/executors", json=registration())
        return cls(client, answer.json()["executor_id"])

    async def claim(self) -> dict[str, Any]:
        """Claim one run, which the other verbs are then about."""
        body = {"request_id": str(uuid4()), "max_runs": 1, "wait_seconds": 5, "queues": None}
        answer = await self.client.post(f"/executor/v1/executors/{self.executor_id}/claims", json=body)
        (self.run,) = answer.json()["runs"]
        return self.run

    async def call(self, verb: str, **body: Any) -> dict[str, Any]:
        """A verb of the run, with its epoch."""
        path = f"/executor/v1/runs/{self.run['run_id']}/{verb}"
        answer = await self.client.post(path, json={"epoch": self.run["epoch"]} | body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def artifact(
        self, name: str, data: bytes, media_type: str = "text/html", kind: str = "report", **more: Any
    ) -> str:
        """Upload and record an artifact; answers its id."""
        sha256 = sha256_hex(data)
        told = {"name": name, "kind": kind, "media_type": media_type, "size": len(data), "sha256": sha256}
        begun = await self.call("artifacts", **({"metadata": {}} | told | more))
        upload = begun["upload"]
        if upload:
            async with httpx.AsyncClient(trust_env=False) as store:
                put = await store.request(upload["method"], upload["url"], headers=upload["headers"], content=data)
                assert put.status_code in (200, 412), put.text
        await self.call(f"artifacts/{begun['artifact_id']}/record")
        found: str = begun["artifact_id"]
        return found

    async def succeed(self, **more: Any) -> dict[str, Any]:
        """Report success."""
        return await self.call(
            "report",
            **({"outcome": "succeeded", "idempotency_key": str(uuid4()), "usage": {}, "result": {}} | more),
            finished_at="2026-11-21T12:00:00Z",
            cap_ledger=[],
        )


@pytest.fixture
async def worker(server: Server) -> Worker:
    """An executor that is at a run of template `job`."""
    await server.template()
    await server.submit()
    found = await Worker.start(server)
    await found.claim()
    return found
