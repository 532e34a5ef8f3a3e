"""The executor plane as contract tests meet it: the real app over a real database and a real object store."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from psycopg.conninfo import make_conninfo

from contract.client import AsyncExecutorClient
from contract.server.app import DEPRECATED, create_executor_app
from contract.server.deprecations import Marked
from contract.server.object_store import ObjectStore, s3_client
from contract.server.settings import ServerSettings
from contract.versions import NEWEST, OLDEST
from ops_schema.store import PostgresStore, Principal
from tests.contract.document import PREFIX
from tests.contract.validating import HOST, Validating
from tests.support.ops import Ops, sha256
from tests.support.seaweed import REGION, Seaweed

EXECUTOR, OTHER, OPERATOR = "executor-token", "other-executor-token", "operator-token"
GARBAGE = "no-such-token"
DELTA_SCHEMA = {"type": "struct", "fields": [{"name": "a", "type": "long", "nullable": True, "metadata": {}}]}


@dataclass
class Plane:
    """app: the server; http: a client whose every exchange is held against the document; ops: straight SQL."""

    app: FastAPI
    http: httpx.AsyncClient
    store: PostgresStore
    objects: ObjectStore
    ops: Ops
    operator: Principal
    s3: Any
    templates: set[str] = field(default_factory=set)

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = EXECUTOR, **options: Any
    ) -> httpx.Response:
        """One request below the prefix. body: JSON; token: None for none."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        if body is not None:
            options["json"] = body
        return await self.http.request(method, PREFIX + path, headers=headers, **options)

    def client(self, token: str = EXECUTOR) -> AsyncExecutorClient:
        """The project's own client, its exchanges held against the document too."""
        transport = Validating(httpx.ASGITransport(self.app))
        return AsyncExecutorClient(HOST, token, transport=transport)

    async def executor(self) -> Principal:
        """Whom the executor's token names."""
        found = await self.store.authenticate(sha256(EXECUTOR))
        assert found is not None
        return found

    async def register(self, token: str = EXECUTOR, **more: Any) -> str:
        """A new executor's id."""
        answer = await self.call("POST", "/executors", registration(**more), token=token)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["executor_id"])

    async def submit(
        self, template: str = "job", *, params: dict[str, Any] | None = None, **spec: Any
    ) -> dict[str, Any]:
        """Submit a run of a template, put on first use."""
        if template not in self.templates:
            body = {"name": template, "kind": "python", "entrypoint": "main:run", "params_schema": {"type": "object"}}
            await self.store.put_template(self.operator, template, body | spec)
            self.templates.add(template)
        return await self.store.submit_run(self.operator, {"template": template, "params": params or {}})

    async def claim(self, executor_id: str, token: str = EXECUTOR, **more: Any) -> list[dict[str, Any]]:
        """Claim at once."""
        answer = await self.call("POST", f"/executors/{executor_id}/claims", claim_body(**more), token=token)
        assert answer.status_code == 200, answer.text
        runs: list[dict[str, Any]] = answer.json()["runs"]
        return runs

    async def claimed(self, template: str = "job", **spec: Any) -> tuple[str, dict[str, Any]]:
        """A new executor and the run it holds."""
        executor_id = await self.register()
        submitted = await self.submit(template, **spec)
        (run,) = await self.claim(executor_id)
        assert run["run_id"] == submitted["run_id"]
        return executor_id, run

    async def claimed_in(self, workspace: str) -> tuple[str, dict[str, Any]]:
        """A run of a new workspace and the token of that workspace alone that holds it."""
        await self.store.put_workspace(self.operator, {"workspace": workspace})
        token = f"{workspace}-{uuid.uuid4()}"
        body = {"name": token, "role": "executor", "workspaces": [workspace]}
        self.ops.call_on(self.ops.admin, "bootstrap_token", sha256(token), body)
        spec = {"name": "job", "kind": "python", "entrypoint": "main:run", "workspace": workspace}
        await self.store.put_template(self.operator, "job", spec)
        await self.store.submit_run(self.operator, {"template": "job", "workspace": workspace, "params": {}})
        (run,) = await self.claim(await self.register(token=token), token=token)
        assert run["workspace"] == workspace
        return token, run

    async def begin(
        self, run: dict[str, Any], data: bytes, name: str = "out.txt", *, token: str = EXECUTOR, **more: Any
    ) -> httpx.Response:
        """beginArtifact for these bytes."""
        body = begin_body(run, data, name) | more
        return await self.call("POST", f"/runs/{run['run_id']}/artifacts", body, token=token)

    async def put(self, upload: dict[str, Any], data: bytes) -> httpx.Response:
        """The presigned PUT, as the store gets it."""
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.request(upload["method"], upload["url"], headers=upload["headers"], content=data)

    async def sign(
        self, run: dict[str, Any], artifact_id: str, parts: list[bytes], first: int = 1, *, token: str = EXECUTOR
    ) -> httpx.Response:
        """signParts for the bytes of parts, numbered from `first`."""
        digests = [{"number": first + n, "sha256": hashlib.sha256(part).hexdigest()} for n, part in enumerate(parts)]
        path = f"/runs/{run['run_id']}/artifacts/{artifact_id}/parts"
        return await self.call("POST", path, {"epoch": run["epoch"], "parts": digests}, token=token)

    async def record(self, run: dict[str, Any], artifact_id: str, *, token: str = EXECUTOR) -> httpx.Response:
        """recordArtifact."""
        path = f"/runs/{run['run_id']}/artifacts/{artifact_id}/record"
        return await self.call("POST", path, {"epoch": run["epoch"]}, token=token)

    async def stored(self, run: dict[str, Any], data: bytes) -> httpx.Response:
        """An artifact begun, uploaded unless the store has its bytes, and recorded; answers what recording did."""
        begun = (await self.begin(run, data)).json()
        if begun["upload"]:
            await self.put(begun["upload"], data)
        return await self.record(run, begun["artifact_id"])

    async def report(self, run: dict[str, Any], **more: Any) -> httpx.Response:
        """reportAttempt, succeeded unless told otherwise."""
        return await self.call("POST", f"/runs/{run['run_id']}/report", report_body(run, **more))

    async def publishing(self, template: str = "publisher") -> dict[str, Any]:
        """A run whose accepted report waits for the commit of its output `table`."""
        outputs = [{"name": "table", "format": "delta", "mode": "append", "path": "bronze/table"}]
        _, run = await self.claimed(template, outputs=outputs)
        answer = await self.report(run, publications=[publication(run)])
        assert answer.json()["route"]["decision"] == "publish", answer.text
        return run


