"""From a token to a code to a session, and out again."""

from __future__ import annotations

from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from control_room.api.access import cookie_name
from tests.contract.operator.conftest import API, Server, problem, serving
from tests.support.ops import Ops
from tests.support.postgres import Database
from tests.support.seaweed import Seaweed


def cookie_of(answer: httpx.Response) -> SimpleCookie:
    return SimpleCookie(answer.headers["set-cookie"])


async def test_the_code_is_in_the_fragment_alone(server: Server) -> None:
    made = (await server.operator.post(f"{API}/auth/login-codes")).json()
    parts = urlsplit(made["url"])
    assert parts.fragment == f"code={made['code']}"
    assert (parts.path, parts.query) == ("/login/", "")
    assert made["url"].startswith(server.url)


async def test_a_code_works_once(server: Server) -> None:
    code = (await server.operator.post(f"{API}/auth/login-codes")).json()["code"]
    client = server.client(origin=server.url)
    assert (await client.post(f"{API}/auth/sessions", json={"code": code})).status_code == 200
    refused = await server.client(origin=server.url).post(f"{API}/auth/sessions", json={"code": code})
    problem(refused, 401, "login_code_invalid")
    assert "set-cookie" not in refused.headers


async def test_a_code_runs_out(server: Server) -> None:
    code = (await server.operator.post(f"{API}/auth/login-codes")).json()["code"]
    server.ops.move_clock(3600)
    problem(await server.client().post(f"{API}/auth/sessions", json={"code": code}), 401, "login_code_invalid")


async def test_an_invented_code_opens_nothing(server: Server) -> None:
    problem(await server.client().post(f"{API}/auth/sessions", json={"code": "x" * 43}), 401, "login_code_invalid")


async def test_a_foreign_page_cannot_log_a_browser_in(server: Server) -> None:
    code = (await server.operator.post(f"{API}/auth/login-codes")).json()["code"]
    client = server.client(origin="https://evil.example")
    problem(await client.post(f"{API}/auth/sessions", json={"code": code}), 403, "origin_refused")


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(server: Server) -> None:
    code = (await server.operator.post(f"{API}/auth/login-codes")).json()["code"]
    answer = await server.client().post(f"{API}/auth/sessions", json={"code": code})
    cookie = cookie_of(answer)[cookie_name(server.url)]
    assert cookie["httponly"] is True
    assert cookie["samesite"].lower() == "strict"
    assert cookie["path"] == "/"
    assert cookie["expires"]
    assert cookie["secure"] == ""
    assert cookie.value not in answer.text
    assert answer.json()["via"] == "session"


async def test_the_cookie_is_secure_when_the_public_url_is_https(
    pg18: Database, tokens: Ops, object_store: Seaweed, tmp_path: Path
) -> None:
    async with serving(pg18, object_store, tmp_path, public_url="https://room.example") as server:
        made = (await server.operator.post(f"{API}/auth/login-codes")).json()
        assert made["url"].startswith("https://room.example/login/#code=")
        client = server.client(origin="https://room.example")
        answer = await client.post(f"{API}/auth/sessions", json={"code": made["code"]})
        assert cookie_of(answer)["ops_session_443"]["secure"] is True
        assert answer.headers["strict-transport-security"]


async def test_logging_out_ends_the_session(server: Server) -> None:
    client = await server.dashboard()
    kept = client.cookies[cookie_name(server.url)]
    answer = await client.delete(f"{API}/auth/sessions")
    assert answer.status_code == 204
    assert cookie_of(answer)[cookie_name(server.url)].value == ""
    client.cookies.set(cookie_name(server.url), kept)
    problem(await client.get(f"{API}/auth/me"), 401, "unauthenticated")


async def test_a_session_ends_with_the_token_it_came_from(server: Server) -> None:
    client = await server.dashboard()
    server.ops.admin.execute("update ops.tokens set revoked_at = now() where role = 'operator'")
    problem(await client.get(f"{API}/runs"), 401, "unauthenticated")


async def test_the_database_knows_no_secret(server: Server) -> None:
    made = (await server.operator.post(f"{API}/auth/login-codes")).json()
    client = await server.dashboard()
    codes = server.ops.value("select string_agg(c::text, ' ') from ops.login_codes c")
    rows = codes + server.ops.value("select string_agg(s::text, ' ') from ops.sessions s")
    assert made["code"] not in rows
    assert client.cookies[cookie_name(server.url)] not in rows


async def test_who_i_am(server: Server) -> None:
    by_token = (await server.operator.get(f"{API}/auth/me")).json()
    by_cookie = (await (await server.dashboard()).get(f"{API}/auth/me")).json()
    assert by_token | {"via": "session"} == by_cookie
    assert by_token["role"] == "operator"


async def test_two_control_rooms_on_one_host_do_not_log_each_other_out(
    server: Server, pg18: Database, object_store: Seaweed, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    async with serving(pg18, object_store, tmp_path / "other") as other:
        browser = server.client()  # one jar for the host, whatever the port
        for room in (server, other):
            code = (await room.operator.post(f"{API}/auth/login-codes")).json()["code"]
            await browser.post(f"{room.url}{API}/auth/sessions", json={"code": code}, headers={"origin": room.url})
        for room in (server, other):
            assert (await browser.get(f"{room.url}{API}/auth/me")).json()["via"] == "session"
        left = await browser.delete(f"{server.url}{API}/auth/sessions", headers={"origin": server.url})
        assert left.status_code == 204
        problem(await browser.get(f"{server.url}{API}/auth/me"), 401, "unauthenticated")
        assert (await browser.get(f"{other.url}{API}/auth/me")).json()["via"] == "session"
