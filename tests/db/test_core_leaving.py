"""What an executor still holds when it leaves: given back at once, at nobody's cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.core import Queue, Worker, publication, refused, report
from tests.support.invariants import violations
from tests.support.race import Session

Json = dict[str, Any]
OUTPUTS = [{"name": "flights", "format": "delta", "mode": "append", "path": "bronze/flights"}]


def leaving(worker: Worker) -> tuple[Any, ...]:
    return "leave_executor", worker.token, worker.id


def leave(worker: Worker) -> None:
    worker.queue.ops.call(*leaving(worker))


def held(queue: Queue, **spec: Any) -> tuple[Worker, Json]:
    """An executor and the run it holds, of a template that would wait long for a retry."""
    queue.template(retry={"backoff_seconds": 1000, "backoff_max_seconds": 1000} | spec.pop("retry", {}), **spec)
    queue.submit()
    worker = Worker(queue)
    return worker, worker.claim_one()


def lapse(queue: Queue) -> None:
    """Every lease is past its deadline, and the next sweep sees no outage."""
    queue.ops.admin.execute("update ops.settings set value = '100000' where key = 'sweeper_gap_seconds'")
    queue.forward(200)


def event(queue: Queue, run: Json, kind: str) -> Json:
    found: Json = queue.ops.value("select ops.last_event(%s, array[%s])", run["run_id"], kind)
    return found


def figures(queue: Queue, run: Json) -> tuple[Any, ...]:
    """(state, epoch, attempt, max_attempts, expirations)."""
    query = "select state, epoch, attempt, max_attempts, expirations from ops.runs where run_id = %s"
    row: tuple[Any, ...] = queue.ops.admin.execute(query, [run["run_id"]]).fetchone()
    return row


# Given back ----------------------------------------------------------------------------------------------------------


def test_a_held_run_goes_back_at_once_and_another_executor_claims_it_in_the_next_epoch(queue: Queue) -> None:
    worker, run = held(queue, retry={"max_attempts": 3})
    worker.artifact(run)
    leave(worker)
    assert figures(queue, run) == ("queued", 2, 1, 4, 0)
    (first,) = queue.get(run)["attempts"]
    assert (first["outcome"], first["error"]) == (
        "expired",
        {"class": "internal", "code": "released", "message": "the executor stopped and gave the run back"},
    )
    assert queue.ops.value("select state from ops.artifacts") == "orphaned"
    told = event(queue, run, "attempt.expired")
    assert (told["epoch"], told["data"]["executor_id"], told["data"]["max_attempts"]) == (1, str(worker.id), 4)
    assert told["actor"].startswith("executor:")
    other = Worker(queue)
    new = other.claim_one()
    assert (new["run_id"], new["epoch"], new["attempt"], new["max_attempts"]) == (run["run_id"], 3, 2, 4)
    other.report(new)
    assert queue.state(run) == "succeeded"
    assert violations(queue.ops.admin) == []


def test_the_only_attempt_of_a_run_is_not_used_up(queue: Queue) -> None:
    first, run = held(queue, retry={"max_attempts": 1})
    leave(first)
    second = Worker(queue)
    assert second.claim_one()["attempt"] == 2
    leave(second)
    assert figures(queue, run) == ("queued", 4, 2, 3, 0)
    third = Worker(queue)
    third.report(third.claim_one(), "failed")
    assert queue.why(run) == ["attempt_failed", "attempts_exhausted"]


def test_a_template_that_retries_nothing_and_a_run_of_the_most_attempts_go_back_too(queue: Queue) -> None:
    queue.ops.admin.execute("update ops.settings set value = '1' where key = 'max_expirations'")
    worker, run = held(queue, retry={"on": [], "max_attempts": 100})
    leave(worker)
    assert figures(queue, run) == ("queued", 2, 1, 101, 0)


def test_a_retry_of_such_a_run_has_the_attempts_that_were_asked_for(queue: Queue) -> None:
    worker, run = held(queue, retry={"max_attempts": 1})
    leave(worker)
    other = Worker(queue)
    other.report(other.claim_one(), "failed")
    assert figures(queue, queue.retry(run))[3] == 1


def test_what_the_old_executor_still_sends_is_refused(queue: Queue) -> None:
    worker, run = held(queue)
    leave(worker)
    with refused("OPC01") as late:
        worker.report(run)
    assert (late.members["reason"], late.members["epoch_current"]) == ("expired", 2)
    with refused("OPC01"):
        worker.artifact(run)
    with refused("OPC09"):
        worker.heartbeat(run)
    with refused("OPC09"):
        worker.claim()
    assert figures(queue, run)[0] == "queued"


def test_leaving_again_changes_nothing(queue: Queue) -> None:
    worker, run = held(queue)
    leave(worker)
    left_at = queue.ops.value("select left_at from ops.executors where executor_id = %s", worker.id)
    new = Worker(queue).claim_one()
    before = queue.event_types(run)
    leave(worker)
    assert queue.event_types(run) == before
    assert (queue.state(run), figures(queue, run)[1]) == ("running", new["epoch"])
    assert queue.ops.value("select left_at from ops.executors where executor_id = %s", worker.id) == left_at


def test_every_run_of_the_executor_goes_back_and_none_of_another_one(queue: Queue) -> None:
    queue.template()
    worker, other = Worker(queue), Worker(queue)
    for _ in range(4):
        queue.submit()
    mine, theirs = worker.claim(3), other.claim_one()
    leave(worker)
    assert [queue.state(run) for run in mine] == ["queued"] * 3
    assert queue.state(theirs) == "running"
    assert {run["run_id"] for run in other.claim(3)} == {run["run_id"] for run in mine}


def test_a_concurrency_key_is_free_again(queue: Queue) -> None:
    worker, _ = held(queue, concurrency={"key": "k", "limit": 1})
    queue.submit()
    leave(worker)
    assert len(Worker(queue).claim(5)) == 1
    assert violations(queue.ops.admin) == []


# Not to the queue ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rerun", ["unsafe", "checked"])
def test_a_run_whose_rerun_is_unsafe_waits_for_a_person(queue: Queue, rerun: str) -> None:
    worker, run = held(queue, rerun=rerun, retry={"max_attempts": 1})
    leave(worker)
    assert (queue.state(run), queue.get(run)["state_reason"]) == ("waiting", "rerun_unsafe")
    assert queue.why(run) == ["rerun_unsafe", "attempt_released"]
    queue.retry(run)
    assert Worker(queue).claim_one()["run_id"] == run["run_id"]


def test_a_run_that_was_to_be_cancelled_is_cancelled(queue: Queue) -> None:
    worker, run = held(queue)
    queue.cancel(run)
    leave(worker)
    assert figures(queue, run)[:2] == ("cancelled", 2)
    assert violations(queue.ops.admin) == []


def test_a_run_that_publishes_is_left_to_the_reactor(queue: Queue) -> None:
    worker, run = held(queue, outputs=OUTPUTS)
    worker.report(run, publications=[publication(run)])
    leave(worker)
    assert (queue.state(run), queue.get(run)["state_reason"], figures(queue, run)[1]) == ("running", "publishing", 1)
    queue.forward(61, sweeping=True)
    assert [p["run_id"] for p in queue.pending()] == [run["run_id"]]
    worker.commit(run, "flights")
    assert queue.state(run) == "succeeded"


def test_a_rule_still_holds_the_run(queue: Queue) -> None:
    worker, run = held(queue)
    queue.ops.admin.execute("insert into ops.routing_rules (rule_id, decision) values (gen_random_uuid(), 'wait')")
    leave(worker)
    assert queue.get(run)["state_reason"] == "held_by_rule"


def test_a_task_goes_back_and_its_pipeline_goes_on(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 1})
    queue.template(
        "flow", kind="pipeline", tasks={"a": {"template": "job"}, "b": {"template": "job", "depends_on": ["a"]}}
    )
    whole = queue.submit("flow")
    worker = Worker(queue)
    worker.claim_one()
    leave(worker)
    assert queue.states(whole) == {"a": "queued", "b": "waiting"}
    assert queue.state(whole) == "running"
    other = Worker(queue)
    for _ in "ab":
        other.report(other.claim_one())
    assert queue.state(whole) == "succeeded"


def test_a_cancelled_task_that_is_given_back_ends_its_pipeline(queue: Queue) -> None:
    queue.template()
    queue.template(
        "flow", kind="pipeline", tasks={"a": {"template": "job"}, "b": {"template": "job", "depends_on": ["a"]}}
    )
    whole = queue.submit("flow")
    worker = Worker(queue)
    worker.claim_one()
    queue.cancel(whole)
    leave(worker)
    assert (queue.states(whole), queue.state(whole)) == ({"a": "cancelled", "b": "cancelled"}, "cancelled")


# Why, and who is told ------------------------------------------------------------------------------------------------


def test_why_says_that_the_run_was_given_back_and_by_whom(queue: Queue) -> None:
    worker, run = held(queue, retry={"max_attempts": 1})
    leave(worker)
    reasons = queue.ops.call("why_run", queue.operator, run["run_id"])["reasons"]
    told = reasons[-1]
    assert told["code"] == "attempt_released"
    assert told["message"].startswith("attempt 1 of at most 2, at executor ")
    assert "was given back at" in told["message"]
    new = Worker(queue).claim_one()
    assert queue.why(new) == ["running"]


def test_executors_that_wait_are_told_once_of_all_runs_given_back(queue: Queue) -> None:
    queue.template()
    for _ in range(3):
        queue.submit()
    worker = Worker(queue)
    worker.claim(3)
    queue.ops.admin.execute("listen ops_ready")
    leave(worker)
    told = [n.payload for n in queue.ops.admin.notifies(timeout=5, stop_after=1)]
    assert told == ["python:3"]
    assert [n.payload for n in queue.ops.admin.notifies(timeout=0)] == []


# Races ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(queue: Queue) -> Iterator[tuple[Session, Session]]:
    pair = Session(queue), Session(queue)
    yield pair
    for session in pair:
        session.close()


def test_a_report_that_came_first_stands_when_its_executor_leaves(queue: Queue, two: tuple[Session, Session]) -> None:
    worker, run = held(queue)
    two[0].call("report_attempt", worker.token, run["run_id"], report(run))
    waiting = two[1].start(*leaving(worker))
    two[1].blocked(waiting)
    two[0].commit()
    waiting.result(timeout=30)
    two[1].commit()
    assert figures(queue, run)[:2] == ("succeeded", 1)
    assert violations(queue.ops.admin) == []


def test_a_report_that_comes_while_its_executor_leaves_is_refused(queue: Queue, two: tuple[Session, Session]) -> None:
    worker, run = held(queue)
    two[0].call(*leaving(worker))
    waiting = two[1].start("report_attempt", worker.token, run["run_id"], report(run))
    two[1].blocked(waiting)
    two[0].commit()
    with refused("OPC01"):
        waiting.result(timeout=30)
    assert figures(queue, run)[:2] == ("queued", 2)


def test_an_expiry_that_came_first_counts_and_nothing_is_given_back(queue: Queue, two: tuple[Session, Session]) -> None:
    worker, run = held(queue, retry={"max_attempts": 3})
    lapse(queue)
    (expired,) = two[0].call("expire_leases", 100)["expired"]
    assert expired["run_id"] == run["run_id"]
    waiting = two[1].start(*leaving(worker))
    two[1].blocked(waiting)
    two[0].commit()
    waiting.result(timeout=30)
    two[1].commit()
    assert figures(queue, run) == ("waiting", 2, 1, 3, 1)
    assert queue.event_types(run).count("attempt.expired") == 1


def test_the_sweeper_passes_over_a_run_that_is_being_given_back(queue: Queue, two: tuple[Session, Session]) -> None:
    worker, run = held(queue)
    lapse(queue)
    two[0].call(*leaving(worker))
    assert two[1].call("expire_leases", 100)["expired"] == []
    two[0].commit()
    two[1].commit()
    assert figures(queue, run)[0::4] == ("queued", 0)
    assert queue.event_types(run).count("attempt.expired") == 1


def test_a_heartbeat_that_holds_the_lease_is_waited_for(queue: Queue, two: tuple[Session, Session]) -> None:
    worker, run = held(queue)
    two[0].call("heartbeat", worker.token, worker.id, {"runs": [{"run_id": run["run_id"], "epoch": run["epoch"]}]})
    waiting = two[1].start(*leaving(worker))
    two[1].blocked(waiting)
    two[0].commit()
    waiting.result(timeout=30)
    two[1].commit()
    assert figures(queue, run)[0] == "queued"


def test_a_heartbeat_that_comes_while_its_executor_leaves_is_refused(
    queue: Queue, two: tuple[Session, Session]
) -> None:
    worker, run = held(queue)
    two[0].call(*leaving(worker))
    waiting = two[1].start("heartbeat", worker.token, worker.id, {"state": "draining", "runs": []})
    two[1].blocked(waiting)
    two[0].commit()
    with refused("OPC09"):
        waiting.result(timeout=30)
    assert queue.ops.value("select state from ops.executors where executor_id = %s", worker.id) == "left"
    assert figures(queue, run)[:2] == ("queued", 2)
