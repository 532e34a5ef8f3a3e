"""Executors that an operator pauses, resumes or drains."""

from __future__ import annotations

import signal

from tests.executors.room import Executor, Json, Room, wait_for
from tests.executors.test_runtime_recovery import executions, submit


def steer(room: Room, verb: str, executor: Executor) -> Json:
    """ops.<verb>_executor, once the executor has registered."""
    (line,) = wait_for("registration", lambda: executor.said("executor.registered"))
    found: Json = room.call(f"{verb}_executor", room.operator, line["executor_id"], {"reason": "a test"})
    return found


def beats(room: Room) -> str:
    found: str = room.call("list_executors", room.operator)["items"][0]["last_seen_at"]
    return found


def test_a_drained_executor_finishes_what_it_has_however_long_it_takes_and_leaves(control_room: Room) -> None:
    executor = control_room.executor(drain_seconds="0.2")
    run_id = submit(control_room, lines=4, pause=0.5)
    wait_for("the run to work", lambda: executions(control_room))
    steer(control_room, "drain", executor)
    later = submit(control_room)
    assert executor.process.wait(timeout=60) == 0
    run = control_room.run(run_id)
    assert (run["state"], run["attempt"]) == ("succeeded", 1)
    assert control_room.run(later)["state"] == "queued"
    assert executor.said("executor.draining")
    assert executor.said("executor.left")
    (item,) = control_room.call("list_executors", control_room.operator)["items"]
    assert (item["state"], item["state_by"], item["state_reason"]) == ("left", "operator", "a test")


def test_a_signal_sets_a_limit_to_a_drain_that_the_control_room_asked_for(control_room: Room) -> None:
    executor = control_room.executor(drain_seconds="0.2")
    submit(control_room, hang_until=1)
    wait_for("the run to work", lambda: executions(control_room))
    steer(control_room, "drain", executor)
    wait_for("the drain", lambda: executor.said("executor.draining"))
    assert executor.stop(signal.SIGTERM, seconds=30) == 0
    assert executor.said("run.stopped")


def test_a_paused_executor_takes_nothing_goes_on_beating_and_works_again_when_it_is_resumed(control_room: Room) -> None:
    executor = control_room.executor()
    first = submit(control_room, lines=4, pause=0.3)
    wait_for("the run to work", lambda: executions(control_room))
    steer(control_room, "pause", executor)
    later = submit(control_room)
    assert control_room.ended(first)["state"] == "succeeded"
    before = beats(control_room)
    wait_for("a heartbeat", lambda: beats(control_room) > before, 60)
    assert control_room.run(later)["state"] == "queued"
    steer(control_room, "resume", executor)
    assert control_room.ended(later)["state"] == "succeeded"
