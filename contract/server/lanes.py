"""Requests of many callers, carried in few statements: what arrives while a statement runs goes into the next one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ops_schema.errors import StoreBusy, StoreUnavailable

Sent = TypeVar("Sent")
Found = TypeVar("Found")
log = logging.getLogger("contract.server")
ALONE = 4
TRIES_ALONE = 30


@dataclass(frozen=True, slots=True)
class Limits:
    """in_flight: statements at once; most: members of one; many: so many waiting members start a further statement
    beside one that runs, as does one that has been running for `slow` seconds; linger: how many seconds the first of at
    most `few` requests that lately came together wait for the rest. Where more come, some are being read while others'
    statement runs: waiting for all would let the database stand idle meanwhile."""

    in_flight: int = 2
    most: int = 500
    many: int = 8
    slow: float = 0.025
    linger: float = 0.001
    few: int = 4


@dataclass(slots=True, eq=False)
class _Request(Generic[Sent, Found]):
    sent: Sent
    done: asyncio.Future[Found] = field(repr=False)

    def answer(self, found: Found) -> None:
        if not self.done.done():  # else its caller has gone
            self.done.set_result(found)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Lanes(Generic[Sent, Found]):
    """Sends requests through `statement`.

    A statement costs as much as some ten members, so few members wait for the end of the one that runs and go together.

    statement: what a batch of requests was answered, in its order; one transaction, so a failure changed nothing.
    size: of how many members a request consists; it stays whole.

    When a statement fails for a reason that is no member's refusal, or waits for a lock for longer than it has patience
    (StoreBusy), its requests go again one by one, beside the others, so that one bad or blocked request takes nobody
    with it. An outage (StoreUnavailable) is told to all: nothing is known then, and nothing is sent again.
    """

    def __init__(
        self,
        statement: Callable[[Sequence[Sent]], Awaitable[list[Found]]],
        size: Callable[[Sent], int],
        limits: Limits,
    ) -> None:
        self._statement = statement
        self._size = size
        self._limits = limits
        self._running = 0  # statements
        self._quick: set[object] = set()  # of these, those that are not slow
        self._crowd = 0  # requests that were under way or waiting when the last statement ended
        self._linger: asyncio.TimerHandle | None = None
        self._waiting_members = 0
        self._alone = asyncio.Semaphore(ALONE)
        self._waiting: deque[_Request[Sent, Found]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def carry(self, sent: Sent) -> Found:
        """The answer to one request. Raises what the statement does."""
        loop = asyncio.get_running_loop()
        request: _Request[Sent, Found] = _Request(sent, loop.create_future())
        self._waiting.append(request)
        self._waiting_members += self._size(sent)
        if len(self._waiting) in (1, self._crowd) or self._waiting_members >= self._limits.many:
            # At the end of this round of the loop, so that what came with it goes with it.
            loop.call_soon(self._start)
        return await request.done

    def _start(self) -> None:
        crowd = self._crowd if self._crowd <= self._limits.few else 0
        if not self._quick and 0 < len(self._waiting) < crowd and self._waiting_members < self._limits.many:
            if self._linger is None:
                # Those that were answered just now are about to come back.
                self._linger = asyncio.get_running_loop().call_later(self._limits.linger, self._start_now)
            return
        self._start_now()

    def _start_now(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        while (
            self._running < self._limits.in_flight
            and (not self._quick or self._waiting_members >= self._limits.many)
            and (batch := self._take())
        ):
            self._running += 1
            quick = object()
            self._quick.add(quick)
            self._keep(self._run(batch, quick))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _take(self) -> list[_Request[Sent, Found]]:
        batch: list[_Request[Sent, Found]] = []
        room = self._limits.most
        while self._waiting and (not batch or self._size(self._waiting[0].sent) <= room):
            request = self._waiting.popleft()
            self._waiting_members -= self._size(request.sent)
            if not request.done.done():  # the caller has not gone meanwhile
                batch.append(request)
                room -= self._size(request.sent)
        return batch

    async def _run(self, batch: list[_Request[Sent, Found]], quick: object) -> None:
        slow = asyncio.get_running_loop().call_later(self._limits.slow, self._is_slow, quick)
        try:
            await self._send(batch)
        finally:
            self._running -= 1
            self._quick.discard(quick)
            slow.cancel()
            self._crowd = len(batch) + len(self._waiting)
            self._start()

    def _is_slow(self, quick: object) -> None:
        # It may be held up by a lock of somebody else's: what waits for it goes beside it.
        self._quick.discard(quick)
        self._start_now()

    async def _send(self, batch: list[_Request[Sent, Found]]) -> None:
        try:
            answers = await self._statement([request.sent for request in batch])
        except StoreBusy as error:
            log.info("action=batch_waits requests=%d they go one by one: %s", len(batch), error)
        except Exception as error:
            if isinstance(error, StoreUnavailable) or len(batch) == 1:
                _fail(batch, error)
                return
            log.warning("action=batch_failed requests=%d they go one by one: %s", len(batch), error)
        else:
            for request, found in zip(batch, answers, strict=True):
                request.answer(found)
            return
        for request in batch:
            self._keep(self._send_alone(request))

    async def _send_alone(self, request: _Request[Sent, Found]) -> None:
        # Beside the lanes, so that nobody else waits for what this one waits for: between two tries others have a turn.
        async def once() -> list[Found]:
            async with self._alone:
                if request.done.done():  # its caller has gone meanwhile
                    raise asyncio.CancelledError
                return await self._statement([request.sent])

        try:
            (found,) = await patiently(once)
        except Exception as error:
            request.fail(error)
        else:
            request.answer(found)


async def patiently(statement: Callable[[], Awaitable[Found]]) -> Found:
    """What a statement answers that may wait for a lock of somebody else's: StoreBusy is raised the thirtieth time."""
    for _ in range(TRIES_ALONE - 1):
        with suppress(StoreBusy):
            return await statement()
    return await statement()


def _fail(batch: Sequence[_Request[Sent, Found]], error: Exception) -> None:
    for request in batch:
        request.fail(error)
