"""Events: append-only, one chain per run, verified here from the stored bytes alone; and notifications."""

from __future__ import annotations

import hashlib
import json

import psycopg
import pytest

from tests.support.core import Queue, Worker, publication

COLUMNS = "seq, type, epoch, canonical, prev_hash, hash, run_id::text"


def busy_run(queue: Queue) -> dict:
    """A run with most kinds of events: expired, retried, artifacts, publications, a differing report."""
    outputs = [{"name": "flights", "format": "delta", "mode": "append", "path": "x"}]
    queue.template(retry={"backoff_seconds": 30}, outputs=outputs)
    queue.submit(params={"word": 'žluťoučký \\ " kůň 🐎'})
    worker = Worker(queue, name="dělník")
    worker.claim_one()
    queue.expire()
    queue.forward(31)
    failed = worker.claim_one()
    worker.report(failed, "failed")
    queue.forward(61)
    run = worker.claim_one()
    worker.artifact(run)
    worker.report(run, publications=[publication(run)])
    worker.report(run, publications=[publication(run, rows=4)])
    worker.commit(run, "flights", 1)
    return run


def test_the_chain_verifies_from_the_stored_bytes(queue: Queue) -> None:
    run = busy_run(queue)
    with psycopg.connect(queue.database.conninfo, autocommit=True) as connection:
        rows = connection.execute(
            f"select {COLUMNS} from ops.events where run_id = %s order by seq", (run["run_id"],)
        ).fetchall()
        head = connection.execute(
            "select event_seq, event_head from ops.runs where run_id = %s", (run["run_id"],)
        ).fetchone()
    previous = bytes(32)
    for number, (seq, kind, epoch, canonical, prev_hash, digest, run_id) in enumerate(rows, start=1):
        assert (seq, prev_hash) == (number, previous)
        previous = hashlib.sha256(previous + canonical.encode()).digest()
        assert digest == previous
        told = json.loads(canonical)
        assert (told["seq"], told["type"], told["epoch"], told["run_id"]) == (seq, kind, epoch, run_id)
        assert set(told) == {"actor", "at", "data", "epoch", "run_id", "seq", "type"}
    assert head == (len(rows), previous)
    assert [row[1] for row in rows] == [
        "run.submitted",
        "run.started",
        "attempt.expired",
        "run.retry_scheduled",
        "run.queued",
        "run.started",
        "attempt.reported",
        "run.retry_scheduled",
        "run.queued",
        "run.started",
        "artifact.recorded",
        "attempt.reported",
        "run.publishing",
        "report.differs",
        "publication.committed",
        "run.succeeded",
    ]
    assert [row[2] for row in rows] == [0, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]
    answer = {"ok": True, "events": 16, "problem": None, "broken_at": None, "dropped_at": None}
    assert queue.ops.call("verify_events", run["run_id"]) == answer


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            "update ops.events set canonical = replace(canonical, 'olga', 'otto') where seq = 1",
            "the hash does not match",
        ),
        ("delete from ops.events where seq = 3", "a gap"),
        ("delete from ops.events where seq = 16", "does not end at the run's head"),
        ("update ops.events set type = 'run.failed' where seq = 16", "the columns differ"),
        ("update ops.events set at = at + interval '1 day' where seq = 2", "the columns differ"),
    ],
)
def test_a_forger_with_a_superusers_rights_is_noticed(queue: Queue, change: str, problem: str) -> None:
    run = busy_run(queue)
    queue.ops.admin.execute("set session_replication_role = replica")  # the triggers are out of the way
    queue.ops.admin.execute(change)
    answer = queue.ops.call("verify_events", run["run_id"])
    assert answer["ok"] is False
    assert problem in answer["problem"]


@pytest.mark.parametrize("statement", ["update ops.events set at = now()", "delete from ops.events"])
def test_events_are_append_only_also_for_a_superuser(queue: Queue, statement: str) -> None:
    queue.template()
    queue.submit()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        queue.ops.admin.execute(statement)


def test_an_event_tells_who_did_it_and_no_secret(queue: Queue) -> None:
    queue.template()
    queue.submit(params={"password": "hunter2"})
    run = Worker(queue, name="w7").claim_one()
    texts = [row[0] for row in queue.ops.admin.execute("select canonical from ops.events order by seq")]
    assert [json.loads(t)["actor"] for t in texts] == ["operator:olga", "executor:w7"]
    assert "hunter2" not in "".join(texts)
    assert [json.loads(t)["data"]["state"] for t in texts] == ["queued", "running"]
    assert run["epoch"] == 1


def heard(connection: psycopg.Connection) -> list[tuple[str, str]]:
    return [(n.channel, n.payload) for n in connection.notifies(timeout=0.5)]


def test_waiters_are_told_once_and_only_when_something_became_claimable(queue: Queue) -> None:
    queue.template(retry={"backoff_seconds": 0})
    queue.template("model", kind="dbt")
    tasks = {name: {"template": template} for name, template in (("a", "job"), ("b", "job"), ("c", "model"))}
    queue.template("flow", kind="pipeline", tasks=tasks)
    with queue.database.connect() as listener:
        listener.execute("listen ops_ready")
        queue.submit("flow")
        assert heard(listener) == [("ops_ready", "dbt:1,python:2")]
        worker = Worker(queue)
        a, b = worker.claim(2)
        worker.heartbeat(a, b)
        worker.report(a)
        assert heard(listener) == []
        worker.report(b, "failed")
        assert heard(listener) == [("ops_ready", "python:1")]
        queue.submit(not_before="2100-01-01T00:00:00Z")
        assert heard(listener) == []


def test_only_what_became_claimable_and_orders_are_ever_notified(queue: Queue) -> None:
    # A NOTIFY puts commits behind one lock of the whole cluster, so events are looked for and never notified.
    found = queue.ops.admin.execute(
        "select proname from pg_proc where pronamespace = 'ops'::regnamespace"
        " and prosrc ~* 'pg_notify|\\mnotify ' order by 1"
    ).fetchall()
    assert found == [("notify_gathered",), ("notify_ready",), ("tell_orders",), ("tell_ready",)]


def test_ids_are_uuid7_in_order_of_time(queue: Queue) -> None:
    ids = [str(row[0]) for row in queue.ops.admin.execute("select ops.uuid7() from generate_series(1, 200)")]
    assert len(set(ids)) == 200
    assert {(i[14], i[19] in "89ab") for i in ids} == {("7", True)}
    now = queue.ops.value("select (extract(epoch from clock_timestamp()) * 1000)::bigint")
    assert all(0 <= now - int(i[:8] + i[9:13], 16) < 60_000 for i in ids)
    assert [i[:13] for i in ids] == sorted(i[:13] for i in ids)
