"""Bad input over a real socket: each gets a problem that says what, where and what to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from contract import models
from contract.server.limits import BODY_BYTES, LOG_BODY_BYTES
from contract.versions import NEWEST
from tests.contract.document import PREFIX
from tests.contract.plane import EXECUTOR, Plane, begin_body, claim_body, log_body, registration, report_body
from tests.contract.served import served

AUTHORIZED = {"authorization": f"Bearer {EXECUTOR}", "content-type": "application/json"}


@pytest.fixture
async def web(plane: Plane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain client of the plane behind a real server."""
    async with served(plane.app) as url, httpx.AsyncClient(base_url=url + PREFIX, trust_env=False) as client:
        yield client


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found: dict[str, Any] = answer.json()
    assert (answer.status_code, found["code"]) == (status, code), found
    assert "Traceback" not in answer.text
    return found


async def test_ten_megabytes_of_json_are_refused_and_the_sender_hears_it(web: httpx.AsyncClient) -> None:
    body = json.dumps(registration(name="x" * 10_000_000)).encode()
    found = problem(await web.post("/executors", content=body, headers=AUTHORIZED), 413, "payload_too_large")
    assert found["limit"] == BODY_BYTES


async def test_a_body_without_a_length_is_counted_as_it_comes(web: httpx.AsyncClient) -> None:
    async def drops() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b" " * 65536

    problem(await web.post("/executors", content=drops(), headers=AUTHORIZED), 413, "payload_too_large")


async def test_log_bodies_have_a_limit_of_their_own(web: httpx.AsyncClient, plane: Plane) -> None:
    _, run = await plane.claimed()
    chunks = [log_body(run, "x" * 200_000, seq=i)["chunks"][0] for i in range(6)]
    body = json.dumps({"epoch": run["epoch"], "chunks": chunks}).encode()
    answer = await web.post(f"/runs/{run['run_id']}/logs", content=body, headers=AUTHORIZED)
    assert problem(answer, 413, "payload_too_large")["limit"] == LOG_BODY_BYTES


async def test_who_waits_for_leave_need_not_send_a_body_that_is_too_large(plane: Plane) -> None:
    async with served(plane.app) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST {PREFIX}/executors HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {EXECUTOR}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
        writer.write(head.encode())
        answer = await reader.readuntil(b"\r\n")
        writer.close()
        await writer.wait_closed()
    assert b" 413 " in answer


@pytest.mark.parametrize("text", ["\\u0000", "a\\u0000b"])
async def test_a_nul_in_a_string_is_refused_with_its_path(web: httpx.AsyncClient, plane: Plane, text: str) -> None:
    _, run = await plane.claimed()
    body = json.dumps(log_body(run, "TEXT")).replace("TEXT", text).encode()
    found = problem(
        await web.post(f"/runs/{run['run_id']}/logs", content=body, headers=AUTHORIZED), 422, "invalid_request"
    )
    assert found["errors"] == [{"path": "/chunks/0/text", "message": "text must not hold U+0000 (\\u0000)"}]


async def test_broken_utf8_is_refused(web: httpx.AsyncClient) -> None:
    body = json.dumps(registration(name="X")).encode().replace(b'"X"', b'"\xc3\x28"')
    problem(await web.post("/executors", content=body, headers=AUTHORIZED), 400, "invalid_encoding")


@pytest.mark.parametrize("path", ["/", "/nothing", "/executors/", "/runs", "/openapi.json", "/docs", "/%00", "/%ff"])
async def test_an_unknown_path_is_a_problem(web: httpx.AsyncClient, path: str) -> None:
    problem(await web.get(path, headers=AUTHORIZED), 404, "not_found")


async def test_a_method_that_is_not_possible_is_a_problem(web: httpx.AsyncClient) -> None:
    answer = await web.get("/executors", headers=AUTHORIZED)
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    head = await web.head("/openapi.yaml", headers=AUTHORIZED)
    assert (head.status_code, head.content) == (405, b"")
    assert head.headers["content-type"] == "application/problem+json"
    assert answer.headers["contract-version"] == head.headers["contract-version"] == NEWEST


NO_IDS = [
    "0x97a3c4700070008000000000000042",
    "0197a3c4_7000_7000_8000_00000000_0042",
    "\u0660197a3c4-7000-7000-8000-000000000042",  # a digit, and not one of these sixteen
]


@pytest.mark.parametrize("value", NO_IDS)
async def test_an_id_in_a_path_is_read_the_same_on_every_route(web: httpx.AsyncClient, value: str) -> None:
    run = {"run_id": value, "epoch": 1}
    hot = await web.post(f"/runs/{value}/report", json=report_body(run), headers=AUTHORIZED)
    framed = await web.post(f"/runs/{value}/artifacts", json=begin_body(run, b"x"), headers=AUTHORIZED)
    found, expected = problem(hot, 422, "invalid_request"), problem(framed, 422, "invalid_request")
    assert found["errors"] == expected["errors"]
    assert found["errors"][0]["path"] == "path.run_id"


