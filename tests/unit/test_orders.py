"""Who waits for orders: woken by what concerns him, and never left with what came between two waits."""

from __future__ import annotations

import asyncio

import pytest

from contract.server import orders
from contract.server.orders import Orders

ONE, OTHER = "11111111-0000-0000-0000-000000000000", "22222222-0000-0000-0000-000000000000"


def test_what_is_told_concerns_whom_it_names() -> None:
    found = Orders()
    place = found.place
    found.tell(f"{ONE},x")
    assert (found.since(ONE, place), found.since(OTHER, place)) == (True, False)
    assert found.since(ONE, found.place) is False


def test_what_is_told_to_all_concerns_everybody() -> None:
    found = Orders()
    place = found.place
    found.tell("")
    assert found.since(OTHER, place)
    assert not found.since(OTHER, found.place)


@pytest.mark.parametrize("place", [None, "", "other.3", "nonsense", "a.b"])
def test_a_place_that_is_not_ours_makes_its_holder_look(place: str | None) -> None:
    assert Orders().since(ONE, place)


def test_what_was_told_long_ago_is_forgotten_to_the_safe_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "MOST_TOLD", 10)
    found = Orders()
    found.tell(ONE)
    place = found.place
    for number in range(30):
        found.tell(str(number))
    assert len(found._told) <= 10
    assert found.since(ONE, place), "it cannot be known any more: a look too many"


async def test_who_waits_is_woken_and_nobody_else() -> None:
    found = Orders()
    with found.waiting(ONE) as mine, found.waiting(OTHER) as theirs:
        found.tell(ONE)
        await asyncio.wait_for(mine.wait(), 1)
        assert not theirs.is_set()
        found.wake()
        assert theirs.is_set()
    assert found._waiting == {}
