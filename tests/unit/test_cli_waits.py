"""What is said of runs that nobody takes, and how often the server is asked for it, by a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from control_room.client import OperatorClient
from control_room.commands.waits import AGAIN_SECONDS, MOST_ASKED, PATIENCE_SECONDS, Waits, held_up


class Room:
    """Tells why each run waits, as often as it is asked, unless it is away."""

    def __init__(self) -> None:
        self.asked, self.away, self.now = list[str](), False, 100.0
        self.code = "queue_paused"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path.split("/")[-2])
        if self.away:
            return httpx.Response(503, json={"code": "unavailable", "title": "Unavailable", "detail": "no database"})
        reason = {"code": self.code, "message": "queue q is paused", "detail": {"queue": "q"}}
        return httpx.Response(200, json={"state": "queued", "reasons": [reason]})


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def client(room: Room) -> Iterator[OperatorClient]:
    with OperatorClient("http://control-room.example", "token", transport=httpx.MockTransport(room)) as client:
        yield client


def queued(number: int) -> dict[str, object]:
    return {"number": number, "state": "queued"}


def test_a_reason_that_somebody_must_do_something_about_is_told_with_what(room: Room, client: OperatorClient) -> None:
    assert held_up(client, queued(7)).startswith("queue q is paused; `")
    room.code = "ahead_in_queue"
    assert held_up(client, queued(7)) == ""


def test_a_server_that_does_not_say_why_is_no_failure_of_a_submit(room: Room, client: OperatorClient) -> None:
    room.away = True
    assert held_up(client, queued(7)) == ""
    assert room.asked == ["7"]


def test_a_run_is_asked_for_after_a_while_then_now_and_then(room: Room, client: OperatorClient) -> None:
    waits = Waits(client, lambda: room.now)
    assert waits.of(queued(7)) == ""
    room.now += PATIENCE_SECONDS
    told = [waits.of(queued(7)) for _ in range(3)]
    assert all(text.startswith("queue q is paused") for text in told)
    assert room.asked == ["7"]
    room.now += AGAIN_SECONDS
    waits.of(queued(7))
    assert room.asked == ["7", "7"]
    assert waits.of({"number": 7, "state": "running"}) == ""
    assert waits.of(queued(7)) == "", "it has only just come back"


def test_of_many_runs_some_are_asked_for(room: Room, client: OperatorClient) -> None:
    waits = Waits(client, lambda: room.now)
    for _ in range(2):
        for number in range(20):
            waits.of(queued(number))
        room.now += PATIENCE_SECONDS
    assert len(room.asked) == MOST_ASKED