@pytest.mark.parametrize("write", ["urn:uuid:{}".format, "{{{}}}".format, lambda text: text.replace("-", "")])
async def test_an_id_in_a_body_has_one_spelling_and_is_told_by_its_place(plane: Plane, write: Any) -> None:
    executor_id, run = await plane.claimed()
    runs = [{"run_id": run["run_id"], "epoch": run["epoch"]}, {"run_id": write(run["run_id"]), "epoch": 1}]
    beat = await plane.call("POST", f"/executors/{executor_id}/heartbeat", {"state": "active", "runs": runs})
    found = problem(beat, 422, "invalid_request")
    assert [one["path"] for one in found["errors"]] == ["/runs/1/run_id"]
    assert "UUID" in found["errors"][0]["message"]
    claim = await plane.call("POST", f"/executors/{executor_id}/claims", claim_body(request_id=write(run["run_id"])))
    assert [one["path"] for one in problem(claim, 422, "invalid_request")["errors"]] == ["/request_id"]
    upper = [{"run_id": run["run_id"].upper(), "epoch": run["epoch"]}]
    beat = await plane.call("POST", f"/executors/{executor_id}/heartbeat", {"state": "active", "runs": upper})
    assert beat.json()["runs"][0]["directive"] == "continue"


@pytest.mark.parametrize("value", ["%00", "..%2f..%2fetc%2fpasswd", "x" * 5000, "é", "' or 1=1 --"])
async def test_identifiers_that_are_none_are_told_by_their_name(web: httpx.AsyncClient, value: str) -> None:
    for path in (f"/executors/{value}/heartbeat", f"/runs/{value}/report"):
        answer = await web.post(path, content=b"{}", headers=AUTHORIZED)
        assert answer.status_code in (404, 422)
        assert answer.json()["code"] in ("not_found", "invalid_request")
    answer = await web.get(f"/bundles/{value}", headers=AUTHORIZED)
    assert answer.status_code in (404, 422)


@pytest.mark.parametrize("name", ["/etc/passwd", "a/../b", "..", "a//b", "a\\b", "a\nb", "\x7f"])
async def test_artifact_names_stay_inside_the_run(plane: Plane, name: str) -> None:
    _, run = await plane.claimed()
    answer = await plane.begin(run, b"x", name=name)
    assert answer.json()["code"] == "artifact_name_invalid"


@pytest.mark.parametrize("media_type", ["text/html\r\nX-Evil: 1", "text", "", "text/plain\n", "a/b; c", "ä/b"])
async def test_a_media_type_that_is_none_does_not_reach_a_header(plane: Plane, media_type: str) -> None:
    _, run = await plane.claimed()
    answer = await plane.begin(run, b"x", media_type=media_type)
    assert answer.json()["errors"][0]["path"] == "/media_type"


async def test_an_unknown_outcome_and_an_undeclared_output_are_refused(plane: Plane) -> None:
    _, run = await plane.claimed()
    assert (await plane.report(run, outcome="exploded")).json()["code"] == "invalid_request"
    publication = {
        "output": "x",
        "format": "delta",
        "mode": "append",
        "uri": "s3://x",
        "files": [],
        "schema": {},
        "rows": 0,
    }
    answer = await plane.report(run, publications=[publication])
    assert answer.json()["code"] == "invalid_request"
    assert (await plane.report(run)).json()["repeated"] is False


async def test_a_refused_report_leaves_the_run_as_it_was(plane: Plane) -> None:
    _, run = await plane.claimed()
    await plane.report(run, usage={"x": "much"})
    assert plane.ops.value("select state from ops.runs where run_id = %s", run["run_id"]) == "running"


@pytest.mark.parametrize(
    ("odd", "path"),
    [
        ({f"m{n}": 1 for n in range(51)}, ""),
        ({"m" * 64: 1}, "/" + "m" * 64),
        ({"": 1}, "/"),
        ({"loss": 10**400}, "/loss"),
        ({"loss": True}, "/loss"),
        ({"loss": {"a": 1}}, "/loss"),
    ],
    ids=["too-many", "long-name", "no-name", "infinite", "no-number", "nested"],
)
async def test_metrics_that_do_not_fit_are_refused_by_name(plane: Plane, odd: dict[str, Any], path: str) -> None:
    executor_id, run = await plane.claimed()
    held = {"run_id": run["run_id"], "epoch": run["epoch"], "metrics": odd}
    body = {"state": "active", "runs": [held]}
    answer = await plane.call("POST", f"/executors/{executor_id}/heartbeat", body)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, f"/runs/0/metrics{path}")
    answer = await plane.report(run, metrics=odd)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, f"/metrics{path}")


def whole_numbers() -> Iterator[tuple[str, int]]:
    for field in ("epoch", "size"):
        for value in (2**53, 2**63, 2**64, -1):
            yield field, value


@pytest.mark.parametrize(("field", "value"), list(whole_numbers()))
async def test_numbers_beyond_their_limits_are_refused_by_name(plane: Plane, field: str, value: int) -> None:
    run = {"run_id": "0197a3c4-7000-7000-8000-000000000042", "epoch": 1}
    answer = await plane.call("POST", f"/runs/{run['run_id']}/artifacts", begin_body(run, b"x") | {field: value})
    assert answer.json()["errors"][0]["path"] == f"/{field}"


async def test_the_largest_epoch_is_merely_a_stale_one(plane: Plane) -> None:
    _, run = await plane.claimed()
    answer = await plane.call("POST", f"/runs/{run['run_id']}/report", report_body(run, epoch=2**53 - 1))
    assert answer.json()["code"] == "lease_lost"


async def test_a_database_that_goes_away_and_comes_back_is_only_an_interval(plane: Plane) -> None:
    executor_id, run = await plane.claimed()
    plane.ops.admin.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    body = {"state": "active", "runs": [{"run_id": run["run_id"], "epoch": run["epoch"]}]}
    async with plane.client() as client:
        answer = await client.heartbeat(executor_id, models.HeartbeatRequest.model_validate(body))
    assert answer.runs[0].directive == "continue"
