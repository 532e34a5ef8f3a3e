"""The long poll: woken within moments, ended by the client's leaving and by the server's, repeated without harm."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from contract import models
from contract.client import SPOKEN
from contract.server.services import Services
from tests.contract.document import PREFIX
from tests.contract.plane import EXECUTOR, Plane, claim_body
from tests.contract.served import served, until


def services(plane: Plane) -> Services:
    found = plane.app.state.executor_plane
    assert isinstance(found, Services)
    return found


async def until_waiting(plane: Plane, number: int = 1) -> None:
    """Until so many claims wait to be woken."""
    await until(lambda: services(plane).ready.count == number)


async def claim(plane: Plane, executor_id: str, wait_seconds: float, **more: object) -> models.ClaimResponse:
    async with plane.client() as client:
        body = models.ClaimRequest.model_validate(claim_body(wait_seconds=wait_seconds, **more))
        return await client.claim_runs(executor_id, body)


async def test_a_claim_with_nothing_to_do_waits_its_time_and_no_longer(plane: Plane) -> None:
    executor_id = await plane.register()
    started = time.monotonic()
    assert (await claim(plane, executor_id, 0.5)).runs == []
    assert 0.5 <= time.monotonic() - started < 5


async def test_a_waiting_claim_is_woken_by_a_submit_before_it_would_look_for_itself(plane: Plane) -> None:
    plane.app.state.executor_plane = replace(services(plane), claim_poll=timedelta(hours=1))
    executor_id = await plane.register()
    waiting = asyncio.create_task(claim(plane, executor_id, 30))
    await until_waiting(plane)
    submitted = await plane.submit()
    (run,) = (await asyncio.wait_for(waiting, 10)).runs
    assert str(run.run_id) == submitted["run_id"]


async def test_a_paused_executor_takes_no_wake_from_one_that_can_work(plane: Plane) -> None:
    """It waits on, and for longest: the one wake of each run would be its own."""
    plane.app.state.executor_plane = replace(services(plane), claim_poll=timedelta(hours=1))
    paused, healthy = await plane.register(), await plane.register()
    plane.ops.admin.execute("update ops.executors set state = 'paused' where executor_id = %s", (paused,))
    idle = asyncio.create_task(claim(plane, paused, 30))
    await until_waiting(plane)
    for _ in range(3):
        waiting = asyncio.create_task(claim(plane, healthy, 30))
        await until_waiting(plane, 2)
        submitted = await plane.submit()
        (run,) = (await asyncio.wait_for(waiting, 10)).runs
        assert str(run.run_id) == submitted["run_id"]
    assert not idle.done()
    # resumed, it is among those that are told
    plane.ops.admin.execute("update ops.executors set state = 'active' where executor_id = %s", (paused,))
    services(plane).ready.wake()
    await until(lambda: not next(iter(services(plane).ready._waiting)).deaf)
    submitted = await plane.submit()
    (run,) = (await asyncio.wait_for(idle, 10)).runs
    assert str(run.run_id) == submitted["run_id"]


async def test_a_waiting_claim_looks_when_the_time_of_a_failed_attempt_comes(plane: Plane) -> None:
    plane.app.state.executor_plane = replace(services(plane), claim_poll=timedelta(hours=1))
    executor_id = await plane.register()
    await plane.submit(retry={"max_attempts": 2, "backoff_seconds": 0.4})
    (run,) = await plane.claim(executor_id)
    waiting = asyncio.create_task(claim(plane, executor_id, 30))
    await until_waiting(plane)
    error = {"class": "external", "code": "gone", "message": "the source was away"}
    answer = await plane.report(run, outcome="failed", error=error)
    assert answer.json()["route"]["decision"] == "retry", answer.text
    (again,) = (await asyncio.wait_for(waiting, 10)).runs
    assert (str(again.run_id), again.epoch) == (run["run_id"], 2)


async def test_each_of_many_runs_goes_to_one_waiting_claim(plane: Plane) -> None:
    executors = [await plane.register() for _ in range(4)]
    waiting = [asyncio.create_task(claim(plane, executor_id, 30)) for executor_id in executors]
    await until_waiting(plane, 4)
    submitted = {(await plane.submit())["run_id"] for _ in range(4)}
    answers = await asyncio.wait_for(asyncio.gather(*waiting), 20)
    assert sorted(str(run.run_id) for answer in answers for run in answer.runs) == sorted(submitted)


async def test_without_notifications_a_waiting_claim_still_looks_for_itself(plane: Plane) -> None:
    executor_id = await plane.register()
    plane.ops.admin.execute(
        "create or replace function ops.notify_ready(p_kinds text[]) returns void language sql as ''"
    )
    waiting = asyncio.create_task(claim(plane, executor_id, 30))
    await until_waiting(plane)
    await plane.submit()
    assert len((await asyncio.wait_for(waiting, 15)).runs) == 1


async def test_a_lost_answer_is_asked_for_again_with_the_same_epochs(plane: Plane) -> None:
    executor_id = await plane.register()
    await plane.submit()
    body = claim_body()
    first = (await plane.call("POST", f"/executors/{executor_id}/claims", body)).json()["runs"]
    second = (await plane.call("POST", f"/executors/{executor_id}/claims", body | {"wait_seconds": 30})).json()["runs"]
    assert [(run["run_id"], run["epoch"]) for run in first] == [(run["run_id"], run["epoch"]) for run in second]
    assert len(first) == 1


async def test_an_empty_answer_may_be_asked_for_again_and_then_hold_runs(plane: Plane) -> None:
    executor_id, body = await plane.register(), claim_body()
    assert (await plane.call("POST", f"/executors/{executor_id}/claims", body)).json()["runs"] == []
    await plane.submit()
    assert len((await plane.call("POST", f"/executors/{executor_id}/claims", body)).json()["runs"]) == 1


async def test_no_run_is_claimed_for_a_client_that_has_gone(plane: Plane) -> None:
    executor_id = await plane.register()
    async with served(plane.app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        headers = {"authorization": f"Bearer {EXECUTOR}"}
        path = f"{PREFIX}/executors/{executor_id}/claims"
        waiting = asyncio.create_task(client.post(path, json=claim_body(wait_seconds=60), headers=headers, timeout=70))
        await until_waiting(plane)
        waiting.cancel()
        await until_waiting(plane, 0)
    run = await plane.submit()
    assert plane.ops.value("select state from ops.runs where run_id = %s", run["run_id"]) == "queued"
    assert len(await plane.claim(executor_id)) == 1


async def test_a_server_that_stops_lets_its_waiting_claims_go(plane: Plane) -> None:
    executor_id = await plane.register()
    waiting = asyncio.create_task(claim(plane, executor_id, 60))
    await until_waiting(plane)
    services(plane).ready.close()
    assert (await asyncio.wait_for(waiting, 5)).runs == []


async def test_the_executors_whole_day_through_the_client(plane: Plane) -> None:
    async with plane.client() as client:
        registered = await client.register_executor(
            models.RegisterRequest(
                **{"instance_id": uuid4(), "name": "day", "kind": "python", "version": "1", "slots": 1},
                contract=SPOKEN,
            )
        )
        executor_id = registered.executor_id
        await plane.submit()
        (run,) = (await client.claim_runs(executor_id, models.ClaimRequest(request_id=uuid4(), max_runs=1))).runs
        beat = models.HeartbeatRun(run_id=run.run_id, epoch=run.epoch, progress=models.Progress(fraction=0.25))
        answer = await client.heartbeat(executor_id, models.HeartbeatRequest(state="active", runs=[beat]))
        assert answer.runs[0].directive == "continue"
        chunk = models.LogChunk(stream="stdout", seq=0, offset=0, at=registered.server_time, text="grüße\n")
        logged = await client.append_logs(run.run_id, models.LogsRequest(epoch=run.epoch, chunks=[chunk]))
        assert logged.next["stdout"].offset == len("grüße\n".encode())
        report = models.SucceededReport(
            epoch=run.epoch, outcome="succeeded", idempotency_key="day", finished_at=registered.server_time
        )
        first = await client.report_attempt(run.run_id, report)
        assert (first.run_state, first.repeated) == ("succeeded", False)
        assert (await client.report_attempt(run.run_id, report)).repeated is True
        await client.leave_executor(executor_id)
        assert "openapi: 3.1" in await client.get_contract()


@pytest.mark.parametrize("outcome", ["failed", "cancelled", "capped"])
async def test_every_outcome_can_be_reported(plane: Plane, outcome: str) -> None:
    _, run = await plane.claimed()
    error = {"class": "resources", "code": "x", "message": "m", "position": {"line": 3}}
    more = {
        "failed": {"error": error},
        "cancelled": {"reason": "stop"},
        "capped": {"error": error, "cap": "wall_seconds"},
    }
    ledger = {
        "layer": "watchdog",
        "cap": "wall_seconds",
        "limit": 1,
        "observed": 2.5,
        "overshoot": 1.5,
        "action": "stop",
    }
    answer = await plane.report(run, outcome=outcome, cap_ledger=[ledger], **more[outcome])
    assert answer.json()["outcome"] == outcome
