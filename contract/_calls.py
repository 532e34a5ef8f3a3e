"""What the sync and the async client share: requests built from models, answers read into models. No I/O but files."""

import contextlib
import hashlib
import ipaddress
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Generic, Literal, TypeVar, cast
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

import httpx
import tenacity
from pydantic import BaseModel, ValidationError

from contract import models
from contract._answers import reader, too_old
from contract.canonical import BLOCK
from contract.errors import ContractError, DigestMismatch, Forbidden, InternalError, Unavailable, Unreachable
from contract.errors import from_response as error_from_response
from contract.versions import OLDEST

PREFIX = "/executor/v1"
T = TypeVar("T")
Id = UUID | str
Stored = Literal["stored", "exists"]
# What a lost or refused connection looks like; everything else httpx raises is a mistake of the caller.
LOST = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ProxyError)
# Loopback never goes through a proxy, whatever the environment says.
DIRECT: dict[str, None] = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}

# Digests are of stored bytes: no content coding on the way.
AS_STORED = {"accept-encoding": "identity"}


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request: operationId, method, path below PREFIX, how to read the answer, body bytes, seconds the server may
    take, contract version that it came with."""

    operation: str
    method: str
    path: str
    read: Callable[[bytes], T]
    body: bytes | None = None
    wait_seconds: float = 0.0
    since: str = OLDEST


@dataclass(frozen=True)
class Retry:
    """When to send again: after lost connections, 502, 503, 504. Every operation is safe to repeat.

    seconds, attempts: bounds, None for none; base_seconds, max_seconds: of the pause, which doubles, with jitter;
    a Retry-After of the server is waited for, at most `max_seconds` longer than the pause.
    on_retry: told of each error before the pause (seconds).
    """

    seconds: float | None = 60.0
    attempts: int | None = None
    base_seconds: float = 0.2
    max_seconds: float = 10.0
    on_retry: Callable[[ContractError, float], None] | None = None

    def pause(self, state: tenacity.RetryCallState) -> float:
        """Seconds before the next try."""
        doubled = min(self.max_seconds, self.base_seconds * 2.0 ** min(state.attempt_number - 1, 32))
        jittered = doubled * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
        asked = _error(state).retry_after or 0.0
        return max(jittered, min(asked, doubled + self.max_seconds))

    def tenacity_options(self, clock: Callable[[], float]) -> dict[str, Any]:
        """Arguments of tenacity.Retrying and AsyncRetrying, with the injected clock."""
        started = clock()

        def stop(state: tenacity.RetryCallState) -> bool:
            late = self.seconds is not None and clock() - started + state.upcoming_sleep > self.seconds
            return late or (self.attempts is not None and state.attempt_number >= self.attempts)

        def before_sleep(state: tenacity.RetryCallState) -> None:
            if self.on_retry:
                self.on_retry(_error(state), state.upcoming_sleep)

        again = tenacity.retry_if_exception_type(Unavailable)
        return {"retry": again, "wait": self.pause, "stop": stop, "before_sleep": before_sleep, "reraise": True}


NO_RETRY = Retry(attempts=1)
FOREVER = Retry(seconds=None)


def _error(state: tenacity.RetryCallState) -> ContractError:
    return cast(ContractError, state.outcome.exception() if state.outcome else None)


def check_url(url: str) -> str:
    """The base URL without a trailing slash; ValueError when it is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f"not a control room URL: {parts.scheme}://{parts.hostname}; expected http(s)://host[:port]")
    return url.rstrip("/")


def check_token(token: str) -> str:
    """The token; ValueError, without it, when it cannot be one."""
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]{1,512}", token):
        raise ValueError("the token has characters no token has; read the token file and strip its newline")
    return token


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine's loopback interface."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def headers(call: Call[Any], traceparent: str | None) -> dict[str, str]:
    """Headers of a call, without the bearer token, which the HTTP client holds."""
    content = {"content-type": "application/json"} if call.body is not None else {}
    return {"accept": "application/json", **content, **({"traceparent": traceparent} if traceparent else {})}


def timeout(call: Call[Any], base: httpx.Timeout) -> httpx.Timeout:
    """The timeout of a call: a long poll gets its waiting time on top."""
    read = None if base.read is None else base.read + call.wait_seconds
    return httpx.Timeout(connect=base.connect, read=read, write=base.write, pool=base.pool)


def answer(call: Call[T], response: httpx.Response) -> T:
    """The model of a response that was read; raises ContractError."""
    if response.status_code >= 300:
        spoken = response.headers.get("contract-version", "")
        raise too_old(call.operation, call.since, response.status_code, spoken) or refusal(response)
    try:
        return call.read(response.content)
    except ValidationError as error:
        place = error.errors(include_input=False, include_url=False)[0]
        raise InternalError(
            f"{call.method} {call.path}: the answer breaks the contract at {place['loc']}: {place['msg']}",
            code="unexpected_response",
            status=response.status_code,
            hint="check that the URL is the control room's and that its contract version fits",
        ) from None


