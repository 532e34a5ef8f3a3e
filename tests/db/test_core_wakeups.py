"""What claims that wait are told: one notification per statement, with as many runs as can start."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support.core import USER, Queue, Worker, report
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
