"""The event hub: every event once and in order, whatever happens to the reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from control_room.api.cursor import cursor_of, event_id, position
from control_room.api.events_hub import QUEUE_SIZE, Beat, Event, EventHub, Subscription, follow
from ops_schema.errors import StoreUnavailable

RUN = "0197a3c4-7000-7000-8000-{:012x}"


@dataclass
class Log:
    """Events as the database gives them out: by cursor, in batches."""

    events: list[dict[str, Any]] = field(default_factory=list)
    away: bool = False
    reads: int = 0

    def add(self, count: int = 1, run: int = 1) -> None:
        for _ in range(count):
            number = len(self.events) + 1
            cursor = f"{number}.{RUN.format(run)}.{number}"
            self.events.append({"run_id": RUN.format(run), "seq": number, "cursor": cursor})

    async def events_since(self, cursor: str | None, limit: int = 500) -> dict[str, Any]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("away")
        if cursor is None:
            return {"items": [], "cursor": self.events[-1]["cursor"] if self.events else f"0.{RUN.format(0)}.0"}
        items = [event for event in self.events if position(event["cursor"]) > position(cursor)][:limit]
        return {"items": items, "cursor": items[-1]["cursor"] if items else cursor}


@asynccontextmanager
async def running(log: Log, poll_seconds: float = 0.01) -> AsyncIterator[EventHub]:
    hub = EventHub(log, poll_seconds, gather_seconds=0.001)
    task = asyncio.create_task(hub.run())
    yield hub
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - everything under test runs between two looks
            await asyncio.sleep(0)


async def allowed() -> bool:
    return True


def anything(event: Event) -> bool:
    return True


async def read(
    hub: EventHub,
    log: Log,
    count: int,
    after: str | None = None,
    wants: Callable[[Event], bool] = anything,
    between: Callable[[int], None] = lambda _: None,
) -> list[int]:
    """The seq of the first `count` events of a new stream."""
    stream = follow(hub, log, await hub.subscribe(after, wants), 5.0, allowed)
    seen: list[int] = []
    between(0)
    async with aclosing(stream):  # type: ignore[type-var]
        async for item in stream:
            assert not isinstance(item, Beat)
            seen.append(item["seq"])
            between(len(seen))
            if len(seen) == count:
                break
    return seen


async def test_a_new_stream_starts_now() -> None:
    log = Log()
    log.add(3)
    async with running(log) as hub:
        assert await read(hub, log, 2, between=lambda n: log.add(2) if n == 0 else None) == [4, 5]


async def test_a_resumed_stream_gets_what_it_missed_and_then_what_comes_each_once() -> None:
    log = Log()
    log.add(1200)
    after = log.events[99]["cursor"]
    async with running(log) as hub:
        # Events keep coming while the stream catches up: the hub offers them, the stream has read them already.
        seen = await read(hub, log, 2000, after, between=lambda n: log.add(1))
    assert seen == list(range(101, 2101))


async def test_an_id_from_another_database_starts_now() -> None:
    log = Log()
    log.add(3)
    async with running(log) as hub:
        after = f"999.{RUN.format(1)}.9"
        assert await read(hub, log, 1, after, between=lambda n: log.add(1) if n == 0 else None) == [4]


async def test_many_streams_cost_one_reader() -> None:
    log = Log()
    async with running(log, poll_seconds=60) as hub:
        tasks = [asyncio.create_task(read(hub, log, 100)) for _ in range(20)]
        await until(lambda: hub.open_streams == 20)
        before = log.reads
        log.add(100)
        hub.wake()
        assert await asyncio.gather(*tasks) == [list(range(1, 101))] * 20
        # One read by the hub, and at most the one with which each stream caught up.
        assert log.reads - before <= 22


async def test_a_slow_reader_is_closed_and_loses_nothing_by_resuming() -> None:
    log = Log()
    async with running(log) as hub:
        subscription = await hub.subscribe(None, anything)
        stream = follow(hub, log, subscription, 5.0, allowed)
        log.add(1)
        first = await anext(stream)
        assert not isinstance(first, Beat)
        log.add(QUEUE_SIZE + 10)
        hub.wake()
        await until(lambda: subscription.closed)
        rest = [item async for item in stream]
        assert rest == []
        assert await read(hub, log, QUEUE_SIZE + 10, first["cursor"]) == list(range(2, QUEUE_SIZE + 12))


async def test_a_filtered_stream_gets_only_what_it_is_for_and_moves_on_in_quiet_moments() -> None:
    log = Log()
    async with running(log) as hub:
        stream = follow(
            hub, log, await hub.subscribe(None, lambda event: event["run_id"] == RUN.format(2)), 0.05, allowed
        )
        log.add(1, run=2)
        first = await anext(stream)
        assert not isinstance(first, Beat)
        assert first["seq"] == 1
        log.add(5, run=1)
        beat = await anext(stream)
        while isinstance(beat, Beat) and beat.cursor != log.events[-1]["cursor"]:
            beat = await anext(stream)
        assert beat == Beat(log.events[-1]["cursor"])
        await stream.aclose()  # type: ignore[attr-defined]
        assert hub.open_streams == 0


async def test_an_outage_of_the_database_loses_nothing() -> None:
    log = Log()

    def outage(count: int) -> None:
        log.add(1)
        log.away = count % 2 == 1
        asyncio.get_running_loop().call_later(0.01, setattr, log, "away", False)

    async with running(log) as hub:
        assert await read(hub, log, 3, between=outage) == [1, 2, 3]


async def test_a_stream_that_catches_up_waits_for_the_database() -> None:
    log = Log()
    log.add(3)
    after = log.events[0]["cursor"]

    def outage(count: int) -> None:
        log.away = count == 0
        asyncio.get_running_loop().call_later(0.01, setattr, log, "away", False)

    async with running(log) as hub:
        assert await read(hub, log, 2, after, between=outage) == [2, 3]


async def test_logging_out_ends_the_streams_of_that_session_alone() -> None:
    log = Log()
    async with running(log) as hub:
        mine = await hub.subscribe(None, anything, b"mine")
        other = await hub.subscribe(None, anything, b"other")
        hub.close_session(b"mine")
        assert mine.closed
        assert not other.closed


async def test_a_stream_ends_when_its_session_does() -> None:
    log = Log()

    async def over() -> bool:
        return False

    async with running(log) as hub:
        stream = follow(hub, log, await hub.subscribe(None, anything), 0.01, over)
        assert [item async for item in stream] == []


async def test_a_closed_hub_ends_every_stream_at_once() -> None:
    log = Log()
    async with running(log) as hub:
        stream = follow(hub, log, await hub.subscribe(None, anything), 60.0, allowed)
        asyncio.get_running_loop().call_soon(hub.close)
        assert [item async for item in stream] == []
        late: Subscription = await hub.subscribe(None, anything)
        assert late.closed


async def test_nobody_listening_means_no_reading() -> None:
    log = Log()
    async with running(log, poll_seconds=0.001) as hub:
        hub.wake()
        await asyncio.sleep(0.02)
        assert log.reads == 0
        subscription = await hub.subscribe(None, anything)
        await until(lambda: log.reads >= 5)  # the first asks for the present
        hub.leave(subscription)
        await asyncio.sleep(0.02)  # a read that was under way is done
        reads = log.reads
        log.add(1)
        hub.wake()
        await asyncio.sleep(0.02)
        assert log.reads == reads


async def test_a_listener_hears_without_being_woken() -> None:
    log = Log()
    async with running(log, poll_seconds=0.001) as hub:
        subscription = await hub.subscribe(None, anything)
        await until(lambda: log.reads >= 3)
        log.add(1)  # by another process: nobody wakes this hub
        event = await subscription.next(10)
        assert event is not None
        assert event["seq"] == 1


async def test_a_busy_process_does_not_read_once_per_event() -> None:
    log = Log()
    hub = EventHub(log, poll_seconds=60, gather_seconds=0.05)
    task = asyncio.create_task(hub.run())
    subscription = await hub.subscribe(None, anything)
    await until(lambda: log.reads >= 2)
    for _ in range(100):
        log.add(1)
        hub.wake()
        await asyncio.sleep(0)
    seen = [await subscription.next(10) for _ in range(100)]
    assert [event["seq"] for event in seen if event] == list(range(1, 101))
    assert log.reads <= 5
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("text", ["", "7", "xid-", "xid-1.2.3", f"xid-1.{RUN.format(1)}", f"1.{RUN.format(1)}.1"])
def test_what_is_no_event_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        cursor_of(text)


def test_an_event_id_holds_its_cursor() -> None:
    cursor = f"12.{RUN.format(1)}.3"
    assert cursor_of(event_id(cursor)) == cursor
    assert position(cursor) < position(f"12.{RUN.format(2)}.1") < position(f"13.{RUN.format(1)}.1")
