"""What sweeps do about one run that breaks them, and what they forget in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.support.core import Json, Queue, Worker
from tests.support.postgres import Database

POISON = """
create function public.poison() returns trigger language plpgsql as $$
begin
  raise exception 'poison' using errcode = '%s';
end $$;
create trigger poison before update of state, epoch, cancel_requested_at on ops.runs for each row
  when (new.run_id = '%s') execute function public.poison();
"""


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template(retry={"backoff_seconds": 0})
    yield made
    made.ops.close()


def poison(queue: Queue, run: Json, sqlstate: str = "P0001") -> None:
    """Every change of this run's state raises."""
    queue.ops.admin.execute(POISON % (sqlstate, run["run_id"]))


def heal(queue: Queue) -> None:
    queue.ops.admin.execute("drop trigger poison on ops.runs")


def lapsed(queue: Queue) -> list[Json]:
    runs = [queue.submit() for _ in range(3)]
    Worker(queue).claim(3)
    queue.forward(60, sweeping=True)
    queue.forward(2)
    return runs


def test_a_run_that_cannot_be_expired_holds_up_no_other(queue: Queue) -> None:
    first, bad, last = lapsed(queue)
    poison(queue, bad)
    warnings: list[str] = []
    queue.ops.server.add_notice_handler(lambda notice: warnings.append(notice.message_primary or ""))
    assert [e["run_id"] for e in queue.sweep()] == [first["run_id"], last["run_id"]]
    assert warnings == [f"action=swept_past expire_one run_id={bad['run_id']}: poison"]
    assert [queue.state(run) for run in (first, bad, last)] == ["queued", "running", "queued"]
    heal(queue)
    assert [e["run_id"] for e in queue.sweep()] == [bad["run_id"]]


def test_an_end_whose_consequences_break_undoes_no_other(queue: Queue) -> None:
    queue.template("once", retry={"max_attempts": 1})
    runs = [queue.submit("once") for _ in range(3)]
    after = queue.submit(depends_on=[{"run": runs[1]["run_id"]}])
    Worker(queue).claim(3)
    queue.forward(60, sweeping=True)
    queue.forward(2)
    poison(queue, after)
    assert len(queue.sweep()) == 2
    assert [queue.state(run) for run in runs] == ["failed", "running", "failed"]
    heal(queue)
    queue.sweep()
    assert queue.state(runs[1]) == "failed"
    assert queue.state(after) == "skipped"


def test_a_sweep_that_meets_a_lock_error_changes_nothing_and_says_so(queue: Queue) -> None:
    _, bad, _ = runs = lapsed(queue)
    poison(queue, bad, "40P01")
    with pytest.raises(psycopg.errors.DeadlockDetected):
        queue.sweep()
    assert {queue.state(run) for run in runs} == {"running"}


def cancelled(queue: Queue) -> list[Json]:
    """Runs whose executor beats on and does not obey a cancellation."""
    runs = [queue.submit() for _ in range(3)]
    worker = Worker(queue)
    claimed = worker.claim(3)
    for run in runs:
        queue.cancel(run)
    for _ in range(3):
        queue.forward(20, sweeping=True)
        worker.heartbeat(*claimed)
    queue.forward(11)
    return runs


def late(queue: Queue) -> list[Json]:
    runs = [queue.submit(deadline="2100-01-01T00:00:00Z", queue="nobody") for _ in range(3)]
    queue.ops.admin.execute("alter table ops.runs disable trigger runs_definition")
    queue.ops.admin.execute("update ops.runs set deadline = now()")
    queue.forward(5)
    return runs


def due(queue: Queue) -> list[Json]:
    runs = [queue.submit(not_before="2100-01-01T00:00:00Z") for _ in range(3)]
    queue.ops.admin.execute("update ops.runs set not_before = now() - interval '1 second'")
    return runs


def blocked(queue: Queue) -> list[Json]:
    """Runs whose parent has ended behind their back."""
    parent = queue.submit()
    runs = [queue.submit(depends_on=[{"run": parent["run_id"]}], condition="all_done") for _ in range(3)]
    queue.ops.admin.execute(
        "update ops.runs set state = 'cancelled', ready_seq = null, finished_at = now() where run_id = %s",
        (parent["run_id"],),
    )
    return runs


def sweep(queue: Queue) -> Any:
    return queue.sweep()


def promote(queue: Queue) -> Any:
    return queue.promote()


def claim(queue: Queue) -> Any:
    return Worker(queue).claim(1)


@pytest.mark.parametrize(
    ("arrange", "act", "before", "after"),
    [
        (cancelled, sweep, "running", {"cancelled"}),
        (late, promote, "queued", {"failed"}),
        (due, promote, "waiting", {"queued"}),
        (due, claim, "waiting", {"queued", "running"}),
        (blocked, promote, "waiting", {"queued"}),
    ],
)
def test_one_run_that_raises_is_passed_over(
    queue: Queue, arrange: Callable[[Queue], list[Json]], act: Callable[[Queue], Any], before: str, after: set[str]
) -> None:
    first, bad, last = arrange(queue)
    poison(queue, bad)
    act(queue)
    assert queue.state(bad) == before
    assert {queue.state(first), queue.state(last)} == after


def test_blocked_runs_are_looked_at_again_a_part_at_a_time(queue: Queue) -> None:
    blocked(queue)
    states = []
    for _ in range(3):
        queue.forward(11)
        queue.ops.call("promote_due", 2)
        queue.ops.call("promote_due", 2)  # too soon: looks at none
        states.append(queue.ops.value("select count(*) from ops.runs where state = 'queued'"))
    assert states == [2, 3, 3]


def floors(queue: Queue) -> list[str]:
    return [q for (q,) in queue.ops.admin.execute("select queue from ops.queue_floors order by 1").fetchall()]


def test_claim_floors_that_are_long_empty_are_dropped_and_made_again(queue: Queue) -> None:
    queue.submit(queue="full")
    queue.cancel(queue.submit(queue="empty"))
    held = queue.submit(queue="held")
    queue.ops.call("pause_run", queue.operator, held["run_id"], {})
    queue.sweep_keys()
    assert floors(queue) == ["empty", "full", "held"]
    queue.forward(3601)
    queue.sweep()
    assert floors(queue) == ["full"]
    again = queue.submit(queue="empty")
    queue.ops.call("resume_run", queue.operator, held["run_id"], {})
    claimed = {run["run_id"] for run in Worker(queue).claim(5)}
    assert {again["run_id"], held["run_id"]} < claimed
