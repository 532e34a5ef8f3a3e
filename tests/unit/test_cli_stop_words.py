"""How soon an attempt stopped, as the command line says it."""

from __future__ import annotations

from control_room.commands.words import stop_text

TIMINGS = {
    "cause": "cancel",
    "delivered_at": "2026-11-22T12:00:01+00:00",
    "engine_stopped_at": "2026-11-22T12:00:01.250000+00:00",
    "released_at": "2026-11-22T12:00:01.300000+00:00",
}


def test_a_cancellation_is_told_from_its_request() -> None:
    told = stop_text(TIMINGS, "2026-11-22T12:00:00.600000Z")
    assert told == "cancelled: told after 0.40s, engine stopped after 0.65s, released after 0.70s"


def test_a_cap_is_told_from_its_breach_and_what_is_not_known_is_left_out() -> None:
    told = stop_text({**TIMINGS, "cause": "cap", "engine_stopped_at": None}, None)
    assert told == "cap passed: released after 0.30s"


def test_an_attempt_that_nobody_stopped_has_nothing_to_tell() -> None:
    assert stop_text(None, None) is None
    assert stop_text(TIMINGS, None) is None
