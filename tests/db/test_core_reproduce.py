"""Reproductions: the same version, parameters and inputs, with what is published at places of its own."""

from __future__ import annotations

import pytest

from tests.db.test_core_publication_formats import ALL, LOCATION, output, published
from tests.support.core import USER, Json, Queue, Worker, refused


def reproduce(queue: Queue, run: Json, **body: object) -> Json:
    found: Json = queue.ops.call("reproduce_run", queue.operator, run["run_id"], body)
    return found


def publisher(queue: Queue) -> Worker:
    return Worker(queue, capabilities={"publish": ALL})


def one_done(queue: Queue, worker: Worker, template: str = "job", **more: object) -> Json:
    run = queue.submit(template, **more)
    claimed = worker.claim_one()
    worker.report(claimed, publications=[published(claimed)] if claimed["outputs"] else [])
    if claimed["outputs"]:
        worker.commit(claimed, "out", 0, location=LOCATION if claimed["outputs"][0]["format"] == "iceberg" else None)
    return run


@pytest.mark.parametrize(
    ("format", "uri"),
    [
        ("delta", "s3://lakehouse/_reproductions/{run_id}/out"),
        ("iceberg", "iceberg://lakehouse/reproductions/r{hex}_out"),
        ("object", "s3://lakehouse/_reproductions/{run_id}/out"),
    ],
)
def test_it_takes_what_the_run_took_and_publishes_beside(queue: Queue, format: str, uri: str) -> None:
    queue.template(outputs=[output(format)], params_schema={"type": "object", "properties": {"day": {}}})
    worker = publisher(queue)
    run = one_done(queue, worker, params={"day": "monday"}, labels={"team": "wind"})
    queue.template(outputs=[output(format)], params_schema={"type": "object"}, entrypoint="newer.py")
    again = reproduce(queue, run)
    assert (again["reproduces"], again["reproduces_number"]) == (run["run_id"], run["number"])
    assert (again["retry_of"], again["template_version"]) == (None, 1)
    assert (again["params"], again["labels"]) == ({"day": "monday"}, {"team": "wind"})
    (made,) = again["outputs"]
    assert made["uri"] == uri.format(run_id=again["run_id"], hex=again["run_id"].replace("-", ""))
    assert {k: v for k, v in made.items() if k != "uri"} == {k: v for k, v in run["outputs"][0].items() if k != "uri"}
    claimed = worker.claim_one()
    assert claimed["outputs"] == again["outputs"]


def test_inputs_are_the_versions_of_then(queue: Queue) -> None:
    queue.template("write", outputs=[output("delta")])
    queue.template("read", inputs=[{"name": "in", "kind": "table"}])
    worker = publisher(queue)
    write = one_done(queue, worker, "write")
    read = queue.submit("read", depends_on=[{"run": write["run_id"], "inputs": {"in": "out"}}])
    worker.report(worker.claim_one())
    again = reproduce(queue, read)
    assert (again["state"], again["inputs"]) == ("queued", queue.get(read)["inputs"])
    assert again["inputs"][0]["version"] == 0


def pipeline_done(queue: Queue, worker: Worker) -> Json:
    queue.template("write", outputs=[output("delta")])
    queue.template("read", inputs=[{"name": "in", "kind": "table"}])
    tasks = {"write": {"template": "write"}, "read": {"template": "read", "inputs": {"in": "write.out"}}}
    queue.template("both", kind="pipeline", tasks=tasks)
    pipeline = queue.submit("both")
    write = worker.claim_one()
    worker.report(write, publications=[published(write)])
    worker.commit(write, "out", 0)
    worker.report(worker.claim_one())
    assert queue.state(pipeline) == "succeeded"
    return pipeline


def test_of_a_pipeline_all_tasks_are_done_again_each_with_what_the_ones_before_made(queue: Queue) -> None:
    worker = publisher(queue)
    pipeline = pipeline_done(queue, worker)
    again = reproduce(queue, pipeline)
    for task in ("write", "read"):
        assert queue.child(again, task)["reproduces"] == queue.child(pipeline, task)["run_id"]
    write = worker.claim_one()
    beside = f"s3://lakehouse/_reproductions/{write['run_id']}/out"
    assert write["outputs"][0]["uri"] == beside
    worker.report(write, publications=[published(write)])
    worker.commit(write, "out", 0)
    assert worker.claim_one()["inputs"][0]["uri"] == beside


def test_a_task_is_reproduced_alone_with_the_inputs_it_had(queue: Queue) -> None:
    worker = publisher(queue)
    read = queue.child(pipeline_done(queue, worker), "read")
    again = reproduce(queue, read)
    assert (again["pipeline_run_id"], again["task_key"], again["state"]) == (None, None, "queued")
    assert again["inputs"] == queue.get(read)["inputs"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_retry_of_a_reproduction_publishes_beside_too(queue: Queue, whole: bool) -> None:
    worker = publisher(queue)
    pipeline = pipeline_done(queue, worker)
    again = reproduce(queue, pipeline if whole else queue.child(pipeline, "write"))
    worker.report(worker.claim_one(), "failed", error=USER)
    third = queue.retry(again)
    assert third["reproduces"] == again["reproduces"]
    claimed = worker.claim_one()
    assert claimed["outputs"][0]["uri"] == f"s3://lakehouse/_reproductions/{claimed['run_id']}/out"


def test_a_run_whose_engine_wrote_tables_is_reproduced_only_when_that_is_wanted(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    run = queue.submit()
    claimed = worker.claim_one()
    worker.table(claimed, "lake.gold.t@3", {"format": "iceberg", "uri": "s3://warehouse/gold/t", "version": 3})
    worker.report(claimed)
    with refused("OPC05") as error:
        reproduce(queue, run)
    assert error.members["tables"] == ["s3://warehouse/gold/t"]
    assert "s3://warehouse/gold/t" in error.message
    assert reproduce(queue, run, write_again=True)["state"] == "queued"


def test_work_that_is_reused_by_others_is_really_done(queue: Queue) -> None:
    queue.template(reuse="same_inputs")
    worker = Worker(queue)
    run = one_done(queue, worker)
    again = reproduce(queue, run)
    assert (again["state"], again["reused_from"]) == ("queued", None)


def test_a_key_makes_one_and_what_has_not_ended_is_refused(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    run = queue.submit()
    with refused("OPC05") as error:
        reproduce(queue, run)
    assert error.message == f"run {run['number']} is queued"
    worker.report(worker.claim_one())
    first = reproduce(queue, run, idempotency_key="k")
    second = reproduce(queue, run, idempotency_key="k")
    assert (second["run_id"], second["repeated"]) == (first["run_id"], True)
    with refused("OPC03"):
        reproduce(queue, run, idempotency_key="k", write_again=True)


def test_a_viewer_reproduces_nothing(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    run = one_done(queue, worker)
    with refused("OPU02"):
        queue.ops.call("reproduce_run", queue.ops.token("viewer", "vera"), run["run_id"], {})
