"""Pipelines below other runs: none of their tasks starts before those have ended, whatever is done to the tasks."""

from __future__ import annotations

import pytest

from tests.db.test_core_dependencies import after, child, one, queue, two
from tests.db.test_race_core import Session, reporting
from tests.support.core import Json, Queue, Worker, refused
from tests.support.invariants import violations

__all__ = ["one", "queue", "two"]
FAR = "2999-01-01T00:00:00Z"


def held(queue: Queue, *parents: Json, **more: object) -> Json:
    """A pipeline of a first task `a` and a `tidy` that runs however `a` ended, waiting for these runs."""
    tasks = {"a": {"template": "job"}, "tidy": {"template": "job", "condition": "all_done", **after("a")}}
    queue.template("tidied", kind="pipeline", tasks=tasks)
    return child(queue, *parents, template="tidied", **more)


def reason(queue: Queue, pipeline: Json, task: str) -> str | None:
    found: str | None = queue.get(queue.child(pipeline, task))["state_reason"]
    return found


def test_a_task_whose_parents_are_cancelled_still_waits_for_what_its_pipeline_waits_for(queue: Queue) -> None:
    first = queue.submit(queue="early")
    whole = held(queue, first)
    queue.cancel(queue.child(whole, "a"))
    assert queue.states(whole) == {"a": "cancelled", "tidy": "waiting"}
    assert reason(queue, whole, "tidy") == "waiting_on_pipeline"
    assert queue.why(queue.child(whole, "tidy")) == ["waiting_on_pipeline"]
    assert violations(queue.ops.admin) == []
    worker = Worker(queue)
    (claimed,) = worker.claim(5)
    assert claimed["run_id"] == first["run_id"]
    worker.report(claimed)
    assert queue.states(whole) == {"a": "cancelled", "tidy": "queued"}
    worker.report(worker.claim_one())
    assert queue.state(whole) == "cancelled"


def test_a_cancelled_task_is_not_tried_again_before_its_pipeline_has_started(queue: Queue) -> None:
    first = queue.submit(queue="early")
    whole = held(queue, first)
    queue.cancel(queue.child(whole, "a"))
    with refused("OPC05") as found:
        queue.retry(queue.child(whole, "a"))
    assert (found.members["pipeline_run_id"], found.members["number"]) == (whole["run_id"], whole["number"])
    worker = Worker(queue)
    worker.report(worker.claim_one())
    assert queue.retry(queue.child(whole, "a"))["state"] == "queued"


def test_a_task_of_a_pipeline_cancelled_while_it_waited_is_not_tried_again_before_what_that_waited_for(
    queue: Queue,
) -> None:
    first, second = queue.submit(queue="early"), queue.submit(queue="early")
    whole = held(queue, first, second)
    queue.cancel(whole)
    assert set(queue.states(whole).values()) == {"cancelled"}
    worker = Worker(queue)
    worker.report(worker.claim_one())
    for task in ("a", "tidy"):
        with refused("OPC05") as found:
            queue.retry(queue.child(whole, task))
        assert (found.members["pipeline_run_id"], found.members["number"]) == (whole["run_id"], whole["number"])
        assert found.message.endswith(f"have not ended: {second['number']}")
    (left,) = worker.claim(5)
    assert left["run_id"] == second["run_id"]
    worker.report(left)
    assert queue.retry(queue.child(whole, "a"))["state"] == "queued"


def test_a_pipeline_cancelled_while_it_waited_waits_again_when_it_is_retried(queue: Queue) -> None:
    first = queue.submit(queue="early")
    whole = held(queue, first)
    queue.cancel(whole)
    again = queue.retry(whole)
    assert (again["state_reason"], queue.why(queue.child(again, "a"))) == (
        "waiting_on_dependency",
        ["waiting_on_pipeline"],
    )
    worker = Worker(queue)
    worker.report(worker.claim_one())
    assert queue.states(again)["a"] == "queued"


def test_a_pipeline_that_is_skipped_leaves_none_of_its_tasks_at_work(queue: Queue) -> None:
    first = queue.submit()
    whole = held(queue, first)
    queue.cancel(queue.child(whole, "a"))
    queue.cancel(first)
    assert (queue.state(whole), queue.states(whole)) == ("skipped", {"a": "cancelled", "tidy": "skipped"})
    assert Worker(queue).claim(5) == []
    assert violations(queue.ops.admin) == []


def test_a_pipeline_that_waits_can_be_given_a_time_and_its_first_tasks_wait_for_that_too(queue: Queue) -> None:
    first = queue.submit(queue="early")
    whole = held(queue, first)
    queue.ops.call("reschedule_run", queue.operator, whole["run_id"], {"not_before": FAR})
    worker = Worker(queue)
    worker.report(worker.claim_one())
    assert worker.claim(5) == []
    assert (queue.states(whole)["a"], reason(queue, whole, "a")) == ("waiting", "not_before")
    queue.ops.call("reschedule_run", queue.operator, whole["run_id"], {"not_before": None})
    assert queue.states(whole)["a"] == "queued"


def test_a_pipeline_and_its_task_that_come_to_an_end_by_the_same_sweep_end_once(queue: Queue) -> None:
    """Their deadline ends the task's parent and the pipeline's in one look of the reactor, which comes no further: the
    last task is below both ends."""
    soon = queue.ops.value("select ops.iso(ops.now() + interval '5 seconds')")
    first = queue.submit(deadline=soon)
    whole = child(queue, first, template="flow", deadline=soon)
    queue.forward(6)
    queue.ops.call("promote_due", 2)
    assert (queue.state(whole), queue.states(whole)) == ("skipped", {"a": "failed", "z": "skipped"})
    assert violations(queue.ops.admin) == []


@pytest.mark.parametrize("cancelled_first", [True, False])
def test_a_task_that_becomes_ready_while_its_pipeline_is_let_go_starts(
    queue: Queue, one: Session, two: Session, cancelled_first: bool
) -> None:
    worker, first = Worker(queue), queue.submit()
    claimed = worker.claim_one()
    whole = held(queue, first)
    cancel = ("cancel_run", queue.operator, queue.child(whole, "a")["run_id"], {})
    verbs = [cancel, reporting(worker, claimed)]
    earlier, later = verbs if cancelled_first else reversed(verbs)
    one.call(*earlier)
    waiting = two.start(*later)
    two.blocked(waiting)
    one.commit()
    waiting.result(timeout=30)
    two.commit()
    assert queue.states(whole) == {"a": "cancelled", "tidy": "queued"}
    assert violations(queue.ops.admin) == []
