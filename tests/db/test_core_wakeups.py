"""What claims that wait are told: one notification per statement, with as many runs as can start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from ops_schema._store_queries import KEEPING
from tests.support.core import USER, Json, Queue, Worker, publication, report
from tests.support.postgres import Database


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template(retry={"backoff_seconds": 0})
    yield made
    made.ops.close()


@pytest.fixture
def listener(queue: Queue) -> Iterator[psycopg.Connection]:
    with queue.database.connect() as connection:
        connection.execute("listen ops_ready")
        yield connection


def told(listener: psycopg.Connection) -> list[str]:
    """What was notified since the last look."""
    return [n.payload for n in listener.notifies(timeout=0.5)]


def test_a_replay_tells_of_every_run_it_made(queue: Queue, listener: psycopg.Connection) -> None:
    worker = Worker(queue)
    runs = [queue.submit() for _ in range(3)]
    for run in worker.claim(3):
        worker.report(run, "failed", error=USER)
    told(listener)
    queue.ops.call("replay_each", queue.operator, [run["run_id"] for run in runs])
    assert told(listener) == ["python:3"]


def test_a_sweep_tells_of_every_run_it_put_back(queue: Queue, listener: psycopg.Connection) -> None:
    for _ in range(3):
        queue.submit()
    Worker(queue).claim(3)
    queue.forward(60, sweeping=True)
    told(listener)
    queue.forward(2)
    assert len(queue.sweep()) == 3
    assert told(listener) == ["python:3"]


def test_a_task_that_ends_tells_of_all_tasks_that_it_let_go(queue: Queue, listener: psycopg.Connection) -> None:
    after = {"template": "job", "depends_on": ["a"]}
    queue.template("flow", kind="pipeline", tasks={"a": {"template": "job"}, "b": after, "c": after, "d": after})
    queue.submit("flow")
    worker = Worker(queue)
    run = worker.claim_one()
    told(listener)
    worker.report(run)
    assert told(listener) == ["python:3"]


@pytest.mark.parametrize(("queued", "expected"), [(5, ["python:2"]), (1, ["python:1"]), (0, [])])
def test_keys_that_are_free_tell_of_as_many_runs_as_can_start(
    queue: Queue, listener: psycopg.Connection, queued: int, expected: list[str]
) -> None:
    for _ in range(3 + queued):
        queue.submit(concurrency_key="k", concurrency_limit=3)
    worker = Worker(queue)
    runs = worker.claim(3)
    told(listener)
    reports = [
        {"ordinal": n, "token_id": str(worker.token), "run_id": run["run_id"], "body": report(run)}
        for n, run in enumerate(runs[:2])
    ]
    queue.ops.server.execute("select ops.exchange_each(%s, '[]')", (Jsonb(reports),))
    assert told(listener) == expected


def test_a_resumed_queue_or_executor_makes_every_claim_that_waits_look(
    queue: Queue, listener: psycopg.Connection
) -> None:
    worker = Worker(queue)
    queue.submit()
    queue.ops.call("pause_queue", queue.operator, "default", {})
    queue.ops.call("pause_executor", queue.operator, str(worker.id), {})
    told(listener)
    queue.ops.call("resume_queue", queue.operator, "default")
    assert told(listener) == [""]
    queue.ops.call("resume_executor", queue.operator, str(worker.id), {})
    assert told(listener) == [""]
    queue.ops.call("resume_queue", queue.operator, "default")
    queue.ops.call("resume_executor", queue.operator, str(worker.id), {})
    assert told(listener) == []


# What a caller keeps, to tell it itself -------------------------------------------------------------------------------

Arrange = Callable[[Queue, Worker], tuple[Any, ...]]
CALLS: dict[str, tuple[str, Arrange]] = {}


def makes(ready: str) -> Callable[[Arrange], Arrange]:
    """Arguments with which the verb of the name makes this claimable."""

    def register(arrange: Arrange) -> Arrange:
        CALLS[arrange.__name__] = (ready, arrange)
        return arrange

    return register


def held(queue: Queue, worker: Worker, **more: Any) -> Json:
    queue.submit(**more)
    return worker.claim_one()


@makes("python:1")
def submit_run(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    return (queue.operator, {"template": "job", "params": {}, "concurrency_key": "k"})


@makes("python:1")
def cancel_run(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    run = held(queue, worker, concurrency_key="k")
    queue.submit(concurrency_key="k")
    return (queue.operator, run["run_id"], {"force": True})


@makes("python:1")
def retry_run(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    run = queue.submit()
    queue.cancel(run)
    return (queue.operator, run["run_id"], {})


@makes("python:1")
def reproduce_run(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    run = queue.submit()
    queue.cancel(run)
    return (queue.operator, run["run_id"], {})


@makes("python:1")
def resume_run(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    run = queue.submit()
    queue.ops.call("pause_run", queue.operator, run["run_id"], {})
    return (queue.operator, run["run_id"], {})


@makes("python:1")
def reschedule_run(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    run = queue.submit(not_before="2100-01-01T00:00:00Z")
    return (queue.operator, run["run_id"], {"not_before": None})


@makes("python:1")
def requeue_run(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    run = held(queue, worker)
    return (queue.operator, run["run_id"], {"force": True, "epoch": run["epoch"]})


@makes("python:2")
def replay_each(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    runs = [held(queue, worker) for _ in range(2)]
    for run in runs:
        worker.report(run, "failed", error=USER)
    return (queue.operator, [run["run_id"] for run in runs])


@makes("python:2")
def leave_executor(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    for _ in range(2):
        held(queue, worker)
    return (worker.token, worker.id)


@makes("python:1")
def commit_publication(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    output = {"name": "flights", "format": "delta", "mode": "overwrite", "path": "bronze/flights"}
    queue.template("publisher", outputs=[output])
    queue.submit("publisher", concurrency_key="k")
    run = worker.claim_one()
    queue.submit(concurrency_key="k")
    worker.report(run, publications=[publication(run)])
    body = {"epoch": run["epoch"], "state": "committed", "table_version": 0, "rows": 3}
    return (worker.token, run["run_id"], "flights", body)


@makes("python:1")
def commit_publication_as_reactor(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    return commit_publication(queue, worker)[1:]


@makes("python:1")
def expire_leases(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    held(queue, worker)
    queue.forward(60, sweeping=True)
    queue.forward(2)
    return (100,)


@makes("python:1")
def promote_due(queue: Queue, worker: Worker) -> tuple[Any, ...]:
    queue.submit(not_before="2100-01-01T00:00:00Z")
    queue.ops.admin.execute("update ops.runs set not_before = now()")
    return (100,)


def test_there_is_a_call_of_each_verb_whose_caller_may_keep_what_it_made_claimable() -> None:
    assert CALLS.keys() == KEEPING.keys()


@pytest.mark.parametrize("verb", CALLS)
def test_what_a_call_made_claimable_is_notified_by_itself(
    queue: Queue, listener: psycopg.Connection, verb: str
) -> None:
    ready, arrange = CALLS[verb]
    arguments = arrange(queue, Worker(queue))
    told(listener)
    queue.ops.call(verb, *arguments)
    assert told(listener) == [ready]


@pytest.mark.parametrize("verb", CALLS)
def test_what_a_call_made_claimable_is_not_notified_when_its_caller_keeps_it(
    queue: Queue, listener: psycopg.Connection, verb: str
) -> None:
    ready, arrange = CALLS[verb]
    arguments = arrange(queue, Worker(queue))
    told(listener)
    sent = [Jsonb(value) if isinstance(value, dict | list) else value for value in arguments]
    rows = queue.ops.server.execute(KEEPING[verb], sent).fetchall()
    assert rows[0][0] is not None
    assert {row[-1] for row in rows} == {ready}
    assert told(listener) == []
    queue.submit(priority=1)  # the next transaction notifies again
    assert told(listener) == ["python:1"]
