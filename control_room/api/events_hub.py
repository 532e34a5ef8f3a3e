"""One reader of events per process, fanned out to every open stream.

Events have a total order (their cursor), and the database shows none before all earlier ones are there. So a stream is
exact: it reads from its own cursor until it has caught up, then takes what the hub offers and skips what it has sent.

The database notifies nobody of events (that would put every commit behind one lock). The hub looks when its own process
has written some, and, while somebody listens, every POLL_SECONDS for those of other processes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from control_room.api.cursor import START, Position, position
from ops_schema.errors import StoreUnavailable

log = logging.getLogger("control_room.api.events")

Event = Mapping[str, Any]
BATCH = 500
QUEUE_SIZE = 1000
POLL_SECONDS = 0.25
GATHER_SECONDS = 0.02
LONGEST_PAUSE = 5.0
RETRY_SECONDS = 0.5


class Events(Protocol):
    """Where events are read."""

    async def events_since(self, cursor: str | None, limit: int = 500) -> dict[str, Any]: ...


@dataclass(eq=False)
class Subscription:
    """One open stream. start: the cursor after which it begins; wants: which events it is for."""

    start: str
    wants: Callable[[Event], bool]
    session: bytes | None = None
    closed: bool = False
    _queue: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_SIZE + 1))

    def offer(self, event: Event) -> None:
        """Queue an event. A reader too slow for the queue is closed, and comes back with its last id."""
        if self.closed or not self.wants(event):
            return
        if self._queue.qsize() >= QUEUE_SIZE:
            self.close()
            return
        self._queue.put_nowait(event)

    def close(self) -> None:
        """End the stream: what is queued is dropped, since the next stream starts after the last event sent."""
        if self.closed:
            return
        self.closed = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    @property
    def idle(self) -> bool:
        """Whether everything offered so far was taken."""
        return self._queue.empty()

    async def next(self, seconds: float) -> Event | None:
        """The next event; None when closed. TimeoutError after `seconds` without one."""
        async with asyncio.timeout(seconds):
            return await self._queue.get()


class EventHub:
    """Call wake() when there may be new events; run() must be running.

    poll_seconds: the longest pause between two looks while somebody listens; gather_seconds: the shortest, so that a
    busy process reads many events at once rather than one at a time.
    """

    def __init__(
        self, store: Events, poll_seconds: float = POLL_SECONDS, gather_seconds: float = GATHER_SECONDS
    ) -> None:
        self._store, self._poll_seconds, self._gather_seconds = store, poll_seconds, gather_seconds
        self._subscriptions: set[Subscription] = set()
        self._wake = asyncio.Event()
        self._starting = asyncio.Lock()
        self._cursor: str | None = None
        self._closed = False

    @property
    def cursor(self) -> str | None:
        """Up to where everything was offered; None while nobody listens."""
        return self._cursor

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return len(self._subscriptions)

    def wake(self) -> None:
        """Look for new events now rather than at the next poll."""
        self._wake.set()

    async def subscribe(
        self, after: str | None, wants: Callable[[Event], bool], session: bytes | None = None
    ) -> Subscription:
        """A stream of what comes after the cursor `after`, or from now on. Raises StoreUnavailable."""
        async with self._starting:
            present: str = (await self._store.events_since(None, 1))["cursor"]
            # Fixed before the stream catches up, so that nothing falls between its last read and the hub's first.
            self._cursor = self._cursor or present
            # An id from beyond the present is of another database, say before a restore: waiting for it would be deaf.
            known = after if after is not None and position(after) <= position(present) else None
            subscription = Subscription(known or self._cursor, wants, session)
            self._subscriptions.add(subscription)
        if self._closed:
            subscription.close()
        self.wake()
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Forget a stream that has ended."""
        self._subscriptions.discard(subscription)
        if not self._subscriptions:
            self._cursor = None

    def close_session(self, session: bytes) -> None:
        """End the streams of a session that logged out."""
        for subscription in list(self._subscriptions):
            if subscription.session == session:
                subscription.close()

    def close(self) -> None:
        """End every stream, and those that come later at once."""
        self._closed = True
        for subscription in list(self._subscriptions):
            subscription.close()

    async def run(self) -> None:
        """Read and offer events until cancelled."""
        failures = 0
        while True:
            self._wake.clear()
            try:
                await self._read()
                failures = 0
            except StoreUnavailable as error:
                failures += 1
                log.warning("action=events_since the database is away: %s", error)
            except Exception:
                failures += 1
                log.exception("action=events_since failed")
            await self._rest(failures)

    async def _read(self) -> None:
        while self._cursor is not None:
            before = self._cursor
            page = await self._store.events_since(before, BATCH)
            if self._cursor != before:
                return  # everybody left meanwhile, and perhaps somebody new came
            self._cursor = page["cursor"]
            for event in page["items"]:
                for subscription in list(self._subscriptions):
                    subscription.offer(event)
            if len(page["items"]) < BATCH:
                return

    async def _rest(self, failures: int) -> None:
        if failures:
            await asyncio.sleep(min(LONGEST_PAUSE, 0.25 * 2.0 ** min(failures, 10)))
            return
        await asyncio.sleep(self._gather_seconds)
        try:
            async with asyncio.timeout(self._poll_seconds if self._subscriptions else None):
                await self._wake.wait()
        except TimeoutError:
            pass


@dataclass(frozen=True)
class Beat:
    """Nothing happened for a while; cursor: up to where the stream is complete."""

    cursor: str


async def follow(
    hub: EventHub,
    store: Events,
    subscription: Subscription,
    heartbeat: float,
    still_allowed: Callable[[], Any],
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Event | Beat]:
    """All events of the stream, each once, in order, and a Beat in quiet moments; ends when closed or not allowed.

    still_allowed: awaited every `heartbeat` seconds; the stream ends when it answers False.
    """
    sent, cursor = START, subscription.start
    checked = monotonic()
    try:
        async for event in _caught_up(store, subscription):
            sent, cursor = position(event["cursor"]), event["cursor"]
            if subscription.wants(event):
                yield event
        async for item in _live(hub, subscription, sent, cursor, heartbeat):
            if monotonic() - checked >= heartbeat:
                checked = monotonic()
                if not await still_allowed():
                    return
            yield item
    finally:
        hub.leave(subscription)


async def _caught_up(store: Events, subscription: Subscription) -> AsyncIterator[Event]:
    cursor, full = subscription.start, True
    while full and not subscription.closed:
        try:
            page = await store.events_since(cursor, BATCH)
        except StoreUnavailable as error:
            log.warning("action=events_since a stream waits for the database: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
            continue
        for event in page["items"]:
            yield event
        cursor, full = page["cursor"], len(page["items"]) == BATCH


async def _live(
    hub: EventHub, subscription: Subscription, sent: Position, cursor: str, heartbeat: float
) -> AsyncIterator[Event | Beat]:
    while True:
        try:
            event = await subscription.next(heartbeat)
        except TimeoutError:
            if subscription.idle and hub.cursor is not None and position(hub.cursor) > position(cursor):
                cursor = hub.cursor
            yield Beat(cursor)
            continue
        if event is None:
            return
        if position(event["cursor"]) > sent:
            sent, cursor = position(event["cursor"]), event["cursor"]
            yield event
