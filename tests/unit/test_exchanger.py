"""What arrives while a statement runs goes into the next one; nobody pays for another's mistake."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from contract.errors import LeaseLost
from contract.server.exchanger import Exchanger
from contract.server.lanes import Limits
from ops_schema.errors import StoreBusy, StoreUnavailable
from ops_schema.store import MemberAnswer, Principal

CALLER = Principal(UUID(int=1), "executor", "worker", None)
STALE = {"message": "stale", "members": {"reason": "expired"}, "hint": None}


class Statements:
    """A store whose statements end when they are told to; a member is as bad as its body says."""

    def __init__(self) -> None:
        self.sent: list[list[Any]] = []
        self.gate = asyncio.Event()
        self.down = False

    async def exchange_each(
        self, reports: Sequence[dict[str, Any]], claims: Sequence[dict[str, Any]]
    ) -> list[MemberAnswer]:
        members = [*reports, *claims]
        self.sent.append([member["body"]["n"] for member in members])
        await self.gate.wait()
        await asyncio.sleep(0)
        if self.down:
            raise StoreUnavailable("away")
        if any(member["body"].get("blocked") for member in members):
            raise StoreBusy("locked")
        if any(member["body"].get("breaks") for member in members):
            raise RuntimeError("a defect")
        return [MemberAnswer(-2, None, "now"), *(self._answer(member) for member in reversed(members))]

    @staticmethod
    def _answer(member: dict[str, Any]) -> MemberAnswer:
        if member["body"].get("stale"):
            return MemberAnswer(member["ordinal"], "OPC01", json.dumps(STALE))
        return MemberAnswer(member["ordinal"], None, json.dumps(member["body"]["n"]))


def make(**limits: Any) -> tuple[Exchanger, Statements]:
    statements = Statements()
    return Exchanger(statements, limits=Limits(**{"in_flight": 1, **limits})), statements  # type: ignore[arg-type]


def report(exchanger: Exchanger, n: int, **more: Any) -> asyncio.Task[str]:
    return asyncio.create_task(exchanger.report(CALLER, UUID(int=n), {"n": n, **more}))


async def settled(statements: Statements, count: int) -> None:
    """Let everything that can run do so, until `count` statements were sent."""
    for _ in range(100):
        if len(statements.sent) >= count:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{len(statements.sent)} statements were sent, not {count}")


async def test_requests_that_arrive_while_a_statement_runs_share_the_next() -> None:
    exchanger, statements = make()
    tasks = [report(exchanger, 0)]
    await settled(statements, 1)
    tasks += [report(exchanger, n) for n in (1, 2, 3)]
    statements.gate.set()
    assert await asyncio.gather(*tasks) == ["0", "1", "2", "3"]
    assert statements.sent == [[0], [1, 2, 3]]


async def test_a_refusal_is_its_members_own() -> None:
    exchanger, statements = make()
    statements.gate.set()
    good, bad = report(exchanger, 1), report(exchanger, 2, stale=True)
    assert await good == "1"
    with pytest.raises(LeaseLost) as refusal:
        await bad
    assert refusal.value.members["reason"] == "expired"


async def test_after_a_defect_the_requests_go_one_by_one_and_one_fails() -> None:
    exchanger, statements = make()
    first = report(exchanger, 0)
    await settled(statements, 1)
    good, bad, other = report(exchanger, 1), report(exchanger, 2, breaks=True), report(exchanger, 3)
    statements.gate.set()
    found = await asyncio.gather(first, good, bad, other, return_exceptions=True)
    assert [str(one) for one in found] == ["0", "1", "a defect", "3"]
    assert isinstance(found[2], RuntimeError)
    assert statements.sent == [[0], [1, 2, 3], [1], [2], [3]]


async def test_after_a_defect_in_an_exchange_its_members_go_one_by_one_and_one_fails() -> None:
    exchanger, statements = make()
    statements.gate.set()
    reports = [{"body": {"n": 1}}, {"body": {"n": 2, "breaks": True}}, {"body": {"n": 3, "stale": True}}]
    carried = await exchanger.carry(reports, [{"body": {"n": 9}}])
    one, broken, stale, claimed = carried.answers
    assert (one.text, claimed.text, carried.server_time) == ("1", "9", "now")
    assert [str(answer.error and answer.error.code) for answer in (broken, stale)] == ["internal", "lease_lost"]
    assert "a defect" not in str(broken.error)
    assert statements.sent == [[1, 2, 3, 9], [1], [2], [3], [9], []]


async def test_an_outage_while_members_go_one_by_one_is_told_whole() -> None:
    exchanger, statements = make()
    statements.gate.set()
    with pytest.raises(StoreBusy):
        await exchanger.carry([{"body": {"n": 1, "breaks": True}}, {"body": {"n": 2, "blocked": True}}], [])


async def test_a_member_that_waits_for_a_lock_holds_nobody_up() -> None:
    exchanger, statements = make()
    statements.gate.set()
    good, blocked = report(exchanger, 1), report(exchanger, 2, blocked=True)
    assert await asyncio.gather(good, return_exceptions=True) == ["1"]
    later = [await report(exchanger, n) for n in (3, 4)]
    assert later == ["3", "4"]
    with pytest.raises(StoreBusy):
        await blocked
    assert statements.sent.count([2]) == 30


async def test_however_many_members_wait_for_a_lock_they_hold_nobody_up() -> None:
    exchanger, statements = make()
    statements.gate.set()
    blocked = [report(exchanger, n, blocked=True) for n in range(10, 20)]
    good = report(exchanger, 1)
    assert await good == "1"
    assert [task.done() for task in blocked] == [False] * 10
    # each of them had a try or two before, none all its thirty
    assert max(statements.sent.count([n]) for n in range(10, 20)) < 5
    assert [type(one) for one in await asyncio.gather(*blocked, return_exceptions=True)] == [StoreBusy] * 10


async def test_who_has_gone_while_it_waited_for_a_lock_is_not_sent_again() -> None:
    exchanger, statements = make()
    statements.gate.set()
    gone, other = report(exchanger, 1, blocked=True), report(exchanger, 2)
    assert await other == "2"
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    before = statements.sent.count([1])
    await asyncio.sleep(0.05)
    assert statements.sent.count([1]) <= before + 1


async def test_an_outage_is_told_to_all_and_nothing_is_sent_again() -> None:
    exchanger, statements = make()
    statements.down = True
    statements.gate.set()
    found = await asyncio.gather(report(exchanger, 1), report(exchanger, 2), return_exceptions=True)
    assert [type(one) for one in found] == [StoreUnavailable] * 2
    assert statements.sent == [[1, 2]]


async def test_what_a_caller_that_has_gone_wanted_is_not_sent() -> None:
    exchanger, statements = make()
    first = report(exchanger, 0)
    await settled(statements, 1)
    gone, other = report(exchanger, 1), report(exchanger, 2)
    await asyncio.sleep(0)
    gone.cancel()
    statements.gate.set()
    assert [await first, await other] == ["0", "2"]
    assert statements.sent == [[0], [2]]


async def test_a_statement_holds_no_more_members_than_allowed_and_keeps_requests_whole() -> None:
    exchanger, statements = make(most=3)
    statements.gate.set()
    requests = [
        exchanger.carry([{"body": {"n": n}} for n in numbers], []) for numbers in ([1, 2], [3, 4], [5], [6] * 5)
    ]
    await asyncio.gather(*requests)
    assert statements.sent == [[1, 2], [3, 4, 5], [6] * 5]


async def test_no_more_statements_run_at_once_than_allowed() -> None:
    exchanger, statements = make(in_flight=2, most=1, many=1)
    tasks = [report(exchanger, n) for n in range(4)]
    await settled(statements, 2)
    await asyncio.sleep(0.01)
    assert statements.sent == [[0], [1]]
    statements.gate.set()
    assert await asyncio.gather(*tasks) == ["0", "1", "2", "3"]


async def test_few_members_wait_for_the_statement_that_runs_and_many_do_not() -> None:
    exchanger, statements = make(in_flight=2, many=3, slow=60)
    tasks = [report(exchanger, 0)]
    await settled(statements, 1)
    tasks += [report(exchanger, n) for n in (1, 2)]
    await asyncio.sleep(0.01)
    assert statements.sent == [[0]]
    tasks.append(report(exchanger, 3))
    await settled(statements, 2)
    assert statements.sent == [[0], [1, 2, 3]]
    statements.gate.set()
    assert await asyncio.gather(*tasks) == ["0", "1", "2", "3"]


async def test_a_slow_statement_is_not_waited_for() -> None:
    exchanger, statements = make(in_flight=2, slow=0.001)
    first = report(exchanger, 0)
    await settled(statements, 1)
    second = report(exchanger, 1)
    async with asyncio.timeout(5):
        while len(statements.sent) < 2:  # noqa: ASYNC110 - a list, no event
            await asyncio.sleep(0.001)
    statements.gate.set()
    assert await asyncio.gather(first, second) == ["0", "1"]


async def test_those_that_were_answered_just_now_are_waited_for_a_moment() -> None:
    exchanger, statements = make(linger=60)
    statements.gate.set()
    await asyncio.gather(report(exchanger, 1), report(exchanger, 2))
    early = report(exchanger, 3)
    await asyncio.sleep(0.01)
    assert statements.sent == [[1, 2]]
    assert await asyncio.gather(early, report(exchanger, 4)) == ["3", "4"]
    assert statements.sent == [[1, 2], [3, 4]]


async def test_those_that_do_not_come_back_are_not_waited_for_longer() -> None:
    exchanger, statements = make(linger=0.001)
    statements.gate.set()
    await asyncio.gather(*(report(exchanger, n) for n in range(9)))
    assert await asyncio.wait_for(report(exchanger, 10), 5) == "10"
    assert await asyncio.wait_for(report(exchanger, 11), 5) == "11"


async def test_many_are_not_waited_for() -> None:
    """While one half's statement runs the other half is read: waiting for all, the database would stand idle."""
    exchanger, statements = make(linger=60, few=2)
    statements.gate.set()
    await asyncio.gather(*(report(exchanger, n) for n in (1, 2, 3)))
    assert await asyncio.wait_for(report(exchanger, 4), 5) == "4"
