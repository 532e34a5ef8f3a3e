"""Lineage by the reactor: in order, at least once, also when whoever is told is away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.contract.operator.conftest import API, VIEWER, Server, Worker, serving, until
from tests.contract.operator.test_reactor import short_lease, stage
from tests.contract.operator.test_steering import ERROR
from tests.support.openlineage import breaches
from tests.support.ops import Ops
from tests.support.postgres import Database
from tests.support.seaweed import Seaweed

Json = dict[str, Any]


class Listener:
    """Takes events by POST, and answers them with the statuses given, then 201."""

    def __init__(self) -> None:
        self.taken: list[Json] = []
        self.tokens: set[str | None] = set()
        self.statuses: list[int] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = listener.statuses.pop(0) if listener.statuses else 201
                if status == 201:
                    listener.taken.append(body)
                    listener.tokens.add(self.headers["authorization"])
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"no" if status != 201 else b"ok")

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/api/v1/lineage"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, run: Json) -> list[str]:
        return [event["eventType"] for event in self.taken if event["run"]["runId"] == run["run_id"]]


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


async def lineage(server: Server, run: Json) -> Json:
    answer = await server.client(VIEWER).get(f"{API}/runs/{run['number']}/lineage")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def data_runs(server: Server, data: Json, token: str = VIEWER, **filters: Any) -> Json:
    asked = {"namespace": data["namespace"], "name": data["name"]} | filters
    answer = await server.client(token).get(f"{API}/lineage/runs", params=asked)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_what_happens_to_runs_is_told_in_order_and_kept(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path, listener: Listener
) -> None:
    token = tmp_path / "token"
    token.write_text("lineage-secret\n")
    told = {"lineage_url": listener.url, "lineage_token_file": token}
    async with serving(pg18, object_store, tmp_path, reactor=True, **told) as server:
        output = {"name": "numbers", "format": "delta", "mode": "append", "path": "lineage/numbers"}
        short_lease(tokens, name="maker", outputs=[output], connections=["lakehouse"], lease_seconds=6)
        await server.template("reader", inputs=[{"name": "numbers", "kind": "table"}])
        await server.template("breaker", retry={"max_attempts": 2, "backoff_seconds": 0.1, "on": ["user"]})
        made = await server.submit("maker")
        worker = await Worker.start(server)
        run = await worker.claim()
        publication = stage(object_store, run["outputs"][0]["uri"], run, 3)
        await worker.succeed(publications=[publication])
        # the reactor commits it, since nobody else does
        await until(lambda: "COMPLETE" in listener.of(made), 60)
        depends = [{"run": made["run_id"], "inputs": {"numbers": "numbers"}}]
        read = await server.submit("reader", depends_on=depends)
        await worker.claim()
        await worker.succeed()
        broken = await server.submit("breaker")
        for _ in range(2):
            await worker.claim()
            await worker.call(
                "report", outcome="failed", idempotency_key=str(uuid4()), error=ERROR, usage={},
                finished_at="2026-11-21T12:00:00Z", cap_ledger=[],
            )  # fmt: skip
        dropped = await server.submit("reader", not_before="2099-01-01T00:00:00Z", depends_on=depends)
        await server.operator.post(f"{API}/runs/{dropped['number']}/cancel", json={"reason": "not needed"})
        await until(lambda: "ABORT" in listener.of(dropped), 30)
        assert listener.of(made) == ["START", "RUNNING", "COMPLETE"]
        assert listener.of(read) == ["START", "COMPLETE"]
        assert listener.of(broken) == ["START", "RUNNING", "RUNNING", "FAIL"]
        assert listener.of(dropped) == ["ABORT"]
        assert [breach for event in listener.taken for breach in breaches(event)] == []
        assert listener.tokens == {"Bearer lineage-secret"}

        found = await lineage(server, made)
        assert [event["state"] for event in found["events"]] == ["sent"] * 3
        (data,) = found["outputs"]
        assert (data["namespace"], data["version"]) == ("s3://lakehouse", "0")
        assert read["number"] in [run["number"] for run in data["runs"]], "who reads it"
        (data,) = (await lineage(server, read))["inputs"]
        assert [run["number"] for run in data["runs"]] == [made["number"]], "who made it"
        used = await data_runs(server, data)
        reads = [(run["number"], run["side"], run["version"]) for run in used["items"] if run["side"] == "input"]
        assert (read["number"], "input", "0") in reads
        assert used["items"][-1] == {
            "run_id": made["run_id"], "number": made["number"], "template_name": "maker", "state": "succeeded",
            "finished_at": used["items"][-1]["finished_at"], "side": "output", "version": "0",
        }  # fmt: skip
        newest = await data_runs(server, data, limit=1)
        assert [run["number"] for run in newest["items"]] == [used["items"][0]["number"]]
        rest = await data_runs(server, data, cursor=newest["next_cursor"])
        assert newest["items"] + rest["items"] == used["items"]
        assert rest["next_cursor"] is None
        nobody = await data_runs(server, data | {"name": "lineage/number"})
        assert nobody == {"items": [], "next_cursor": None}
        server.ops.call("put_workspace", server.ops.token("operator"), {"workspace": "elsewhere"})
        server.ops.token("viewer", "stranger", ["elsewhere"])
        assert (await data_runs(server, data, "stranger"))["items"] == []
        whole = json.dumps([event["body"] for event in found["events"]])
        assert "lineage-secret" not in whole


async def test_who_is_away_is_told_later_in_order_and_one_refusal_holds_up_no_other(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path, listener: Listener
) -> None:
    listener.statuses = [503, 401, 422]
    async with serving(pg18, object_store, tmp_path, reactor=True, lineage_url=listener.url) as server:
        await server.template()
        run = await server.submit()
        worker = await Worker.start(server)
        await worker.claim()
        await worker.succeed()
        await until(lambda: "COMPLETE" in listener.of(run), 30)
        assert listener.of(run) == ["COMPLETE"]
        start, complete = (await lineage(server, run))["events"]
        assert (start["event_type"], start["state"], start["error"]) == ("START", "refused", "422: no")
        assert (complete["event_type"], complete["state"]) == ("COMPLETE", "sent")


async def test_where_nobody_is_told_lineage_is_kept(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    async with serving(pg18, object_store, tmp_path, reactor=True) as server:
        await server.template()
        run = await server.submit()
        worker = await Worker.start(server)
        await worker.claim()
        await worker.succeed()
        await until(lambda: server.ops.value("select count(*) from ops.lineage where state = 'kept'") == 2, 30)
        assert [event["event_type"] for event in (await lineage(server, run))["events"]] == ["START", "COMPLETE"]
