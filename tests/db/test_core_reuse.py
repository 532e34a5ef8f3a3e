"""`reuse: same_inputs`: what was done is not done again, while every trace of it stands, and each such run says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.db.test_core_publication_formats import ALL, LOCATION, output, published
from tests.support.core import Json, Queue, Worker

DAY = 86_400.0
REUSE = {"reuse": "same_inputs"}
PARAMS = {"params_schema": {"type": "object", "properties": {"day": {"type": "string"}}}}


def job(queue: Queue, name: str = "job", **spec: Any) -> None:
    queue.template(name, **(REUSE | PARAMS | spec))


def done(queue: Queue, worker: Worker, template: str = "job", artifact: str = "report.html", **more: Any) -> Json:
    """A run that did its work: with an artifact, and what its template publishes."""
    run = queue.submit(template, **more)
    assert run["state"] == "queued"
    claimed = worker.claim_one()
    worker.artifact(claimed, artifact)
    said = [published(claimed)] if claimed["outputs"] else []
    worker.report(claimed, result={"answer": 42}, publications=said)
    for one in said:
        worker.commit(claimed, "out", 0, location=LOCATION if one["format"] == "iceberg" else None)
    assert queue.state(run) == "succeeded"
    return run


def publisher(queue: Queue) -> Worker:
    return Worker(queue, capabilities={"publish": ALL})


def test_the_same_inputs_are_not_worked_on_again_and_the_run_says_whose_work_it_shows(queue: Queue) -> None:
    job(queue, outputs=[output("delta")])
    worker = publisher(queue)
    first = done(queue, worker, params={"day": "monday"})
    again = queue.submit(params={"day": "monday"})
    assert (again["state"], again["state_reason"], again["attempt"]) == ("succeeded", "reused", 0)
    assert (again["reused_from"], again["reused_from_number"]) == (first["run_id"], first["number"])
    assert again["result"] == {"answer": 42}
    assert (again["rows"], again["artifact_count"]) == (3, 1)
    found = queue.get(again)
    assert [p["run_id"] for p in found["publications"]] == [first["run_id"]]
    assert found["attempts"] == []
    items = queue.ops.call("run_artifacts", queue.operator, again["run_id"])["items"]
    assert [(item["name"], item["run_id"]) for item in items] == [("report.html", first["run_id"])]
    assert queue.event_types(again) == ["run.submitted", "run.succeeded"]
    told = queue.ops.value(
        "select e.canonical::jsonb #>> '{data,reused_from}' from ops.events e where e.run_id = %s and e.seq = 2",
        again["run_id"],
    )
    assert told == first["run_id"]
    (reason,) = queue.ops.call("why_run", queue.operator, again["run_id"])["reasons"]
    assert f"run {first['number']} had done the same" in reason["message"]
    assert worker.claim() == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda queue: None, {"params": {"day": "tuesday"}}),
        (lambda queue: None, {"reuse": "never"}),
        (lambda queue: job(queue, entrypoint="other.py"), {}),
        (lambda queue: queue.template(**PARAMS), {}),
    ],
    ids=["other parameters", "a submit that wants the work", "another version", "a version that does not reuse"],
)
def test_other_work_is_done(queue: Queue, change: Callable[[Queue], None], what: Json) -> None:
    job(queue)
    done(queue, Worker(queue), params={"day": "monday"})
    change(queue)
    run = queue.submit(**({"params": {"day": "monday"}} | what))
    assert (run["state"], run["reused_from"]) == ("queued", None)


def test_the_same_in_another_workspace_is_other_work(queue: Queue) -> None:
    job(queue)
    done(queue, Worker(queue))
    queue.ops.call("put_workspace", queue.operator, {"workspace": "other"})
    queue.ops.template(queue.operator, "job", workspace="other", **REUSE, **PARAMS)
    assert queue.ops.submit(queue.operator, "job", workspace="other")["state"] == "queued"


def test_a_retry_is_done_and_serves_from_then_on(queue: Queue) -> None:
    job(queue)
    worker = Worker(queue)
    first = done(queue, worker)
    second = queue.retry(first)
    assert second["state"] == "queued"
    queue.forward(5)
    worker.report(worker.claim_one(), result={"answer": 43})
    again = queue.submit()
    assert (again["reused_from"], again["result"]) == (second["run_id"], {"answer": 43})
    # who reused is nobody to reuse from
    assert queue.submit()["reused_from"] == second["run_id"]


@pytest.mark.parametrize("format", ALL)
def test_what_was_published_over_since_is_published_again(queue: Queue, format: str) -> None:
    job(queue, outputs=[output(format)])
    queue.template("other", outputs=[output(format)])
    worker = publisher(queue)
    first = done(queue, worker)
    assert queue.submit()["reused_from"] == first["run_id"]
    queue.forward(1)
    done(queue, worker, "other")
    assert queue.submit()["state"] == "queued"


def test_what_adds_to_a_table_is_never_reused(queue: Queue) -> None:
    job(
        queue, outputs=[output("delta", mode="append")]
    )  # the server refuses such a template; the schema holds by itself
    done(queue, publisher(queue))
    assert queue.submit()["state"] == "queued"


def test_tables_that_an_engine_wrote_are_never_reused(queue: Queue) -> None:
    job(queue)
    worker = Worker(queue)
    queue.submit()
    run = worker.claim_one()
    worker.table(run, "lake.gold.t@3", {"format": "iceberg", "uri": "s3://warehouse/gold/t", "version": 3})
    worker.report(run)
    assert queue.submit()["state"] == "queued"


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_only_work_that_succeeded_is_reused(queue: Queue, outcome: str) -> None:
    job(queue)
    worker = Worker(queue)
    run = queue.submit(max_attempts=1)
    claimed = worker.claim_one()
    queue.cancel(run)
    worker.report(claimed, outcome)
    assert queue.state(run) == outcome or outcome == "failed"
    assert queue.submit()["state"] == "queued"


def chain(queue: Queue) -> None:
    """A pipeline whose second task reads what the first one left."""
    job(queue, "write", outputs=[output("delta")])
    job(queue, "read", inputs=[{"name": "in", "kind": "table"}])
    tasks = {"write": {"template": "write"}, "read": {"template": "read", "inputs": {"in": "write.out"}}}
    queue.template("both", kind="pipeline", tasks=tasks)


def run_chain(queue: Queue, worker: Worker, version: int = 0) -> Json:
    pipeline = queue.submit("both")
    write = worker.claim_one()
    worker.report(write, publications=[published(write)])
    worker.commit(write, "out", version)
    worker.report(worker.claim_one())
    assert queue.state(pipeline) == "succeeded"
    return pipeline


def test_a_pipeline_all_of_whose_tasks_are_reused_ends_at_once(queue: Queue) -> None:
    chain(queue)
    first = run_chain(queue, publisher(queue))
    again = queue.submit("both")
    assert (again["state"], again["state_reason"], again["rows"]) == ("succeeded", None, 3)
    assert queue.states(again) == {"write": "succeeded", "read": "succeeded"}
    for task in ("write", "read"):
        assert queue.child(again, task)["reused_from"] == queue.child(first, task)["run_id"]
    assert queue.child(again, "read")["inputs"][0]["from_run_id"] == queue.child(first, "write")["run_id"]


def test_a_task_that_reads_another_version_is_done(queue: Queue) -> None:
    chain(queue)
    worker = publisher(queue)
    run_chain(queue, worker)
    write = queue.submit("write", reuse="never")
    claimed = worker.claim_one()
    worker.report(claimed, publications=[published(claimed)])
    worker.commit(claimed, "out", 1)
    again = queue.submit("both")
    assert queue.child(again, "write")["reused_from"] == write["run_id"]
    assert queue.child(again, "read")["state"] == "queued"
    assert worker.claim_one()["inputs"][0]["version"] == 1
    assert queue.state(again) == "running"


def test_a_task_waits_for_its_pipeline_before_it_takes_what_was_done(queue: Queue) -> None:
    job(queue, "one")
    queue.template("before")
    queue.template("all", kind="pipeline", tasks={"one": {"template": "one"}})
    worker = Worker(queue)
    done(queue, worker, "one")
    before = queue.submit("before")
    pipeline = queue.submit("all", depends_on=[{"run": before["run_id"]}])
    assert queue.states(pipeline) == {"one": "waiting"}
    worker.report(worker.claim_one())
    assert queue.states(pipeline) == {"one": "succeeded"}
    assert queue.state(pipeline) == "succeeded"
    assert queue.child(pipeline, "one")["state_reason"] == "reused"


def test_what_was_done_is_taken_when_the_time_has_come_and_what_follows_goes_on(queue: Queue) -> None:
    job(queue)
    queue.template("after")
    worker = Worker(queue)
    first = done(queue, worker)
    later = queue.submit(
        not_before=queue.ops.value("select to_char(ops.now() + interval '1 hour', 'YYYY-MM-DD\"T\"HH24:MI:SSOF:00')")
    )
    after = queue.submit("after", depends_on=[{"run": later["run_id"]}])
    assert (later["state"], later["state_reason"]) == ("waiting", "not_before")
    queue.forward(3700)
    queue.promote()
    assert queue.get(later)["reused_from"] == first["run_id"]
    assert queue.state(after) == "queued"


def test_a_paused_run_ends_with_nothing(queue: Queue) -> None:
    job(queue)
    queue.template("before")
    worker = Worker(queue)
    done(queue, worker)
    before = queue.submit("before")
    run = queue.submit(depends_on=[{"run": before["run_id"]}])
    queue.ops.call("pause_run", queue.operator, run["run_id"], {})
    worker.report(worker.claim_one())
    assert queue.state(run) == "queued"


def test_what_is_over_its_retention_is_done_again_and_a_reuse_keeps_it_as_long_again(queue: Queue) -> None:
    job(queue, retention={"artifact_days": 10})
    worker = Worker(queue)
    first = done(queue, worker)
    queue.forward(9 * DAY)
    assert queue.submit()["reused_from"] == first["run_id"]
    queue.forward(2 * DAY)
    queue.ops.call("expire_artifacts", 100)
    kept = "select count(*) from ops.artifacts where state = 'visible'"
    assert queue.ops.value(kept) == 1, "the run that took it ended nine days later"
    assert queue.submit()["state"] == "queued", "the first run's own time is over"
    queue.forward(9 * DAY)
    queue.ops.call("expire_artifacts", 100)
    assert queue.ops.value(kept) == 0


def test_a_hold_on_the_run_that_took_it_keeps_it(queue: Queue) -> None:
    job(queue, retention={"artifact_days": 1})
    done(queue, Worker(queue))
    again = queue.submit()
    queue.ops.call("hold_run", queue.operator, again["run_id"], {"reason": "audit"})
    queue.forward(30 * DAY)
    queue.ops.call("expire_artifacts", 100)
    assert queue.ops.value("select count(*) from ops.artifacts where state = 'visible'") == 1


def test_many_at_once_are_looked_at_one_by_one(queue: Queue) -> None:
    job(queue)
    first = done(queue, Worker(queue))
    members = [{"token_id": str(queue.operator), "body": {"template": "job", "params": {}}} for _ in range(3)]
    queue.ops.call("submit_each", members)
    rows = queue.ops.admin.execute("select distinct reused_from::text from ops.runs where number > 1").fetchall()
    assert rows == [(first["run_id"],)]


def test_whose_work_it_was_is_said_once_for_all(queue: Queue) -> None:
    job(queue)
    done(queue, Worker(queue))
    again = queue.submit()
    with pytest.raises(psycopg.Error, match="definition cannot change"):
        queue.ops.admin.execute("update ops.runs set reused_from = null where run_id = %s", (again["run_id"],))
