"""Requeue: a run is taken from an executor that will not report; claimable at once, its old epoch fenced off."""

from __future__ import annotations

import pytest

from tests.db.test_core_steering import event, flow, steer
from tests.support.core import Queue, Worker, refused


def test_a_requeued_run_is_claimable_at_once_and_its_old_executor_is_fenced_off(queue: Queue) -> None:
    queue.template(lease_seconds=3600, retry={"backoff_seconds": 1000, "backoff_max_seconds": 1000})
    run = queue.submit()
    lost, other = Worker(queue, name="lost"), Worker(queue)
    old = lost.claim_one()
    lost.artifact(old)
    again = steer(queue, "requeue", run, force=True, epoch=1, reason="the host burned down")
    assert (again["state"], again["epoch"], again["attempt"]) == ("queued", 2, 1)
    new = other.claim_one()
    assert (new["run_id"], new["epoch"], new["attempt"]) == (run["run_id"], 3, 2)
    with refused("OPC01") as late:
        lost.report(old)
    assert late.members["epoch_current"] == 3
    assert lost.directive(old) == "superseded"
    told = event(queue, run, "attempt.expired")
    assert (told["actor"], told["epoch"], told["data"]["reason"]) == ("operator:olga", 1, "the host burned down")
    (first, _) = queue.get(run)["attempts"]
    assert (first["outcome"], first["error"]["code"]) == ("expired", "requeued")
    assert queue.ops.value("select state from ops.artifacts") == "orphaned"
    other.report(new)


def test_a_requeued_run_is_tried_again_whatever_its_template_has_tried_again(queue: Queue) -> None:
    queue.template(retry={"on": ["external"]})
    run = queue.submit()
    Worker(queue).claim_one()
    assert steer(queue, "requeue", run, force=True, epoch=1)["state"] == "queued"


def test_the_same_epoch_is_requeued_once(queue: Queue) -> None:
    queue.template()
    run = queue.submit()
    worker = Worker(queue)
    worker.claim_one()
    steer(queue, "requeue", run, force=True, epoch=1)
    again = worker.claim_one()
    assert steer(queue, "requeue", run, force=True, epoch=1)["state"] == "running"
    assert worker.directive(again) == "continue"
    with refused("OPC05") as wrong:
        steer(queue, "requeue", run, force=True, epoch=2)
    assert wrong.members == {"state": "running", "epoch": 3}
    assert queue.event_types(run).count("attempt.expired") == 1


def test_a_requeue_needs_force_and_a_run_that_somebody_holds(queue: Queue) -> None:
    queue.template()
    run = queue.submit()
    with refused("OPV01"):
        steer(queue, "requeue", run)
    with refused("OPV01"):
        steer(queue, "requeue", run, force=False, epoch=1)
    with refused("OPV01") as bare:
        steer(queue, "requeue", run, force=True)
    assert bare.members["errors"][0]["path"] == "/epoch"
    with refused("OPC05") as queued:
        steer(queue, "requeue", run, force=True, epoch=1)
    assert queued.members["state"] == "queued"
    with refused("OPC05"):
        steer(queue, "requeue", flow(queue), force=True, epoch=1)


@pytest.mark.parametrize("rerun", ["unsafe", "checked"])
def test_a_requeued_run_whose_rerun_is_unsafe_waits_for_a_person(queue: Queue, rerun: str) -> None:
    queue.template(rerun=rerun)
    run = queue.submit()
    Worker(queue).claim_one()
    found = steer(queue, "requeue", run, force=True, epoch=1)
    assert (found["state"], found["state_reason"], found["epoch"]) == ("waiting", "rerun_unsafe", 2)


def test_a_requeue_of_the_last_attempt_fails_the_run_and_its_pipeline(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 1})
    queue.template("flow", kind="pipeline", tasks={"a": {"template": "job"}})
    whole = queue.submit("flow")
    run = Worker(queue).claim_one()
    found = steer(queue, "requeue", run, force=True, epoch=1, reason="gone")
    assert (found["state"], found["state_reason"]) == ("failed", "attempts_exhausted")
    assert "operator:olga took the run back" in found["error"]["message"]
    assert queue.state(whole) == "failed"


def test_requeues_count_as_expirations_so_that_a_poison_run_ends(queue: Queue) -> None:
    queue.ops.admin.execute("update ops.settings set value = '2' where key = 'max_expirations'")
    queue.template(retry={"max_attempts": 50})
    run = queue.submit()
    worker = Worker(queue)
    worker.claim_one()
    assert steer(queue, "requeue", run, force=True, epoch=1)["state"] == "queued"
    worker.claim_one()
    assert steer(queue, "requeue", run, force=True, epoch=3)["state_reason"] == "expirations_exhausted"


def test_a_requeue_of_a_run_that_was_to_be_cancelled_cancels_it(queue: Queue) -> None:
    queue.template()
    run = queue.submit()
    Worker(queue).claim_one()
    queue.cancel(run)
    assert steer(queue, "requeue", run, force=True, epoch=1)["state"] == "cancelled"
