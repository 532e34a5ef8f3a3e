"""The client: what it retries, how long it waits, what it never shows. Transport, clock and sleep are injected."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from contract import models
from contract.client import FOREVER, NO_RETRY, AsyncExecutorClient, ExecutorClient, Retry
from contract.errors import (
    ContractError,
    DigestMismatch,
    Forbidden,
    InternalError,
    Invalid,
    LeaseLost,
    Unavailable,
    Unreachable,
    make,
)

URL = "http://control-room.example"
TOKEN = "a-very-secret-token"
RUN = UUID("0197a3c4-7000-7000-8000-000000000042")
CLAIM = models.ClaimRequest(request_id=UUID(int=7), max_runs=1, wait_seconds=30)
CLAIMED = {"runs": [], "server_time": "2026-11-21T12:00:00+00:00"}
Handler = Callable[[httpx.Request], httpx.Response]


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


def answers(*given: httpx.Response | Exception) -> tuple[Handler, list[httpx.Request]]:
    """A handler that gives these answers in turn, the last for ever, and the requests it saw."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        request.read()
        seen.append(request)
        answer = given[min(len(seen), len(given)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return handle, seen


def problem(code: str, headers: dict[str, str] | None = None) -> httpx.Response:
    error = make(code, "what was wrong")
    return httpx.Response(error.status, json=error.problem(), headers=headers)


def client(handle: Handler, time: Time, **options: Any) -> ExecutorClient:
    transport = httpx.MockTransport(handle)
    return ExecutorClient(
        URL, TOKEN, transport=transport, store_transport=transport, clock=time.clock, sleep=time.sleep, **options
    )


def claim(handle: Handler, time: Time, **options: Any) -> models.ClaimResponse:
    with client(handle, time, **options) as connected:
        return connected.claim_runs(RUN, CLAIM)


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("closed"),
        httpx.Response(502, text="<html>"),
        httpx.Response(504),
        problem("database_unavailable", {"retry-after": "2"}),
    ],
    ids=str,
)
def test_what_may_pass_is_sent_again_with_the_same_body(trouble: httpx.Response | Exception) -> None:
    handle, seen = answers(trouble, trouble, httpx.Response(200, json=CLAIMED))
    assert claim(handle, Time()).runs == []
    assert len({request.content for request in seen}) == 1
    assert len(seen) == 3


@pytest.mark.parametrize("code", ["internal", "lease_lost", "invalid_request", "unauthenticated", "payload_too_large"])
def test_what_will_not_pass_is_sent_once(code: str) -> None:
    handle, seen = answers(problem(code))
    with pytest.raises(ContractError) as caught:
        claim(handle, Time())
    assert caught.value.code == code
    assert len(seen) == 1


def test_the_pause_is_what_the_server_asks_for() -> None:
    time = Time()
    handle, _ = answers(problem("database_unavailable", {"retry-after": "7"}), httpx.Response(200, json=CLAIMED))
    claim(handle, time)
    assert time.slept == [7.0]


def test_an_absurd_retry_after_does_not_stop_the_client() -> None:
    time = Time()
    handle, _ = answers(problem("database_unavailable", {"retry-after": "86400"}), httpx.Response(200, json=CLAIMED))
    claim(handle, time)
    assert 10 <= time.slept[0] <= 20


def test_pauses_double_up_to_their_ceiling() -> None:
    time = Time()
    handle, _ = answers(*[httpx.ConnectError("refused")] * 12, httpx.Response(200, json=CLAIMED))
    claim(handle, time, retry=FOREVER)
    assert all(slept <= 10.0 for slept in time.slept)
    assert time.slept[0] <= 0.2
    assert time.slept[-1] >= 5.0


def test_retries_end_within_their_time_and_tell_the_last_error() -> None:
    time = Time()
    handle, _ = answers(httpx.ConnectError("connection refused"))
    with pytest.raises(Unreachable, match="connection refused"):
        claim(handle, time, retry=Retry(seconds=30))
    assert 15 <= time.now <= 30


def test_retries_end_with_their_number() -> None:
    handle, seen = answers(httpx.ConnectError("refused"))
    with pytest.raises(Unreachable):
        claim(handle, Time(), retry=Retry(seconds=None, attempts=4))
    assert len(seen) == 4


def test_a_retry_of_one_call_goes_before_that_of_the_client() -> None:
    handle, seen = answers(httpx.ConnectError("refused"))
    with client(handle, Time(), retry=FOREVER) as connected, pytest.raises(Unreachable):
        connected.claim_runs(RUN, CLAIM, retry=NO_RETRY)
    assert len(seen) == 1


