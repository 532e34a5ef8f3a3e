"""Who gets in, and that one token's executor cannot touch what another token's holds."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

import pytest

from tests.contract.document import operations
from tests.contract.plane import EXECUTOR, OPERATOR, OTHER, Plane, begin_body, claim_body, log_body, report_body
from tests.contract.scenarios import COMMITTED, send


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic b3BlcmF0b3I6eA==", EXECUTOR, f"Token {EXECUTOR}", "Bearer " + "x" * 600],
)
async def test_without_a_bearer_token_nothing_opens(plane: Plane, header: str | None) -> None:
    for name in operations():
        headers = {} if header is None else {"authorization": header}
        answer = await send(plane, name, token=None, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), name
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_who_may_not_come_in_learns_nothing_about_its_body(plane: Plane) -> None:
    answer = await plane.call("POST", "/executors", {"nonsense": True}, token="wrong")
    assert answer.status_code == 401


async def test_a_token_is_never_part_of_an_answer(plane: Plane) -> None:
    secret = "very-secret-token-that-is-wrong"
    for name in operations():
        assert secret not in (await send(plane, name, token=secret)).text
        assert OPERATOR not in (await send(plane, name, token=OPERATOR)).text.replace("operator-tokens", "")


async def test_a_revoked_token_opens_nothing_from_the_next_request_on(plane: Plane) -> None:
    executor_id = await plane.register()
    plane.ops.admin.execute("update ops.tokens set revoked_at = ops.now() where name = %s", [EXECUTOR])
    answer = await plane.call("POST", f"/executors/{executor_id}/claims", claim_body())
    assert answer.json()["code"] == "unauthenticated"


async def test_one_tokens_executor_cannot_use_anothers_runs(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    path = f"/runs/{run['run_id']}"
    begun = (await plane.begin(run, b"mine")).json()
    attempts: list[tuple[str, str, Any]] = [
        ("POST", f"/executors/{executor_id}/claims", claim_body()),
        ("POST", f"/executors/{executor_id}/heartbeat", {"state": "active", "runs": []}),
        ("DELETE", f"/executors/{executor_id}", None),
        ("POST", f"{path}/logs", log_body(run)),
        ("POST", f"{path}/artifacts", begin_body(run, b"theirs", "theirs")),
        ("POST", f"{path}/artifacts/{begun['artifact_id']}/record", {"epoch": run["epoch"]}),
        ("POST", f"{path}/report", report_body(run)),
        ("GET", f"/artifacts/{begun['artifact_id']}", None),
    ]
    before = plane.ops.value("select count(*) from ops.events")
    for method, where, body in attempts:
        answer = await plane.call(method, where, body, token=OTHER)
        assert answer.status_code in (403, 404), f"{method} {where}: {answer.text}"
    assert plane.ops.value("select count(*) from ops.events") == before
    assert (await plane.report(run)).status_code == 200


async def test_one_tokens_executor_cannot_commit_anothers_publication(plane: Plane) -> None:
    run = await plane.publishing()
    path = f"/runs/{run['run_id']}/publications/table/commit"
    answer = await plane.call("POST", path, COMMITTED | {"epoch": run["epoch"]}, token=OTHER)
    assert answer.status_code == 403


async def test_a_heartbeat_cannot_renew_anothers_lease(plane: Plane) -> None:
    _, run = await plane.claimed()
    other = await plane.register(token=OTHER)
    body = {"state": "active", "runs": [{"run_id": run["run_id"], "epoch": run["epoch"]}]}
    answer = (await plane.call("POST", f"/executors/{other}/heartbeat", body, token=OTHER)).json()
    assert answer["runs"][0]["directive"] == "superseded"
    assert answer["runs"][0]["lease_deadline"] is None


async def test_a_token_of_one_workspace_claims_nothing_of_another(plane: Plane) -> None:
    plane.ops.admin.execute(
        "insert into ops.workspaces (workspace, description, created_at) values ('lab', '', ops.now())"
    )
    secret = f"lab-{uuid.uuid4()}"
    body = {"name": secret, "role": "executor", "workspaces": ["lab"]}
    plane.ops.call_on(plane.ops.admin, "bootstrap_token", hashlib.sha256(secret.encode()).digest(), body)
    await plane.submit()
    executor_id = await plane.register(token=secret)
    assert await plane.claim(executor_id, token=secret) == []
