"""The gate before claims, by a clock of its own."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from typing import Any

from executors.runtime.engine_gate import EngineGate, no_engine
from executors.runtime.journal import Journal

EXTERNAL: dict[str, Any] = {"error": {"class": "external"}}


class Scene:
    """A gate whose engine says these things in turn, the last one from then on."""

    def __init__(self, *says: str | Exception | None) -> None:
        self.says, self.asked, self.now, self.out = list(says), 0, 0.0, io.StringIO()
        self.while_asked: Callable[[], None] = lambda: None
        self.gate = EngineGate(self.trouble, Journal(self.out), lambda: self.now, self.sleep)

    def trouble(self) -> str | None:
        self.asked += 1
        self.while_asked()
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, Exception):
            raise said
        return said

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def journal(self) -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in self.out.getvalue().splitlines()]
        return [(line["action"], line.get("message", "")) for line in lines]


def test_it_is_asked_until_it_answers_once_and_then_no_more() -> None:
    scene = Scene("it starts", "it still starts", None)
    for _ in range(3):
        scene.gate.wait(lambda: False)
    assert (scene.asked, scene.now) == (3, 2.0)
    assert [action for action, _ in scene.journal()] == ["engine.away", "engine.answers"]
    assert scene.journal()[0][1].startswith("it starts; ")


def test_an_engine_that_answers_at_once_is_not_worth_a_line() -> None:
    scene = Scene(None)
    scene.gate.wait(lambda: False)
    assert (scene.asked, scene.journal()) == (1, [])


def test_only_what_failed_for_an_external_reason_is_cause_to_ask_again() -> None:
    scene = Scene(None)
    scene.gate.wait(lambda: False)
    for report in ({"outcome": "succeeded"}, {"error": None}, {"error": {"class": "user"}}):
        scene.gate.hear(report)
        scene.gate.wait(lambda: False)
    assert scene.asked == 1
    scene.gate.hear(EXTERNAL)
    scene.gate.wait(lambda: False)
    assert scene.asked == 2


def test_what_fails_while_it_is_asked_is_newer_than_its_answer() -> None:
    scene = Scene(None)
    scene.while_asked = lambda: scene.gate.hear(EXTERNAL) if scene.asked == 1 else None
    scene.gate.wait(lambda: False)
    scene.gate.wait(lambda: False)
    assert scene.asked == 2


def test_a_wait_ends_with_its_time_and_when_nobody_waits_any_more() -> None:
    scene = Scene("away")
    scene.gate.wait(lambda: False, seconds=5.0)
    assert scene.now == 5.0
    scene.gate.wait(lambda: scene.now >= 8.0)
    assert scene.now == 8.0
    assert len(scene.journal()) == 1


def test_what_keeps_it_away_is_known_until_it_answers_and_each_turn_is_told() -> None:
    scene = Scene("it starts", "it still starts", None)
    told: list[str | None] = []
    scene.gate.turned = lambda: told.append(scene.gate.away)
    scene.gate.wait(lambda: False, 1.0)
    assert (scene.gate.away, told) == ("it still starts", ["it starts"])
    scene.gate.wait(lambda: False)
    assert (scene.gate.away, told) == (None, ["it starts", None])


def test_many_who_wait_at_once_ask_one_question_between_them() -> None:
    """Each takes seconds while nobody answers, and one at a time is asked."""
    scene = Scene("away")
    for _ in range(8):
        scene.gate.wait(lambda: False, seconds=0.0)
    assert scene.asked == 1
    scene.now += 1.0
    scene.gate.wait(lambda: False, seconds=0.0)
    assert scene.asked == 2


def test_an_engine_that_never_ends_its_answer_keeps_nobody() -> None:
    """Neither who asked, nor others that wait, and it is asked once."""
    scene, released = Scene(None), threading.Event()
    scene.while_asked = lambda: released.wait() and None
    others = [threading.Thread(target=scene.gate.wait, args=(lambda: scene.now > 12.0,)) for _ in range(2)]
    for other in others:
        other.start()
    scene.gate.wait(lambda: scene.now > 12.0)
    for other in others:
        other.join(30)
        assert not other.is_alive()
    assert scene.asked == 1
    assert [action for action, _ in scene.journal()] == ["engine.away"]
    assert "has not said for" in scene.journal()[0][1]
    released.set()
    scene.gate.wait(lambda: False)
    assert [action for action, _ in scene.journal()] == ["engine.away", "engine.answers"]


def test_what_opens_an_address_is_told_to_nobody() -> None:
    scene = Scene("nobody answers at https://ada:s3cr3t-word@trino:8443\x00", None)
    scene.gate.wait(lambda: False, 0.0)
    assert scene.gate.away == "nobody answers at https://ada:***@trino:8443\\x00"
    assert "s3cr3t-word" not in scene.out.getvalue()


def test_a_defect_of_the_question_stops_no_executor() -> None:
    scene = Scene(ValueError("odd"))
    scene.gate.wait(lambda: False)
    assert scene.journal() == [("engine.defect", "ValueError: odd")]


def test_a_kind_without_an_engine_never_waits() -> None:
    gate = EngineGate(no_engine, Journal(io.StringIO()))
    gate.hear(EXTERNAL)
    gate.wait(lambda: False)