def test_each_retry_is_told() -> None:
    told: list[tuple[str, float]] = []
    handle, _ = answers(httpx.ConnectError("refused"), httpx.Response(200, json=CLAIMED))
    claim(handle, Time(), retry=Retry(on_retry=lambda error, pause: told.append((error.code, pause))))
    assert [code for code, _ in told] == ["unreachable"]
    assert told[0][1] > 0


def test_a_long_poll_may_take_its_time() -> None:
    handle, seen = answers(httpx.Response(200, json=CLAIMED))
    claim(handle, Time())
    assert seen[0].extensions["timeout"]["read"] == 60.0
    assert seen[0].extensions["timeout"]["connect"] == 5.0


def test_the_token_goes_out_in_its_header_and_shows_nowhere_else() -> None:
    handle, seen = answers(problem("unauthenticated"))
    with client(handle, Time()) as connected:
        with pytest.raises(ContractError) as caught:
            connected.claim_runs(RUN, CLAIM)
        shown = [repr(connected), str(caught.value), repr(caught.value), repr(vars(connected)), str(vars(connected))]
    assert seen[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert not [text for text in shown if TOKEN in text]


@pytest.mark.parametrize("token", ["", "a b", "secret\n", "secret\r\nX-Evil: 1", "sécret", "x" * 513])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        ExecutorClient(URL, token)
    assert "ecret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "control-room:8000", "ftp://x", "http://", "http://user:pass@host", "http://h/?a=b"]
)
def test_a_url_that_cannot_be_one_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="not a control room URL") as caught:
        ExecutorClient(url, TOKEN)
    assert "pass" not in str(caught.value)


def test_a_traceparent_is_passed_when_given() -> None:
    handle, seen = answers(httpx.Response(200, json=CLAIMED))
    with client(handle, Time()) as connected:
        connected.claim_runs(RUN, CLAIM, traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        connected.claim_runs(RUN, CLAIM)
    assert seen[0].headers["traceparent"].startswith("00-4bf9")
    assert "traceparent" not in seen[1].headers


def test_an_answer_of_something_else_is_told_as_such() -> None:
    handle, seen = answers(httpx.Response(200, text="<html>Welcome</html>"))
    with pytest.raises(InternalError, match="breaks the contract") as caught:
        claim(handle, Time())
    assert caught.value.code == "unexpected_response"
    assert len(seen) == 1


def test_members_that_the_client_does_not_know_are_ignored() -> None:
    handle, _ = answers(httpx.Response(200, json={**CLAIMED, "brand_new": 1}))
    assert claim(handle, Time()).runs == []


def test_a_conflict_says_what_is_on_record() -> None:
    error = make("lease_lost", "stale", epoch_sent=7, epoch_current=9, reason="expired", run_state="running")
    handle, _ = answers(httpx.Response(409, json=error.problem()))
    with pytest.raises(LeaseLost) as caught:
        claim(handle, Time())
    assert (caught.value.reason, caught.value.members["epoch_current"]) == ("expired", 9)


def test_names_cannot_change_the_path() -> None:
    handle, seen = answers(problem("publication_not_found"))
    body = models.CommittedPublication(epoch=1, state="committed", table_version=0, rows=0)
    with client(handle, Time()) as connected, pytest.raises(ContractError):
        connected.commit_publication(RUN, "../x?y", body)
    assert seen[0].url.raw_path.endswith(b"/publications/..%2Fx%3Fy/commit")


# Bytes ----------------------------------------------------------------------------------------------------------------


def upload_of(data: bytes) -> models.Upload:
    headers = {"content-length": str(len(data)), "if-none-match": "*", "x-amz-checksum-sha256": "abc"}
    when = "2026-11-21T12:15:00Z"
    value = {"method": "PUT", "url": f"{URL}/bucket/key?sig=1", "headers": headers, "expires_at": when}
    return models.Upload.model_validate(value)


@pytest.mark.parametrize("as_file", [True, False])
def test_an_upload_sends_the_signed_headers_and_the_bytes_but_no_token(tmp_path: Path, as_file: bool) -> None:
    data = b"x" * 3_000_000
    path = tmp_path / "data"
    path.write_bytes(data)
    handle, seen = answers(httpx.ReadError("reset"), httpx.Response(412))
    with client(handle, Time()) as connected:
        assert connected.upload(upload_of(data), path if as_file else data) == "exists"
    for request in seen:
        assert request.content == data
        assert request.headers["content-length"] == str(len(data))
        assert request.headers["if-none-match"] == "*"
        assert "transfer-encoding" not in request.headers
        assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, "<Error><Code>BadDigest</Code></Error>", DigestMismatch),
        (403, "<Error><Code>AccessDenied</Code><Message>expired</Message></Error>", Forbidden),
        (403, "no XML at all", Forbidden),
    ],
)
def test_a_refused_upload_is_sent_once(status: int, body: str, kind: type[ContractError]) -> None:
    handle, seen = answers(httpx.Response(status, text=body))
    with client(handle, Time()) as connected, pytest.raises(kind):
        connected.upload(upload_of(b"x"), b"x")
    assert len(seen) == 1


