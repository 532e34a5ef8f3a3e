"""Steering over HTTP: runs, queues, executors, dead letters; and why a run does not run, one test per reason."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.contract.operator.conftest import API, EXECUTOR, VIEWER, Server, Worker, problem, until
from tests.support.ops import registration

Json = dict[str, Any]
FAR = "2099-01-01T00:00:00Z"
ERROR = {"class": "user", "code": "bug", "message": "division by zero"}


async def post(server: Server, path: str, body: Json | None = None) -> httpx.Response:
    return await server.operator.post(f"{API}/{path}", json=body)


async def done(server: Server, path: str, body: Json | None = None) -> Json:
    answer = await post(server, path, body)
    assert answer.status_code in (200, 201), answer.text
    found: Json = answer.json()
    return found


async def reasons(server: Server, run: Json) -> dict[str, Json]:
    """The reasons of `why` by code."""
    answer = await server.client(VIEWER).get(f"{API}/runs/{run['number']}/why")
    assert answer.status_code == 200, answer.text
    return {reason["code"]: reason for reason in answer.json()["reasons"]}


async def executor(server: Server, **more: Any) -> Json:
    """A registered executor."""
    answer = await server.client(EXECUTOR).post("/executor/v1/executors", json=registration(**more))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def fail(worker: Worker) -> None:
    await worker.call(
        "report", outcome="failed", idempotency_key=f"{worker.run['run_id']}/1", error=ERROR, usage={},
        finished_at="2026-11-21T12:00:00Z", cap_ledger=[],
    )  # fmt: skip


# Verbs ---------------------------------------------------------------------------------------------------------------


async def test_a_run_is_paused_and_resumed(server: Server) -> None:
    await server.template()
    run = await server.submit()
    for body in ({"reason": "wrong file"}, None):
        paused = await done(server, f"runs/{run['number']}/pause", body)
        assert (paused["state"], paused["paused"]) == ("queued", True)
    assert (await done(server, f"runs/{run['run_id']}/resume"))["paused"] is False
    events = (await server.operator.get(f"{API}/runs/{run['number']}/events")).json()["items"]
    assert [e["type"] for e in events] == ["run.submitted", "run.paused", "run.resumed"]
    assert (events[1]["actor"], events[1]["data"]["reason"]) == ("operator:operator-secret", "wrong file")


async def test_a_run_gets_another_priority_and_another_time(server: Server) -> None:
    await server.template()
    run = await server.submit(not_before=FAR)
    found = await done(
        server, f"runs/{run['number']}/reschedule", {"priority": 4, "not_before": "2098-01-01T00:00:00Z"}
    )
    assert (found["priority"], found["not_before"][:4], found["state"]) == (4, "2098", "waiting")
    found = await done(server, f"runs/{run['number']}/reschedule", {"not_before": None})
    assert (found["priority"], found["state"]) == (4, "queued")
    problem(await post(server, f"runs/{run['number']}/reschedule", {}), 422, "invalid_request")
    problem(await post(server, f"runs/{run['number']}/reschedule", {"priority": 1001}), 422, "invalid_request")


async def test_a_run_is_requeued_by_force_alone_and_its_old_epoch_is_lost(server: Server, worker: Worker) -> None:
    ref = worker.run["number"]
    problem(await post(server, f"runs/{ref}/requeue", {}), 422, "invalid_request")
    problem(await post(server, f"runs/{ref}/requeue", {"force": False, "epoch": 1}), 422, "invalid_request")
    problem(await post(server, f"runs/{ref}/requeue", {"force": True}), 422, "invalid_request")
    found = await done(server, f"runs/{ref}/requeue", {"force": True, "epoch": 1, "reason": "gone"})
    assert (found["state"], found["epoch"]) == ("queued", 2)
    late = await worker.client.post(f"/executor/v1/runs/{worker.run['run_id']}/logs", json={"epoch": 1, "chunks": []})
    assert late.status_code in (409, 422)
    again = await post(server, f"runs/{ref}/requeue", {"force": True, "epoch": 1})
    assert again.json()["epoch"] == 2
    refused = problem(await post(server, f"runs/{ref}/requeue", {"force": True, "epoch": 2}), 409, "invalid_transition")
    assert (refused["state"], refused["epoch"]) == ("queued", 2)


@pytest.mark.parametrize(
    ("verb", "body"),
    [("pause", None), ("resume", None), ("reschedule", {"priority": 1}), ("requeue", {"force": True, "epoch": 1})],
)
async def test_what_has_ended_cannot_be_steered(server: Server, verb: str, body: Json | None) -> None:
    await server.template()
    run = await server.submit()
    await done(server, f"runs/{run['number']}/cancel", {})
    found = problem(await post(server, f"runs/{run['number']}/{verb}", body), 409, "invalid_transition")
    assert found["state"] == "cancelled"
    problem(await post(server, f"runs/4711/{verb}", body), 404, "run_not_found")


async def test_a_queue_is_paused_and_resumed(server: Server) -> None:
    await server.template()
    await server.submit()
    paused = await done(server, "queues/default/pause", {"reason": "maintenance"})
    assert (paused["paused"], paused["paused_by"], paused["queued"]) == (True, "operator-secret", 1)
    (item,) = (await server.client(VIEWER).get(f"{API}/queues")).json()["items"]
    assert item == paused
    assert (await done(server, "queues/default/resume"))["paused"] is False


async def test_an_executor_is_paused_resumed_and_drained(server: Server) -> None:
    made = await executor(server)
    paused = await done(server, f"executors/{made['number']}/pause", {"reason": "new disk"})
    assert (paused["state"], paused["state_by"], paused["state_reason"]) == ("paused", "operator-secret", "new disk")
    assert (await done(server, f"executors/{made['executor_id']}/resume"))["state"] == "active"
    assert (await done(server, f"executors/{made['number']}/drain"))["state"] == "draining"
    problem(await post(server, f"executors/{made['number']}/resume"), 409, "invalid_transition")
    problem(await post(server, "executors/77/pause"), 404, "executor_not_found")
    await server.client(EXECUTOR).delete(f"/executor/v1/executors/{made['executor_id']}")


async def test_a_resumed_queue_lets_a_claim_that_waits_have_its_run(server: Server) -> None:
    await server.template()
    await done(server, "queues/default/pause")
    await server.submit()
    plane = server.app.state.executor_plane
    server.app.state.executor_plane = replace(plane, claim_poll=timedelta(hours=1))  # only a wake makes it look again
    worker = await Worker.start(server)
    claim = asyncio.create_task(worker.claim())
    await until(lambda: plane.ready.count == 1)
    await done(server, "queues/default/resume")
    assert (await asyncio.wait_for(claim, 10))["number"] == 1


async def test_dead_letters_are_listed_and_replayed_each_on_its_own(server: Server, worker: Worker) -> None:
    await fail(worker)
    (item,) = (await server.client(VIEWER).get(f"{API}/dead-letters", params={"error_class": "user"})).json()["items"]
    assert (item["number"], item["state_reason"], item["attempt"]) == (1, "not_retryable", 1)
    assert item["error"]["message"] == "division by zero"
    other = (await server.operator.get(f"{API}/dead-letters", params={"finished_after": FAR})).json()
    assert other == {"items": [], "next_cursor": None}
    found = await done(server, "dead-letters/replay", {"runs": ["1", "99", "1"]})
    assert found["replayed"] == 1
    first, unknown, again = found["items"]
    assert (first["run"]["retry_of_number"], first["problem"]) == (1, None)
    assert (unknown["run"], unknown["problem"]["code"]) == (None, "run_not_found")
    assert (again["problem"]["code"], again["problem"]["number"]) == ("invalid_transition", first["run"]["number"])
    assert (await done(server, "dead-letters/replay", {"match": {}})) == {"items": [], "replayed": 0}


async def test_dead_letters_are_replayed_by_what_they_have_in_common(server: Server, worker: Worker) -> None:
    await fail(worker)
    assert (await done(server, "dead-letters/replay", {"match": {"template": "other"}}))["replayed"] == 0
    found = await done(server, "dead-letters/replay", {"match": {"template": "job", "error_class": "user"}, "limit": 5})
    assert [(item["ref"], item["run"]["retry_of_number"]) for item in found["items"]] == [("1", 1)]


@pytest.mark.parametrize(
    "body",
    [{}, {"runs": []}, {"runs": ["1"], "match": {}}, {"match": {"error_class": "odd"}}, {"match": {}, "limit": 0}],
)
async def test_a_replay_of_nothing_in_particular_is_refused(server: Server, body: Json) -> None:
    problem(await post(server, "dead-letters/replay", body), 422, "invalid_request")


async def test_a_retry_of_a_pipeline_may_ask_for_all_tasks(server: Server) -> None:
    await server.template()
    pipeline = {"name": "all", "kind": "pipeline", "tasks": {"one": {"template": "job"}}}
    assert (await server.operator.put(f"{API}/templates/all", json=pipeline)).status_code == 200
    run = await server.submit("all")
    await done(server, f"runs/{run['number']}/cancel", {})
    again = await done(server, f"runs/{run['number']}/retry", {"failed_only": False})
    assert again["retry_of_number"] == run["number"]


# Why -----------------------------------------------------------------------------------------------------------------


async def test_why_no_executor_alive(server: Server) -> None:
    await server.template()
    found = await reasons(server, await server.submit())
    assert found["no_executor_alive"]["message"] == "no python executor is alive"


async def test_why_no_executor_with_a_capability(server: Server) -> None:
    await server.template(requires={"capabilities": {"gpu": True}, "labels": {"site": "north"}})
    await executor(server, labels={"site": "north"})
    found = await reasons(server, await server.submit())
    assert found["no_executor_with_capability"]["message"] == "no python executor has capability gpu = true"


async def test_why_no_one_executor_offers_all_of_it(server: Server) -> None:
    await server.template(requires={"capabilities": {"gpu": True}, "labels": {"site": "north"}})
    await executor(server, labels={"site": "north"})
    await executor(server, capabilities={"gpu": True})
    found = await reasons(server, await server.submit())
    assert "no one python executor offers all" in found["no_executor_with_capability"]["message"]


async def test_why_no_executor_for_the_workspace(server: Server) -> None:
    await server.template()
    operator = server.ops.value("select token_id from ops.tokens where role = 'operator'")
    server.ops.call("put_workspace", operator, {"workspace": "other"})
    await executor(server, workspaces=["other"])
    found = await reasons(server, await server.submit())
    assert found["no_executor_for_workspace"]["detail"] == {"workspace": "default"}


async def test_why_a_key_is_held_by_which_run_at_which_executor(server: Server) -> None:
    await server.template(concurrency={"key": "table", "limit": 1})
    first, second = await server.submit(), await server.submit()
    await (await Worker.start(server)).claim()
    found = (await reasons(server, second))["concurrency_key_held"]
    assert found["message"] == f"concurrency key table (limit 1) is held by run {first['number']} (executor worker-1)"
    assert found["detail"]["holders"] == [
        {"run_id": first["run_id"], "number": first["number"], "executor_name": "worker-1"}
    ]


async def test_why_the_queue_was_paused_by_whom_when_and_why(server: Server) -> None:
    await server.template()
    run = await server.submit()
    paused = await done(server, "queues/default/pause", {"reason": "maintenance"})
    found = (await reasons(server, run))["queue_paused"]
    assert found["detail"]["at"] == paused["paused_at"].replace("+00:00", "Z")
    assert found["message"] == (f"queue default was paused by operator-secret at {found['detail']['at']}: maintenance")


async def test_why_the_run_was_paused_by_whom_when_and_why(server: Server) -> None:
    await server.template()
    run = await server.submit()
    await done(server, f"runs/{run['number']}/pause", {"reason": "wrong file"})
    found = await reasons(server, run)
    assert "position_in_queue" not in found
    told = found["paused"]
    assert (told["detail"]["by"], told["detail"]["reason"]) == ("operator:operator-secret", "wrong file")
    assert told["message"] == f"it was paused by operator-secret at {told['detail']['at']}: wrong file"


async def test_why_a_run_waits_on_its_dependency(server: Server) -> None:
    await server.template()
    tasks = {"one": {"template": "job"}, "two": {"template": "job", "depends_on": ["one"]}}
    await server.operator.put(f"{API}/templates/all", json={"name": "all", "kind": "pipeline", "tasks": tasks})
    run = await server.submit("all")
    children = (await server.operator.get(f"{API}/runs/{run['number']}")).json()["children"]
    one, two = sorted(children, key=lambda child: str(child["task_key"]))
    found = (await reasons(server, two))["waiting_on_dependency"]
    assert found["message"] == f"waits for run {one['number']} (one), which is queued"
    assert (found["detail"]["number"], found["detail"]["state"]) == (one["number"], "queued")
    assert "waiting_on_tasks" in await reasons(server, run)


async def test_why_a_run_does_not_start_before_its_time(server: Server) -> None:
    await server.template()
    found = (await reasons(server, await server.submit(not_before=FAR)))["not_before"]
    assert found["message"].startswith("not before 2099-01-01T00:00:00")


async def test_why_a_retry_waits_for_its_backoff(server: Server) -> None:
    await server.template(retry={"backoff_seconds": 1000, "backoff_max_seconds": 1000, "on": ["user"]})
    run = await server.submit()
    worker = await Worker.start(server)
    await worker.claim()
    await fail(worker)
    found = (await reasons(server, run))["retry_backoff"]
    assert found["message"].startswith("attempt 1 failed; the next starts at ")


async def test_why_a_run_stands_at_its_position(server: Server) -> None:
    await server.template()
    await server.submit(priority=1)
    await server.submit()
    await executor(server)
    found = await reasons(server, await server.submit())
    assert list(found) == ["position_in_queue"]
    assert found["position_in_queue"]["detail"] == {"position": 3, "queue": "default", "kind": "python"}


async def test_why_an_executor_in_trouble_takes_no_run(server: Server) -> None:
    await server.template()
    run = await server.submit()
    client, worker = server.client(EXECUTOR), (await executor(server))["executor_id"]
    beat = {"state": "active", "trouble": "Trino does not answer", "runs": []}
    assert (await client.post(f"/executor/v1/executors/{worker}/heartbeat", json=beat)).status_code == 200
    told = (await reasons(server, run))["executor_in_trouble"]
    assert told["message"] == "executor 1 (worker-1) takes no run: Trino does not answer"
    assert told["detail"]["trouble"] == "Trino does not answer"
    (listed,) = (await server.operator.get(f"{API}/executors")).json()["items"]
    assert (listed["state"], listed["trouble"]) == ("active", "Trino does not answer")
    (await client.post(f"/executor/v1/executors/{worker}/heartbeat", json=beat | {"trouble": None})).raise_for_status()
    assert "executor_in_trouble" not in await reasons(server, run)
    problem(
        await client.post(f"/executor/v1/executors/{worker}/heartbeat", json=beat | {"trouble": "x" * 1025}),
        422,
        "invalid_request",
    )


async def test_one_in_trouble_is_nobody_where_another_can_take_the_run(server: Server) -> None:
    await server.template()
    run = await server.submit()
    client, worker = server.client(EXECUTOR), (await executor(server))["executor_id"]
    beat = {"state": "active", "trouble": "Trino does not answer", "runs": []}
    (await client.post(f"/executor/v1/executors/{worker}/heartbeat", json=beat)).raise_for_status()
    await executor(server)
    assert list(await reasons(server, run)) == ["position_in_queue"]


async def test_why_all_slots_are_busy(server: Server) -> None:
    await server.template()
    await server.submit()
    waiting = await server.submit()
    client = server.client(EXECUTOR)
    made = (await client.post("/executor/v1/executors", json=registration(slots=1))).json()
    await Worker(client, made["executor_id"]).claim()
    found = (await reasons(server, waiting))["all_slots_busy"]
    assert found["message"] == "all slots of the one python executor that could take it are busy: 1 of 1"
    assert found["detail"] == {"executors": 1, "slots": 1, "busy": 1}
    await executor(server)
    assert "all_slots_busy" not in await reasons(server, waiting)


@pytest.mark.parametrize(("verb", "code"), [("pause", "executor_paused"), ("drain", "executor_draining")])
async def test_why_the_executors_are_paused_or_drain(server: Server, verb: str, code: str) -> None:
    await server.template()
    run = await server.submit()
    made = await executor(server)
    await done(server, f"executors/{made['number']}/{verb}", {"reason": "new disk"})
    found = (await reasons(server, run))[code]
    assert (found["detail"]["number"], found["detail"]["reason"]) == (made["number"], "new disk")
    assert found["message"].startswith(f"executor {made['number']} (worker-1) ")
    assert f"by operator-secret at {found['detail']['at']}: new disk" in found["message"]
    await executor(server)
    assert code not in await reasons(server, run)


async def test_why_a_run_waits_for_a_person(server: Server) -> None:
    await server.template(rerun="unsafe", retry={"on": ["user"]})
    run = await server.submit()
    worker = await Worker.start(server)
    await worker.claim()
    await fail(worker)
    assert "a rerun is unsafe" in (await reasons(server, run))["rerun_unsafe"]["message"]


async def test_why_a_deadline_has_passed(server: Server) -> None:
    await server.template()
    assert "deadline_passed" in await reasons(server, await server.submit(deadline="2000-01-01T00:00:00Z"))
