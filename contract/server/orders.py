"""The long poll of awaitOrders: answer when there is something for an executor that only a heartbeat can tell it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from starlette.requests import ClientDisconnect, Request

from contract.errors import NotFound
from contract.server.profiles import NO_PROFILE
from ops_schema.store import Principal

if TYPE_CHECKING:
    from contract.server.services import Services

JsonObject = dict[str, Any]
ORDERS = "ops_orders"
MOST_TOLD = 10_000


class Orders:
    """When something was last told to each executor, by the notifications of the store, and who waits for the next.

    A place is ``<this process>.<count>``: what was told between two waits is heard by the second at once, and who comes
    with a place of another process looks for himself.
    """

    def __init__(self) -> None:
        self._name = uuid4().hex
        self._count = self._all = 0
        self._told: dict[str, int] = {}
        self._waiting: dict[str, set[asyncio.Event]] = {}

    @property
    def place(self) -> str:
        return f"{self._name}.{self._count}"

    def tell(self, payload: str) -> None:
        """payload: ids of executors, divided by commas; empty: all, since nobody knows for whom something came."""
        self._count += 1
        if not payload:
            self._all = self._count
            self.wake()
            return
        for executor_id in payload.split(","):
            self._told.pop(executor_id, None)
            self._told[executor_id] = self._count
            for event in self._waiting.get(executor_id, ()):
                event.set()
        if len(self._told) > MOST_TOLD:
            oldest = list(islice(self._told, len(self._told) // 2))
            self._all = max(self._all, *(self._told.pop(executor_id) for executor_id in oldest))

    def wake(self) -> None:
        """Let everybody go."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    def since(self, executor_id: str, place: str | None) -> bool:
        """Whether something may have been told to the executor since it had this place; None: it had none yet."""
        name, _, count = (place or "").partition(".")
        if name != self._name or not count.isdecimal():
            return True
        return max(self._all, self._told.get(executor_id, 0)) > int(count)

    @contextmanager
    def waiting(self, executor_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when something is told to the executor."""
        event = asyncio.Event()
        self._waiting.setdefault(executor_id, set()).add(event)
        try:
            yield event
        finally:
            events = self._waiting[executor_id]
            events.discard(event)
            if not events:
                del self._waiting[executor_id]


async def await_orders(
    services: Services, request: Request, caller: Principal, executor_id: UUID, body: JsonObject
) -> JsonObject:
    """The OrdersResponse. Raises NotFound when the caller registered no such executor, ClientDisconnect."""
    if await services.profiles.find(caller, executor_id) == NO_PROFILE:
        raise NotFound(f"there is no executor {executor_id} of this token", code="executor_not_found")
    orders, ref = services.ready.orders, str(executor_id)
    with orders.waiting(ref) as told:
        if not orders.since(ref, body.get("after")) and not services.ready.closing:
            await _wait(request, told, float(body.get("wait_seconds", 0)))
        return {"heard": orders.since(ref, body.get("after")), "place": orders.place}


async def _wait(request: Request, told: asyncio.Event, seconds: float) -> None:
    waiting, gone = asyncio.create_task(told.wait()), asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({waiting, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            raise ClientDisconnect
    finally:
        for task in (waiting, gone):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
