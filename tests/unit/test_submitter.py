"""Submits share statements; nobody pays for another's mistake, and nobody's run is made twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from contract.errors import ContractError
from contract.server.lanes import TRIES_ALONE, Limits
from control_room.api.submitter import Checked, Submitter
from ops_schema.errors import OpsError, StoreBusy, StoreUnavailable
from ops_schema.store import MemberAnswer, Principal

CALLER = Principal(UUID(int=1), "operator", "olga", None)
NO_TEMPLATE = {"message": "there is no template", "members": {"template": "gone"}, "hint": "apply it"}
Json = dict[str, Any]


class Statements:
    """A store whose statements end when they are told to; a member is as bad as its body says.

    sent: what each statement was about; made: the runs that are committed.
    """

    def __init__(self) -> None:
        self.sent: list[list[int]] = []
        self.made: list[int] = []
        self.singly: list[Json] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def submit_each(self, members: Sequence[Json]) -> list[MemberAnswer]:
        bodies = [member["body"] for member in members]
        self.sent.append([body["n"] for body in bodies])
        await self.gate.wait()
        for body in bodies:
            self._meet(body, alone=len(bodies) == 1)
        good = [member for member in members if not member["body"].get("refused")]
        self.made += [member["body"]["n"] for member in good]
        ready = [MemberAnswer(-3, None, f"python:{len(good)}")] if good else []
        return [*ready, *(self._answer(member) for member in reversed(members))]

    def _meet(self, body: Json, *, alone: bool) -> None:
        if body.get("down") or (body.get("down_alone") and alone):
            raise StoreUnavailable("away")
        if body.get("blocked", 0):
            body["blocked"] -= alone
            raise StoreBusy("locked")
        if body.get("breaks") or (body.get("breaks_together") and not alone):
            raise RuntimeError("a defect")
        if body.get("too_large"):
            raise OpsError("OPV01", "a value is too large")

    @staticmethod
    def _answer(member: Json) -> MemberAnswer:
        if member["body"].get("refused"):
            return MemberAnswer(member["ordinal"], "OPN02", json.dumps(NO_TEMPLATE))
        found = {"number": member["body"]["n"], "whole": member.get("whole", False)}
        return MemberAnswer(member["ordinal"], None, json.dumps(found))

    async def submit_run(self, _: Principal, body: Json) -> Json:
        self.singly.append(body)
        return {"number": body["n"]}


def make(**more: Any) -> tuple[Submitter, Statements]:
    statements = Statements()
    return Submitter(statements, **more), statements  # type: ignore[arg-type]


def bulk(submitter: Submitter, *bodies: Json, size: int = 10) -> asyncio.Task[list[Any]]:
    return asyncio.create_task(submitter.submit_each(CALLER, [Checked(body, size) for body in bodies]))


async def single(submitter: Submitter, body: Json, size: int = 10) -> Any:
    return await submitter.submit(CALLER, Checked(body, size))


def said(found: Sequence[Json | ContractError]) -> list[Any]:
    """The number of each run that was made, or the code of what refused it."""
    return [one.code if isinstance(one, ContractError) else one["number"] for one in found]


async def sent(statements: Statements, count: int) -> None:
    """Let everything that can run do so, until `count` statements were sent."""
    for _ in range(100):
        if len(statements.sent) >= count:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{len(statements.sent)} statements were sent, not {count}")


async def test_submits_that_arrive_while_a_statement_runs_share_the_next() -> None:
    submitter, statements = make(limits=Limits(in_flight=1))
    statements.gate.clear()
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(single(submitter, {"n": 0}))]
    await sent(statements, 1)
    tasks += [bulk(submitter, {"n": 1}, {"n": 2}), asyncio.create_task(single(submitter, {"n": 3}))]
    await asyncio.sleep(0)
    statements.gate.set()
    first, several, other = await asyncio.gather(*tasks)
    assert statements.sent == [[0], [1, 2, 3]]
    assert (first["number"], said(several), other["number"]) == (0, [1, 2], 3)
    assert (first["whole"], several[0]["whole"]) == (True, False)


async def test_a_refusal_is_its_members_own() -> None:
    submitter, statements = make()
    alone = asyncio.create_task(single(submitter, {"n": 9, "refused": True}))
    found = await bulk(submitter, {"n": 1}, {"n": 2, "refused": True}, {"n": 3})
    assert said(found) == [1, "template_not_found", 3]
    assert found[1].members["template"] == "gone"
    with pytest.raises(ContractError) as refusal:
        await alone
    assert (refusal.value.code, refusal.value.hint) == ("template_not_found", "apply it")
    assert sorted(statements.made) == [1, 3]


async def test_a_bulk_whose_statement_breaks_goes_member_by_member() -> None:
    submitter, statements = make()
    found = await bulk(submitter, {"n": 1}, {"n": 2, "breaks_together": True}, {"n": 3})
    assert said(found) == [1, 2, 3]
    assert statements.sent == [[1, 2, 3], [1], [2], [3]]
    assert statements.made == [1, 2, 3]


async def test_a_member_that_breaks_alone_too_fails_alone() -> None:
    submitter, statements = make()
    found = await bulk(submitter, {"n": 1}, {"n": 2, "breaks": True}, {"n": 3, "refused": True}, {"n": 4})
    assert said(found) == [1, "internal", "template_not_found", 4]
    assert statements.made == [1, 4]


async def test_what_refused_a_whole_statement_is_told_to_the_member_that_it_is_about() -> None:
    submitter, statements = make()
    found = await bulk(submitter, {"n": 1}, {"n": 2, "too_large": True}, {"n": 3})
    assert said(found) == [1, "invalid_request", 3]
    assert found[1].detail == "a value is too large"
    assert statements.made == [1, 3]


async def test_two_requests_whose_statement_breaks_go_each_for_itself() -> None:
    submitter, statements = make()
    good, bad = bulk(submitter, {"n": 1}, {"n": 2}), bulk(submitter, {"n": 3}, {"n": 4, "breaks_together": True})
    found = await asyncio.gather(good, bad, return_exceptions=True)
    assert [one for one in found if isinstance(one, BaseException)] == []
    assert [said(await task) for task in (good, bad)] == [[1, 2], [3, 4]]
    assert statements.sent[0] == [1, 2, 3, 4]
    assert sorted(statements.made) == [1, 2, 3, 4]


async def test_a_member_that_waits_for_a_lock_makes_no_run_before_it_twice() -> None:
    submitter, statements = make()
    found = await bulk(submitter, {"n": 1}, {"n": 2, "breaks_together": True, "blocked": 3}, {"n": 3})
    assert said(found) == [1, 2, 3]
    assert statements.made == [1, 2, 3]
    assert statements.sent == [[1, 2, 3], [1], *[[2]] * 4, [3]]


async def test_a_member_that_never_gets_its_lock_is_told_so_and_the_others_keep_their_answers() -> None:
    submitter, statements = make()
    found = await bulk(submitter, {"n": 1}, {"n": 2, "breaks_together": True, "blocked": 10**6}, {"n": 3})
    assert said(found) == [1, "database_unavailable", 3]
    assert statements.made == [1, 3]
    assert statements.sent.count([2]) == TRIES_ALONE


async def test_an_outage_between_two_members_tells_that_nothing_is_known_and_sends_nothing_again() -> None:
    submitter, statements = make()
    with pytest.raises(StoreUnavailable, match="away"):
        await bulk(submitter, {"n": 1, "breaks_together": True}, {"n": 2, "down_alone": True}, {"n": 3})
    assert statements.sent == [[1, 2, 3], [1], [2]]
    assert statements.made == [1]


async def test_an_outage_is_told_to_all_who_share_the_statement() -> None:
    submitter, statements = make()
    tasks = bulk(submitter, {"n": 1}), bulk(submitter, {"n": 2, "down": True})
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [StoreUnavailable] * 2
    assert (statements.sent, statements.made) == ([[1, 2]], [])


async def test_what_became_claimable_is_told_once_for_each_statement() -> None:
    told: list[str] = []
    submitter, _ = make(tell_ready=told.append)
    await bulk(submitter, {"n": 1}, {"n": 2, "refused": True}, {"n": 3})
    await bulk(submitter, {"n": 4, "refused": True})
    assert told == ["python:2"]


@pytest.mark.parametrize("name", ["depends_on", "dedupe_key", "concurrency_key", "concurrency_limit"])
async def test_a_submit_that_may_wait_for_somebody_goes_alone(name: str) -> None:
    submitter, statements = make()
    assert await single(submitter, {"n": 1, name: "x"}) == {"number": 1}
    assert (statements.sent, statements.singly) == ([], [{"n": 1, name: "x"}])


async def test_no_bodies_make_no_statement() -> None:
    submitter, statements = make()
    assert await submitter.submit_each(CALLER, []) == []
    assert statements.sent == []


async def test_a_bulk_of_large_members_goes_in_several_statements_in_its_order() -> None:
    submitter, statements = make()
    found = await bulk(submitter, *({"n": n} for n in range(10)), size=1 << 20)
    assert said(found) == list(range(10))
    assert statements.sent == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


async def test_a_thousand_small_members_share_one_statement() -> None:
    submitter, statements = make()
    await bulk(submitter, *({"n": n} for n in range(1000)), size=4000)
    assert [len(one) for one in statements.sent] == [1000]


async def test_large_submits_of_many_callers_share_no_statement_that_would_be_huge() -> None:
    submitter, statements = make(limits=Limits(in_flight=1, most=1000))
    statements.gate.clear()
    tasks = [asyncio.create_task(single(submitter, {"n": n}, size=1 << 20)) for n in range(10)]
    await sent(statements, 1)
    statements.gate.set()
    assert sorted(said(await asyncio.gather(*tasks))) == list(range(10))
    assert max(map(len, statements.sent)) == 3


@pytest.mark.parametrize(("bad", "code"), [("too_large", "invalid_request"), ("breaks", "internal")])
async def test_a_statements_only_member_that_fails_leaves_the_others_their_answers(bad: str, code: str) -> None:
    submitter, statements = make()
    found = await bulk(submitter, {"n": 1}, {"n": 2, bad: True}, {"n": 3}, size=4 << 20)
    assert said(found) == [1, code, 3]
    assert (statements.sent, statements.made) == ([[1], [2], [3]], [1, 3])