def refusal(response: httpx.Response) -> ContractError:
    """The exception of an error response that was read."""
    return error_from_response(response.status_code, response.content, retry_after(response.headers))


def retry_after(found: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header; None when absent or a date."""
    value = found.get("retry-after", "")
    return float(value) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", value) else None


def lost(error: httpx.TransportError, what: str) -> Unreachable:
    """The exception of a connection that failed."""
    detail = str(error) or type(error).__name__
    return Unreachable(f"{what}: no answer: {detail}", hint="check that the control room runs and the URL is right")


# Operations ----------------------------------------------------------------------------------------------------------


def _post(operation: str, path: str, body: BaseModel, model: type[T], wait_seconds: float = 0.0) -> Call[T]:
    # What was not set is not sent: an older server refuses members that it does not know.
    sent = body.model_dump_json(by_alias=True, exclude_unset=True)
    return Call(operation, "POST", path, reader(model), sent.encode(), wait_seconds)


def _nothing(_: bytes) -> None:
    return None


def _segment(value: Id) -> str:
    return quote(str(value), safe="")


def get_contract() -> Call[str]:
    return Call("getContract", "GET", "/openapi.yaml", lambda body: body.decode())


def register_executor(body: models.RegisterRequest) -> Call[models.Registration]:
    return _post("registerExecutor", "/executors", body, models.Registration)


def leave_executor(executor_id: Id) -> Call[None]:
    return Call("leaveExecutor", "DELETE", f"/executors/{_segment(executor_id)}", _nothing)


def claim_runs(executor_id: Id, body: models.ClaimRequest) -> Call[models.ClaimResponse]:
    return _post(
        "claimRuns", f"/executors/{_segment(executor_id)}/claims", body, models.ClaimResponse, body.wait_seconds
    )


def exchange(executor_id: Id, body: models.ExchangeRequest) -> Call[models.ExchangeResponse]:
    path = f"/executors/{_segment(executor_id)}/exchange"
    return replace(_post("exchange", path, body, models.ExchangeResponse, body.wait_seconds), since="1.1")


def await_orders(executor_id: Id, body: models.OrdersRequest) -> Call[models.OrdersResponse]:
    path = f"/executors/{_segment(executor_id)}/orders"
    return replace(_post("awaitOrders", path, body, models.OrdersResponse, body.wait_seconds or 0.0), since="1.1")


def heartbeat(executor_id: Id, body: models.HeartbeatRequest) -> Call[models.HeartbeatResponse]:
    return _post("heartbeat", f"/executors/{_segment(executor_id)}/heartbeat", body, models.HeartbeatResponse)


def append_logs(run_id: Id, body: models.LogsRequest) -> Call[models.LogsResponse]:
    return _post("appendLogs", f"/runs/{_segment(run_id)}/logs", body, models.LogsResponse)


def begin_artifact(
    run_id: Id, body: models.BeginFileArtifact | models.BeginTableArtifact
) -> Call[models.BeginArtifactResponse]:
    return _post("beginArtifact", f"/runs/{_segment(run_id)}/artifacts", body, models.BeginArtifactResponse)


def record_artifact(run_id: Id, artifact_id: Id, body: models.RecordArtifactRequest) -> Call[models.Artifact]:
    # The server may have to hash the object: give it the time of a slow disk.
    path = f"/runs/{_segment(run_id)}/artifacts/{_segment(artifact_id)}/record"
    return _post("recordArtifact", path, body, models.Artifact, 120.0)


def batch_artifacts(run_id: Id, body: models.BatchArtifactsRequest) -> Call[models.BatchArtifactsResponse]:
    path = f"/runs/{_segment(run_id)}/artifacts/batch"
    return replace(_post("batchArtifacts", path, body, models.BatchArtifactsResponse, 120.0), since="1.1")


def sign_parts(run_id: Id, artifact_id: Id, body: models.SignPartsRequest) -> Call[models.SignPartsResponse]:
    path = f"/runs/{_segment(run_id)}/artifacts/{_segment(artifact_id)}/parts"
    return replace(_post("signParts", path, body, models.SignPartsResponse), since="1.1")


def find_earlier(run_id: Id, body: models.EarlierRequest) -> Call[models.EarlierResponse]:
    path = f"/runs/{_segment(run_id)}/earlier"
    return replace(_post("findEarlier", path, body, models.EarlierResponse), since="1.1")


def get_artifact(artifact_id: Id) -> Call[models.ArtifactDownload]:
    return Call("getArtifact", "GET", f"/artifacts/{_segment(artifact_id)}", reader(models.ArtifactDownload))


def get_bundle(sha256: str) -> Call[models.BundleDownload]:
    return Call("getBundle", "GET", f"/bundles/{_segment(sha256)}", reader(models.BundleDownload))


AnyReport = models.SucceededReport | models.FailedReport | models.CancelledReport | models.CappedReport
AnyCommit = models.CommittedPublication | models.FailedPublication


def report_attempt(run_id: Id, body: AnyReport) -> Call[models.ReportResponse]:
    return _post("reportAttempt", f"/runs/{_segment(run_id)}/report", body, models.ReportResponse)


def commit_publication(run_id: Id, output: str, body: AnyCommit) -> Call[models.CommitPublicationResponse]:
    path = f"/runs/{_segment(run_id)}/publications/{_segment(output)}/commit"
    return _post("commitPublication", path, body, models.CommitPublicationResponse)


# Bytes ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slice:
    """Some bytes of a file: a part of an upload. offset, size: bytes."""

    path: Path
    offset: int
    size: int


Source = Path | bytes | Slice


def blocks(source: Source, size: int | None = None) -> Iterator[bytes]:
    """The bytes of a file or a value, block by block. DigestMismatch when there are more or fewer than `size`."""
    count = 0
    for block in _read(source):
        count += len(block)
        if size is not None and count > size:
            raise _changed(size)
        yield block
    if size not in (None, count):
        raise _changed(size)


def announced(upload: models.Upload) -> int | None:
    """Bytes that a presigned PUT is for."""
    value = upload.headers.get("content-length", "")
    return int(value) if value.isdigit() else None


def _read(source: Source) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    if isinstance(source, Slice):
        with source.path.open("rb") as stream:
            stream.seek(source.offset)
            left = source.size
            while block := stream.read(min(BLOCK, left)):
                left -= len(block)
                yield block
        return
    with source.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block


def _changed(size: int | None) -> DigestMismatch:
    return DigestMismatch(f"the source does not have the {size} bytes announced", hint="begin the artifact again")


def put_outcome(status: int, body: bytes, found: Mapping[str, str]) -> Stored:
    """What a presigned PUT came to; "exists" (412) means: ask record, the bytes may be there already."""
    if status < 300:
        return "stored"
    if status == 412:
        return "exists"
    raise _store_refusal("PUT", status, body, retry_after(found))


def get_refusal(status: int, body: bytes, found: Mapping[str, str]) -> ContractError:
    """The exception of a presigned GET that was refused."""
    return _store_refusal("GET", status, body, retry_after(found))


def _store_refusal(method: str, status: int, body: bytes, after: float | None) -> ContractError:
    match = re.search(rb"<Code>([A-Za-z0-9]{1,64})</Code>", body)
    name = match.group(1).decode() if match else f"HTTP {status}"
    detail = f"{method} to the object store was refused: {name}"
    if name in ("BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "XAmzContentChecksumMismatch"):
        return DigestMismatch(detail, hint="the bytes are not the ones announced; begin the artifact again")
    if status >= 500 or status == 429:
        return Unavailable(detail, code="object_store_unavailable", status=status, retry_after=after)
    return Forbidden(detail, status=status, hint="the URL may be over its time; ask for a new one")


class Sink:
    """A file being downloaded beside its target; it takes the target's place only when size and sha256 are right."""

    def __init__(self, target: Path, sha256: str, size: int | None) -> None:
        self.target, self.sha256, self.size = target, sha256, size
        self._part = target.with_name(f".{target.name}.{uuid4().hex}.part")
        self._digest, self._written = hashlib.sha256(), 0
        self._stream: BinaryIO | None = None

    def write(self, block: bytes) -> None:
        self._stream = self._stream or self._part.open("xb")
        self._stream.write(block)
        self._digest.update(block)
        self._written += len(block)

    def finish(self) -> None:
        """Check and move into place; DigestMismatch removes what came."""
        self.write(b"")
        self._close()
        if self._digest.hexdigest() != self.sha256 or self.size not in (None, self._written):
            self.abandon()
            raise DigestMismatch(
                f"{self.target.name}: expected {self.size} bytes of sha256 {self.sha256}, "
                f"got {self._written} bytes of sha256 {self._digest.hexdigest()}",
                hint="the stored object is damaged; run control-room artifacts verify",
            )
        self._part.replace(self.target)

    def abandon(self) -> None:
        """Remove what came; nothing to do after finish()."""
        self._close()
        self._part.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._stream:
            self._stream.close()
        self._stream = None
