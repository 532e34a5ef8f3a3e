"""Queues of one priority are one line: what became ready first goes first, and a long queue holds up no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.core import Queue, Worker
from tests.support.postgres import Database


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template()
    yield made
    made.ops.close()


def line(queue: Queue, *queues: str, **more: object) -> list[str]:
    """One run after the other, in these queues."""
    return [queue.submit(queue=name, **more)["run_id"] for name in queues]


@pytest.mark.parametrize("room", [1, 2, 3, 10])
def test_runs_of_several_queues_are_claimed_in_the_order_they_became_ready(queue: Queue, room: int) -> None:
    runs = line(queue, "b", "b", "a", "b", "c", "a", "a", "b", "c", "b")
    worker = Worker(queue)
    claimed: list[str] = []
    while found := worker.claim(max_runs=room):
        claimed += [run["run_id"] for run in found]
    assert claimed == runs


def test_a_long_queue_holds_up_no_run_that_came_between(queue: Queue) -> None:
    line(queue, *["bulk"] * 30)
    (short,) = line(queue, "default")
    line(queue, *["bulk"] * 30)
    worker = Worker(queue)
    first = [run["run_id"] for _ in range(31) for run in worker.claim(max_runs=1)]
    assert first.index(short) == 30
    after = [run["run_id"] for run in worker.claim(max_runs=50)]
    assert len(after) == 30


def test_a_higher_priority_goes_first_whatever_the_queue(queue: Queue) -> None:
    low = line(queue, "a", "b", priority=0)
    high = line(queue, "b", "c", "b", priority=5)
    claimed = [run["run_id"] for run in Worker(queue).claim(max_runs=4)]
    assert claimed == [*high, low[0]]


def test_what_others_hold_of_a_share_is_made_up_from_another_queue(queue: Queue) -> None:
    runs = line(queue, "a", "a", "b", "b", "b")
    with queue.ops.database.connect(autocommit=False) as other:
        held = other.execute("select run_id from ops.runs where run_id = any (%s::uuid[]) for update", (runs[:2],))
        assert len(held.fetchall()) == 2
        claimed = [run["run_id"] for run in Worker(queue).claim(max_runs=3)]
        assert claimed == runs[2:]


def test_a_paused_queue_and_a_closed_one_take_no_share(queue: Queue) -> None:
    runs = line(queue, "a", "b", "a", "c", "b")
    queue.ops.call("pause_queue", queue.operator, "a", {"reason": "test"})
    claimed = [run["run_id"] for run in Worker(queue).claim(max_runs=3, queues=["a", "c"])]
    assert claimed == [runs[3]]


def test_why_counts_the_whole_line_but_for_paused_queues(queue: Queue) -> None:
    line(queue, "bulk", "bulk", "bulk")
    (run,) = line(queue, "default")

    def position() -> int:
        reasons = queue.ops.call("why_run", queue.operator, run)["reasons"]
        (found,) = (reason for reason in reasons if reason["code"] == "position_in_queue")
        return int(found["detail"]["position"])

    assert position() == 4
    queue.ops.call("pause_queue", queue.operator, "bulk", {"reason": "test"})
    assert position() == 1
