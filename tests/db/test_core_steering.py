"""Pause, resume, and reschedule, what an operator does to a run that goes on; and that terminal is final."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.core import USER, Queue, Worker, publication, refused
from tests.support.invariants import violations

Json = dict[str, Any]


def steer(queue: Queue, verb: str, run: Json, **body: Any) -> Json:
    """ops.<verb>_run by the operator."""
    answer: Json = queue.ops.call(f"{verb}_run", queue.operator, run["run_id"], body)
    return answer


def event(queue: Queue, run: Json, kind: str) -> Json:
    """The newest event of this type."""
    found: Json = queue.ops.value("select ops.last_event(%s, array[%s])", run["run_id"], kind)
    return found


def flow(queue: Queue) -> Json:
    queue.template(retry={"backoff_seconds": 0})
    queue.template(
        "flow", kind="pipeline", tasks={"a": {"template": "job"}, "b": {"template": "job", "depends_on": ["a"]}}
    )
    return queue.submit("flow")


# A run ---------------------------------------------------------------------------------------------------------------


def test_a_paused_run_is_passed_over_and_goes_to_the_end_when_it_is_resumed(queue: Queue) -> None:
    queue.template()
    first, second = queue.submit(), queue.submit()
    before = queue.ops.value("select ready_seq from ops.runs where run_id = %s", first["run_id"])
    paused = steer(queue, "pause", first, reason="wrong file")
    assert (paused["state"], paused["paused"]) == ("queued", True)
    worker = Worker(queue)
    assert [r["run_id"] for r in worker.claim(5)] == [second["run_id"]]
    third = queue.submit()
    assert steer(queue, "resume", first)["paused"] is False
    assert queue.ops.value("select ready_seq from ops.runs where run_id = %s", first["run_id"]) > before
    assert [r["run_id"] for r in worker.claim(5)] == [third["run_id"], first["run_id"]]


def test_pausing_and_resuming_again_is_no_error_and_tells_nothing_new(queue: Queue) -> None:
    queue.template()
    run = queue.submit()
    steer(queue, "resume", run)
    for _ in range(2):
        steer(queue, "pause", run, reason="first")
    steer(queue, "pause", run, reason="second")
    told = event(queue, run, "run.paused")
    assert (told["actor"], told["data"]["reason"], told["data"]["state"]) == ("operator:olga", "first", "queued")
    for _ in range(2):
        steer(queue, "resume", run, reason="done")
    assert queue.event_types(run) == ["run.submitted", "run.paused", "run.resumed"]
    assert event(queue, run, "run.resumed")["data"]["reason"] == "done"
    assert queue.ops.call("verify_events", run["run_id"])["ok"] is True


def test_a_resumed_run_is_found_although_the_claim_floor_has_moved_on(queue: Queue) -> None:
    queue.template()
    run = queue.submit()
    steer(queue, "pause", run)
    worker = Worker(queue)
    for _ in range(5):
        queue.submit()
        worker.claim_one()
        queue.forward(2)
    assert queue.ops.value("select floor_seq > 1 from ops.queue_floors")
    assert violations(queue.ops.admin) == []
    steer(queue, "resume", run)
    assert worker.claim_one()["run_id"] == run["run_id"]


def test_a_paused_waiting_run_stays_waiting_when_its_time_comes(queue: Queue) -> None:
    queue.template()
    run = queue.submit(not_before="2099-01-01T00:00:00Z")
    steer(queue, "pause", run)
    queue.ops.admin.execute("update ops.runs set not_before = ops.now()")
    assert queue.promote()["promoted"] == 0
    assert (queue.state(run), queue.why(run)) == ("waiting", ["paused", "not_before"])
    assert steer(queue, "resume", run)["state"] == "queued"


def test_a_run_paused_while_it_runs_finishes_its_attempt_and_gets_no_other(queue: Queue) -> None:
    queue.template(retry={"backoff_seconds": 0})
    run = queue.submit()
    worker = Worker(queue)
    claimed = worker.claim_one()
    assert steer(queue, "pause", run)["state"] == "running"
    assert worker.directive(claimed) == "continue"
    assert queue.why(run) == ["running", "paused"]
    worker.report(claimed, "failed")
    assert worker.claim() == []
    steer(queue, "resume", run)
    worker.report(worker.claim_one())
    assert queue.state(run) == "succeeded"


def test_a_run_paused_while_it_runs_that_succeeds_has_succeeded(queue: Queue) -> None:
    queue.template()
    run = queue.submit()
    worker = Worker(queue)
    claimed = worker.claim_one()
    steer(queue, "pause", run)
    worker.report(claimed)
    ended = queue.get(run)
    assert (ended["state"], ended["paused"]) == ("succeeded", False)


def test_a_paused_pipeline_starts_no_further_task(queue: Queue) -> None:
    whole = flow(queue)
    worker = Worker(queue)
    first = worker.claim_one()
    assert steer(queue, "pause", whole, reason="look")["paused"] is True
    worker.report(first)
    assert worker.claim() == []
    assert queue.states(whole) == {"a": "succeeded", "b": "queued"}
    assert queue.why(queue.child(whole, "b"))[0] == "paused"
    steer(queue, "resume", whole)
    worker.report(worker.claim_one())
    assert queue.state(whole) == "succeeded"


def test_a_paused_run_can_be_cancelled(queue: Queue) -> None:
    queue.template()
    run = queue.submit()
    steer(queue, "pause", run)
    assert queue.cancel(run)["state"] == "cancelled"
    assert queue.get(run)["paused"] is False


def test_a_run_that_publishes_cannot_be_steered(queue: Queue) -> None:
    queue.template(outputs=[{"name": "flights", "format": "delta", "mode": "append", "path": "x"}])
    run = queue.submit()
    worker = Worker(queue)
    claimed = worker.claim_one()
    worker.report(claimed, publications=[publication(claimed)])
    for verb, body in STEERING.items():
        with refused("OPC05") as refusal:
            steer(queue, verb, run, **body)
        assert refusal.members["state_reason"] == "publishing"


# Priority and time ---------------------------------------------------------------------------------------------------


def test_a_higher_priority_lets_a_queued_run_go_first(queue: Queue) -> None:
    queue.template()
    runs = [queue.submit() for _ in range(3)]
    worker = Worker(queue)
    changed = steer(queue, "reschedule", runs[2], priority=7, reason="asked for")
    assert (changed["priority"], changed["state"]) == (7, "queued")
    told = event(queue, runs[2], "run.rescheduled")
    assert (told["actor"], told["data"]["priority"], told["data"]["priority_before"]) == ("operator:olga", 7, 0)
    assert told["data"]["reason"] == "asked for"
    assert [r["run_id"] for r in worker.claim(5)] == [runs[2]["run_id"], runs[0]["run_id"], runs[1]["run_id"]]


def test_a_run_put_back_to_a_priority_whose_floor_has_moved_on_is_found(queue: Queue) -> None:
    queue.template()
    run = queue.submit()
    worker = Worker(queue)
    steer(queue, "reschedule", run, priority=-5)
    for _ in range(5):
        queue.submit()
        worker.claim_one()
        queue.forward(2)
    floors = dict(queue.ops.admin.execute("select priority, floor_seq from ops.queue_floors").fetchall())
    assert set(floors) == {0, -5}
    steer(queue, "reschedule", run, priority=0)
    assert queue.ops.value("select ready_seq from ops.runs where run_id = %s", run["run_id"]) >= floors[0]
    assert worker.claim_one()["run_id"] == run["run_id"]


def test_a_schedule_that_is_the_same_again_changes_nothing(queue: Queue) -> None:
    queue.template()
    run = queue.submit(priority=3)
    steer(queue, "reschedule", run, priority=3)
    steer(queue, "reschedule", run, not_before=None)
    assert queue.event_types(run) == ["run.submitted"]


def test_a_run_that_waits_for_its_time_runs_now_when_it_is_told_to(queue: Queue) -> None:
    queue.template()
    run = queue.submit(not_before="2099-01-01T00:00:00Z")
    later = steer(queue, "reschedule", run, not_before="2098-01-01T00:00:00Z")
    assert (later["state"], later["not_before"][:4]) == ("waiting", "2098")
    assert steer(queue, "reschedule", run, not_before=None)["state"] == "queued"
    assert queue.event_types(run)[-2:] == ["run.rescheduled", "run.queued"]
    assert Worker(queue).claim_one()["run_id"] == run["run_id"]


def test_a_retry_need_not_wait_for_its_backoff(queue: Queue) -> None:
    queue.template(retry={"backoff_seconds": 1000, "backoff_max_seconds": 1000})
    run = queue.submit()
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed")
    assert queue.get(run)["state_reason"] == "retry_backoff"
    steer(queue, "reschedule", run, not_before=None, priority=2)
    assert worker.claim_one()["attempt"] == 2


def test_a_paused_run_that_is_told_to_run_now_does_so_when_it_is_resumed(queue: Queue) -> None:
    queue.template()
    run = queue.submit(not_before="2099-01-01T00:00:00Z")
    steer(queue, "pause", run)
    assert steer(queue, "reschedule", run, not_before=None)["state"] == "waiting"
    assert steer(queue, "resume", run)["state"] == "queued"


def test_a_pipeline_is_rescheduled_with_the_tasks_that_have_not_started(queue: Queue) -> None:
    whole = flow(queue)
    running = Worker(queue).claim_one()
    assert steer(queue, "reschedule", whole, priority=9)["priority"] == 9
    assert (queue.child(whole, "b")["priority"], queue.get(running)["priority"]) == (9, 0)


def test_a_schedule_that_no_longer_counts_is_refused(queue: Queue) -> None:
    queue.template()
    queue.template("unsafe", rerun="unsafe")
    run = queue.submit("unsafe")
    with refused("OPC05") as queued:
        steer(queue, "reschedule", run, not_before="2099-01-01T00:00:00Z")
    assert "queued already" in queued.message
    worker = Worker(queue)
    claimed = worker.claim_one()
    with refused("OPC05") as running:
        steer(queue, "reschedule", run, priority=1)
    assert running.members["state"] == "running"
    worker.report(claimed, "failed")
    with refused("OPC05") as held:
        steer(queue, "reschedule", run, not_before=None)
    assert held.members["state_reason"] == "rerun_unsafe"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"priority": "high"},
        {"priority": 1.5},
        {"not_before": 5},
        {"priority": 1, "reason": 3},
        {"reason": "x" * 1001},
    ],
)
def test_a_schedule_that_cannot_work_is_refused(queue: Queue, body: Json) -> None:
    queue.template()
    with refused("OPV01"):
        steer(queue, "reschedule", queue.submit(), **body)


# Terminal is final ---------------------------------------------------------------------------------------------------

STEERING: dict[str, Json] = {
    "pause": {},
    "resume": {},
    "reschedule": {"priority": 3},
    "requeue": {"force": True, "epoch": 1},
}


def ended(queue: Queue, state: str) -> Json:
    """A run in this final state."""
    queue.template(retry={"max_attempts": 1})
    worker = Worker(queue)
    if state == "skipped":
        whole = flow(queue)
        queue.cancel(queue.child(whole, "a"))
        return queue.child(whole, "b")
    run = queue.submit()
    if state == "cancelled":
        return queue.cancel(run)
    worker.report(worker.claim_one(), state, **({"error": USER} if state == "failed" else {}))
    return queue.get(run)


@pytest.mark.parametrize("verb", [*STEERING, "cancel"])
@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "skipped"])
def test_terminal_is_final(queue: Queue, verb: str, state: str) -> None:
    run = ended(queue, state)
    before = queue.get(run)
    assert before["state"] == state
    if verb == "cancel" and state == "cancelled":  # a repeat, which is no error
        steer(queue, verb, run)
    else:
        with refused("OPC05") as refusal:
            steer(queue, verb, run, **STEERING.get(verb, {}))
        assert refusal.members["state"] == state
    assert queue.get(run) == before
    again = queue.retry(run)
    assert again["retry_of"] == run["run_id"]
    assert queue.get(run) == before | {"retried_as": [again["number"]]}
