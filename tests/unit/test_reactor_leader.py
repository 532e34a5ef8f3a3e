"""Leading, and repeating duties."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from control_room.reactor.duty import Duty, pause_after_failures, repeat
from control_room.reactor.leader import Leader
from ops_schema.errors import StoreUnavailable


@dataclass
class ManualClock:
    """Time that moves when somebody sleeps, in steps, so that everything else runs in between."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self.now += seconds


@dataclass
class LeaseRow:
    """The lease row, as the database keeps it: one holder until a moment."""

    clock: ManualClock
    holder: str | None = None
    until: float = 0.0
    away: bool = False

    async def lead(self, name: str, holder: str, seconds: float) -> bool:
        if self.away:
            raise StoreUnavailable("away")
        if self.holder in (None, holder) or self.until <= self.clock.now:
            self.holder, self.until = holder, self.clock.now + seconds
            return True
        return False


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


def counting(name: str, rounds: list[str]) -> Callable[[], Awaitable[bool]]:
    async def work() -> bool:
        rounds.append(name)
        return False

    return work


async def test_of_two_only_one_leads_and_the_other_takes_over_when_it_stops() -> None:
    clock = ManualClock()
    row = LeaseRow(clock)
    rounds: list[str] = []
    tasks = {
        name: asyncio.create_task(Leader(row, "reactor", name, 9, clock).run([Duty("d", 1, counting(name, rounds))]))
        for name in ("a", "b")
    }
    await until(lambda: len(rounds) >= 5)
    assert len(set(rounds)) == 1
    first = rounds[0]
    tasks.pop(first).cancel()
    await until(lambda: rounds[-1] != first)
    (other,) = tasks.values()
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)


async def test_a_leader_that_cannot_renew_leads_no_longer_than_its_lease() -> None:
    clock = ManualClock()
    row = LeaseRow(clock)
    leader = Leader(row, "reactor", "a", 9, clock)
    assert await leader.renew()
    row.away = True
    clock.now += 8.9
    assert await leader.renew()
    clock.now += 0.2
    assert not await leader.renew()


async def test_duties_end_when_the_lease_is_lost() -> None:
    clock = ManualClock()
    row = LeaseRow(clock)
    rounds: list[str] = []
    task = asyncio.create_task(Leader(row, "reactor", "a", 9, clock).run([Duty("d", 1, counting("a", rounds))]))
    await until(lambda: len(rounds) >= 3)
    row.holder, row.until = "thief", clock.now + 1_000
    await until(lambda: clock.now > row.until - 900)
    count = len(rounds)
    await until(lambda: clock.now > row.until - 500)
    assert len(rounds) == count
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_duty_that_fails_waits_longer_each_time_and_goes_on() -> None:
    clock = ManualClock()
    outcomes = iter([StoreUnavailable("away"), RuntimeError("a defect"), StoreUnavailable("away"), None])

    async def work() -> bool:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        return False

    task = asyncio.create_task(repeat(Duty("d", 7.0, work), clock))
    await until(lambda: len(clock.slept) == 4)
    task.cancel()
    assert clock.slept == [0.5, 1.0, 2.0, 7.0]
    await asyncio.gather(task, return_exceptions=True)


async def test_a_duty_with_more_to_do_does_not_pause() -> None:
    clock = ManualClock()
    more = iter([True, True, False])

    async def work() -> bool:
        return next(more)

    task = asyncio.create_task(repeat(Duty("d", 7.0, work), clock))
    await until(lambda: len(clock.slept) == 3)
    task.cancel()
    assert clock.slept == [0.0, 0.0, 7.0]
    await asyncio.gather(task, return_exceptions=True)


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause_after_failures(n) for n in (1, 2, 3, 7, 1000)] == [0.5, 1.0, 2.0, 30.0, 30.0]
