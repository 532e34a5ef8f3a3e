"""Waiting claims are woken for what they can have, and no more of them than there are runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from contract.server import ready
from contract.server.ready import ReadyBroker, Waiter, counted


class Channel:
    """A listener that says what it is told to."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def listen(self) -> AsyncIterator[tuple[str, str]]:
        while True:
            yield await self.queue.get()


def waiters(broker: ReadyBroker, stack: ExitStack, *profiles: tuple[str, str]) -> list[Waiter]:
    return [stack.enter_context(broker.waiting(kind, of)) for kind, of in profiles]


def woken(found: list[Waiter]) -> list[bool]:
    return [waiter.event.is_set() for waiter in found]


def test_as_many_look_as_there_are_runs_the_longest_waiting_first() -> None:
    broker = ReadyBroker(Channel())
    with ExitStack() as stack:
        found = waiters(broker, stack, *[("python", "a")] * 4)
        broker.wake_for(Counter({"python": 2}))
        assert woken(found) == [True, True, False, False]
        broker.wake_for(Counter({"python": 1}))
        assert woken(found) == [True, True, True, False]


def test_others_of_another_kind_sleep_on() -> None:
    broker = ReadyBroker(Channel())
    with ExitStack() as stack:
        found = waiters(broker, stack, ("dbt", "a"), ("python", "a"))
        broker.wake_for(Counter({"python": 5}))
        assert woken(found) == [False, True]


def test_of_each_filter_somebody_looks_since_not_everybody_can_have_every_run() -> None:
    broker = ReadyBroker(Channel())
    with ExitStack() as stack:
        found = waiters(broker, stack, ("python", "small"), ("python", "small"), ("python", "big"), ("python", "big"))
        broker.wake_for(Counter({"python": 1}))
        assert woken(found) == [True, False, True, False]


def test_who_leaves_with_a_wake_hands_it_on() -> None:
    broker = ReadyBroker(Channel())
    with ExitStack() as stack:
        with broker.waiting("python", "a") as first:
            (second,) = waiters(broker, stack, ("python", "a"))
            broker.wake_for(Counter({"python": 1}))
            assert (first.event.is_set(), second.event.is_set()) == (True, False)
        assert second.event.is_set()


def test_who_leaves_after_it_looked_hands_nothing_on() -> None:
    broker = ReadyBroker(Channel())
    with ExitStack() as stack:
        with broker.waiting("python", "a") as first:
            (second,) = waiters(broker, stack, ("python", "a"))
            broker.wake_for(Counter({"python": 1}))
            first.event.clear()
        assert not second.event.is_set()


def test_who_can_have_no_run_hands_its_wake_on_and_gets_no_other() -> None:
    """A paused executor goes on waiting: as the longest waiting it would take the wake of every run."""
    broker = ReadyBroker(Channel())
    with ExitStack() as stack:
        paused, healthy, third = found = waiters(broker, stack, *[("python", "a")] * 3)
        broker.wake_for(Counter({"python": 1}))
        assert woken(found) == [True, False, False]
        paused.event.clear()
        broker.looked(paused, barren=True)
        assert woken(found) == [False, True, False]
        healthy.event.clear()
        broker.looked(healthy, barren=False)
        broker.wake_for(Counter({"python": 1}))
        assert woken(found) == [False, True, False]
        # what is for all is for it, too: it may have been resumed
        broker.wake()
        assert woken(found) == [True, True, True]
        paused.event.clear()
        broker.looked(paused, barren=False)
        third.event.clear()
        broker.wake_for(Counter({"python": 1}))
        assert woken(found) == [True, True, False]


def test_a_wake_that_came_while_the_look_was_barren_is_handed_on() -> None:
    broker = ReadyBroker(Channel())
    with ExitStack() as stack:
        deaf, other = found = waiters(broker, stack, *[("python", "a")] * 2)
        broker.looked(deaf, barren=True)
        other.event.clear()
        deaf.event.set()
        broker.looked(deaf, barren=True)
        assert woken(found) == [False, True]


async def test_a_time_that_has_come_and_brought_nothing_is_not_looked_at_again_at_once(monkeypatch) -> None:
    """Somebody holds the row of the due run, or it raises: each look would ask for the next."""
    monkeypatch.setattr(ready, "AGAIN_SECONDS", 0.05)
    broker = ReadyBroker(Channel())
    with broker.waiting("python", "a") as waiter:
        broker.wake_in(0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiter.event.is_set()
        async with asyncio.timeout(5):
            await waiter.event.wait()


async def test_notifications_wake_and_a_lost_connection_is_known() -> None:
    channel = Channel()
    broker = ReadyBroker(channel)
    async with broker.running():
        with broker.waiting("python", "a") as python, broker.waiting("dbt", "a") as dbt:
            channel.queue.put_nowait(("ops_ready", "python:1"))
            await asyncio.wait_for(python.event.wait(), 5)
            assert not dbt.event.is_set()
            assert broker.listening
            channel.queue.put_nowait(("", ""))
            channel.queue.put_nowait(("ops_ready", ""))
            await asyncio.wait_for(dbt.event.wait(), 5)
            assert broker.listening
            channel.queue.put_nowait(("", ""))
            while not channel.queue.empty() or broker.listening:  # noqa: ASYNC110 - a flag, no event
                await asyncio.sleep(0)


async def test_when_the_next_run_is_due_one_of_each_filter_looks() -> None:
    broker = ReadyBroker(Channel())
    with ExitStack() as stack:
        found = waiters(broker, stack, ("python", "a"), ("python", "a"), ("dbt", "b"))
        broker.wake_in(60)
        broker.wake_in(0.01)
        broker.wake_in(30)
        await asyncio.wait_for(found[0].event.wait(), 5)
        assert woken(found) == [True, False, True]
    broker.close()


async def test_a_broker_that_closes_lets_everybody_go_and_forgets_what_is_due() -> None:
    broker = ReadyBroker(Channel())
    with ExitStack() as stack:
        found = waiters(broker, stack, ("python", "a"), ("dbt", "b"))
        broker.wake_in(60)
        broker.close()
        assert woken(found) == [True, True]
        broker.wake_in(0)
    assert broker.count == 0


@pytest.mark.parametrize(
    ("payload", "runs"),
    [
        ("python:3,dbt:1", {"python": 3, "dbt": 1}),
        ("python:1,python:1", {"python": 2}),
        ("", {}),
        ("python", {}),
        ("python:x", {}),
        (":3", {}),
    ],
)
def test_a_payload_tells_how_many_runs_of_each_kind_or_nothing(payload: str, runs: dict[str, int]) -> None:
    assert counted(payload) == runs
