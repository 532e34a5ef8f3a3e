"""Submitting runs and looking at them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.operator.conftest import API, VIEWER, Server, Worker, problem

SCHEMA: dict[str, Any] = {
    "properties": {
        "rows": {"type": "integer", "default": 10},
        "where": {"type": "object", "properties": {"city": {"default": "Berlin"}}},
    }
}


async def test_a_run_gets_the_defaults_of_its_template(server: Server) -> None:
    await server.template(params_schema=SCHEMA)
    run = await server.submit(params={"where": {}})
    assert run["params"] == {"rows": 10, "where": {"city": "Berlin"}}
    assert (run["state"], run["template_version"], run["submitted_by"]) == ("queued", 1, "operator-secret")


async def test_a_submission_repeated_with_its_key_gets_the_same_run(server: Server) -> None:
    await server.template(params_schema=SCHEMA)
    body = {"template": "job", "params": {"where": {}}, "idempotency_key": "k"}
    first = await server.operator.post(f"{API}/runs", json=body)
    # A newer version with other defaults changes nothing about what was accepted.
    await server.template(params_schema={"properties": SCHEMA["properties"] | {"rows": {"default": 11}}})
    again = await server.operator.post(f"{API}/runs", json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["run_id"] == first.json()["run_id"]
    assert again.json()["params"]["rows"] == 10


async def test_another_body_under_the_same_key_is_refused(server: Server) -> None:
    await server.template(params_schema=SCHEMA)
    await server.submit(idempotency_key="k")
    body = {"template": "job", "params": {"rows": 11}, "idempotency_key": "k"}
    problem(await server.operator.post(f"{API}/runs", json=body), 409, "idempotency_conflict")


async def test_an_older_version_can_be_asked_for(server: Server) -> None:
    await server.template()
    await server.template(description="second")
    assert (await server.submit(template_version=1))["template_version"] == 1
    assert (await server.submit())["template_version"] == 2


async def test_scheduling_fields_pass_through(server: Server) -> None:
    await server.template()
    run = await server.submit(
        priority=5,
        queue="fast",
        not_before="2099-01-01T00:00:00+01:00",
        deadline="2099-01-02T00:00:00Z",
        labels={"team": "ops"},
        max_attempts=7,
        concurrency_key="one",
        caps={"wall_seconds": 60},
    )
    assert run["state"] == "waiting"
    assert (run["priority"], run["queue"], run["max_attempts"], run["concurrency_key"]) == (5, "fast", 7, "one")
    assert run["not_before"].startswith("2098-12-31T23:00:00")
    assert (run["labels"], run["caps"]) == ({"team": "ops"}, {"wall_seconds": 60})


async def test_runs_are_listed_newest_first_by_filters_and_pages(server: Server) -> None:
    await server.template("first")
    await server.template("second", kind="dbt")
    for template in ("first", "second", "first", "second", "first"):
        await server.submit(template)

    async def numbers(**filters: Any) -> list[int]:
        page = (await server.client(VIEWER).get(f"{API}/runs", params=filters)).json()
        return [run["number"] for run in page["items"]]

    assert await numbers() == [5, 4, 3, 2, 1]
    assert await numbers(template="second") == [4, 2]
    assert await numbers(kind="dbt", limit=1) == [4]
    assert await numbers(q="seco") == [4, 2]
    assert await numbers(state=["queued", "running"]) == [5, 4, 3, 2, 1]
    assert await numbers(state="running") == []
    page = (await server.operator.get(f"{API}/runs", params={"limit": 2})).json()
    assert await numbers(limit=2, cursor=page["next_cursor"]) == [3, 2]


async def test_a_pipeline_is_one_run_on_top_with_its_tasks_below(server: Server) -> None:
    outputs = [{"name": "t", "format": "delta", "mode": "append", "path": "t"}]
    await server.template("make", outputs=outputs)
    await server.template("read", inputs=[{"name": "t", "kind": "table"}])
    tasks = {
        "one": {"template": "make"},
        "two": {"template": "read", "depends_on": ["one"], "inputs": {"t": "one.t"}},
    }
    pipeline = {"name": "all", "kind": "pipeline", "tasks": tasks}
    assert (await server.operator.put(f"{API}/templates/all", json=pipeline)).status_code == 200
    run = await server.submit("all")
    found = (await server.operator.get(f"{API}/runs/{run['number']}")).json()
    children = {child["task_key"]: child for child in found["children"]}
    assert (children["one"]["state"], children["two"]["state"]) == ("queued", "waiting")
    child = (await server.operator.get(f"{API}/runs/{children['two']['run_id']}")).json()
    assert [(parent["task_key"], parent["inputs"]) for parent in child["depends_on"]] == [("one", {"t": "t"})]
    top = (await server.operator.get(f"{API}/runs", params={"top_level": "true"})).json()["items"]
    assert [item["run_id"] for item in top] == [run["run_id"]]
    below = (await server.operator.get(f"{API}/runs", params={"pipeline": run["number"]})).json()["items"]
    assert {item["task_key"] for item in below} == {"one", "two"}
    why = (await server.operator.get(f"{API}/runs/{children['two']['number']}/why")).json()
    assert why["reasons"][0]["code"] == "waiting_on_dependency"


async def test_a_run_page_has_attempts_events_and_logs(server: Server, worker: Worker) -> None:
    chunk = {"stream": "stdout", "seq": 0, "offset": 0, "at": "2026-11-21T12:00:00Z", "text": "hello\n"}
    await worker.call("logs", chunks=[chunk])
    await worker.succeed(result={"rows": 3})
    found = (await server.operator.get(f"{API}/runs/1")).json()
    assert (found["state"], found["result"]) == ("succeeded", {"rows": 3})
    (attempt,) = found["attempts"]
    assert (attempt["outcome"], attempt["executor_name"], attempt["epoch"]) == ("succeeded", "worker-1", 1)
    events = (await server.operator.get(f"{API}/runs/1/events")).json()["items"]
    types = [event["type"] for event in events]
    assert types[0] == "run.submitted"
    assert types[-1] == "run.succeeded"
    assert [event["prev_hash"] for event in events[1:]] == [event["hash"] for event in events[:-1]]
    later = (await server.operator.get(f"{API}/runs/1/events", params={"after_seq": events[1]["seq"]})).json()["items"]
    assert later == events[2:]
    logs = (await server.operator.get(f"{API}/runs/1/logs")).json()
    assert [item["text"] for item in logs["items"]] == ["hello\n"]
    assert (await server.operator.get(f"{API}/runs/1/logs", params={"after": logs["next"]})).json()["items"] == []


async def test_a_failed_run_shows_its_error(server: Server, worker: Worker) -> None:
    error = {
        "class": "user",
        "code": "bad_rows",
        "message": "three rows are wrong",
        "trace": "line 1",
        "position": None,
    }
    await worker.succeed(outcome="failed", error=error, result=None)
    found = (await server.operator.get(f"{API}/runs/1")).json()
    assert found["state"] == "failed"
    assert found["error"]["class"] == "user"
    assert found["error"]["message"] == "three rows are wrong"
    assert found["attempts"][0]["error"]["code"] == "bad_rows"


async def test_a_queued_run_is_cancelled_at_once_and_a_finished_one_is_not(server: Server, worker: Worker) -> None:
    run = await server.submit()
    cancelled = await server.operator.post(f"{API}/runs/{run['number']}/cancel", json={"reason": "a mistake"})
    assert (cancelled.json()["state"], cancelled.json()["cancel_reason"]) == ("cancelled", "a mistake")
    await worker.succeed()
    found = problem(await server.operator.post(f"{API}/runs/1/cancel", json={}), 409, "invalid_transition")
    assert found["state"] == "succeeded"


async def test_a_retry_is_a_new_run(server: Server) -> None:
    await server.template(params_schema=SCHEMA)
    run = await server.submit(params={"rows": 3})
    problem(await server.operator.post(f"{API}/runs/{run['number']}/retry", json={}), 409, "invalid_transition")
    await server.operator.post(f"{API}/runs/{run['number']}/cancel", json={})
    answer = await server.operator.post(f"{API}/runs/{run['number']}/retry")
    assert answer.status_code == 201
    again = answer.json()
    assert (again["retry_of"], again["params"], again["state"]) == (run["run_id"], {"rows": 3}, "queued")
    assert again["number"] != run["number"]


@pytest.mark.parametrize("path", ["/executors", "/caps", "/workspaces", "/info"])
async def test_the_platform_can_be_looked_at(server: Server, worker: Worker, path: str) -> None:
    answer = await server.client(VIEWER).get(API + path)
    assert answer.status_code == 200


async def test_an_executor_is_listed_with_what_it_runs(server: Server, worker: Worker) -> None:
    (found,) = (await server.operator.get(f"{API}/executors")).json()["items"]
    assert (found["name"], found["kind"], found["state"]) == ("worker-1", "python", "active")
    assert [run["number"] for run in found["running"]] == [1]
