"""Who may do what: every operation of the operator plane, every kind of caller."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from control_room.api.access import cookie_name
from control_room.api.openapi import document
from control_room.api.router import operator_router
from tests.contract.operator.conftest import API, EXECUTOR, OPERATOR, VIEWER, Server, problem, serving
from tests.support.ops import Ops
from tests.support.postgres import Database
from tests.support.seaweed import Seaweed

SAMPLES = {"ref": "1", "other": "2", "name": "job", "queue": "default", "artifact_id": str(uuid4())}
#: What an operation cannot do without.
QUERIES = {"listDataRuns": "?namespace=s3://lakehouse&name=silver"}
#: The door itself, which whoever holds a code may use.
OPEN = {"createSession"}
#: Logging out is for everybody who is in.
FOR_ALL = {"endSession"}


def operations() -> dict[str, tuple[str, str]]:
    """operationId -> (method, path with samples filled in), of every operation there is."""
    found = {}
    for path, methods in document(list(operator_router().routes))["paths"].items():
        for method, operation in methods.items():
            name = operation["operationId"]
            found[name] = (method.upper(), path.format(**SAMPLES) + QUERIES.get(name, ""))
    return found


OPERATIONS = operations()
CLOSED = {name: call for name, call in OPERATIONS.items() if name not in OPEN}
CHANGES = {name: call for name, call in CLOSED.items() if call[0] != "GET"}


async def send(client: httpx.AsyncClient, call: tuple[str, str], **headers: str) -> httpx.Response:
    """The operation with a body that is no good, so that nothing happens if it gets through; streams are not read."""
    method, path = call
    body: dict[str, Any] = {} if method == "GET" else {"json": {"surprise": 1}}
    request = client.build_request(method, path, headers=headers, **body)
    answer = await client.send(request, stream=True)
    if "text/event-stream" not in answer.headers.get("content-type", ""):
        await answer.aread()
    await answer.aclose()
    return answer


def test_every_operation_is_here() -> None:
    assert len(OPERATIONS) == 55
    assert len(CHANGES) == 24


@pytest.mark.parametrize(
    ("authorization", "why"),
    [
        (None, "no token"),
        ("Bearer wrong", "a wrong token"),
        ("Bearer", "an empty token"),
        ("Basic b3BlcmF0b3I6c2VjcmV0", "another scheme"),
        (OPERATOR, "no scheme"),
    ],
)
async def test_without_a_valid_token_nothing_opens(server: Server, authorization: str | None, why: str) -> None:
    client = server.client(**({"authorization": authorization} if authorization is not None else {}))
    for call in CLOSED.values():
        problem(await send(client, call), 401, "unauthenticated")


async def test_a_session_that_does_not_exist_opens_nothing(server: Server) -> None:
    client = server.client(origin=server.url)
    client.cookies.set(cookie_name(server.url), "invented")
    for call in CLOSED.values():
        problem(await send(client, call), 401, "unauthenticated")


async def test_a_revoked_token_opens_nothing(server: Server) -> None:
    server.ops.admin.execute("update ops.tokens set revoked_at = now() where role = 'operator'")
    for call in CLOSED.values():
        problem(await send(server.operator, call), 401, "unauthenticated")


async def test_a_revoked_token_submits_nothing_though_it_was_known_a_moment_ago(server: Server) -> None:
    await server.template()
    await server.submit()
    server.ops.admin.execute("update ops.tokens set revoked_at = now() where role = 'operator'")
    one = {"template": "job", "params": {}}
    problem(await server.operator.post(f"{API}/runs", json=one), 401, "unauthenticated")
    problem(await server.operator.post(f"{API}/runs/bulk", json={"runs": [one, one]}), 401, "unauthenticated")
    assert server.ops.admin.execute("select count(*) from ops.runs").fetchone() == (1,)


async def test_an_executors_token_opens_no_operator_verb(server: Server) -> None:
    client = server.client(EXECUTOR)
    for call in CLOSED.values():
        problem(await send(client, call), 403, "forbidden")


async def test_a_viewer_reads_and_changes_nothing(server: Server) -> None:
    client = server.client(VIEWER)
    for name, call in CLOSED.items():
        answer = await send(client, call)
        if name in CHANGES and name not in FOR_ALL:
            problem(answer, 403, "forbidden")
        else:
            assert answer.status_code in (200, 204, 404), (name, answer.status_code)


async def test_an_operators_token_opens_everything(server: Server) -> None:
    for name, call in CLOSED.items():
        answer = await send(server.operator, call)
        assert answer.status_code not in (401, 403), (name, answer.text)
        assert answer.status_code < 500, (name, answer.text)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
        {"origin": "https://evil.example", "x-forwarded-host": "evil.example"},
    ],
    ids=str,
)
async def test_a_change_by_cookie_must_come_from_our_own_page(server: Server, headers: dict[str, str]) -> None:
    client = await server.dashboard()
    del client.headers["origin"]
    for call in CHANGES.values():
        problem(await send(client, call, **headers), 403, "origin_refused")
    assert (await client.get(f"{API}/auth/me")).status_code == 200


@pytest.mark.parametrize("by", ["origin", "sec-fetch-site"])
async def test_a_change_by_cookie_from_our_own_page_passes(server: Server, by: str) -> None:
    await server.template()
    client = await server.dashboard()
    headers = {"origin": server.url} if by == "origin" else {"sec-fetch-site": "same-origin"}
    del client.headers["origin"]
    answer = await client.post(f"{API}/runs", json={"template": "job"}, headers=headers)
    assert answer.status_code == 201


async def test_the_host_header_makes_no_page_ours(server: Server) -> None:
    client = await server.dashboard()
    headers = {"host": "evil.example", "origin": "http://evil.example"}
    for call in CHANGES.values():
        problem(await send(client, call, **headers), 403, "origin_refused")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
async def test_a_stack_of_this_machine_goes_by_each_of_its_loopback_names(server: Server, host: str) -> None:
    client = await server.dashboard()
    address = f"{host}:{urlsplit(server.url).port}"
    answer = await client.delete(f"{API}/auth/sessions", headers={"host": address, "origin": f"http://{address}"})
    assert answer.status_code == 204


async def test_with_a_public_address_only_that_is_ours(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    async with serving(pg18, object_store, tmp_path, public_url="https://room.example") as found:
        code = (await found.operator.post(f"{API}/auth/login-codes")).json()["code"]
        for origin in (found.url, "http://room.example", "https://room.example.evil"):
            answer = await found.client(origin=origin).post(f"{API}/auth/sessions", json={"code": code})
            problem(answer, 403, "origin_refused")
        client = found.client(origin="https://room.example")
        assert (await client.post(f"{API}/auth/sessions", json={"code": code})).status_code == 200


async def test_a_session_reads_without_an_origin(server: Server) -> None:
    client = await server.dashboard()
    del client.headers["origin"]
    for name, call in CLOSED.items():
        if call[0] == "GET":
            assert (await send(client, call)).status_code in (200, 404), name


async def test_the_token_decides_when_token_and_cookie_come_together(server: Server) -> None:
    client = await server.dashboard()
    problem(await client.get(f"{API}/runs", headers={"authorization": "Bearer wrong"}), 401, "unauthenticated")


async def test_no_operator_token_opens_the_executor_plane(server: Server) -> None:
    problem(await server.operator.post("/executor/v1/executors", json={}), 403, "forbidden")
    dashboard = await server.dashboard()
    problem(await dashboard.post("/executor/v1/executors", json={}), 401, "unauthenticated")


async def test_liveness_is_bare_and_open(server: Server) -> None:
    answer = await server.client().get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")


async def test_every_answer_carries_the_security_headers(server: Server) -> None:
    for path in ("/healthz", "/", f"{API}/runs", "/nothing", f"{API}/nothing", "/executor/v1/nothing"):
        headers = (await server.client().get(path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert "unsafe-inline" not in headers["content-security-policy"].partition("script-src")[2].partition(";")[0]
        assert "access-control-allow-origin" not in headers, path
