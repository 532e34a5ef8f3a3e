"""Pipelines, dependencies and what a run reads of its parents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.core import USER, Queue, Worker, publication, refused
from tests.support.postgres import Database

Json = dict[str, Any]


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template("ingest", outputs=[{"name": "flights", "format": "delta", "mode": "overwrite", "path": "b/flights"}])
    made.template("plain", retry={"on": []})
    yield made
    made.ops.close()


def pipeline(queue: Queue, name: str = "flow", **tasks: Json) -> None:
    queue.template(name, kind="pipeline", tasks=tasks)


def task(template: str = "plain", *parents: str, **more: Any) -> Json:
    return {"template": template, "depends_on": list(parents)} | more


def finish(worker: Worker, key: str, outcome: str = "succeeded", **more: Any) -> None:
    """Claim until the task comes, and report it."""
    (run,) = worker.claim(1)
    assert run["task_key"] == key
    worker.report(run, outcome, **more)


def test_the_pipeline_of_the_demo_reads_exact_table_versions_and_artifacts(queue: Queue) -> None:
    pipeline(
        queue,
        ingest=task("ingest", params={"year": "{params.year}", "label": "y{params.year}"}),
        transform=task("plain", "ingest", inputs={"raw": "ingest.flights"}),
        report=task("plain", inputs={"page": "transform.dbt.manifest.json"}),
    )
    whole = queue.submit("flow", params={"year": 2013}, labels={"a": "b"}, priority=3)
    assert (whole["state"], whole["kind"], queue.why(whole)) == (
        "waiting",
        "pipeline",
        ["waiting_on_tasks", "task_queued"],
    )
    assert queue.states(whole) == {"ingest": "queued", "transform": "waiting", "report": "waiting"}
    assert queue.why(queue.child(whole, "transform")) == ["waiting_on_dependency"]

    worker = Worker(queue)
    ingest = worker.claim_one()
    assert (ingest["pipeline_run_id"], ingest["task_key"]) == (whole["run_id"], "ingest")
    assert ingest["params"] == {"year": 2013, "label": "y2013"}
    assert ingest["labels"] == {"a": "b"}
    assert queue.state(whole) == "running"
    worker.report(ingest, publications=[publication(ingest)])
    assert worker.claim() == []  # not before the table is out
    worker.commit(ingest, "flights", 0)

    transform = worker.claim_one()
    nothing = {"artifact_id": None, "sha256": None, "size": None}
    assert transform["inputs"] == [
        {
            "name": "raw",
            "kind": "table",
            "format": "delta",
            "uri": "s3://lakehouse/b/flights",
            "version": 0,
            "from_run_id": ingest["run_id"],
        }
        | nothing
    ]
    begun = worker.artifact(transform, "dbt.manifest.json")
    worker.report(transform)
    (page,) = worker.claim_one()["inputs"]
    assert (page["kind"], page["artifact_id"], page["sha256"]) == ("artifact", begun["artifact_id"], "a" * 64)
    assert (page["size"], page["uri"], page["version"]) == (7, None, None)
    last = queue.child(whole, "report")
    worker.report({"run_id": last["run_id"], "epoch": 1, "outputs": []})
    done = queue.get(whole)
    assert done["state"] == "succeeded"
    assert done["result"] == {"tasks": {"ingest": "succeeded", "transform": "succeeded", "report": "succeeded"}}
    assert queue.event_types(whole) == ["run.submitted", "run.started", "run.succeeded"]


def test_a_failed_task_skips_all_below_it_and_fails_the_pipeline(queue: Queue) -> None:
    pipeline(queue, a=task(), b=task("plain", "a"), c=task("plain", "b"), d=task())
    whole = queue.submit("flow")
    worker = Worker(queue)
    finish(worker, "a", "failed", error=USER)
    assert queue.states(whole) == {"a": "failed", "b": "skipped", "c": "skipped", "d": "queued"}
    assert queue.state(whole) == "running"
    finish(worker, "d")
    failed = queue.get(whole)
    assert failed["state"] == "failed"
    assert (failed["error"]["code"], failed["error"]["task_key"], failed["error"]["class"]) == (
        "task_failed",
        "a",
        "user",
    )


@pytest.mark.parametrize(
    ("condition", "outcomes", "expected"),
    [
        ("all_success", ("succeeded", "succeeded"), "queued"),
        ("all_success", ("succeeded", "failed"), "skipped"),
        ("all_done", ("succeeded", "failed"), "queued"),
        ("all_done", ("failed", "failed"), "queued"),
        ("at_least_one_success", ("failed", "succeeded"), "queued"),
        ("at_least_one_success", ("failed", "failed"), "skipped"),
        ("none_failed", ("succeeded", "succeeded"), "queued"),
        ("none_failed", ("succeeded", "failed"), "skipped"),
        ("at_least_one_failed", ("succeeded", "failed"), "queued"),
        ("at_least_one_failed", ("succeeded", "succeeded"), "skipped"),
        ("all_failed", ("failed", "failed"), "queued"),
        ("all_failed", ("failed", "succeeded"), "skipped"),
    ],
)
def test_a_run_condition_decides(queue: Queue, condition: str, outcomes: tuple[str, str], expected: str) -> None:
    pipeline(queue, a=task(), b=task(), z=task("plain", "a", "b", condition=condition))
    whole = queue.submit("flow")
    worker = Worker(queue)
    finish(worker, "a", outcomes[0])
    finish(worker, "b", outcomes[1])
    assert queue.states(whole)["z"] == expected


def test_a_skipped_parent_is_neither_success_nor_failure(queue: Queue) -> None:
    pipeline(
        queue,
        a=task(),
        b=task("plain", "a"),
        none=task("plain", "b", condition="none_failed"),
        all=task("plain", "b"),
    )
    whole = queue.submit("flow")
    finish(Worker(queue), "a", "failed")
    assert queue.states(whole) == {"a": "failed", "b": "skipped", "none": "queued", "all": "skipped"}


def test_a_parent_that_left_no_such_output_fails_its_reader_with_the_names(queue: Queue) -> None:
    pipeline(queue, a=task(), b=task("plain", inputs={"raw": "a.flights"}), c=task("plain", "b"))
    whole = queue.submit("flow")
    finish(Worker(queue), "a")
    assert queue.states(whole) == {"a": "succeeded", "b": "failed", "c": "skipped"}
    error = queue.child(whole, "b")["error"]
    assert (error["class"], error["code"]) == ("user", "input_missing")
    assert error["message"] == "input raw: task a published no output flights; it left nothing"
    assert queue.state(whole) == "failed"


def test_cancelling_a_pipeline_cancels_all_that_has_not_ended(queue: Queue) -> None:
    pipeline(queue, a=task(), b=task(), c=task("plain", "b"))
    whole = queue.submit("flow")
    worker = Worker(queue)
    running = worker.claim_one()
    answer = queue.cancel(whole, reason="wrong year")
    assert (answer["state"], answer["cancel_reason"]) == ("running", "wrong year")
    assert queue.states(whole) == {"a": "running", "b": "cancelled", "c": "cancelled"}
    told = worker.heartbeat(running)["runs"][0]
    assert (told["directive"], told["reason"], told["grace_seconds"]) == ("cancel", "wrong year", 10)
    worker.report(running, "cancelled")
    assert queue.state(whole) == "cancelled"
    assert queue.cancel(whole)["state"] == "cancelled"  # once more is no error


def test_a_pipeline_cancelled_before_it_starts_is_cancelled_at_once(queue: Queue) -> None:
    pipeline(queue, a=task(), b=task("plain", "a"))
    whole = queue.submit("flow")
    assert queue.cancel(whole)["state"] == "cancelled"
    assert Worker(queue).claim() == []


def test_a_retried_pipeline_reuses_what_succeeded(queue: Queue) -> None:
    pipeline(
        queue,
        ingest=task("ingest"),
        use=task("plain", inputs={"raw": "ingest.flights"}),
        end=task("plain", "use"),
    )
    first = queue.submit("flow", params={"year": 1})
    worker = Worker(queue)
    ingest = worker.claim_one()
    worker.report(ingest, publications=[publication(ingest)])
    worker.commit(ingest, "flights", 6)
    finish(worker, "use", "failed")
    assert queue.state(first) == "failed"
    queue.template("plain", retry={"on": []}, description="a newer version is not taken")

    second = queue.retry(first)
    assert (second["retry_of"], second["params"]) == (first["run_id"], {"year": 1})
    assert queue.states(second) == {"use": "queued", "end": "waiting"}
    use = worker.claim_one()
    assert (use["template_version"], use["inputs"][0]["version"], use["inputs"][0]["from_run_id"]) == (
        1,
        6,
        ingest["run_id"],
    )
    worker.report(use)
    finish(worker, "end", "failed")

    third = queue.retry(second)  # what the first retry took over counts as done, too
    assert queue.states(third) == {"end": "queued"}
    finish(worker, "end")
    assert queue.state(third) == "succeeded"
    whole = queue.retry(third)
    assert queue.states(whole) == {"ingest": "queued", "use": "waiting", "end": "waiting"}


def test_a_retried_run_is_a_new_run_with_the_same_definition(queue: Queue) -> None:
    first = queue.submit("plain", params={"a": 1}, labels={"x": "y"}, priority=4, queue="night")
    with refused("OPC05") as early:
        queue.retry(first)
    assert early.members == {"state": "queued"}
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed")
    second = queue.retry(first, idempotency_key="again")
    same = ("params", "labels", "priority", "queue", "template_version")
    assert {k: second[k] for k in same} == {k: first[k] for k in same}
    assert (second["retry_of"], second["state"]) == (first["run_id"], "queued")
    repeated = queue.retry(first, idempotency_key="again")
    assert (repeated["run_id"], repeated["repeated"]) == (second["run_id"], True)
    assert queue.state(first) == "failed"


def test_a_retry_takes_the_newest_version_when_asked(queue: Queue) -> None:
    queue.template("once", retry={"max_attempts": 1}, caps={"memory_bytes": 100, "wall_seconds": 60})
    first = queue.submit("once", caps={"wall_seconds": 30})
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed")
    queue.template("once", retry={"max_attempts": 1}, caps={"memory_bytes": 200, "wall_seconds": 90})
    same = queue.retry(first)
    assert (same["template_version"], same["caps"]) == (1, {"memory_bytes": 100, "wall_seconds": 30})
    queue.cancel(same)
    with refused("OPC12") as unchecked:
        queue.retry(first, template="latest", checked={"template_version": 1, "params": {}})
    assert unchecked.members == {"template": "once", "version": 2, "keep": []}
    newest = queue.retry(first, template="latest", checked={"template_version": 2, "params": {}})
    assert newest["template_version"] == 2
    assert newest["caps"] == {"memory_bytes": 200, "wall_seconds": 30}, "the submit's own limit stays"
    assert queue.get(first)["retried_as"] == [same["number"], newest["number"]]
    with refused("OPV01"):
        queue.retry(first, template="3")


def newest_id(queue: Queue, name: str) -> str:
    found = queue.ops.value("select template_id::text from ops.templates where name = %s order by version desc", name)
    return str(found)


def test_a_repaired_pipeline_takes_the_newest_version_of_the_tasks_that_it_runs(queue: Queue) -> None:
    pipeline(queue, a=task("plain"), b=task("plain", "a"))
    first = queue.submit("flow")
    worker = Worker(queue)
    finish(worker, "a")
    finish(worker, "b", "failed")
    queue.template("plain", retry={"on": []}, description="mended")
    pipeline(queue, a=task("plain"), b=task("plain", "a"), c=task("plain"))
    newest = {"params": {}, "tasks": dict.fromkeys("abc", newest_id(queue, "plain"))}
    with refused("OPC12") as unchecked:
        queue.retry(first, template="latest")
    assert unchecked.members == {"template": "flow", "version": 1, "keep": ["a"]}
    repaired = queue.retry(first, template="latest", checked={"template_version": 1, **newest})
    assert (repaired["template_version"], queue.states(repaired)) == (1, {"b": "queued"})
    assert queue.child(repaired, "b")["template_version"] == 2
    queue.cancel(repaired)
    whole = queue.retry(first, template="latest", failed_only=False, checked={"template_version": 2, **newest})
    assert (whole["template_version"], set(queue.states(whole))) == (2, {"a", "b", "c"})


def test_a_retry_of_a_repair_has_the_versions_of_the_tasks_that_the_repair_kept(queue: Queue) -> None:
    pipeline(queue, a=task("plain"), b=task("plain", "a"))
    first = queue.submit("flow")
    worker = Worker(queue)
    finish(worker, "a")
    finish(worker, "b", "failed")
    repair = queue.retry(first)
    queue.template("plain", retry={"on": []}, description="newer")
    finish(worker, "b")
    assert queue.state(repair) == "succeeded"
    again = queue.retry(repair)
    assert {queue.child(again, key)["template_version"] for key in "ab"} == {1}


def test_a_template_that_became_a_pipeline_is_no_newer_version_of_a_run(queue: Queue) -> None:
    queue.template("once", retry={"max_attempts": 1})
    first = queue.submit("once")
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed")
    queue.template("plain")
    queue.template("once", kind="pipeline", tasks={"a": task("plain")})
    with refused("OPV01") as found:
        queue.retry(first, template="latest", checked={"template_version": 2, "params": {}})
    assert "is of kind pipeline in version 2" in found.message


def test_a_run_that_goes_on_itself_takes_no_newer_version(queue: Queue) -> None:
    queue.template("once", rerun="unsafe")
    run = queue.submit("once")
    worker = Worker(queue)
    worker.claim_one()
    queue.expire()
    assert queue.get(run)["state_reason"] == "rerun_unsafe"
    with refused("OPV01") as found:
        queue.retry(run, template="latest")
    assert "goes on itself, with version 1" in found.message
    assert queue.retry(run)["run_id"] == run["run_id"]


@pytest.mark.parametrize(
    ("tasks", "word"),
    [
        ({}, "at least one task"),
        ({"a": task("plain", "b"), "b": task("plain", "a")}, "a circle: a, b"),
        ({"a": task("plain", "ghost")}, "depends on ghost"),
        ({"a": task("plain", inputs={"x": "ghost.y"})}, "depends on ghost"),
        ({"a": task("flow")}, "cannot be a task"),
        ({"a": task(condition="sometimes")}, "no run condition sometimes"),
    ],
)
def test_a_pipeline_that_cannot_work_is_refused_whole(queue: Queue, tasks: dict, word: str) -> None:
    pipeline(queue, **tasks)
    with refused("OPV05") as invalid:
        queue.submit("flow")
    assert word in invalid.message
    assert queue.ops.value("select count(*) from ops.runs") == 0


def test_a_task_of_an_unknown_template_or_parameter_is_refused(queue: Queue) -> None:
    pipeline(queue, "one", a=task("ghost"))
    pipeline(queue, "two", a=task(params={"x": "{params.ghost}"}))
    with refused("OPN02"):
        queue.submit("one")
    with refused("OPV02") as invalid:
        queue.submit("two")
    assert invalid.members["errors"] == [{"path": "/tasks/a/params/x", "message": "there is no parameter ghost"}]


def test_a_run_that_missed_its_unblocking_is_found_by_the_reactor(queue: Queue) -> None:
    pipeline(queue, a=task(), b=task("plain", "a"))
    whole = queue.submit("flow")
    worker = Worker(queue)
    finish(worker, "a")
    # Arrange what no function does: a child left behind.
    queue.ops.admin.execute("alter table ops.runs disable trigger runs_transitions")
    queue.ops.admin.execute(
        "update ops.runs set state = 'waiting', state_reason = 'waiting_on_dependency', ready_seq = null "
        "where task_key = 'b'"
    )
    assert queue.promote()["unblocked"] is True
    assert queue.states(whole)["b"] == "queued"
    assert queue.promote()["unblocked"] is False


def test_the_error_of_a_pipeline_names_every_task_that_failed(queue: Queue) -> None:
    pipeline(queue, a=task("plain"), b=task("plain"), c=task("plain"))
    whole = queue.submit("flow")
    worker = Worker(queue)
    claimed = {run["task_key"]: run for run in worker.claim(3)}
    for key in "cab":
        queue.forward(1)
        worker.report(claimed[key], "failed")
    error = queue.get(whole)["error"]
    assert error["task_key"] == "c"
    assert error["message"].startswith("task c failed: ")
    assert error["message"].endswith("; failed as well: a, b")


def test_the_error_of_a_pipeline_of_which_all_failed_stays_short(queue: Queue) -> None:
    pipeline(queue, **{f"t{n:02}": task("plain") for n in range(14)})
    whole = queue.submit("flow")
    worker = Worker(queue)
    for run in worker.claim(14):
        worker.report(run, "failed")
    names = [f"t{n:02}" for n in range(14)]
    error = queue.get(whole)["error"]
    names.remove(error["task_key"])
    assert error["message"].endswith(f"; failed as well: {', '.join(names[:10])} and 3 more")
