"""The event stream over a real connection: nothing lost, nothing twice, closed when it should be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from control_room.api.access import Caller, sha256_of
from control_room.api.context import Context
from control_room.api.events import still_allowed
from tests.contract.operator.conftest import API, OPERATOR, VIEWER, Server, Worker, problem, serving
from tests.support.ops import Ops
from tests.support.seaweed import Seaweed

PATH = f"{API}/events/stream"


@dataclass
class Message:
    """One server-sent event; data is None for one that only carries an id."""

    id: str | None
    data: dict[str, Any] | None


class Stream:
    """A reader of server-sent events, as a browser is one."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self.last_id: str | None = None

    async def next_message(self) -> Message | None:
        """The next block of the stream; None when it ended."""
        id_, data = None, None
        async for line in self._lines:
            if line == "" and (id_ or data):
                self.last_id = id_ or self.last_id
                return Message(id_, json.loads(data) if data else None)
            name, _, value = line.partition(": ")
            id_ = value if name == "id" else id_
            data = value if name == "data" else data
        return None

    async def events(self, count: int) -> list[dict[str, Any]]:
        """The data of the next `count` events."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(20):
            while len(found) < count:
                message = await self.next_message()
                assert message is not None, f"the stream ended after {found}"
                if message.data:
                    found.append(message.data)
        return found


@asynccontextmanager
async def stream(client: httpx.AsyncClient, after: str | None = None, **query: Any) -> AsyncIterator[Stream]:
    headers = {"last-event-id": after} if after else {}
    async with client.stream("GET", PATH, params=query, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        opened = Stream(response)
        first = await opened.next_message()
        assert first is not None
        assert first.data is None
        yield opened


def keys(events: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(event["run_id"], event["seq"]) for event in events]


def recorded(ops: Ops) -> set[tuple[str, int]]:
    """Every event there is."""
    return {(str(run_id), seq) for run_id, seq in ops.admin.execute("select run_id, seq from ops.events").fetchall()}


async def test_what_happens_is_told_as_it_happens(server: Server) -> None:
    await server.template()
    async with stream(await server.dashboard()) as opened:
        run = await server.submit()
        (event,) = await opened.events(1)
    assert event["type"] == "run.submitted"
    assert (event["run_id"], event["number"], event["state"]) == (run["run_id"], run["number"], "queued")
    assert set(event) == {"run_id", "number", "pipeline_run_id", "type", "state", "at", "seq"}
    assert opened.last_id is not None
    assert opened.last_id.startswith("xid-")


async def test_what_another_server_did_is_told_too(server: Server, object_store: Seaweed, tmp_path: Path) -> None:
    await server.template()
    folder = tmp_path / "other"
    folder.mkdir()
    async with serving(server.database, object_store, folder) as other, stream(server.operator) as opened:
        run = await other.submit()
        (event,) = await opened.events(1)
        assert event["run_id"] == run["run_id"]
        mine = await server.submit()
        (event,) = await opened.events(1)
        assert event["run_id"] == mine["run_id"]


async def test_a_resumed_stream_loses_nothing_and_repeats_nothing(server: Server) -> None:
    await server.template()
    client = server.client(VIEWER)
    seen: list[tuple[str, int]] = []
    async with stream(client) as opened:
        await server.submit()
        seen += keys(await opened.events(1))
        last = opened.last_id
    # Nobody listens while these happen; some happen while the new stream catches up.
    for _ in range(5):
        run = await server.submit()
        await server.operator.post(f"{API}/runs/{run['number']}/cancel", json={})
    more = asyncio.gather(*(server.submit() for _ in range(10)))
    async with stream(client, last) as opened:
        await more
        wanted = recorded(server.ops)
        seen += keys(await opened.events(len(wanted) - len(seen)))
        await server.submit()
        seen += keys(await opened.events(1))
    assert len(seen) == len(set(seen))
    assert set(seen) == recorded(server.ops)


async def test_a_stream_that_saw_nothing_yet_resumes_from_where_it_began(server: Server) -> None:
    await server.template()
    async with stream(server.operator) as opened:
        last = opened.last_id
    await server.submit()
    async with stream(server.operator, last) as opened:
        assert len(await opened.events(1)) == 1


async def test_a_transaction_that_commits_late_has_its_turn_later(server: Server) -> None:
    await server.template()
    operator = server.ops.value("select token_id from ops.tokens where role = 'operator'")
    with server.ops.database.connect(autocommit=False) as late:
        async with stream(server.operator) as opened:
            held = Ops.call_on(late, "submit_run", operator, {"template": "job", "params": {}})
            passed = await server.submit(queue="other")
            late.commit()
            events = await opened.events(2)
    assert {event["run_id"] for event in events} == {held["run_id"], passed["run_id"]}


async def test_a_stream_of_one_run_has_its_tasks_and_nothing_else(server: Server) -> None:
    await server.template("child")
    tasks = {"one": {"template": "child"}, "two": {"template": "child", "depends_on": ["one"]}}
    await server.operator.put(f"{API}/templates/all", json={"name": "all", "kind": "pipeline", "tasks": tasks})
    run = await server.submit("all")
    async with stream(server.operator, run_id=run["number"]) as opened:
        await server.submit("child")
        await server.operator.post(f"{API}/runs/{run['number']}/cancel", json={"reason": "enough"})
        count = server.ops.value(
            "select count(*) from ops.events e join ops.runs r using (run_id) where e.type like 'run.cancel%%' "
            "and (r.run_id = %s or r.pipeline_run_id = %s)",
            run["run_id"],
            run["run_id"],
        )
        events = await opened.events(count)
    assert count >= 3
    assert {event["run_id"] for event in events} | {event["pipeline_run_id"] for event in events} >= {run["run_id"]}
    assert all(run["run_id"] in (event["run_id"], event["pipeline_run_id"]) for event in events)


async def test_a_viewer_of_one_workspace_hears_of_no_other(server: Server) -> None:
    server.ops.admin.execute("insert into ops.workspaces (workspace) values ('lab')")
    server.ops.token("viewer", "lab-viewer", ["lab"])
    await server.template()
    await server.template("job2", workspace="lab")
    async with stream(server.client("lab-viewer")) as opened:
        await server.submit()
        run = await server.submit("job2", workspace="lab")
        (event,) = await opened.events(1)
    assert event["run_id"] == run["run_id"]


async def test_logging_out_ends_the_stream(server: Server) -> None:
    client = await server.dashboard()
    async with stream(client) as opened, stream(server.operator) as other:
        assert (await client.delete(f"{API}/auth/sessions")).status_code == 204
        async with asyncio.timeout(5):
            assert await opened.next_message() is None
        await server.template()
        await server.submit()
        assert len(await other.events(1)) == 1


async def test_a_stream_by_token_looks_whether_the_token_still_lives(server: Server) -> None:
    ctx: Context = server.app.state.context
    digest = sha256_of(OPERATOR)
    principal = await ctx.store.authenticate(digest)
    assert principal is not None
    caller = Caller(principal, token=digest)
    assert await still_allowed(ctx, caller)
    server.ops.admin.execute("update ops.tokens set revoked_at = now() where role = 'operator'")
    assert not await still_allowed(ctx, caller)


async def test_an_unknown_run_has_no_stream(server: Server) -> None:
    problem(await server.operator.get(PATH, params={"run_id": "77"}), 404, "run_not_found")


@pytest.mark.parametrize("last", ["7", "xid-", "xid-1.2.3", "' or 1=1"])
async def test_an_invented_last_event_id_is_refused(server: Server, last: str) -> None:
    problem(await server.operator.get(PATH, headers={"last-event-id": last}), 422, "invalid_request")


async def test_the_work_of_an_executor_is_told(server: Server, worker: Worker) -> None:
    async with stream(server.operator, run_id=1) as opened:
        await worker.succeed()
        events = await opened.events(1)
    assert [event["type"] for event in events] == ["run.succeeded"]
