"""Submitting over HTTP: many at once, runs that wait for others, keys, and each answer its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.contract.operator.conftest import API, Server, Worker

TYPED = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 100}, "deep": {"type": "object"}}}
Json = dict[str, Any]


async def bulk(server: Server, *runs: Any, status: int = 200) -> Json:
    answer = await server.operator.post(f"{API}/runs/bulk", json={"runs": list(runs)})
    assert answer.status_code == status, answer.text
    found: Json = answer.json()
    return found


async def test_a_thousand_runs_are_submitted_in_one_request_and_once_with_their_keys(server: Server) -> None:
    await server.template(params_schema=TYPED)
    runs = [{"template": "job", "params": {"n": n % 100}, "idempotency_key": f"k{n}"} for n in range(1000)]
    first = await bulk(server, *runs)
    assert (first["accepted"], first["refused"]) == (1000, 0)
    numbers = [item["number"] for item in first["items"]]
    assert numbers == sorted(set(numbers))
    again = await bulk(server, *runs)
    assert [item["number"] for item in again["items"]] == numbers
    assert all(item["repeated"] for item in again["items"])
    assert server.ops.value("select count(*) from ops.runs") == 1000
    await bulk(server, *runs, runs[0], status=422)
    await bulk(server, status=422)


BAD: list[tuple[Any, str, str]] = [
    ({"template": "ghost"}, "template_not_found", ""),
    ({"template": "job", "params": {"n": 101}}, "params_invalid", "/params/n"),
    ({"template": "job", "params": {"m": 1}}, "params_invalid", "/params/m"),
    ({"template": "job", "params": []}, "invalid_request", "/params"),
    ({"template": "job", "colour": "red"}, "invalid_request", "/colour"),
    ({"template": "job", "workspace": "ghost"}, "template_not_found", ""),
    ({"template": "job", "not_before": "soon"}, "invalid_request", "/not_before"),
    ({"template": "job", "lease_seconds": 5}, "invalid_request", "/lease_seconds"),
    ({"template": "job", "retry": {"on": ["weather"]}}, "invalid_request", "/retry/on/0"),
    ({"template": "job", "depends_on": [{"run": 999}]}, "dependency_invalid", "/depends_on/0/run"),
    ({"template": "job", "caps": {"speed": 1}}, "invalid_request", "/caps/speed"),
    ({"template": "job", "idempotency_key": "taken", "priority": 5}, "idempotency_conflict", ""),
    ({"template": "job", "dedupe_key": "held"}, "dedupe_conflict", ""),
    ({"template": "pipe", "params": {"n": 500}}, "params_invalid", "/tasks/a/params/n"),
    ("job", "invalid_request", ""),
    (None, "invalid_request", ""),
]


async def test_each_kind_of_poison_among_good_ones_fails_alone(server: Server) -> None:
    await server.template(params_schema=TYPED)
    tasks = {"a": {"template": "job", "params": {"n": "{params.n}"}}}
    open_schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    pipe = {"kind": "pipeline", "entrypoint": None, "params_schema": open_schema, "tasks": tasks}
    body = {"name": "pipe"} | {k: v for k, v in pipe.items() if v is not None}
    assert (await server.operator.put(f"{API}/templates/pipe", json=body)).status_code == 200
    await server.submit(idempotency_key="taken")
    await server.submit(dedupe_key="held")
    good = [{"template": "job", "params": {"n": n}} for n in range(40)]
    found = await bulk(server, *good, *(body for body, _, _ in BAD), *good)
    assert (found["accepted"], found["refused"]) == (80, len(BAD))
    for (body, code, path), item in zip(BAD, found["items"][40:-40], strict=True):
        assert item["problem"]["code"] == code, (body, item)
        assert item["run_id"] is None
        assert not path or [e["path"] for e in item["problem"]["errors"]] == [path], (body, item)
    assert all(item["state"] == "queued" and item["problem"] is None for item in found["items"][:40])
    assert server.ops.value("select count(*) from ops.runs") == 82


@pytest.mark.parametrize("keyed", [True, False], ids=["with keys", "without"])
async def test_what_defaults_add_to_a_bulk_is_spread_over_several_statements_in_order(
    server: Server, keyed: bool
) -> None:
    text = {"type": "string", "default": "x" * 60_000}
    await server.template(params_schema={"type": "object", "properties": {"text": text}})
    runs = [{"template": "job"} | ({"idempotency_key": f"k{n}"} if keyed else {}) for n in range(100)]
    found = await bulk(server, *runs)
    assert found["accepted"] == 100
    numbers = [item["number"] for item in found["items"]]
    assert numbers == sorted(set(numbers))
    assert server.ops.value("select count(distinct xmin::text) from ops.runs") == 2


async def test_a_bulk_submit_needs_an_operator(server: Server) -> None:
    for token, status in ((None, 401), ("viewer-secret", 403)):
        sent = {"runs": [{"template": "job"}]}
        answer = await server.client(token).post(f"{API}/runs/bulk", json=sent)
        assert answer.status_code == status


async def test_a_run_waits_for_others_and_says_so(server: Server, worker: Worker) -> None:
    await server.template()
    first = await server.submit()
    run = await server.submit(depends_on=[{"run": first["number"]}], condition="all_done")
    assert (run["state"], run["state_reason"], run["condition"]) == ("waiting", "waiting_on_dependency", "all_done")
    detail = (await server.operator.get(f"{API}/runs/{run['number']}")).json()
    assert [parent["number"] for parent in detail["depends_on"]] == [first["number"]]
    await server.operator.post(f"{API}/runs/{first['number']}/cancel", json={})
    assert (await server.operator.get(f"{API}/runs/{run['number']}")).json()["state"] == "queued"
    skipped = await server.submit(depends_on=[{"run": first["run_id"], "inputs": {}}])
    assert skipped["state"] == "skipped"


async def test_what_a_dedupe_key_does_is_said_by_its_submit(server: Server) -> None:
    await server.template()
    first = await server.submit(dedupe_key="d")
    body = {"template": "job", "dedupe_key": "d"}
    refused = await server.operator.post(f"{API}/runs", json=body)
    assert (refused.status_code, refused.json()["code"], refused.json()["number"]) == (
        409,
        "dedupe_conflict",
        first["number"],
    )
    same = await server.operator.post(f"{API}/runs", json=body | {"on_conflict": "return"})
    assert (same.status_code, same.json()["run_id"]) == (200, first["run_id"])
    new = await server.operator.post(f"{API}/runs", json=body | {"on_conflict": "replace"})
    assert (new.status_code, new.json()["number"] > first["number"]) == (201, True)


async def test_single_submits_that_arrive_together_keep_their_own_answers(server: Server) -> None:
    await server.template(params_schema=TYPED)
    client = server.operator
    bodies: list[Json] = [{"template": "job", "params": {"n": n}} for n in range(30)]
    bodies[7] |= {"idempotency_key": "k"}
    bodies[8] |= {"idempotency_key": "k"}
    bodies[9] |= {"caps": {"speed": 1}}
    answers = await asyncio.gather(*(client.post(f"{API}/runs", json=body) for body in bodies))
    assert sorted(a.status_code for a in answers) == [201] * 28 + [409, 422]
    assert answers[9].json()["code"] == "invalid_request"
    assert {answers[7].status_code, answers[8].status_code} == {201, 409}
    for body, answer in zip(bodies, answers, strict=True):
        if answer.status_code == 201:
            assert answer.json()["params"] == body["params"]


@pytest.mark.parametrize("field", ["retry", "lease_seconds"])
async def test_a_run_shows_its_own_policy(server: Server, field: str) -> None:
    await server.template(lease_seconds=45)
    given: Json = {"retry": {"backoff_seconds": 2.0, "on": ["user"]}, "lease_seconds": 600}
    run = await server.submit(**{field: given[field]})
    assert run[field] == given[field]
    assert (await server.submit())[field] == {"retry": None, "lease_seconds": 45}[field]
