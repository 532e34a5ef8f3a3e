"""Concurrency keys: at most `limit` runs of a key hold leases, and nobody starves behind a full key."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from psycopg.types.json import Jsonb

from tests.support.core import EXTERNAL, USER, Json, Queue, Worker, publication, report
from tests.support.postgres import Database


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template()
    made.template(
        "keyed",
        concurrency={"key": "t/{params.t}", "limit": 2},
        outputs=[{"name": "flights", "format": "delta", "mode": "append", "path": "x"}],
    )
    yield made
    made.ops.close()


def names(runs: list[dict]) -> list[str]:
    return [r["params"].get("t", "-") for r in runs]


def test_one_claim_takes_at_most_the_free_slots_of_each_key(queue: Queue) -> None:
    for t in "aaaabbb":
        queue.submit("keyed", params={"t": t})
    queue.submit()
    worker = Worker(queue)
    first = worker.claim(100)
    assert sorted(names(first)) == ["-", "a", "a", "b", "b"]
    assert worker.claim(100) == []
    worker.report(next(r for r in first if r["params"].get("t") == "a"))
    assert names(worker.claim(100)) == ["a"]


def test_runs_behind_a_full_key_are_found(queue: Queue) -> None:
    for _ in range(300):
        queue.submit("keyed", params={"t": "full"})
    for t in "xyz":
        queue.submit("keyed", params={"t": t})
    queue.submit()
    worker = Worker(queue)
    assert names(worker.claim(2)) == ["full", "full"]
    assert names(worker.claim(10)) == ["x", "y", "z", "-"]


def test_a_key_counts_runs_whose_publications_are_pending(queue: Queue) -> None:
    for _ in range(3):
        queue.submit("keyed", params={"t": "a"})
    worker = Worker(queue, slots=5)
    one, _two = worker.claim(3)
    worker.report(one, publications=[publication(one)])
    waiting = queue.ops.value("select jsonb_build_object('run_id', run_id) from ops.runs where state = 'queued'")
    assert worker.claim(3) == []
    assert queue.why(waiting) == ["concurrency_key_held", "position_in_queue"]
    worker.commit(one, "flights", 1)
    assert queue.why(waiting) == ["position_in_queue"]
    assert len(worker.claim(3)) == 1


def test_a_key_is_free_again_after_expiry_cancel_and_retry(queue: Queue) -> None:
    queue.template("single", concurrency={"key": "one"}, retry={"backoff_seconds": 30})
    queue.submit("single")
    queue.submit("single")
    worker = Worker(queue)
    first = worker.claim_one()
    assert worker.claim() == []
    assert [e["run_id"] for e in queue.expire()] == [first["run_id"]]
    second = worker.claim_one()
    assert second["run_id"] != first["run_id"]
    queue.cancel(second, force=True)
    queue.forward(31)
    assert worker.claim_one()["run_id"] == first["run_id"]


def test_a_submit_may_name_its_own_key_and_keys_are_the_workspaces_own(queue: Queue) -> None:
    queue.ops.admin.execute("insert into ops.workspaces (workspace) values ('other')")
    queue.template("theirs", workspace="other")
    for _ in range(2):
        queue.submit(concurrency_key="k")
        queue.submit("theirs", workspace="other", concurrency_key="k")
    assert sorted(r["workspace"] for r in Worker(queue).claim(10)) == ["default", "other"]


def lets_go(queue: Queue, worker: Worker, run: Json, way: str) -> None:
    """End a run's hold on its key."""
    if way == "reported in a batch":
        member = {"ordinal": 0, "token_id": str(worker.token), "run_id": run["run_id"], "body": report(run)}
        queue.ops.server.execute("select ops.exchange_each(%s, '[]')", (Jsonb([member]),))
    elif way == "failed, to be tried again":
        worker.report(run, "failed", error=EXTERNAL)
    elif way == "cancelled by force":
        queue.cancel(run, force=True)
    else:
        assert way == "expired"
        queue.expire()


