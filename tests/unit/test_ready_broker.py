"""Waiting claims are woken for what they can have, and no more of them than there are runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

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
