"""Who is told at once that a heartbeat has something for him: executors whose runs are stopped, and nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.support.core import Json, Queue, Worker
from tests.support.postgres import Database


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template()
    yield made
    made.ops.close()


@pytest.fixture
def listener(queue: Queue) -> Iterator[psycopg.Connection]:
    with queue.database.connect() as connection:
        connection.execute("listen ops_orders")
        yield connection


def told(listener: psycopg.Connection) -> list[str]:
    """What was notified since the last look."""
    return [n.payload for n in listener.notifies(timeout=0.5)]


def holder(queue: Queue) -> tuple[Worker, Json]:
    queue.submit()
    worker = Worker(queue)
    return worker, worker.claim_one()


def force(queue: Queue, run: Json) -> Json:
    return {"force": True, "epoch": run["epoch"]}


@pytest.mark.parametrize(
    "order",
    [
        lambda queue, worker, run: queue.cancel(run),
        lambda queue, worker, run: queue.cancel(run, force=True),
        lambda queue, worker, run: queue.ops.call("requeue_run", queue.operator, run["run_id"], force(queue, run)),
        lambda queue, worker, run: queue.ops.call("drain_executor", queue.operator, str(worker.id), {}),
    ],
    ids=["cancel", "cancel by force", "requeue", "drain"],
)
def test_the_executor_that_it_concerns_is_told(
    queue: Queue, listener: psycopg.Connection, order: Callable[[Queue, Worker, Json], object]
) -> None:
    worker, run = holder(queue)
    holder(queue)
    told(listener)
    order(queue, worker, run)
    assert told(listener) == [str(worker.id)]


def test_of_a_pipeline_each_executor_is_told_once(queue: Queue, listener: psycopg.Connection) -> None:
    tasks = {name: {"template": "job"} for name in "abc"}
    queue.template("flow", kind="pipeline", tasks=tasks)
    flow = queue.submit("flow")
    one, other = Worker(queue), Worker(queue)
    one.claim(2)
    other.claim(1)
    told(listener)
    queue.cancel(flow)
    (payload,) = told(listener)
    assert sorted(payload.split(",")) == sorted([str(one.id), str(other.id)])


def test_a_tighter_cap_is_told_to_all(queue: Queue, listener: psycopg.Connection) -> None:
    holder(queue)
    told(listener)
    queue.ops.call("put_cap", queue.operator, {"scope": "platform", "cap": "wall_seconds", "limit": 5})
    assert told(listener) == [""]


def test_what_nobody_holds_is_stopped_without_a_word(queue: Queue, listener: psycopg.Connection) -> None:
    queue.cancel(queue.submit())
    assert told(listener) == []


def test_very_many_are_told_in_payloads_that_postgres_takes(queue: Queue, listener: psycopg.Connection) -> None:
    queue.ops.admin.execute("select ops.tell_orders(array(select gen_random_uuid() from generate_series(1, 250)))")
    assert sorted(payload.count(",") + 1 for payload in told(listener)) == [50, 100, 100]