def test_a_store_that_is_down_is_asked_again() -> None:
    handle, seen = answers(httpx.Response(503, text="<Error><Code>SlowDown</Code></Error>"), httpx.Response(200))
    with client(handle, Time()) as connected:
        assert connected.upload(upload_of(b"x"), b"x") == "stored"
    assert len(seen) == 2


def bundle_of(data: bytes, size: int | None = None) -> models.BundleDownload:
    when = "2026-11-21T12:15:00Z"
    digest = hashlib.sha256(data).hexdigest()
    value = {"sha256": digest, "size": len(data) if size is None else size, "url": f"{URL}/b", "expires_at": when}
    return models.BundleDownload.model_validate(value)


@pytest.mark.parametrize("data", [b"", b"x" * 200_000])
def test_a_download_lands_whole_or_not_at_all(tmp_path: Path, data: bytes) -> None:
    handle, seen = answers(httpx.ReadError("reset"), httpx.Response(200, content=data))
    target = tmp_path / "bundle.tar.gz"
    with client(handle, Time()) as connected:
        connected.download(bundle_of(data), target)
    assert target.read_bytes() == data
    assert list(tmp_path.iterdir()) == [target]
    assert seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("answer", [b"other bytes", b"right", b""])
def test_other_bytes_than_recorded_leave_no_file_and_the_old_one_alone(tmp_path: Path, answer: bytes) -> None:
    target = tmp_path / "old"
    target.write_bytes(b"old")
    handle, _ = answers(httpx.Response(200, content=answer))
    with client(handle, Time()) as connected, pytest.raises(DigestMismatch):
        connected.download(bundle_of(b"right", size=99), target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_table_has_nothing_to_download(tmp_path: Path) -> None:
    value = {
        **{"artifact_id": str(RUN), "run_id": str(RUN), "epoch": 1, "name": "t", "kind": "table", "media_type": None},
        **{"size": None, "sha256": None, "state": "visible", "metadata": {}, "table": None, "recorded_at": None},
        **{"url": None, "expires_at": None},
    }
    with client(answers(httpx.Response(200))[0], Time()) as connected, pytest.raises(ValueError, match="is a table"):
        connected.download(models.ArtifactDownload.model_validate(value), tmp_path / "t")


# The async client -----------------------------------------------------------------------------------------------------


async def test_the_async_client_does_the_same(tmp_path: Path) -> None:
    time, data = Time(), b"y" * 100_000
    handle, seen = answers(
        httpx.ConnectError("refused"),
        httpx.Response(200, json=CLAIMED),
        httpx.Response(412),
        httpx.Response(200, content=data),
        httpx.Response(200, content=b"other"),
        problem("lease_lost"),
    )
    transport = httpx.MockTransport(handle)
    path = tmp_path / "data"
    await asyncio.to_thread(path.write_bytes, data)
    async with AsyncExecutorClient(
        URL, TOKEN, transport=transport, store_transport=transport, clock=time.clock, sleep=time.asleep
    ) as connected:
        assert (await connected.claim_runs(RUN, CLAIM)).runs == []
        assert await connected.upload(upload_of(data), path) == "exists"
        await connected.download(bundle_of(data), tmp_path / "got")
        with pytest.raises(DigestMismatch):
            await connected.download(bundle_of(data), tmp_path / "bad")
        with pytest.raises(LeaseLost):
            await connected.claim_runs(RUN, CLAIM)
        assert TOKEN not in repr(connected)
    assert len(time.slept) == 1
    assert seen[2].content == data
    assert {found.name for found in await asyncio.to_thread(lambda: list(tmp_path.iterdir()))} == {"data", "got"}


def test_bodies_carry_the_names_of_the_contract() -> None:
    handle, seen = answers(problem("lease_lost"))
    info = models.ErrorInfo.model_validate({"class": "user", "code": "c", "message": "m"})
    report = models.FailedReport(
        epoch=1, outcome="failed", idempotency_key="k", finished_at="2026-11-21T12:00:00Z", error=info
    )
    with client(handle, Time()) as connected, pytest.raises(LeaseLost):
        connected.report_attempt(RUN, report)
    assert json.loads(seen[0].content)["error"]["class"] == "user"


def test_a_report_that_holds_too_much_never_leaves() -> None:
    with pytest.raises(ValueError, match="8192"):
        models.ErrorInfo.model_validate({"class": "user", "code": "c", "message": "m" * 8193})


def test_unavailable_is_the_family_of_what_is_worth_another_try() -> None:
    assert issubclass(Unreachable, Unavailable)
    assert not issubclass(Invalid, Unavailable)
