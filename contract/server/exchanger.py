"""Reports and claims of all requests, carried together: what arrives while a statement runs goes into the next one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from contract.errors import ContractError
from contract.server.problems import from_ops_error
from ops_schema.errors import OpsError, StoreBusy, StoreUnavailable
from ops_schema.store import MemberAnswer, Principal, Store

JsonObject = dict[str, Any]
log = logging.getLogger("contract.server")
IN_FLIGHT = 2
ALONE = 4
TRIES_ALONE = 30
NEXT_DUE = -1
SERVER_TIME = -2
MOST_MEMBERS = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one report or claim: the answer as JSON text, or the error that refused it."""

    text: str = ""
    error: ContractError | None = None

    def value(self) -> str:
        """The text; raises the error."""
        if self.error is not None:
            raise self.error
        return self.text


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a request's reports and claims, in the order sent, and the database's time, ISO 8601."""

    answers: list[Answer]
    server_time: str


@dataclass(slots=True)
class _Request:
    reports: list[JsonObject]
    claims: list[JsonObject]
    done: asyncio.Future[Carried] = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.reports) + len(self.claims)


class Exchanger:
    """Carries reports and claims to the store, at most `in_flight` statements at a time.

    A request stays whole: its reports and its claim are in one statement and so in one transaction. When a statement
    fails for a reason that is no member's refusal, or waits for a lock for longer than a second, it has changed
    nothing, and its requests go again one by one, beside the others, so that one bad or blocked member takes nobody
    with it. when_due: told after how many seconds a claim is worth another look.
    """

    def __init__(
        self,
        store: Store,
        when_due: Callable[[float], None] = lambda _: None,
        in_flight: int = IN_FLIGHT,
        most_members: int = MOST_MEMBERS,
    ) -> None:
        self._store = store
        self._when_due = when_due
        self._free = in_flight
        self._alone = asyncio.Semaphore(ALONE)
        self._most = most_members
        self._waiting: deque[_Request] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def report(self, caller: Principal, run_id: UUID, body: Mapping[str, Any]) -> str:
        """reportAttempt: the ReportResponse as JSON text. Raises ContractError, StoreUnavailable."""
        carried = await self.carry([report_member(caller, run_id, body)], [])
        return carried.answers[0].value()

    async def claim(self, caller: Principal, executor_id: UUID, body: Mapping[str, Any]) -> str:
        """claimRuns without the wait: the ClaimResponse as JSON text. Raises ContractError, StoreUnavailable."""
        carried = await self.carry([], [claim_member(caller, executor_id, body)])
        return carried.answers[0].value()

    async def carry(self, reports: list[JsonObject], claims: list[JsonObject]) -> Carried:
        """The answers, reports first, each list in its order. Raises StoreUnavailable: then nothing is known."""
        request = _Request(reports, claims, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if len(self._waiting) == 1:
            # At the end of this round of the loop, so that what came with it goes with it.
            asyncio.get_running_loop().call_soon(self._start)
        return await request.done

    def _start(self) -> None:
        while self._free and self._waiting:
            batch = self._take()
            if not batch:
                return
            self._free -= 1
            self._keep(self._run(batch))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _take(self) -> list[_Request]:
        batch: list[_Request] = []
        room = self._most
        while self._waiting and (not batch or self._waiting[0].size <= room):
            request = self._waiting.popleft()
            if not request.done.done():  # the caller has not gone meanwhile
                batch.append(request)
                room -= request.size
        return batch

    async def _run(self, batch: list[_Request]) -> None:
        try:
            await self._send(batch)
        finally:
            self._free += 1
            self._start()

    async def _send(self, batch: list[_Request]) -> None:
        try:
            answers = await self._statement(batch)
        except StoreUnavailable as error:
            if not isinstance(error, StoreBusy):
                _fail(batch, error)
                return
            log.info("action=batch_waits members=%d the requests go one by one: %s", len(batch), error)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            log.warning("action=batch_failed members=%d the requests go one by one: %s", len(batch), error)
        else:
            for request, found in zip(batch, answers, strict=True):
                if not request.done.done():
                    request.done.set_result(found)
            return
        for request in batch:
            self._keep(self._send_alone(request))

    async def _send_alone(self, request: _Request) -> None:
        # Beside the lanes, so that nobody else waits for what this one waits for.
        async with self._alone:
            for _ in range(TRIES_ALONE):
                try:
                    (found,) = await self._statement([request])
                except StoreBusy as error:
                    busy = error
                    continue
                except Exception as error:
                    _fail([request], error)
                    return
                if not request.done.done():
                    request.done.set_result(found)
                return
            _fail([request], busy)

    async def _statement(self, batch: Sequence[_Request]) -> list[Carried]:
        reports = [member for request in batch for member in request.reports]
        claims = [member for request in batch for member in request.claims]
        for ordinal, member in enumerate(reports + claims):
            member["ordinal"] = ordinal
        rows = await self._store.exchange_each(reports, claims)
        found = {row.ordinal: _answer(row) for row in rows}
        if NEXT_DUE in found:
            self._when_due(float(found[NEXT_DUE].text))
        time = found[SERVER_TIME].text
        return [Carried([found[m["ordinal"]] for m in (*one.reports, *one.claims)], time) for one in batch]


def report_member(
    caller: Principal, run_id: UUID | str, body: Mapping[str, Any], artifacts: Sequence[str] | None = None
) -> JsonObject:
    """A report as the store takes it. artifacts: those to record first, whose bytes were seen."""
    member: JsonObject = {"token_id": str(caller.token_id), "run_id": str(UUID(str(run_id))), "body": body}
    return {**member, "artifacts": artifacts} if artifacts else member


def claim_member(caller: Principal, executor_id: UUID, body: Mapping[str, Any]) -> JsonObject:
    """A claim as the store takes it."""
    return {"token_id": str(caller.token_id), "executor_id": str(executor_id), "body": body}


def _answer(row: MemberAnswer) -> Answer:
    if row.code is None:
        return Answer(row.detail)
    refusal = json.loads(row.detail)
    return Answer(error=from_ops_error(OpsError(row.code, refusal["message"], refusal["members"], refusal["hint"])))


def _fail(batch: Sequence[_Request], error: Exception) -> None:
    for request in batch:
        if not request.done.done():
            request.done.set_exception(error)
