"""What is wrong with a request is said: what, where, and what to do."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from tests.contract.operator.conftest import API, Server, problem

JSON = {"content-type": "application/json"}
SCHEMA = {
    "type": "object",
    "properties": {"rows": {"type": "integer", "minimum": 1}, "mode": {"enum": ["a", "b"]}},
    "required": ["rows"],
}
BODIES = [("POST", "/runs"), ("PUT", "/templates/job"), ("POST", "/bundles"), ("POST", "/runs/1/cancel")]


@pytest.mark.parametrize(("method", "path"), BODIES)
async def test_ten_megabytes_of_json_are_too_much(server: Server, method: str, path: str) -> None:
    body = json.dumps({"template": "job", "params": {"x": "y" * 10_000_000}}).encode()
    found = problem(
        await server.operator.request(method, API + path, content=body, headers=JSON), 413, "payload_too_large"
    )
    assert found["limit"] == 4 << 20
    assert (await server.operator.get(f"{API}/runs")).json()["items"] == []


async def test_a_login_is_small(server: Server) -> None:
    body = json.dumps({"code": "x" * 10_000}).encode()
    found = problem(
        await server.client().post(f"{API}/auth/sessions", content=body, headers=JSON), 413, "payload_too_large"
    )
    assert found["limit"] == 8 << 10


@pytest.mark.parametrize(("method", "path"), BODIES)
async def test_nobodys_body_is_not_read(server: Server, method: str, path: str) -> None:
    problem(await server.client().request(method, API + path, content=b"{", headers=JSON), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"template": "job\xff"}', 400, "invalid_encoding"),
        (b'{"template": "\xc3("}', 400, "invalid_encoding"),
        (b'{"template": ', 400, "malformed_json"),
        (b"[" * 40_000, 400, "malformed_json"),
        (b"[" + b"[]," * 60_000 + b"[]]", 422, "invalid_request"),
        (b'{"template": NaN}', 400, "malformed_json"),
        (b'{"template": "a", "template": "b"}', 400, "malformed_json"),
        (b'{"template": "a\\u0000b"}', 422, "invalid_request"),
        (b'{"a\\u0000b": 1}', 422, "invalid_request"),
        (b'{"template": "\\ud800"}', 422, "invalid_request"),
        (b'"text"', 422, "invalid_request"),
        (b"[]", 422, "invalid_request"),
        (b"null", 422, "invalid_request"),
    ],
)
async def test_a_broken_body_is_refused(server: Server, body: bytes, status: int, code: str) -> None:
    for method, path in BODIES:
        answer = await server.operator.request(method, API + path, content=body, headers=JSON)
        problem(answer, status, code)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]
)
async def test_only_json_is_read(server: Server, media_type: str | None) -> None:
    headers = {"content-type": media_type} if media_type else {}
    for method, path in BODIES:
        answer = await server.operator.request(method, API + path, content=b'{"template": "job"}', headers=headers)
        problem(answer, 415, "unsupported_media_type")


async def test_the_caller_is_asked_for_before_the_body_is_judged(server: Server) -> None:
    for method, path in BODIES:
        answer = await server.client().request(method, API + path, content=b"{", headers=JSON)
        problem(answer, 401, "unauthenticated")


async def test_a_retry_with_a_broken_body_does_nothing(server: Server) -> None:
    await server.template()
    run = await server.submit()
    await server.operator.post(f"{API}/runs/{run['number']}/cancel", json={})
    answer = await server.operator.post(f"{API}/runs/{run['number']}/retry", content=b"{", headers=JSON)
    problem(answer, 400, "malformed_json")
    assert len((await server.operator.get(f"{API}/runs")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "/template"),
        ({"template": 7}, "/template"),
        ({"template": "job", "param": {}}, "/param"),
        ({"template": "job", "params": []}, "/params"),
        ({"template": "job", "priority": "high"}, "/priority"),
        ({"template": "job", "priority": 1.5}, "/priority"),
        ({"template": "job", "priority": True}, "/priority"),
        ({"template": "job", "priority": 10**30}, "/priority"),
        ({"template": "job", "not_before": "tomorrow"}, "/not_before"),
        ({"template": "job", "not_before": "2026-01-01T00:00:00"}, "/not_before"),
        ({"template": "job", "labels": {"a": 1}}, "/labels/a"),
        ({"template": "job", "max_attempts": 0}, "/max_attempts"),
        ({"template": "job", "caps": {"wall_seconds": -1}}, "/caps/wall_seconds"),
        ({"template": "job", "caps": {"wall_secs": 1}}, "/caps/wall_secs"),
    ],
)
async def test_a_submission_that_breaks_its_form_names_the_field(
    server: Server, body: dict[str, Any], path: str
) -> None:
    await server.template()
    found = problem(await server.operator.post(f"{API}/runs", json=body), 422, "invalid_request")
    assert path in [error["path"] for error in found["errors"]], found


async def test_an_unknown_template_is_named_with_the_near_one(server: Server) -> None:
    await server.template("nycflights")
    found = problem(
        await server.operator.post(f"{API}/runs", json={"template": "nycflight"}), 404, "template_not_found"
    )
    assert "'nycflight'" in found["detail"]
    assert "'nycflights'" in found["detail"]
    assert found["near"] == ["nycflights"]
    assert "templates ls" in found["hint"]
    found = problem(await server.operator.get(f"{API}/templates/nycflght"), 404, "template_not_found")
    assert found["near"] == ["nycflights"]


async def test_an_unknown_version_is_named(server: Server) -> None:
    await server.template()
    body = {"template": "job", "template_version": 9}
    found = problem(await server.operator.post(f"{API}/runs", json=body), 404, "template_not_found")
    assert "version 9" in found["detail"]


async def test_params_are_checked_against_the_schema_and_each_place_is_named(server: Server) -> None:
    await server.template(params_schema=SCHEMA)
    body = {"template": "job", "params": {"rows": 0, "mode": "c", "moed": 1}}
    found = problem(await server.operator.post(f"{API}/runs", json=body), 422, "params_invalid")
    messages = {error["path"]: error["message"] for error in found["errors"]}
    assert set(messages) == {"/params/rows", "/params/mode", "/params/moed"}
    assert "did you mean 'mode'" in messages["/params/moed"]
    found = problem(await server.operator.post(f"{API}/runs", json={"template": "job"}), 422, "params_invalid")
    assert "'rows' is missing" in found["errors"][0]["message"]


async def test_params_of_a_pipelines_tasks_are_checked_once_filled_in(server: Server) -> None:
    await server.template("child", params_schema=SCHEMA)
    tasks = {"one": {"template": "child", "params": {"rows": "{params.n}"}}}
    schema = {"properties": {"n": {"type": "integer"}}}
    pipeline = {"name": "all", "kind": "pipeline", "params_schema": schema, "tasks": tasks}
    assert (await server.operator.put(f"{API}/templates/all", json=pipeline)).status_code == 200
    body = {"template": "all", "params": {"n": 0}}
    found = problem(await server.operator.post(f"{API}/runs", json=body), 422, "params_invalid")
    assert found["errors"][0]["path"] == "/tasks/one/params/rows"
    assert (await server.operator.get(f"{API}/runs")).json()["items"] == []


async def test_an_unknown_state_names_the_known_ones(server: Server) -> None:
    answer = await server.operator.get(f"{API}/runs", params={"state": ["queued", "runing"]})
    found = problem(answer, 422, "unknown_state")
    assert "did you mean 'running'" in found["detail"]
    assert found["known"] == ["waiting", "queued", "running", "succeeded", "failed", "cancelled", "skipped"]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"stat": "queued"}, "stat"),
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"top_level": "perhaps"}, "top_level"),
        ({"q": "a\x00b"}, "q"),
    ],
)
async def test_a_wrong_filter_is_named(server: Server, query: dict[str, str], path: str) -> None:
    found = problem(await server.operator.get(f"{API}/runs", params=query), 422, "invalid_request")
    assert [error["path"] for error in found["errors"]] == [path]


@pytest.mark.parametrize("cursor", ["x", "-1", "1;drop", "9" * 30])
async def test_a_wrong_cursor_is_refused(server: Server, cursor: str) -> None:
    problem(await server.operator.get(f"{API}/runs", params={"cursor": cursor}), 422, "invalid_request")


@pytest.mark.parametrize(
    "ref", ["0", "999999", "abc", "01a1fe38-170c-72b0-9c56-83502a0616fe", "9" * 18, "%00", "a%2Fb"]
)
async def test_an_unknown_run_is_not_found(server: Server, ref: str) -> None:
    for tail in ("", "/why", "/events", "/logs", "/artifacts"):
        answer = await server.operator.get(f"{API}/runs/{ref}{tail}")
        assert answer.status_code in (404, 422), answer.text
        assert answer.json()["code"] in ("run_not_found", "invalid_request", "not_found")


async def test_an_unknown_kind_is_refused(server: Server) -> None:
    body = {"name": "job", "kind": "pyhton", "entrypoint": "a:b"}
    problem(await server.operator.put(f"{API}/templates/job", json=body), 422, "unknown_kind")


async def test_an_unknown_workspace_is_refused(server: Server) -> None:
    await server.template()
    body = {"template": "job", "workspace": "elsewhere"}
    answer = await server.operator.post(f"{API}/runs", json=body)
    assert answer.status_code == 404
    assert answer.json()["code"] in ("workspace_not_found", "template_not_found")


async def test_unknown_paths_and_methods_are_problems(server: Server) -> None:
    problem(await server.operator.get(f"{API}/nothing"), 404, "not_found")
    problem(await server.operator.delete(f"{API}/runs"), 405, "method_not_allowed")
    problem(await server.operator.post("/nothing"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", f"{API}/auth/login-codes", "POST"),
        ("GET", f"{API}/runs/1/cancel", "POST"),
        ("GET", f"{API}/bundles", "POST"),
        ("HEAD", f"{API}/runs", "GET"),
        ("GET", "/executor/v1/executors", "POST"),
    ],
)
async def test_a_wrong_method_of_a_plane_is_405_and_no_page(
    server: Server, method: str, path: str, allowed: str
) -> None:
    answer = await server.operator.request(method, path)
    assert answer.status_code == 405
    assert allowed in answer.headers["allow"]
    if method != "HEAD":
        problem(answer, 405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1", f"{API}/nothing", "/executor/v1", "/executor/v1/nothing"])
async def test_what_a_plane_does_not_have_is_a_problem_and_no_page(server: Server, path: str) -> None:
    for method in ("GET", "POST"):
        problem(await server.operator.request(method, path), 404, "not_found")


async def test_a_schema_that_takes_long_blocks_nobody_else(server: Server) -> None:
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(24)}
    schema = {"$defs": doubling | {"d24": {}}, "properties": {"a": {"$ref": "#/$defs/d0"}}}
    await server.template(params_schema=schema)
    body = {"template": "job", "params": {"a": 1}}
    began, waits = time.monotonic(), []
    slow = asyncio.create_task(server.operator.post(f"{API}/runs", json=body))
    client = server.client()
    while not slow.done():
        asked = time.monotonic()
        assert (await client.get("/healthz")).status_code == 200
        waits.append(time.monotonic() - asked)
    took = time.monotonic() - began
    assert "too many steps" in problem(await slow, 422, "params_invalid")["errors"][0]["message"]
    # On the event loop the check would hold up one of the others for about all the time it takes.
    assert max(waits) < took / 2, (waits, took)


async def test_a_pattern_cannot_be_made_to_run_for_ever(server: Server) -> None:
    await server.template(params_schema={"properties": {"a": {"pattern": "^(a+)+$"}}})
    async with asyncio.timeout(10):
        body = {"template": "job", "params": {"a": "a" * 40 + "b"}}
        found = problem(await server.operator.post(f"{API}/runs", json=body), 422, "params_invalid")
    assert found["errors"][0]["path"] == "/params/a"


async def test_an_integer_beyond_64_bits_is_refused(server: Server) -> None:
    await server.template(params_schema={"properties": {"a": {"multipleOf": 0.5}}})
    answer = await server.operator.post(f"{API}/runs", json={"template": "job", "params": {"a": 10**400}})
    found = problem(answer, 422, "params_invalid")
    assert [error["path"] for error in found["errors"]] == ["/params/a"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"entrypoint": "../../etc/passwd:main"}, "/entrypoint"),
        ({"entrypoint": "/etc/passwd"}, "/entrypoint"),
        ({"name": "other"}, "/name"),
        ({"params_schema": {"type": "nonsense"}}, "/params_schema/type"),
        ({"params_schema": {"properties": {"a": {"pattern": "("}}}}, "/params_schema/properties/a/pattern"),
        ({"params_schema": {"properties": {"a": {"pattern": "(?=a)"}}}}, "/params_schema/properties/a/pattern"),
        ({"outputs": [{"name": "o", "format": "delta", "mode": "append", "path": "a//b"}]}, "/outputs/0/path"),
        ({"bundle": "folder"}, "/bundle"),
        ({"tasks": {"a": {"template": "job"}}}, "/tasks"),
    ],
)
async def test_a_wrong_template_names_the_place(server: Server, change: dict[str, Any], path: str) -> None:
    body = {"name": "job", "kind": "python", "entrypoint": "main:run"} | change
    found = problem(await server.operator.put(f"{API}/templates/job", json=body), 422, "invalid_request")
    assert path in [error["path"] for error in found["errors"]], found
    assert (await server.operator.get(f"{API}/templates")).json()["items"] == []


async def test_a_template_cannot_name_a_bundle_that_is_not_there(server: Server) -> None:
    body = {"name": "job", "kind": "python", "entrypoint": "a:b", "bundle": {"sha256": "b" * 64, "size": 5}}
    problem(await server.operator.put(f"{API}/templates/job", json=body), 404, "bundle_not_found")
    assert (await server.operator.get(f"{API}/templates")).json()["items"] == []