@pytest.mark.parametrize("way", ["reported in a batch", "failed, to be tried again", "cancelled by force", "expired"])
def test_who_waits_for_runs_of_a_key_is_told_when_it_is_free(queue: Queue, way: str) -> None:
    queue.template("held", concurrency={"key": "free\x1fagain"}, retry={"backoff_seconds": 30})
    queue.template("other", kind="dbt", concurrency={"key": "free\x1fagain"})
    queue.submit("held")
    worker = Worker(queue)
    run = worker.claim_one()
    queue.submit("other")
    with queue.database.connect() as listener:
        listener.execute("listen ops_ready")
        lets_go(queue, worker, run, way)
        assert [n.payload for n in listener.notifies(timeout=0.5)] == ["dbt:1"]
    assert len(Worker(queue, "dbt").claim(1)) == 1


def limit_of(queue: Queue, key: str) -> int | None:
    found: int | None = queue.ops.value('select "limit" from ops.concurrency_keys where key = %s', key)
    return found


@pytest.mark.parametrize("dropped", [False, True])
def test_a_retry_leaves_its_key_the_limit_that_its_submit_gave(queue: Queue, dropped: bool) -> None:
    run = queue.submit(concurrency_key="k", concurrency_limit=3)
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed", error=USER)
    if dropped:
        queue.sweep_keys()
        assert limit_of(queue, "k") is None
    queue.retry(run)
    assert limit_of(queue, "k") == 3


def test_a_replay_does_not_take_back_the_limit_that_a_newer_submit_gave(queue: Queue) -> None:
    run = queue.submit(concurrency_key="k", concurrency_limit=3)
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed", error=USER)
    queue.submit(concurrency_key="k", concurrency_limit=5)
    queue.ops.call("replay_each", queue.operator, [run["run_id"]])
    assert limit_of(queue, "k") == 5


def test_keys_that_no_unfinished_run_has_are_forgotten(queue: Queue) -> None:
    for t in ("waits", "runs", "queues"):
        queue.submit("keyed", params={"t": t})
    worker = Worker(queue)
    waits, _runs = worker.claim(2)
    worker.report(waits, "failed", error=EXTERNAL)
    queue.cancel(queue.submit(concurrency_key="ended"))
    queue.sweep_keys()
    rows = queue.ops.admin.execute("select key from ops.concurrency_keys order by key").fetchall()
    assert [key for (key,) in rows] == ["t/queues", "t/runs", "t/waits"]


def test_idle_keys_are_looked_at_a_part_at_a_time_and_in_turn(queue: Queue) -> None:
    for n in range(7):
        queue.submit(concurrency_key=f"used-{n}")
    fill(queue, 13)
    left = []
    for _ in range(5):
        queue.forward(11)
        queue.ops.admin.execute("select ops.drop_idle_keys(6)")
        left.append(queue.ops.value("select count(*) from ops.concurrency_keys"))
    assert left == [14, 8, 7, 7, 7]  # 6, 6, 1 idle ones, then used ones


def fill(queue: Queue, keys: int) -> None:
    """Keys that no run has."""
    queue.ops.admin.execute(
        "insert into ops.concurrency_keys select 'default', 'idle/' || n, 1, now() from generate_series(1, %s) n",
        (keys,),
    )


def test_what_a_claim_reads_does_not_grow_with_the_keys_ever_used(queue: Queue) -> None:
    for t in "aabbc":
        queue.submit("keyed", params={"t": t})
    queue.submit()
    worker = Worker(queue)
    fill(queue, 50_000)
    body = {"request_id": str(uuid.uuid4()), "max_runs": 10, "queues": None}
    with queue.ops.admin.transaction():
        answer = queue.ops.call_on(queue.ops.admin, "claim_runs", worker.token, worker.id, body)
        read = queue.ops.value(
            "select pg_stat_get_xact_tuples_returned('ops.concurrency_keys'::regclass)"
            " + pg_stat_get_xact_tuples_returned('ops.concurrency_keys_pkey'::regclass)"
        )
    assert len(answer["runs"]) == 6
    assert 0 < read < 100


def test_a_run_without_a_key_hides_no_keyed_run_of_a_lower_priority(queue: Queue) -> None:
    runs = [queue.submit(priority=5), queue.submit("keyed", params={"t": "a"})]
    assert [run["run_id"] for run in Worker(queue).claim(5)] == [run["run_id"] for run in runs]


def test_a_run_without_a_key_hides_no_run_behind_a_full_key(queue: Queue) -> None:
    queue.submit()
    for _ in range(300):
        queue.submit("keyed", params={"t": "full"})
    queue.submit("keyed", params={"t": "x"})
    assert names(Worker(queue).claim(10)) == ["-", "full", "full", "x"]
