"""The operator client: one kind of failure, repeated only where that is safe, bytes checked before they are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from control_room.client import OperatorClient
from control_room.errors import FAILED, MISUSE, REFUSED, UNAVAILABLE, ControlRoomError

Handler = Callable[[httpx.Request], httpx.Response]


class Clock:
    """A clock that moves only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def client(handler: Handler, patience: float = 0.0) -> OperatorClient:
    clock = Clock()
    transport = httpx.MockTransport(handler)
    return OperatorClient(
        "http://127.0.0.1:1", "secret", patience=patience, transport=transport, clock=clock, sleep=clock.sleep
    )


def problem(status: int, code: str, **members: object) -> httpx.Response:
    body = {"code": code, "title": code, "status": status, "detail": f"about {code}", **members}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (404, "run_not_found", REFUSED),
        (403, "forbidden", REFUSED),
        (409, "invalid_transition", REFUSED),
        (422, "params_invalid", MISUSE),
        (503, "database_unavailable", UNAVAILABLE),
        (500, "internal", FAILED),
    ],
)
def test_each_problem_becomes_one_error_with_its_exit_code(status: int, code: str, exit_code: int) -> None:
    with client(lambda _: problem(status, code)) as operator, pytest.raises(ControlRoomError) as error:
        operator.run("1")
    assert error.value.exit_code == exit_code
    assert error.value.what == f"about {code}"
    assert error.value.where == "GET http://127.0.0.1:1/api/v1/runs/1"


def test_the_code_and_the_members_of_a_problem_are_kept_for_programs() -> None:
    refusal = problem(422, "unknown_kind", kinds=["python"], hint="do this")
    with client(lambda _: refusal) as operator, pytest.raises(ControlRoomError) as error:
        operator.run("1")
    told = error.value.problem()
    assert (told["code"], told["status"], told["kinds"], told["exit_code"]) == ("unknown_kind", 422, ["python"], MISUSE)
    assert (told["detail"], told["hint"]) == ("about unknown_kind; known kinds: python", "do this")


def test_several_wrong_places_are_all_told() -> None:
    issues = [{"path": "/a", "message": "is missing"}, {"path": "/b", "message": "is no number"}]
    with (
        client(lambda _: problem(422, "params_invalid", errors=issues)) as operator,
        pytest.raises(ControlRoomError, match=r"(?s)/a: is missing.*/b: is no number"),
    ):
        operator.submit("t", {})


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def test_a_server_that_is_away_is_told_with_the_next_step() -> None:
    with client(refuse) as operator, pytest.raises(ControlRoomError) as error:
        operator.info()
    assert error.value.exit_code == UNAVAILABLE
    assert "control-room up" in error.value.next_step


def test_a_patient_client_waits_for_the_server_and_submits_under_one_key() -> None:
    keys: list[str] = []

    def server(request: httpx.Request) -> httpx.Response:
        keys.append(json.loads(request.content)["idempotency_key"])
        return refuse(request) if len(keys) < 3 else httpx.Response(201, json={"number": 1})

    with client(server, patience=10) as operator:
        assert operator.submit("t", {})["number"] == 1
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_patience_ends() -> None:
    calls: list[int] = []

    def server(request: httpx.Request) -> httpx.Response:
        calls.append(1)
        return refuse(request)

    with client(server, patience=2) as operator, pytest.raises(ControlRoomError):
        operator.info()
    assert len(calls) == 5


def test_what_may_not_be_repeated_is_sent_once() -> None:
    calls: list[int] = []

    def server(request: httpx.Request) -> httpx.Response:
        calls.append(1)
        return refuse(request)

    with client(server, patience=10) as operator, pytest.raises(ControlRoomError):
        operator.retry("1")
    assert len(calls) == 1


def store(content: bytes) -> Handler:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/download"):
            return httpx.Response(307, headers={"location": "http://127.0.0.1:2/artifacts/x?signature=s"})
        assert "authorization" not in request.headers
        return httpx.Response(200, content=content)

    return answer


def test_a_download_with_the_recorded_digest_is_kept(tmp_path: Path) -> None:
    with client(store(b"abc")) as operator:
        operator.download("id", tmp_path / "x", hashlib.sha256(b"abc").hexdigest())
    assert (tmp_path / "x").read_bytes() == b"abc"


def test_a_download_with_other_bytes_leaves_nothing_and_spares_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    with client(store(b"other")) as operator, pytest.raises(ControlRoomError, match="on record"):
        operator.download("id", tmp_path / "x", hashlib.sha256(b"abc").hexdigest())
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


def test_a_bundle_the_store_has_is_not_sent_again() -> None:
    seen: list[str] = []

    def server(request: httpx.Request) -> httpx.Response:
        seen.append(request.method)
        return httpx.Response(200, json={"sha256": "x", "size": 1, "upload": None})

    with client(server) as operator:
        assert operator.put_bundle(b"abc") == {"sha256": hashlib.sha256(b"abc").hexdigest(), "size": 3}
    assert seen == ["POST"]


def test_names_cannot_change_the_path_of_a_request() -> None:
    seen: list[bytes] = []

    def server(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(200, json={})

    with client(server) as operator:
        operator.run("5?x=1#y")
    assert seen == [b"/api/v1/runs/5%3Fx%3D1%23y"]


@pytest.mark.parametrize("ref", ["", ".", "..", "5/why", "../templates"])
def test_what_would_lead_to_another_path_is_no_name(ref: str) -> None:
    asked: list[httpx.Request] = []
    with pytest.raises(ControlRoomError) as found:
        client(lambda request: asked.append(request) or httpx.Response(200, json={})).run(ref)
    assert (found.value.exit_code, asked) == (MISUSE, [])
