"""Requests of many callers, carried in few statements: what arrives while a statement runs goes into the next one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ops_schema.errors import StoreBusy, StoreUnavailable

Sent = TypeVar("Sent")
Found = TypeVar("Found")
log = logging.getLogger("contract.server")
IN_FLIGHT = 2
ALONE = 4
TRIES_ALONE = 30


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
    """Sends requests through `statement`, at most `in_flight` statements at a time, each of at most `most` members.

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
        most: int,
        in_flight: int = IN_FLIGHT,
    ) -> None:
        self._statement = statement
        self._size = size
        self._most = most
        self._free = in_flight
        self._alone = asyncio.Semaphore(ALONE)
        self._waiting: deque[_Request[Sent, Found]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def carry(self, sent: Sent) -> Found:
        """The answer to one request. Raises what the statement does."""
        loop = asyncio.get_running_loop()
        request: _Request[Sent, Found] = _Request(sent, loop.create_future())
        self._waiting.append(request)
        if len(self._waiting) == 1:
            # At the end of this round of the loop, so that what came with it goes with it.
            loop.call_soon(self._start)
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

    def _take(self) -> list[_Request[Sent, Found]]:
        batch: list[_Request[Sent, Found]] = []
        room = self._most
        while self._waiting and (not batch or self._size(self._waiting[0].sent) <= room):
            request = self._waiting.popleft()
            if not request.done.done():  # the caller has not gone meanwhile
                batch.append(request)
                room -= self._size(request.sent)
        return batch

    async def _run(self, batch: list[_Request[Sent, Found]]) -> None:
        try:
            await self._send(batch)
        finally:
            self._free += 1
            self._start()

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
        # Beside the lanes, so that nobody else waits for what this one waits for.
        async with self._alone:
            for _ in range(TRIES_ALONE):
                try:
                    (found,) = await self._statement([request.sent])
                except StoreBusy as error:
                    busy = error
                except Exception as error:
                    request.fail(error)
                    return
                else:
                    request.answer(found)
                    return
            request.fail(busy)


def _fail(batch: Sequence[_Request[Sent, Found]], error: Exception) -> None:
    for request in batch:
        request.fail(error)
