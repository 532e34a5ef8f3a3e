"""An operator steers at the same moment as a claim, a report, a cancel or a sweep, in each order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.db.test_race_core import Session, beating, claim, reporting
from tests.support.core import USER, Queue, Worker, refused
from tests.support.postgres import Database
from tests.support.race import outcome

Json = dict[str, Any]


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template(retry={"backoff_seconds": 0})
    yield made
    made.ops.close()


@pytest.fixture
def one(queue: Queue) -> Iterator[Session]:
    session = Session(queue)
    yield session
    session.close()


@pytest.fixture
def two(queue: Queue) -> Iterator[Session]:
    session = Session(queue)
    yield session
    session.close()


def steer(queue: Queue, verb: str, run: Json, **body: Any) -> tuple[Any, ...]:
    return f"{verb}_run", queue.operator, run["run_id"], body


# pause and claim


def test_a_claim_passes_over_a_run_that_is_being_paused(queue: Queue, one: Session, two: Session) -> None:
    run = queue.submit()
    one.call(*steer(queue, "pause", run))
    assert two.call(*claim(Worker(queue)))["runs"] == []
    one.commit()
    two.commit()
    assert Worker(queue).claim() == []
    assert (queue.state(run), queue.get(run)["paused"]) == ("queued", True)


def test_a_pause_that_comes_while_a_run_is_claimed_is_for_its_next_attempt(
    queue: Queue, one: Session, two: Session
) -> None:
    run = queue.submit()
    worker = Worker(queue)
    (claimed,) = one.call(*claim(worker))["runs"]
    pause = two.start(*steer(queue, "pause", run))
    two.blocked(pause)
    one.commit()
    found = pause.result(timeout=30)
    two.commit()
    assert (found["state"], found["paused"]) == ("running", True)
    worker.report(claimed, "failed")
    assert worker.claim() == []


def test_a_claim_finds_a_run_only_when_its_resume_is_committed(queue: Queue, one: Session, two: Session) -> None:
    run = queue.submit()
    queue.ops.call(*steer(queue, "pause", run))
    one.call(*steer(queue, "resume", run))
    worker = Worker(queue)
    assert two.call(*claim(worker))["runs"] == []
    one.commit()
    two.commit()
    assert worker.claim_one()["run_id"] == run["run_id"]


def test_the_claim_floor_never_passes_a_resume_that_is_still_open(queue: Queue, one: Session) -> None:
    run = queue.submit()
    queue.ops.call(*steer(queue, "pause", run))
    one.call(*steer(queue, "resume", run))
    worker = Worker(queue)
    for _ in range(5):  # the floor would move at each of these claims
        queue.submit()
        worker.claim_one()
        queue.forward(2)
    one.commit()
    assert worker.claim_one()["run_id"] == run["run_id"]


# priority and claim


def test_a_claim_passes_over_a_run_whose_priority_is_being_changed(queue: Queue, one: Session, two: Session) -> None:
    run, other = queue.submit(), queue.submit()
    one.call(*steer(queue, "reschedule", run, priority=5))
    worker = Worker(queue)
    assert [r["run_id"] for r in two.call(*claim(worker, 5))["runs"]] == [other["run_id"]]
    one.commit()
    two.commit()
    assert worker.claim_one()["run_id"] == run["run_id"]


def test_a_priority_that_comes_while_a_run_is_claimed_is_refused(queue: Queue, one: Session, two: Session) -> None:
    run = queue.submit()
    one.call(*claim(Worker(queue)))
    change = two.start(*steer(queue, "reschedule", run, priority=5))
    two.blocked(change)
    one.commit()
    with refused("OPC05") as late:
        change.result(timeout=30)
    assert late.members["state"] == "running"
    two.rollback()
    assert queue.get(run)["priority"] == 0


def test_the_claim_floor_never_passes_a_priority_change_that_is_still_open(queue: Queue, one: Session) -> None:
    run = queue.submit()
    queue.submit(priority=5)
    worker = Worker(queue)
    worker.claim_one()
    one.call(*steer(queue, "reschedule", run, priority=5))
    for _ in range(5):  # the floor of the priority would move at each of these claims
        queue.submit(priority=5)
        worker.claim_one()
        queue.forward(2)
    one.commit()
    assert worker.claim_one()["run_id"] == run["run_id"]


# requeue and report


def test_a_requeue_that_comes_while_a_run_is_reported_is_refused(queue: Queue, one: Session, two: Session) -> None:
    run = queue.submit()
    worker = Worker(queue)
    claimed = worker.claim_one()
    one.call(*reporting(worker, claimed))
    requeue = two.start(*steer(queue, "requeue", run, force=True, epoch=1))
    two.blocked(requeue)
    one.commit()
    with refused("OPC05") as late:
        requeue.result(timeout=30)
    assert late.members["state"] == "succeeded"
    two.rollback()
    assert (queue.state(run), queue.get(run)["epoch"]) == ("succeeded", 1)


def test_a_report_that_comes_while_a_run_is_requeued_is_refused(queue: Queue, one: Session, two: Session) -> None:
    run = queue.submit()
    worker = Worker(queue)
    claimed = worker.claim_one()
    one.call(*steer(queue, "requeue", run, force=True, epoch=1))
    late = two.start(*reporting(worker, claimed))
    two.blocked(late)
    one.commit()
    with refused("OPC01") as lost:
        late.result(timeout=30)
    two.rollback()
    assert (lost.members["reason"], lost.members["epoch_current"]) == ("expired", 2)
    assert queue.state(run) == "queued"


def test_a_heartbeat_that_comes_while_a_run_is_requeued_is_told_so(queue: Queue, one: Session, two: Session) -> None:
    run = queue.submit()
    worker = Worker(queue)
    claimed = worker.claim_one()
    one.call(*steer(queue, "requeue", run, force=True, epoch=1))
    late = two.start(*beating(worker, claimed))
    two.blocked(late)
    one.commit()
    assert late.result(timeout=30)["runs"][0]["directive"] == "superseded"


def test_the_sweeper_passes_over_a_run_that_is_being_requeued(queue: Queue, one: Session, two: Session) -> None:
    run = queue.submit()
    Worker(queue).claim_one()
    queue.ops.admin.execute("update ops.settings set value = '100000' where key = 'sweeper_gap_seconds'")
    queue.forward(200)
    one.call(*steer(queue, "requeue", run, force=True, epoch=1))
    assert two.call("expire_leases", 10)["expired"] == []
    one.commit()
    two.commit()
    assert queue.get(run)["epoch"] == 2
    assert queue.event_types(run).count("attempt.expired") == 1


def test_a_run_that_two_operators_requeue_at_once_is_requeued_once(queue: Queue, one: Session, two: Session) -> None:
    run = queue.submit()
    Worker(queue).claim_one()
    first = one.call(*steer(queue, "requeue", run, force=True, epoch=1))
    second = two.start(*steer(queue, "requeue", run, force=True, epoch=1))
    two.blocked(second)
    one.commit()
    assert second.result(timeout=30)["epoch"] == first["epoch"] == 2


# a queue or an executor, and claim


def test_a_queue_is_paused_when_the_claims_under_way_have_ended(queue: Queue, one: Session, two: Session) -> None:
    run, later = queue.submit(), queue.submit()
    (claimed,) = one.call(*claim(Worker(queue)))["runs"]
    pause = two.start("pause_queue", queue.operator, "default", {})
    two.blocked(pause)
    one.commit()
    assert pause.result(timeout=30)["running"] == 1
    two.commit()
    assert claimed["run_id"] == run["run_id"]
    assert Worker(queue).claim() == []
    assert queue.state(later) == "queued"


@pytest.mark.parametrize(("end", "expected"), [("commit", 0), ("rollback", 1)])
def test_a_claim_that_comes_while_its_queue_is_paused_waits_and_sees_it(
    queue: Queue, one: Session, two: Session, end: str, expected: int
) -> None:
    queue.submit()
    one.call("pause_queue", queue.operator, "default", {})
    late = two.start(*claim(Worker(queue)))
    two.blocked(late)
    getattr(one, end)()
    assert len(late.result(timeout=30)["runs"]) == expected


def test_an_exchange_that_comes_while_its_queue_is_paused_waits_and_sees_it(
    queue: Queue, one: Session, two: Session
) -> None:
    queue.submit()
    worker = Worker(queue)
    one.call("pause_queue", queue.operator, "default", {})
    member = {"ordinal": 0, "token_id": str(worker.token), "executor_id": str(worker.id), "body": claim(worker)[3]}
    late = two.start("exchange_each", [], [member])
    two.blocked(late)
    one.commit()
    assert '"runs": []' in str(late.result(timeout=30)).replace('\\"', '"').replace('""', '"')


@pytest.mark.parametrize("verb", ["pause", "drain"])
def test_an_executor_starts_nothing_any_more_once_it_is_paused_or_drained(
    queue: Queue, one: Session, two: Session, verb: str
) -> None:
    queue.submit()
    queue.submit()
    worker = Worker(queue)
    one.call(*claim(worker))
    steered = two.start(f"{verb}_executor", queue.operator, str(worker.id), {})
    two.blocked(steered)
    one.commit()
    assert len(steered.result(timeout=30)["running"]) == 1
    late = one.start(*claim(worker))
    one.blocked(late)
    two.commit()
    assert late.result(timeout=30)["runs"] == []


def test_claims_do_not_wait_for_each_other_at_the_gate(queue: Queue, one: Session, two: Session) -> None:
    queue.submit()
    queue.submit()
    assert len(one.call(*claim(Worker(queue)))["runs"]) == 1
    assert len(two.call(*claim(Worker(queue)))["runs"]) == 1


# cancel and pause


@pytest.mark.parametrize(("first", "second"), [("cancel", "pause"), ("pause", "cancel")])
def test_a_cancel_and_a_pause_take_turns(queue: Queue, one: Session, two: Session, first: str, second: str) -> None:
    run = queue.submit()
    one.call(*steer(queue, first, run))
    later = two.start(*steer(queue, second, run))
    two.blocked(later)
    one.commit()
    if second == "pause":
        with refused("OPC05") as refusal:
            later.result(timeout=30)
        assert refusal.members["state"] == "cancelled"
        two.rollback()
    else:
        assert later.result(timeout=30)["state"] == "cancelled"
        two.commit()
    assert queue.state(run) == "cancelled"


@pytest.mark.parametrize(("first", "second"), [("cancel", "pause"), ("pause", "cancel"), ("pause", "resume")])
def test_verbs_on_one_pipeline_take_turns(queue: Queue, one: Session, two: Session, first: str, second: str) -> None:
    queue.template("flow", kind="pipeline", tasks={"a": {"template": "job"}, "b": {"template": "job"}})
    whole = queue.submit("flow")
    one.call(*steer(queue, first, whole))
    later = two.start(*steer(queue, second, whole))
    two.blocked(later)
    one.commit()
    if (first, second) == ("cancel", "pause"):
        with refused("OPC05"):
            later.result(timeout=30)
        two.rollback()
    else:
        later.result(timeout=30)
        two.commit()
    assert set(queue.states(whole).values()) == {"queued" if "cancel" not in (first, second) else "cancelled"}


# replay


def test_a_dead_letter_replayed_twice_at_once_is_replayed_once(queue: Queue, one: Session, two: Session) -> None:
    run = queue.submit()
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed", error=USER)
    one.call("replay_each", queue.operator, [run["run_id"]])
    second = two.start("replay_each", queue.operator, [run["run_id"]])
    two.blocked(second)
    one.commit()
    assert "OPC05" in str(second.result(timeout=30))
    two.commit()
    assert queue.ops.value("select count(*) from ops.runs where retry_of = %s", run["run_id"]) == 1


# who may not, locks nothing


def test_a_replay_locks_no_run_of_a_workspace_that_is_not_its_callers(queue: Queue, one: Session) -> None:
    queue.ops.admin.execute("insert into ops.workspaces (workspace) values ('theirs')")
    queue.template("other", workspace="theirs")
    run = queue.submit("other", workspace="theirs")
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed", error=USER)
    stranger = queue.ops.token("operator", workspaces=["default"])
    one.call("replay_each", stranger, [run["run_id"], str(run["number"])])
    queue.ops.admin.execute("select from ops.runs where run_id = %s for update nowait", (run["run_id"],))


def test_who_may_not_steer_an_executor_does_not_wait_for_the_gate(queue: Queue, one: Session, two: Session) -> None:
    worker = Worker(queue)
    one.call(*claim(worker))  # stands in the gate
    stranger = queue.ops.token("operator", workspaces=["default"])
    for verb in ("pause_executor", "drain_executor"):
        refusal = two.start(verb, stranger, str(worker.id), {})
        assert not two.waits(refusal)
        assert outcome(refusal)[0] == "OPU02"
        two.rollback()


# two who retry the same work


def test_two_tries_of_one_work_are_not_retried_at_the_same_moment(queue: Queue, one: Session, two: Session) -> None:
    first = queue.submit()
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed", error=USER)
    second = queue.retry(first)
    worker.report(worker.claim_one(), "failed", error=USER)
    made = one.call(*steer(queue, "retry", second))
    waiting = two.start(*steer(queue, "retry", first))
    two.blocked(waiting)
    one.commit()
    assert outcome(waiting)[0] == "OPC05"
    assert queue.get(made)["state"] == "queued"
