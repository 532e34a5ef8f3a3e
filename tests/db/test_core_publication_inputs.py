"""Who reads what was published: inputs of the kind that was declared, whichever way a run came to its parents."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.db.test_core_publication_formats import ALL, LOCATION, claimed, output, published
from tests.support.core import Queue, Worker, refused

Json = dict[str, Any]


def read_by(queue: Queue, format: str) -> Json:
    """The input of the task that reads the output of a task that has published in this format."""
    queue.template("write", outputs=[output(format)])
    kind = "object" if format == "object" else "table"
    queue.template("read", inputs=[{"name": "in", "kind": kind}])
    tasks = {"write": {"template": "write"}, "read": {"template": "read", "inputs": {"in": "write.out"}}}
    queue.template("both", kind="pipeline", tasks=tasks)
    queue.submit("both")
    worker = Worker(queue, capabilities={"publish": ALL})
    run = worker.claim_one()
    worker.report(run, publications=[published(run)])
    worker.commit(run, "out", 0, location=LOCATION if format == "iceberg" else None)
    found = worker.claim_one()["inputs"][0]
    assert UUID(found.pop("from_run_id")) == UUID(run["run_id"])
    return {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("format", "found"),
    [
        ("delta", {"kind": "table", "uri": "s3://lakehouse/gold/delay"}),
        ("iceberg", {"kind": "table", "uri": LOCATION}),
        ("object", {"kind": "object", "uri": "s3://lakehouse/models/delay.onnx", "sha256": "c" * 64, "size": 10}),
    ],
)
def test_what_follows_reads_what_was_published(queue: Queue, format: str, found: Json) -> None:
    assert read_by(queue, format) == {"name": "in", "format": format, "version": 0} | found


def test_an_input_that_is_an_object_goes_to_executors_that_know_objects(queue: Queue) -> None:
    queue.template(inputs=[{"name": "in", "kind": "object"}])
    queue.submit()
    assert Worker(queue, capabilities={"publish": ["delta"]}).claim() == []
    assert Worker(queue, capabilities={"publish": ["object"]}).claim_one()


WRONG_KINDS = [("delta", "object"), ("iceberg", "object"), ("object", "table"), ("object", "artifact")]


@pytest.mark.parametrize(("format", "kind"), WRONG_KINDS)
def test_an_input_is_of_the_kind_that_was_published(queue: Queue, format: str, kind: str) -> None:
    _, run = claimed(queue, output(format))
    good = "object" if format == "object" else "table"
    queue.template("read", inputs=[{"name": "in", "kind": kind}, {"name": "good", "kind": good}])
    with refused("OPV05") as error:
        queue.submit("read", depends_on=[{"run": run["run_id"], "inputs": {"in": "out"}}])
    assert error.members["errors"][0]["path"].endswith("/inputs/in")
    assert queue.submit("read", depends_on=[{"run": run["run_id"], "inputs": {"good": "out"}}])


def pipeline(queue: Queue, declared: Json, kind: str) -> None:
    """A task that reads, as an input of this kind, what another one declares as its output."""
    queue.template("write", outputs=[declared])
    queue.template("read", inputs=[{"name": "in", "kind": kind}])
    tasks = {"write": {"template": "write"}, "read": {"template": "read", "inputs": {"in": "write.out"}}}
    queue.template("both", kind="pipeline", tasks=tasks)


@pytest.mark.parametrize(("format", "kind"), WRONG_KINDS)
def test_a_pipeline_whose_templates_have_changed_binds_no_input_of_another_kind(
    queue: Queue, format: str, kind: str
) -> None:
    pipeline(queue, output(format), kind)
    with refused("OPV05") as error:
        queue.submit("both")
    (told,) = error.members["errors"]
    assert told["path"] == "/tasks/read/inputs/in"
    assert f"is of kind {'object' if format == 'object' else 'table'}" in told["message"]
    assert queue.ops.value("select count(*) from ops.runs") == 0


def test_a_rerun_by_a_newer_template_binds_no_object_to_an_artifact(queue: Queue) -> None:
    _, run = claimed(queue, output("object"))
    queue.template("read", inputs=[{"name": "in", "kind": "object"}])
    reader = queue.submit("read", depends_on=[{"run": run["run_id"], "inputs": {"in": "out"}}])
    queue.ops.call("cancel_run", queue.operator, reader["run_id"], {})
    queue.template("read", inputs=[{"name": "in", "kind": "artifact"}])
    checked = {"template_version": 2, "params": {}, "tasks": {}}
    with refused("OPV05") as error:
        queue.ops.call("retry_run", queue.operator, reader["run_id"], {"template": "latest", "checked": checked})
    assert error.members["errors"][0]["path"] == "/inputs/in"
    assert queue.ops.call("retry_run", queue.operator, reader["run_id"], {})["retry_of"] == reader["run_id"]


def test_the_name_of_an_object_is_checked_before_anybody_waits_for_it(queue: Queue) -> None:
    _, run = claimed(queue, output("object"))
    queue.template("read", inputs=[{"name": "in", "kind": "object"}])
    with refused("OPV05") as error:
        queue.submit("read", depends_on=[{"run": run["run_id"], "inputs": {"in": "uot"}}])
    assert error.members["errors"][0]["message"] == f"run {run['number']} has no output uot; it has: out"
    pipeline(queue, output("object", name="uot"), "object")
    with refused("OPV05") as error:
        queue.submit("both")
    assert error.members["errors"][0]["path"] == "/tasks/read/inputs/in"


@pytest.mark.parametrize("kind", ["artifact", "table"])
def test_what_the_code_of_a_parent_names_is_not_known_ahead(queue: Queue, kind: str) -> None:
    _, run = claimed(queue, output("object"))
    queue.template("read", inputs=[{"name": "in", "kind": kind}])
    assert queue.submit("read", depends_on=[{"run": run["run_id"], "inputs": {"in": "a.b.c"}}])["state"] == "waiting"
