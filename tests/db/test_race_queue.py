"""Submits, claims and sweeps that meet: on concurrency keys, on claim floors, on a pipeline's tasks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.core import EXTERNAL, Json, Queue, Worker, report
from tests.support.postgres import Database
from tests.support.race import Session, outcome


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template(retry={"backoff_seconds": 30})
    made.template("keyed", concurrency={"key": "{params.k}"})
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


@pytest.fixture
def three(queue: Queue) -> Iterator[Session]:
    session = Session(queue)
    yield session
    session.close()


def submitting(queue: Queue, *keys: str) -> tuple[Any, ...]:
    bodies = [{"template": "keyed", "params": {"k": key}} for key in keys]
    return "submit_each", [
        {"ordinal": n, "token_id": str(queue.operator), "body": body} for n, body in enumerate(bodies)
    ]


def test_batches_that_bring_the_same_new_keys_in_another_order_take_turns(
    queue: Queue, one: Session, two: Session
) -> None:
    one.call(*submitting(queue, "a"))
    other = two.start(*submitting(queue, "b", "a"))
    two.blocked(other)
    one.call(*submitting(queue, "b"))
    one.commit()
    other.result(timeout=30)
    two.commit()
    assert queue.ops.value("select count(*) from ops.runs") == 4


def test_pipelines_that_bring_the_same_new_keys_in_another_order_take_turns(
    queue: Queue, one: Session, two: Session
) -> None:
    tasks = {name: {"template": "keyed", "params": {"k": key}} for name, key in (("t1", "b"), ("t2", "a"))}
    queue.template("flow", kind="pipeline", tasks=tasks)
    one.call(*submitting(queue, "a"))
    other = two.start("submit_run", queue.operator, {"template": "flow", "params": {}})
    two.blocked(other)
    one.call(*submitting(queue, "b"))
    one.commit()
    other.result(timeout=30)
    two.commit()
    assert queue.ops.value("select count(*) from ops.runs") == 5


def keys(queue: Queue) -> list[str]:
    return [k for (k,) in queue.ops.admin.execute("select key from ops.concurrency_keys order by key").fetchall()]


def test_a_key_is_not_dropped_under_a_submit_that_is_still_open(queue: Queue, one: Session) -> None:
    queue.cancel(queue.submit("keyed", params={"k": "a"}))
    one.call(*submitting(queue, "a"))
    queue.sweep_keys()
    assert keys(queue) == ["a"]
    one.commit()
    assert len(Worker(queue).claim(1)) == 1


def test_a_submit_declares_a_key_anew_that_is_dropped_in_this_moment(queue: Queue, one: Session, two: Session) -> None:
    queue.cancel(queue.submit("keyed", params={"k": "a"}))
    queue.forward(11)
    one.call("drop_idle_keys", 10)
    other = two.start(*submitting(queue, "a"))
    two.blocked(other)
    one.commit()
    other.result(timeout=30)
    two.commit()
    assert keys(queue) == ["a"]
    assert len(Worker(queue).claim(1)) == 1


def test_a_claim_does_not_wait_for_a_submit_with_the_same_key(queue: Queue, one: Session) -> None:
    queue.submit("keyed", params={"k": "a"})
    one.call(*submitting(queue, "a"))
    assert len(Worker(queue).claim(5)) == 1
    one.commit()


def in_backoff(queue: Queue, worker: Worker) -> tuple[Json, Json]:
    """Of a pipeline a task that runs, and a later one whose time to be tried again has come."""
    queue.template("flow", kind="pipeline", tasks={"a": {"template": "job"}, "b": {"template": "job"}})
    whole = queue.submit("flow")
    a, b = worker.claim(2)
    worker.report(b, "failed", error=EXTERNAL)
    queue.forward(31)
    return whole, a


def test_an_exchange_and_the_cancel_of_a_pipeline_take_turns(
    queue: Queue, one: Session, two: Session, three: Session
) -> None:
    worker = Worker(queue)
    whole, a = in_backoff(queue, worker)
    one.connection.execute("select from ops.runs where run_id = %s for update", (a["run_id"],))
    cancel = two.start("cancel_run", queue.operator, whole["run_id"], {})
    two.blocked(cancel)
    member = {"ordinal": 0, "token_id": str(worker.token), "run_id": a["run_id"], "body": report(a)}
    body = {"request_id": str(uuid.uuid4()), "max_runs": 5, "queues": None}
    claim = {"ordinal": 1, "token_id": str(worker.token), "executor_id": str(worker.id), "body": body}
    exchange = three.start("exchange_each", [member], [claim])
    three.blocked(exchange)
    one.commit()
    cancel.result(timeout=30)
    two.commit()
    exchange.result(timeout=30)
    three.commit()
    assert queue.states(whole)["b"] == "cancelled"


def test_a_due_run_and_one_that_a_report_lets_go_are_claimed_in_the_same_exchange(queue: Queue, one: Session) -> None:
    queue.template(
        "flow", kind="pipeline", tasks={"a": {"template": "job"}, "z": {"template": "job", "depends_on": ["a"]}}
    )
    whole, later = queue.submit("flow"), queue.submit(not_before="2030-01-01T00:00:00Z")
    worker = Worker(queue)
    a = worker.claim_one()
    queue.ops.admin.execute("update ops.runs set not_before = now() where run_id = %s", (later["run_id"],))
    member = {"ordinal": 0, "token_id": str(worker.token), "run_id": a["run_id"], "body": report(a)}
    body = {"request_id": str(uuid.uuid4()), "max_runs": 5, "queues": None}
    claim = {"ordinal": 1, "token_id": str(worker.token), "executor_id": str(worker.id), "body": body}
    one.call("exchange_each", [member], [claim])
    one.commit()
    assert queue.states(whole)["z"] == "running"
    assert queue.state(later) == "running"


PAUSE = """
create function public.pause_here() returns boolean language plpgsql as $$
begin
  perform pg_advisory_lock_shared(77);
  perform pg_advisory_unlock_shared(77);
  return true;
