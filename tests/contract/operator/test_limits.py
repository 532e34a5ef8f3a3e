"""Caps, budgets and prices over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.contract.operator.conftest import API, VIEWER, Server, Worker, problem
from tests.contract.operator.test_steering import reasons

Json = dict[str, Any]
CAP = {"scope": "workspace", "scope_ref": "default", "cap": "wall_seconds", "limit": 60}
BUDGET = {"scope": "workspace", "scope_ref": "default", "unit": "runs", "period": "day", "limit": 1}


async def put(server: Server, path: str, body: Json) -> Json:
    answer = await server.operator.put(f"{API}/{path}", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def got(server: Server, path: str) -> Json:
    answer = await server.client(VIEWER).get(f"{API}/{path}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_a_cap_is_set_listed_explained_and_removed(server: Server) -> None:
    await server.template(caps={"wall_seconds": 100, "log_bytes": 1000})
    await put(server, "caps", CAP)
    await put(server, "caps", CAP | {"scope": "platform", "scope_ref": None, "limit": 80})
    assert {c["limit"] for c in (await got(server, "caps"))["items"]} == {60, 80}
    run = await server.submit(caps={"log_bytes": 500})
    found = await got(server, f"runs/{run['number']}/caps")
    assert {c["cap"]: (c["limit"], c["given_by"]) for c in found["caps"]} == {
        "wall_seconds": (60, "workspace cap"),
        "log_bytes": (500, "run"),
    }
    wall, logs = sorted(found["caps"], key=lambda cap: str(cap["cap"]), reverse=True)
    assert [(v["given_by"], v["limit"]) for v in wall["values"]] == [
        ("platform cap", 80),
        ("workspace cap", 60),
        ("template", 100),
    ]
    assert [(v["given_by"], v["limit"]) for v in logs["values"]] == [("template", 1000), ("run", 500)]
    assert (await put(server, "caps", CAP | {"limit": None}))["limit"] is None
    assert len((await got(server, "caps"))["items"]) == 1
    after = await got(server, f"runs/{run['number']}/caps")
    (still,) = [c for c in after["caps"] if c["cap"] == "wall_seconds"]
    assert (still["limit"], still["given_by"]) == (60, "run"), "its submit had it, and nothing loosens a run's caps"


async def test_a_budget_is_set_reserved_settled_and_checked(server: Server) -> None:
    await server.template()
    made = await put(server, "budgets", BUDGET)
    assert (made["policy"], made["thresholds"], made["left"]) == ("queue", [50, 80, 100], 1)
    first, second = await server.submit(), await server.submit()
    worker = await Worker.start(server)
    await worker.claim()
    (found,) = (await got(server, "budgets"))["items"]
    assert (found["reserved"], found["used"], found["left"]) == (1, 0, 0)
    explained = await got(server, f"runs/{first['number']}/caps")
    assert [(b["budget_id"], b["estimate"]) for b in explained["budgets"]] == [(made["budget_id"], 1)]
    await worker.call(
        "report", outcome="succeeded", idempotency_key="one", result={}, usage={"cpu_seconds": 2.5},
        finished_at="2026-11-21T12:00:00Z", cap_ledger=[], publications=[],
    )  # fmt: skip
    (found,) = (await got(server, "budgets"))["items"]
    assert (found["reserved"], found["used"], found["warned"]) == (0, 1, 100)
    assert [w["threshold"] for w in (await got(server, "budgets"))["warnings"]] == [100, 80, 50]
    ask = {"request_id": str(uuid4()), "max_runs": 1, "wait_seconds": 0, "queues": None}
    claimed = await worker.client.post(f"/executor/v1/executors/{worker.executor_id}/claims", json=ask)
    assert claimed.json()["runs"] == []
    assert "budget_exhausted" in await reasons(server, second)
    checked = (await server.operator.get(f"{API}/budgets/check")).json()
    assert checked == {"balances": 1, "wrong": [], "leases": []}


async def test_a_budget_that_refuses_is_a_problem_that_names_it(server: Server) -> None:
    await server.template()
    await put(server, "budgets", BUDGET | {"limit": 0, "policy": "refuse"})
    body = {"template": "job", "params": {}, "workspace": "default"}
    found = problem(await server.operator.post(f"{API}/runs", json=body), 422, "budget_exhausted")
    assert found["unit"] == "runs"
    assert "workspace default has 0 of 0 runs a day left" in found["detail"]


async def test_prices_are_lists_and_a_run_tells_what_it_cost(server: Server) -> None:
    await server.template()
    run = await server.submit()
    assert (await got(server, f"runs/{run['number']}"))["cost"] is None
    body = {"currency": "EUR", "prices": {"*": {"cpu_seconds": 0.5}, "python": {"cpu_seconds": 2}}}
    answer = await server.operator.post(f"{API}/prices", json=body)
    assert answer.status_code == 200, answer.text
    assert (await got(server, "prices"))["items"] == [answer.json()]
    worker = await Worker.start(server)
    await worker.claim()
    await worker.call(
        "report", outcome="succeeded", idempotency_key="one", result={}, usage={"cpu_seconds": 2.5},
        finished_at="2026-11-21T12:00:00Z", cap_ledger=[], publications=[],
    )  # fmt: skip
    assert (await got(server, f"runs/{run['number']}"))["cost"] == {"amount": 5, "currency": "EUR"}


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("caps", CAP | {"cap": "gold"}, "cap"),
        ("caps", CAP | {"limit": 0}, "limit"),
        ("caps", CAP | {"limit": "60"}, "limit"),
        ("caps", {"scope": "platform", "cap": "log_bytes"}, "limit"),
        ("budgets", BUDGET | {"unit": "gold"}, "unit"),
        ("budgets", BUDGET | {"limit": -1}, "limit"),
        ("budgets", BUDGET | {"period": None}, "period"),
        ("budgets", BUDGET | {"timezone": "Mars/Olympus"}, "timezone"),
        ("budgets", BUDGET | {"thresholds": [0]}, "thresholds"),
        ("budgets", BUDGET | {"note": "x"}, "note"),
    ],
    ids=str,
)
async def test_a_wrong_limit_is_told_where(server: Server, path: str, body: Json, where: str) -> None:
    found = problem(await server.operator.put(f"{API}/{path}", json=body), 422, "invalid_request")
    assert where in str(found["errors"])


@pytest.mark.parametrize(
    ("prices", "where"),
    [({"gold": {"cpu_seconds": 1}}, "gold"), ({"*": {"runs": 1}}, "runs"), ({"*": {"cpu_seconds": -1}}, "cpu_seconds")],
    ids=str,
)
async def test_a_wrong_price_is_told_where(server: Server, prices: Json, where: str) -> None:
    answer = await server.operator.post(f"{API}/prices", json={"currency": "EUR", "prices": prices})
    assert where in str(problem(answer, 422, "invalid_request")["errors"])


async def test_what_others_have_is_not_told_and_not_set(server: Server) -> None:
    operator = server.ops.value("select token_id from ops.tokens where role = 'operator'")
    server.ops.call("put_workspace", operator, {"workspace": "other"})
    await put(server, "budgets", BUDGET | {"scope_ref": "other"})
    server.ops.token("operator", "guest", ["default"])
    guest = server.client("guest")
    assert (await guest.get(f"{API}/budgets")).json() == {"items": [], "warnings": []}
    problem(await guest.put(f"{API}/budgets", json=BUDGET | {"scope_ref": "other"}), 403, "forbidden")
    problem(await guest.put(f"{API}/caps", json=CAP | {"scope": "platform", "scope_ref": None}), 403, "forbidden")
    problem(await guest.get(f"{API}/budgets/check"), 403, "forbidden")
    problem(await server.client(VIEWER).put(f"{API}/budgets", json=BUDGET), 403, "forbidden")
