"""Budgets under many at once: nothing goes beyond, no two block each other for ever, every balance is its ledger's."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.db.test_budgets import balance, budget, sound
from tests.support.core import Json, Queue, Worker, report
from tests.support.postgres import Database
from tests.support.race import Session


@pytest.fixture
def queue(pg18: Database) -> Iterator[Queue]:
    made = Queue(pg18)
    yield made
    made.ops.close()


def claim(worker: Worker, count: int) -> tuple[Any, ...]:
    return "claim_runs", worker.token, worker.id, {"request_id": str(uuid.uuid4()), "max_runs": count, "queues": None}


def test_two_claims_at_once_take_no_more_than_there_is(queue: Queue) -> None:
    queue.template()
    made = budget(queue, limit=3)
    for _ in range(6):
        queue.submit()
    one, two = Session(queue), Session(queue)
    first = one.call(*claim(Worker(queue), 2))["runs"]
    waiting = two.start(*claim(Worker(queue), 2))
    two.blocked(waiting)
    one.commit()
    second = waiting.result(timeout=30)["runs"]
    two.commit()
    assert (len(first), len(second)) == (2, 1)
    assert balance(queue, made) == (3, 0)
    one.close()
    two.close()


def test_a_claim_waits_for_an_end_that_gives_back(queue: Queue) -> None:
    queue.template(estimate={"cpu_seconds": 5})
    made = budget(queue, "cpu_seconds", 5)
    queue.submit()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    one = Session(queue)
    one.call("report_attempt", worker.token, run["run_id"], report(run, usage={"cpu_seconds": 0}))
    # settled when it commits: until then nobody waits for it, and what it holds is not there to be had
    assert worker.claim() == []
    one.commit()
    assert balance(queue, made) == (0, 0)
    queue.promote()
    assert len(worker.claim()) == 1
    one.close()


# What no moment may show: more at a time than may run, and what is given back twice.
BEYOND = """
    select g.scope, g.template_name, b.reserved, b.used, g."limit"
      from ops.budget_balances b join ops.budgets g using (budget_id)
     where g.unit = 'concurrency' and b.reserved + b.used > g."limit" or b.reserved < 0 or b.used < 0"""


class Crowd:
    """Executors, cancellers and a sweeper over one database, each on a thread and a connection of its own."""

    def __init__(self, queue: Queue, seed: int, runs: int) -> None:
        self.queue, self.seed, self.runs = queue, seed, runs
        self.over = threading.Event()
        self.errors: list[str] = []

    def work(self, number: int) -> None:
        dice = random.Random(f"{self.seed}/{number}")
        worker = Worker(self.queue)
        with self.queue.database.connect() as connection:
            while not self.over.is_set():
                held: list[Json] = self.call(connection, *claim(worker, dice.randint(1, 5)))["runs"]
                for run in held:
                    fate = dice.random()
                    usage = {"cpu_seconds": dice.choice([0, 1, 2.5, 7]), "rows_out": dice.randint(0, 100)}
                    if fate < 0.15:
                        continue  # it is never heard of again: its lease expires, or the executor leaves
                    if fate < 0.3:
                        beat = {"run_id": run["run_id"], "epoch": run["epoch"], "progress": None, "usage": usage}
                        self.call(connection, "heartbeat", worker.token, worker.id, {"state": "active", "runs": [beat]})
                    if fate < 0.4:
                        body = {"force": True, "epoch": run["epoch"]}
                        self.call(connection, "requeue_run", self.queue.operator, run["run_id"], body)
                        continue
                    if fate < 0.5:
                        body = {"force": True, "reason": "random"}
                        self.call(connection, "cancel_run", self.queue.operator, run["run_id"], body)
                        continue
                    outcome = "failed" if fate < 0.65 else "succeeded"
                    self.call(
                        connection, "report_attempt", worker.token, run["run_id"], report(run, outcome, usage=usage)
                    )
                if dice.random() < 0.1:
                    self.call(connection, "leave_executor", worker.token, worker.id)
                    worker = Worker(self.queue)

    def look(self) -> None:
        """The reactor, and somebody who changes budgets."""
        dice = random.Random(self.seed)
        with self.queue.database.connect() as connection:
            while not self.over.is_set():
                self.call(connection, "expire_leases", 100)
                self.call(connection, "promote_due", 100)
                if dice.random() < 0.2:
                    body = {"scope": "workspace", "scope_ref": "default", "unit": "runs", "period": "hour"}
                    self.call(connection, "put_budget", self.queue.operator, body | {"limit": dice.randint(5, 10_000)})
                self.errors += [f"beyond: {row}" for row in connection.execute(BEYOND).fetchall()]
                time.sleep(0.02)

    def call(self, connection: psycopg.Connection[Any], name: str, *arguments: Any) -> Any:
        values = [Jsonb(value) if isinstance(value, dict | list) else value for value in arguments]
        try:
            row = connection.execute(f"select ops.{name}({', '.join(['%s'] * len(values))})", values).fetchone()
        except psycopg.Error as error:
            if not str(error.sqlstate).startswith("OP"):
                self.errors.append(f"{name}: {error.sqlstate} {error}")
            return {"runs": []}
        return row[0] if row else None

    def run(self, seconds: float) -> None:
        threads = [threading.Thread(target=self.work, args=(n,)) for n in range(6)]
        threads.append(threading.Thread(target=self.look))
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        ended = "select count(*) from ops.runs where finished_at is not null and kind <> 'pipeline'"
        while time.monotonic() < end and self.queue.ops.value(ended) < self.runs and not self.errors:
            time.sleep(0.2)
        self.over.set()
        for thread in threads:
            thread.join(timeout=30)


@pytest.mark.parametrize(
    ("seed", "runs", "seconds"),
    [(1, 150, 60.0), pytest.param(2, 1000, 900.0, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
)
def test_a_thousand_random_runs_leave_balances_that_equal_their_ledger(
    queue: Queue, seed: int, runs: int, seconds: float
) -> None:
    dice = random.Random(seed)
    for name in ("a", "b", "c"):
        queue.template(
            name, estimate={"cpu_seconds": dice.randint(1, 5)}, retry={"max_attempts": 3, "backoff_seconds": 0}
        )
    prices = {"*": {"cpu_seconds": 0.1, "rows_out": 0.01}}
    queue.ops.call("put_prices", queue.operator, {"currency": "EUR", "prices": prices})
    budget(queue, "concurrency", 12, scope="platform", period="total")
    budget(queue, "cost", 1e6, scope="platform", period="month")
    budget(queue, "runs", 10_000, period="hour")
    budget(queue, "cpu_seconds", 60, scope="template", scope_ref="default/a", period="day")
    budget(queue, "concurrency", 2, scope="template", scope_ref="default/b", period="total")
    budget(queue, "rows_out", 500, scope="template", scope_ref="default/c", period="total")
    for _ in range(runs):
        queue.submit(dice.choice("abc"), lease_seconds=10, priority=dice.randint(0, 2))
    crowd = Crowd(queue, seed, runs)
    crowd.run(seconds)
    assert crowd.errors == []
    assert sound(queue)
    wrong = queue.ops.admin.execute(
        "select run_id, epoch from ops.budget_ledger where entry <> 'reserved' group by 1, 2 having count(*) > 1"
    ).fetchall()
    assert wrong == [], "settled or released, once"
    ended = queue.ops.value("select count(*) from ops.runs where finished_at is not null")
    held = queue.ops.value("select count(*) from ops.runs where state_reason = 'budget_exhausted'")
    assert ended > 0
    assert held > 0, "the budgets were met"