end $$;
create policy pause_here on ops.runs using (public.pause_here());
alter table ops.runs enable row level security;
alter table ops.runs force row level security;
"""


def test_a_submit_that_commits_while_the_floor_is_computed_is_not_passed(
    queue: Queue, one: Session, two: Session
) -> None:
    queue.cancel(queue.submit())  # the floor is there
    # the policy holds a search up while it reads, after its snapshot was taken
    queue.ops.admin.execute(PAUSE)
    for session in (one, two):
        session.connection.execute("set role ops_owner")
        session.commit()
    body = {"template": "job", "params": {}}
    early = one.call("submit_run", queue.operator, body)
    queue.submit()
    two.call("move_floor", "default", "python", 0)  # the candidate: the second run
    two.commit()
    queue.ops.admin.execute("select pg_advisory_lock(77)")
    moving = two.start("move_floor", "default", "python", 0)
    two.blocked(moving)
    one.commit()
    queue.ops.admin.execute("select pg_advisory_unlock(77)")
    moving.result(timeout=30)
    two.commit()
    queue.ops.admin.execute("alter table ops.runs disable row level security")
    assert Worker(queue).claim_one()["run_id"] == early["run_id"]


def forgotten(queue: Queue) -> None:
    """A claim floor that the next look would drop."""
    queue.cancel(queue.submit())
    queue.sweep_keys()
    queue.forward(3601)


def test_a_floor_is_not_dropped_under_a_submit_that_is_still_open(queue: Queue, one: Session) -> None:
    forgotten(queue)
    one.call("submit_run", queue.operator, {"template": "job", "params": {}})
    queue.ops.admin.execute("select ops.drop_empty_floors(10)")
    one.commit()
    assert len(Worker(queue).claim(1)) == 1


def test_a_submit_makes_a_floor_anew_that_is_dropped_in_this_moment(queue: Queue, one: Session, two: Session) -> None:
    forgotten(queue)
    one.call("drop_empty_floors", 10)
    other = two.start("submit_run", queue.operator, {"template": "job", "params": {}})
    two.blocked(other)
    one.commit()
    other.result(timeout=30)
    two.commit()
    assert len(Worker(queue).claim(1)) == 1


def failing(worker: Worker, *members: tuple[Json, str]) -> tuple[Any, ...]:
    """An exchange that reports runs as failed, each with its key."""
    return (
        "exchange_each",
        [
            {
                "ordinal": n,
                "token_id": str(worker.token),
                "run_id": run["run_id"],
                "body": report(run, "failed", idempotency_key=key),
            }
            for n, (run, key) in enumerate(members)
        ],
        [],
    )


def test_a_report_key_is_its_executors_own(queue: Queue, one: Session, two: Session) -> None:
    queue.submit()
    queue.submit()
    first, second = Worker(queue), Worker(queue)
    one.call(*failing(first, (first.claim_one(), "k")))
    assert not two.waits(two.start(*failing(second, (second.claim_one(), "k"))))
    one.commit()
    two.commit()


def test_batches_with_the_same_report_keys_in_another_order_take_turns(
    queue: Queue, one: Session, two: Session
) -> None:
    for _ in range(4):
        queue.submit()
    worker = Worker(queue)
    a, b, c, d = worker.claim(4)
    lock = "select hashtextextended(concat_ws('/', 'ops.report:', %s::text, %s::text), 0)"
    low, high = sorted("xy", key=lambda key: queue.ops.value(lock, str(worker.id), key))
    one.call(*failing(worker, (a, low)))
    other = two.start(*failing(worker, (b, high), (c, low)))
    two.blocked(other)
    one.call(*failing(worker, (d, high)))
    one.commit()
    other.result(timeout=30)
    two.commit()
    assert queue.ops.value("select count(*) from ops.leases") == 2  # their keys had been used


@pytest.mark.parametrize("later", [{}, {"dedupe_key": "d2", "on_conflict": "return"}])
def test_an_idempotency_key_is_on_record_once(queue: Queue, one: Session, two: Session, later: Json) -> None:
    queue.submit(dedupe_key="d1")
    queue.submit(dedupe_key="d2")
    body = {"template": "job", "params": {}, "idempotency_key": "k"}
    one.call("submit_run", queue.operator, body | {"dedupe_key": "d1", "on_conflict": "return"})
    other = two.start("submit_run", queue.operator, body | later)
    two.blocked(other)
    one.commit()
    assert outcome(other)[0] == "OPC03"
    two.rollback()
    assert queue.ops.value("select count(*) from ops.runs") == 2


def test_batches_with_the_same_dedupe_keys_in_another_order_take_turns(
    queue: Queue, one: Session, two: Session
) -> None:
    lock = "select hashtextextended('ops.dedupe:default/' || %s::text, 0)"
    low, high = sorted("xy", key=lambda key: queue.ops.value(lock, key))

    def batch(*keys: str) -> tuple[Any, ...]:
        bodies = [{"template": "job", "params": {}, "dedupe_key": key} for key in keys]
        return "submit_each", [
            {"ordinal": n, "token_id": str(queue.operator), "body": body} for n, body in enumerate(bodies)
        ]

    one.call(*batch(low))
    other = two.start(*batch(high, low))
    two.blocked(other)
    one.call(*batch(high))
    one.commit()
    other.result(timeout=30)
    two.commit()
    assert queue.ops.value("select count(*) from ops.runs") == 2


def test_a_batch_locks_the_runs_that_its_members_wait_for_in_run_id_order(
    queue: Queue, one: Session, two: Session
) -> None:
    worker = Worker(queue)
    parents = [queue.submit(), queue.submit()]
    held = {run["run_id"]: run for run in worker.claim(2)}
    early, late = (held[parent["run_id"]] for parent in parents)
    members = [
        {"ordinal": n, "token_id": str(queue.operator), "body": {"template": "job", "depends_on": [{"run": run}]}}
        for n, run in enumerate((late["run_id"], early["run_id"]))
    ]
    one.call("report_attempt", worker.token, early["run_id"], report(early))
    other = two.start("submit_each", members)
    two.blocked(other)
    one.call("report_attempt", worker.token, late["run_id"], report(late))  # a batch that held it would end one of us
    one.commit()
    other.result(timeout=30)
    two.commit()
    assert queue.ops.value("select count(*) from ops.runs") == 4


def test_a_submit_that_replaces_another_locks_its_keys_before_the_run_that_gives_way(
    queue: Queue, one: Session, two: Session
) -> None:
    body = {"template": "keyed", "params": {"k": "a"}, "dedupe_key": "d", "not_before": "2999-01-01T00:00:00Z"}
    old = queue.ops.call("submit_run", queue.operator, body)
    one.connection.execute("select from ops.concurrency_keys for no key update")  # as a claim does
    new = {**body, "on_conflict": "replace", "concurrency_limit": 2, "concurrency_key": "a"}
    other = two.start("submit_run", queue.operator, new)
    two.blocked(other)
    one.connection.execute("select from ops.runs where run_id = %s for update nowait", [old["run_id"]])
    one.commit()
    assert other.result(timeout=30)["state"] == "waiting"
    two.commit()