def registration(**more: Any) -> dict[str, Any]:
    return {
        **{"instance_id": str(uuid.uuid4()), "name": "worker", "kind": "python", "version": "0.1.0", "slots": 2},
        **{"contract": {"min": OLDEST, "max": NEWEST}, "host": "localhost", "pid": 4242},
        **more,
    }


def claim_body(**more: Any) -> dict[str, Any]:
    return {"request_id": str(uuid.uuid4()), "max_runs": 1, "wait_seconds": 0, "queues": None} | more


def begin_body(run: dict[str, Any], data: bytes, name: str = "out.txt") -> dict[str, Any]:
    return {
        **{"epoch": run["epoch"], "name": name, "kind": "file", "media_type": "text/plain", "size": len(data)},
        **{"sha256": hashlib.sha256(data).hexdigest(), "metadata": {}},
    }


def report_body(run: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        **{"epoch": run["epoch"], "outcome": "succeeded", "idempotency_key": f"{run['run_id']}/{run['epoch']}"},
        **{"usage": {"wall_seconds": 1.5}, "finished_at": "2026-11-21T12:00:00Z", "cap_ledger": []},
        **more,
    }


def log_body(run: dict[str, Any], text: str = "hello\n", seq: int = 0, offset: int = 0) -> dict[str, Any]:
    chunk = {"stream": "stdout", "seq": seq, "offset": offset, "at": "2026-11-21T12:00:00Z", "text": text}
    return {"epoch": run["epoch"], "chunks": [chunk]}


def publication(run: dict[str, Any]) -> dict[str, Any]:
    output = run["outputs"][0]
    file = {"path": "part-0.parquet", "size": 10, "sha256": hashlib.sha256(b"x").hexdigest(), "rows": 3}
    return {
        **{"output": output["name"], "format": "delta", "mode": output["mode"], "uri": output["uri"]},
        **{"files": [file], "schema": DELTA_SCHEMA, "rows": 3, "partition_by": []},
    }


ERROR = {"class": "user", "code": "boom", "message": "it broke"}


def server_settings(home: Path, seaweed: Seaweed | None = None, **more: Any) -> ServerSettings:
    """Settings as a server would read them. Without a store they name a port where nobody listens."""
    key = home / "s3.json"
    access, secret = (seaweed.access_key, seaweed.secret_key) if seaweed else ("nobody", "nothing")
    key.write_text(f'{{"access_key": "{access}", "secret_key": "{secret}"}}')
    endpoint = seaweed.endpoint if seaweed else "http://127.0.0.1:9"
    return ServerSettings(
        s3_endpoint=endpoint, s3_region=REGION, s3_credentials_file=key, claim_poll=timedelta(seconds=1), **more
    )


@asynccontextmanager
async def plane_over(
    ops: Ops, settings: ServerSettings, conninfo: str | None = None, deprecated: Marked = DEPRECATED
) -> AsyncIterator[Plane]:
    """A running plane over a database, as a server's login sees it. conninfo: where the app looks instead; deprecated:
    the operations that say so."""
    for name, role in ((EXECUTOR, "executor"), (OTHER, "executor"), (OPERATOR, "operator")):
        ops.call_on(ops.admin, "bootstrap_token", sha256(name), {"name": name, "role": role, "workspaces": None})
    own = make_conninfo(ops.database.conninfo, options="-c role=ops_server")
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(PostgresStore(own))
        served = store
        if conninfo is not None:
            served = await stack.enter_async_context(PostgresStore(conninfo, wait_seconds=0.2))
        objects = ObjectStore.from_settings(settings)
        app = create_executor_app(served, objects, settings, deprecated)
        await stack.enter_async_context(app.router.lifespan_context(app))
        transport = Validating(httpx.ASGITransport(app))
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=HOST))
        operator = await store.authenticate(sha256(OPERATOR))
        assert operator is not None
        yield Plane(app, http, store, objects, ops, operator, s3_client(settings))
