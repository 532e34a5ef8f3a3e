"""Reports and a claim in one round trip: each answered on its own, together with what other requests bring."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import httpx

from contract import models
from tests.contract.plane import OTHER, Plane, claim_body, report_body
from tests.contract.served import until


async def exchange(
    plane: Plane, executor_id: str, reports: list[dict[str, Any]], max_runs: int = 0, **more: Any
) -> dict[str, Any]:
    body = {"request_id": str(uuid.uuid4()), "reports": reports, "max_runs": max_runs} | more
    response = await plane.call("POST", f"/executors/{executor_id}/exchange", body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def reported(run: dict[str, Any], *artifacts: str, **more: Any) -> dict[str, Any]:
    return {"run_id": run["run_id"], "artifacts": list(artifacts), "report": report_body(run, **more)}


async def test_the_next_run_comes_with_the_answer_to_the_last(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    following = await plane.submit()
    async with plane.client() as client:
        body = models.ExchangeRequest.model_validate(
            {"request_id": str(uuid.uuid4()), "reports": [reported(run)], "max_runs": 3}
        )
        answer = await client.exchange(executor_id, body)
    assert answer.reports[0].answer is not None
    assert answer.reports[0].answer.run_state == "succeeded"
    assert [str(one.run_id) for one in answer.runs] == [following["run_id"]]


async def test_a_stale_report_fails_only_itself(plane: Plane) -> None:
    executor_id = await plane.register()
    for _ in range(2):
        await plane.submit()
    good, stale = await plane.claim(executor_id, max_runs=2)
    await plane.store.cancel_run(plane.operator, stale["run_id"], {"reason": "now", "force": True})
    answer = await exchange(plane, executor_id, [reported(stale), reported(good)])
    refused, accepted = answer["reports"]
    assert (refused["answer"], refused["problem"]["code"], refused["problem"]["status"]) == (None, "lease_lost", 409)
    assert refused["problem"]["reason"] == "cancelled"
    assert (accepted["answer"]["run_state"], accepted["problem"]) == ("succeeded", None)


async def test_a_report_that_meets_a_defect_fails_only_itself_and_can_be_sent_again(plane: Plane) -> None:
    """The defect is a trigger that raises what no verb knows."""
    executor_id = await plane.register()
    for _ in range(4):
        await plane.submit()
    runs = await plane.claim(executor_id, max_runs=3)
    sent, request_id, admin = [reported(run) for run in runs], str(uuid.uuid4()), plane.ops.admin
    admin.execute("create function defect() returns trigger language plpgsql as $$ begin raise 'a defect'; end $$")
    admin.execute(
        "create trigger defect before update on ops.attempts for each row "
        f"when (new.run_id = '{runs[1]['run_id']}') execute function defect()"
    )
    first = await exchange(plane, executor_id, sent, 1, request_id=request_id)
    assert [one["problem"] and one["problem"]["code"] for one in first["reports"]] == [None, "internal", None]
    assert "a defect" not in json.dumps(first)
    assert (first["claim_problem"], len(first["runs"])) == (None, 1)
    admin.execute("drop trigger defect on ops.attempts")
    again = await exchange(plane, executor_id, sent, 1, request_id=request_id)
    assert [one["answer"]["repeated"] for one in again["reports"]] == [True, False, True]
    assert [run["run_id"] for run in again["runs"]] == [run["run_id"] for run in first["runs"]]


async def test_an_artifact_without_bytes_holds_back_its_report_alone(plane: Plane) -> None:
    executor_id = await plane.register()
    for _ in range(2):
        await plane.submit()
    good, empty = await plane.claim(executor_id, max_runs=2)
    begun = (await plane.begin(empty, b"never sent" + uuid.uuid4().bytes)).json()
    answer = await exchange(plane, executor_id, [reported(empty, begun["artifact_id"]), reported(good)])
    assert [one["problem"] and one["problem"]["code"] for one in answer["reports"]] == ["upload_missing", None]
    assert plane.ops.value("select state from ops.runs where run_id = %s", empty["run_id"]) == "running"


async def test_artifacts_named_in_an_exchange_become_visible_with_the_report(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    begun = (await plane.begin(run, b"the result")).json()
    if begun["upload"]:
        await plane.put(begun["upload"], b"the result")
    answer = await exchange(plane, executor_id, [reported(run, begun["artifact_id"])])
    assert answer["reports"][0]["problem"] is None
    artifact_id = begun["artifact_id"]
    assert plane.ops.value("select state from ops.artifacts where artifact_id = %s", artifact_id) == "visible"


async def test_a_claim_that_is_refused_leaves_the_reports_standing(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    spent = claim_body()
    await plane.call("POST", f"/executors/{executor_id}/claims", spent)
    await plane.submit()
    await plane.call("POST", f"/executors/{executor_id}/claims", spent)
    answer = await exchange(plane, executor_id, [reported(run)], 7, request_id=spent["request_id"])
    assert answer["claim_problem"]["code"] == "request_id_conflict"
    assert answer["reports"][0]["answer"]["run_state"] == "succeeded"


async def test_an_exchange_without_reports_waits_for_runs_like_a_claim(plane: Plane) -> None:
    executor_id = await plane.register()
    waiting = asyncio.create_task(exchange(plane, executor_id, [], 1, wait_seconds=30))
    await until(lambda: plane.app.state.executor_plane.ready.count == 1)
    run = await plane.submit()
    answer = await asyncio.wait_for(waiting, 10)
    assert [one["run_id"] for one in answer["runs"]] == [run["run_id"]]


async def test_a_claim_and_an_exchange_with_one_request_id_are_the_same_wish(plane: Plane) -> None:
    executor_id = await plane.register()
    run = await plane.submit()
    wish = {"request_id": str(uuid.uuid4()), "max_runs": 1}
    claimed = await plane.call("POST", f"/executors/{executor_id}/claims", wish | {"wait_seconds": 0})
    again = await exchange(plane, executor_id, [], **wish)
    assert again["claim_problem"] is None
    assert [one["run_id"] for one in (*claimed.json()["runs"], *again["runs"])] == [run["run_id"]] * 2


async def test_an_exchange_with_reports_answers_at_once(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    async with asyncio.timeout(10):
        answer = await exchange(plane, executor_id, [reported(run)], 1, wait_seconds=60)
    assert answer["runs"] == []


async def test_requests_of_many_executors_at_once_are_answered_each_with_its_own(plane: Plane) -> None:
    executors = [await plane.register() for _ in range(8)]
    for _ in range(16):
        await plane.submit()
    claims = await asyncio.gather(*(exchange(plane, one, [], 1) for one in executors))
    held = [answer["runs"][0] for answer in claims]
    assert len({run["run_id"] for run in held}) == 8
    stranger = reported(held[0])
    answers = await asyncio.gather(
        *(exchange(plane, one, [reported(run)], 1) for one, run in zip(executors, held, strict=True)),
        plane.call("POST", f"/runs/{stranger['run_id']}/report", stranger["report"], token=OTHER),
    )
    *own, foreign = answers
    assert isinstance(foreign, httpx.Response)
    assert foreign.json()["code"] == "forbidden"
    assert [answer["reports"][0]["run_id"] for answer in own] == [run["run_id"] for run in held]
    assert len({answer["runs"][0]["run_id"] for answer in own}) == 8


async def test_a_revoked_token_opens_nothing_though_it_was_known_a_moment_ago(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    plane.ops.admin.execute("update ops.tokens set revoked_at = now() where role = 'executor'")
    answer = await exchange(plane, executor_id, [reported(run)], 1)
    assert answer["reports"][0]["problem"]["code"] == "unauthenticated"
    assert answer["claim_problem"]["code"] == "unauthenticated"
    assert (await plane.report(run)).status_code == 401
