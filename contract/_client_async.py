"""The async client; see contract.client."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx
import tenacity

from contract import _calls as calls
from contract import models
from contract._calls import AnyCommit, AnyReport, Call, Id, Retry, Sink, Source, Stored
from contract._client_base import TIMEOUT, Base, Begin, Download, OnDeprecated, bearer, target_of, warn

T = TypeVar("T")


class AsyncExecutorClient(Base):
    """Async client, the same as ExecutorClient in all else."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retry: Retry | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
        store_transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_deprecated: OnDeprecated = warn,
    ) -> None:
        super().__init__(url, retry or Retry(), timeout, clock, on_deprecated)
        self._sleep = sleep
        self._http = httpx.AsyncClient(headers=bearer(token), timeout=timeout, transport=transport, mounts=calls.DIRECT)
        self._store = httpx.AsyncClient(timeout=timeout, transport=store_transport, mounts=calls.DIRECT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()
        await self._store.aclose()

    async def _try(self, work: Callable[[], Awaitable[T]], retry: Retry | None) -> T:
        # `work` must be an `async def`: tenacity does not await what another callable returns.
        return await tenacity.AsyncRetrying(sleep=self._sleep, **self._options(retry))(work)  # type: ignore[arg-type]

    async def _send(self, call: Call[T], retry: Retry | None, traceparent: str | None) -> T:
        async def once() -> T:
            return self._answer(call, await self._request(call, traceparent))

        return await self._try(once, retry)

    async def _request(self, call: Call[T], traceparent: str | None) -> httpx.Response:
        try:
            return await self._http.request(**self._request_of(call, traceparent))
        except calls.LOST as error:
            raise self._lost(call, error) from error

    async def get_contract(self, *, retry: Retry | None = None, traceparent: str | None = None) -> str:
        """The authored OpenAPI document, as text."""
        return await self._send(calls.get_contract(), retry, traceparent)

    async def register_executor(
        self, body: models.RegisterRequest, *, retry: Retry | None = None, traceparent: str | None = None
    ) -> models.Registration:
        """Register this process; the same instance_id again gets the same answer.

        Conflict when no contract version fits.
        """
        return await self._send(calls.register_executor(body), retry, traceparent)

    async def leave_executor(
        self, executor_id: Id, *, retry: Retry | None = None, traceparent: str | None = None
    ) -> None:
        """Leave for good; runs still held are given back, at once and at no cost."""
        await self._send(calls.leave_executor(executor_id), retry, traceparent)

    async def claim_runs(
        self, executor_id: Id, body: models.ClaimRequest, *, retry: Retry | None = None, traceparent: str | None = None
    ) -> models.ClaimResponse:
        """Up to max_runs runs, waiting wait_seconds for them. Send a lost claim again with its request_id.

        ExecutorGone: register anew.
        """
        return await self._send(calls.claim_runs(executor_id, body), retry, traceparent)

    async def exchange(
        self,
        executor_id: Id,
        body: models.ExchangeRequest,
        *,
        retry: Retry | None = None,
        traceparent: str | None = None,
    ) -> models.ExchangeResponse:
        """Report up to 100 attempts and claim up to max_runs runs, in one round trip and one transaction.

        Never raises for one report or for the claim: each has an answer or a problem. Send a lost exchange again with
        its request_id.
        """
        return await self._send(calls.exchange(executor_id, body), retry, traceparent)

    async def await_orders(
        self,
        executor_id: Id,
        body: models.OrdersRequest,
        *,
        retry: Retry | None = None,
        traceparent: str | None = None,
    ) -> models.OrdersResponse:
        """Wait until a heartbeat would tell something (since 1.1). It renews nothing."""
        return await self._send(calls.await_orders(executor_id, body), retry, traceparent)

    async def heartbeat(
        self,
        executor_id: Id,
        body: models.HeartbeatRequest,
        *,
        retry: Retry | None = None,
        traceparent: str | None = None,
    ) -> models.HeartbeatResponse:
        """Renew every lease named; the answer has a directive per run and never fails for one of them."""
        return await self._send(calls.heartbeat(executor_id, body), retry, traceparent)

    async def append_logs(
        self, run_id: Id, body: models.LogsRequest, *, retry: Retry | None = None, traceparent: str | None = None
    ) -> models.LogsResponse:
        """Append chunks, each at (stream, seq, offset in bytes); one sent twice is stored once.

        LeaseLost, CapExceeded.
        """
        return await self._send(calls.append_logs(run_id, body), retry, traceparent)

    async def begin_artifact(
        self, run_id: Id, body: Begin, *, retry: Retry | None = None, traceparent: str | None = None
    ) -> models.BeginArtifactResponse:
        """Announce name, size in bytes and sha256; the answer says where to PUT, or that the bytes are there.

        LeaseLost, Conflict, CapExceeded.
        """
        return await self._send(calls.begin_artifact(run_id, body), retry, traceparent)

    async def record_artifact(
        self,
        run_id: Id,
        artifact_id: Id,
        body: models.RecordArtifactRequest,
        *,
        retry: Retry | None = None,
        traceparent: str | None = None,
    ) -> models.Artifact:
        """Record an artifact once its bytes are up. UploadMissing, DigestMismatch, LeaseLost."""
        return await self._send(calls.record_artifact(run_id, artifact_id, body), retry, traceparent)

    async def batch_artifacts(
        self,
        run_id: Id,
        body: models.BatchArtifactsRequest,
        *,
        retry: Retry | None = None,
        traceparent: str | None = None,
    ) -> models.BatchArtifactsResponse:
        """Record up to 100 artifacts and begin up to 100. Never raises for one: each has an answer or a problem."""
        return await self._send(calls.batch_artifacts(run_id, body), retry, traceparent)

    async def sign_parts(
        self,
        run_id: Id,
        artifact_id: Id,
        body: models.SignPartsRequest,
        *,
        retry: Retry | None = None,
        traceparent: str | None = None,
    ) -> models.SignPartsResponse:
        """Which parts the store holds, and where to PUT those named that it does not.

        UploadMissing, DigestMismatch: begin the artifact again. LeaseLost.
        """
        return await self._send(calls.sign_parts(run_id, artifact_id, body), retry, traceparent)

    async def find_earlier(
        self, run_id: Id, body: models.EarlierRequest, *, retry: Retry | None = None, traceparent: str | None = None
    ) -> models.EarlierResponse:
        """What earlier attempts at the work of a held run left, newest first. LeaseLost.

        Conflict (contract_version_unsupported) from a control room that speaks 1.0.
        """
        return await self._send(calls.find_earlier(run_id, body), retry, traceparent)

    async def get_artifact(
        self, artifact_id: Id, *, retry: Retry | None = None, traceparent: str | None = None
    ) -> models.ArtifactDownload:
        """An input artifact with a presigned URL that lives minutes. NotFound unless it is visible."""
        return await self._send(calls.get_artifact(artifact_id), retry, traceparent)

    async def get_bundle(
        self, sha256: str, *, retry: Retry | None = None, traceparent: str | None = None
    ) -> models.BundleDownload:
        """A claimed run's code bundle with a presigned URL that lives minutes. NotFound."""
        return await self._send(calls.get_bundle(sha256), retry, traceparent)

    async def report_attempt(
        self, run_id: Id, body: AnyReport, *, retry: Retry | None = None, traceparent: str | None = None
    ) -> models.ReportResponse:
        """The attempt's one terminal message.

        Sent twice it gets the same answer; AlreadyReported for another outcome, LeaseLost when late.
        """
        return await self._send(calls.report_attempt(run_id, body), retry, traceparent)

    async def commit_publication(
        self, run_id: Id, output: str, body: AnyCommit, *, retry: Retry | None = None, traceparent: str | None = None
    ) -> models.CommitPublicationResponse:
        """Tell that a publication is in its table at a version, or cannot be.

        Conflict when another version is on record.
        """
        return await self._send(calls.commit_publication(run_id, output, body), retry, traceparent)

    async def upload(self, upload: models.Upload, source: Source, *, retry: Retry | None = None) -> Stored:
        """See ExecutorClient.upload."""

        async def once() -> Stored:
            found = calls.blocks(source, calls.announced(upload))
            try:
                response = await self._store.put(upload.url, content=_off_loop(found), headers=upload.headers)
            except calls.LOST as error:
                raise calls.lost(error, "PUT to the object store") from error
            return calls.put_outcome(response.status_code, response.content, response.headers)

        return await self._try(once, retry)

    async def download(self, download: Download, target: Path, *, retry: Retry | None = None) -> None:
        """See ExecutorClient.download."""
        url, sha256 = target_of(download)

        async def once() -> None:
            await self._download(url, Sink(target, sha256, download.size))

        await self._try(once, retry)

    async def _download(self, url: str, sink: Sink) -> None:
        try:
            async with self._store.stream("GET", url, headers=calls.AS_STORED) as response:
                if response.status_code != 200:
                    raise calls.get_refusal(response.status_code, await response.aread(), response.headers)
                async for block in response.aiter_bytes():
                    await asyncio.to_thread(sink.write, block)
            await asyncio.to_thread(sink.finish)
        except calls.LOST as error:
            raise calls.lost(error, "GET from the object store") from error
        finally:
            sink.abandon()


async def _off_loop(found: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Blocks of a file, read in a thread."""
    while (block := await asyncio.to_thread(next, found, None)) is not None:
        yield block
