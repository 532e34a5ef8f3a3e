"""What became claimable wakes this process's claims at once, and is notified once for many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from contract.server.ready import ReadyBroker
from contract.server.teller import ReadyTeller
from ops_schema.errors import StoreUnavailable


class Channel:
    """A store whose notifications come back to its listener, with those of another server."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self.told: list[str] = []
        self.gate = asyncio.Event()
        self.down = False

    async def tell_ready(self, ready: str, teller: str) -> None:
        self.told.append(ready)
        await self.gate.wait()
        if self.down:
            raise StoreUnavailable("away")
        self.queue.put_nowait(("ops_ready", f"{ready};{teller}"))

    async def listen(self) -> AsyncIterator[tuple[str, str]]:
        while True:
            yield await self.queue.get()


def make(gather: float = 0.0) -> tuple[ReadyTeller, ReadyBroker, Channel]:
    channel = Channel()
    broker = ReadyBroker(channel)
    return ReadyTeller(channel, broker, gather), broker, channel  # type: ignore[arg-type]


async def test_a_waiting_claim_of_this_process_is_woken_before_anything_is_notified() -> None:
    teller, broker, channel = make()
    with broker.waiting("python") as python, broker.waiting("dbt") as dbt:
        teller.tell("python:1")
        assert (python.event.is_set(), dbt.event.is_set(), channel.told) == (True, False, [])
        channel.gate.set()
        await settled()
    assert channel.told == ["python:1"]


async def test_what_comes_while_a_notification_is_under_way_goes_with_the_next() -> None:
    teller, _, channel = make()
    teller.tell("python:1")
    await settled()
    for ready in ("python:2", "dbt:1", "python:3"):
        teller.tell(ready)
    channel.gate.set()
    await settled()
    assert channel.told == ["python:1", "dbt:1,python:5"]


async def test_its_own_word_wakes_nobody_again_and_anothers_does() -> None:
    teller, broker, channel = make()
    channel.gate.set()
    async with broker.running():
        with broker.waiting("python") as waiter:
            teller.tell("python:1")
            waiter.event.clear()
            await settled()
            assert channel.told == ["python:1"]
            assert channel.queue.empty()
            assert not waiter.event.is_set()
            channel.queue.put_nowait(("ops_ready", "python:1;another"))
            await asyncio.wait_for(waiter.event.wait(), 5)


async def test_an_outage_is_logged_and_the_next_word_is_told_again() -> None:
    teller, _, channel = make()
    channel.gate.set()
    channel.down = True
    teller.tell("python:1")
    await settled()
    channel.down = False
    teller.tell("dbt:1")
    await settled()
    assert channel.told == ["python:1", "dbt:1"]
    assert channel.queue.get_nowait()[1].startswith("dbt:1;")


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)
