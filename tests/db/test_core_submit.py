"""Submitting: idempotency, parameters, times, caps, cancelling, and the reasons given for waiting."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.support.core import Queue, Worker, refused
from tests.support.postgres import Database


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template()
    yield made
    made.ops.close()


def soon(queue: Queue, seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=queue.elapsed + seconds)).isoformat()


def test_an_idempotency_key_makes_one_run(queue: Queue) -> None:
    first = queue.submit(params={"a": 1}, idempotency_key="k")
    again = queue.submit(params={"a": 1}, idempotency_key="k")
    assert (again["run_id"], again["repeated"]) == (first["run_id"], True)
    assert "repeated" not in first
    with refused("OPC03") as conflict:
        queue.submit(params={"a": 2}, idempotency_key="k")
    assert conflict.members == {"run_id": first["run_id"], "number": first["number"]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"template": "ghost"}, "OPN02"),
        ({"template_version": 9}, "OPN02"),
        ({"workspace": "ghost"}, "OPN07"),
        ({"template": ""}, "OPV01"),
        ({"params": [1]}, "OPV02"),
        ({"params": "x"}, "OPV02"),
        ({"labels": []}, "OPV01"),
        ({"priority": "high"}, "OPV01"),
        ({"max_attempts": 0}, "OPV01"),
        ({"max_attempts": 101}, "OPV01"),
        ({"queue": 5}, "OPV01"),
        ({"caps": {"speed": 1}}, "OPV01"),
        ({"caps": {"wall_seconds": -1}}, "OPV01"),
        ({"caps": {"wall_seconds": 1e19}}, "OPV01"),
        ({"caps": {"memory_bytes": 1e19}}, "OPV01"),
        ({"caps": {"memory_bytes": 1.5}}, "OPV01"),
        ({"caps": {"rows_out": 0.5}}, "OPV01"),
    ],
)
def test_a_bad_submit_is_refused_and_leaves_nothing(queue: Queue, body: dict, code: str) -> None:
    with refused(code):
        queue.submit(**body)
    assert queue.ops.value("select count(*) from ops.runs") == 0


def test_a_token_works_in_its_workspaces_alone(queue: Queue) -> None:
    queue.ops.admin.execute("insert into ops.workspaces (workspace) values ('other')")
    stranger = queue.ops.token("operator", workspaces=["other"])
    run = queue.submit()
    with refused("OPU02"):
        queue.ops.submit(stranger)
    for verb, *rest in (("cancel_run", {}), ("retry_run", {}), ("why_run",)):
        with refused("OPN01"):
            queue.ops.call(verb, stranger, run["run_id"], *rest)


def test_a_run_is_found_by_its_id_and_its_number(queue: Queue) -> None:
    run = queue.submit()
    for ref in (run["run_id"], str(run["number"]), run["run_id"].upper()):
        assert queue.ops.call("why_run", queue.operator, ref)["run_id"] == run["run_id"]
    for ref in ("0", "x", "", str(uuid.uuid4()), "9" * 30, "1; drop table ops.runs"):
        with refused("OPN01"):
            queue.ops.call("why_run", queue.operator, ref)


def test_defaults_are_filled_in_and_required_parameters_asked_for(queue: Queue) -> None:
    queue.template(
        "typed",
        params_schema={
            "type": "object",
            "properties": {"year": {"type": "integer", "default": 2013}, "name": {"type": "string"}},
            "required": ["name"],
        },
    )
    assert queue.submit("typed", params={"name": "a"})["params"] == {"name": "a", "year": 2013}
    with refused("OPV02") as invalid:
        queue.submit("typed")
    assert invalid.members["errors"] == [{"path": "/params/name", "message": "is required"}]


@pytest.mark.parametrize("name", ["../x", "a/../../b", "/etc", "a//b", "", "a b", "..", "s3://x", "a\nb"])
def test_a_parameter_cannot_lead_an_output_out_of_the_lakehouse(queue: Queue, name: str) -> None:
    outputs = [{"name": "o", "format": "delta", "mode": "append", "path": "{params.name}"}]
    queue.template("out", outputs=outputs)
    with refused("OPV02"):
        queue.submit("out", params={"name": name})
    assert queue.submit("out", params={"name": "a/b=1"})["outputs"][0]["uri"] == "s3://lakehouse/a/b=1"


def test_a_delayed_run_waits_for_its_time(queue: Queue) -> None:
    run = queue.submit(not_before=soon(queue, 100))
    worker = Worker(queue)
    assert (run["state"], run["state_reason"], queue.why(run)) == ("waiting", "not_before", ["not_before"])
    assert worker.claim() == []
    queue.forward(101)
    assert worker.claim_one()["run_id"] == run["run_id"]


def test_a_run_not_started_by_its_deadline_fails_and_a_running_one_is_asked_to_stop(queue: Queue) -> None:
    running = queue.submit(deadline=soon(queue, 100))
    worker = Worker(queue)
    claimed = worker.claim_one()
    late = queue.submit(deadline=soon(queue, 100))
    queue.forward(101)
    assert worker.claim() == []
    assert queue.why(late)[0] == "deadline_passed"
    assert queue.promote()["deadlines"] == 2
    assert queue.get(late)["error"]["code"] == "deadline_passed"
    assert worker.directive(claimed) == "cancel"
    assert queue.get(running)["cancel_reason"] == "the deadline has passed"


def test_a_run_tightens_caps_and_never_loosens_them(queue: Queue) -> None:
    queue.template("capped", caps={"wall_seconds": 100, "memory_bytes": 1000})
    queue.ops.admin.execute(
        'insert into ops.caps (scope, workspace, template_name, cap, "limit") values '
        "('platform', null, null, 'memory_bytes', 800), ('workspace', 'default', null, 'memory_bytes', 900), "
        "('template', 'default', 'capped', 'log_bytes', 5000), ('template', 'default', 'job', 'wall_seconds', 1)"
    )
    run = queue.submit("capped", caps={"wall_seconds": 50})
    assert run["caps"] == {"wall_seconds": 50, "memory_bytes": 800, "log_bytes": 5000}
    with refused("OPX01") as above:
        queue.submit("capped", caps={"memory_bytes": 801})
    assert above.members == {"cap": "memory_bytes", "limit": 800, "observed": 801}
    queue.ops.admin.execute("update ops.caps set \"limit\" = 700 where scope = 'platform'")
    assert Worker(queue).claim_one()["caps"]["memory_bytes"] == 700


def test_a_pipelines_caps_tighten_its_tasks(queue: Queue) -> None:
    queue.template("small", caps={"wall_seconds": 20})
    queue.template("pipe", kind="pipeline", tasks={"a": {"template": "job"}, "b": {"template": "small"}})
    run = queue.submit("pipe", caps={"wall_seconds": 50, "log_bytes": 1000})
    assert queue.get(queue.child(run, "a"))["caps"] == {"wall_seconds": 50, "log_bytes": 1000}
    assert queue.get(queue.child(run, "b"))["caps"] == {"wall_seconds": 20, "log_bytes": 1000}
    queue.cancel(run, reason="enough")
    again = queue.retry(run)
    assert queue.get(queue.child(again, "b"))["caps"] == {"wall_seconds": 20, "log_bytes": 1000}


@pytest.mark.parametrize(("name", "value"), [("max_attempts", 2), ("concurrency_key", "k")])
def test_a_pipeline_refuses_what_has_no_effect_on_it(queue: Queue, name: str, value: object) -> None:
    queue.template("pipe", kind="pipeline", tasks={"a": {"template": "job"}})
    with refused("OPV01") as wrong:
        queue.submit("pipe", **{name: value})
    assert wrong.members["errors"][0]["path"] == f"/{name}"
    assert queue.submit("pipe", **{name: None})["kind"] == "pipeline"


def test_a_cap_that_is_tightened_reaches_the_run_under_way(queue: Queue) -> None:
    queue.submit(caps={"wall_seconds": 50})
    worker = Worker(queue)
    run = worker.claim_one()
    assert worker.heartbeat(run)["runs"][0]["caps"] == {"wall_seconds": 50}
    cap = {"scope": "platform", "scope_ref": None, "cap": "wall_seconds", "limit": 30}
    queue.ops.call("put_cap", queue.operator, cap)
    assert worker.heartbeat(run)["runs"][0]["caps"] == {"wall_seconds": 30}
    assert worker.heartbeat(run | {"epoch": 9})["runs"][0]["caps"] is None


# Cancelling -----------------------------------------------------------------------------------------------------------


def test_a_queued_run_is_cancelled_at_once_and_an_ended_one_not_at_all(queue: Queue) -> None:
    run = queue.submit()
    assert queue.cancel(run, reason="typo")["state"] == "cancelled"
    assert queue.cancel(run)["cancel_reason"] == "typo"
    queue.submit()
    worker = Worker(queue)
    done = worker.claim_one()
    worker.report(done)
    with refused("OPC05") as ended:
        queue.cancel(done)
    assert ended.members == {"state": "succeeded"}


def test_a_running_run_is_asked_to_stop_and_a_success_that_was_faster_counts(queue: Queue) -> None:
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    assert queue.cancel(run, reason="stop")["state"] == "running"
    assert worker.directive(run) == "cancel"
    assert queue.why(run) == ["running", "cancel_requested"]
    assert worker.report(run)["run_state"] == "succeeded"


def test_a_cancelled_run_that_fails_is_not_tried_again(queue: Queue) -> None:
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    queue.cancel(run)
    assert worker.report(run, "failed")["run_state"] == "cancelled"


def test_force_revokes_the_lease_at_once(queue: Queue) -> None:
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    cancelled = queue.cancel(run, force=True)
    assert (cancelled["state"], cancelled["epoch"]) == ("cancelled", 2)
    told = worker.heartbeat(run)["runs"][0]
    assert (told["directive"], told["reason"]) == ("superseded", "cancelled")
    with refused("OPC01") as lost:
        worker.report(run)
    assert (lost.members["reason"], lost.members["run_state"]) == ("cancelled", "cancelled")


def test_the_sweeper_revokes_what_does_not_obey(queue: Queue) -> None:
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    queue.cancel(run)
    for _ in range(4):  # it renews, and works on
        queue.forward(20, sweeping=True)
        queue.sweep()
        if queue.state(run) == "running":
            assert worker.directive(run) == "cancel"
    assert queue.state(run) == "cancelled"


# Why ------------------------------------------------------------------------------------------------------------------


def test_why_names_what_is_missing(queue: Queue) -> None:
    queue.template("gpu", requires={"capabilities": {"gpu": True}})
    run, gpu = queue.submit(), queue.submit("gpu")
    assert queue.why(run) == ["no_executor_alive", "position_in_queue"]
    Worker(queue)
    assert queue.why(run) == ["position_in_queue"]
    assert queue.why(gpu) == ["no_executor_with_capability", "position_in_queue"]
    reasons = queue.ops.call("why_run", queue.operator, gpu["run_id"])["reasons"]
    assert reasons[1]["detail"]["position"] == 2
    queue.forward(61)
    assert queue.why(run)[0] == "no_executor_alive"


# Definition and tables ------------------------------------------------------------------------------------------------

DEFINITION = {
    "run_id",
    "workspace",
    "template_id",
    "template_name",
    "template_version",
    "kind",
    "task_key",
    "pipeline_run_id",
    "retry_of",
    "reproduces",
    "may_reuse",
    "params",
    "inputs",
    "outputs",
    "labels",
    "caps",
    "cap_rules",
    "max_attempts",
    "retry",
    "lease_seconds",
    "requires",
    "concurrency_key",
    "concurrency_limit",
    "condition",
    "deadline",
    "idempotency_key",
    "request_digest",
    "dedupe_key",
    "traceparent",
    "submitted_by",
    "submitted_at",
}
MOVING = {
    "number",
    "priority",
    "queue",
    "not_before",
    "paused",
    "ready_seq",
    "state",
    "state_reason",
    "epoch",
    "attempt",
    "expirations",
    "executor_id",
    "queued_at",
    "started_at",
    "finished_at",
    "cancel_requested_at",
    "cancel_reason",
    "result",
    "error",
    "progress",
    "usage",
    "event_seq",
    "event_head",
    "event_xid",
    "manifest_root",
    "reuse_key",
    "reused_from",
}


def test_a_submitted_definition_never_changes_not_even_for_the_owner(queue: Queue) -> None:
    queue.submit()
    for column in DEFINITION:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="definition cannot change"):
            queue.ops.admin.execute(f"update ops.runs set {column} = {column}")


def test_only_a_return_adds_an_attempt(queue: Queue) -> None:
    queue.submit()
    for change in ("max_attempts = max_attempts + 1", "max_attempts = max_attempts + 2, epoch = epoch + 1"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="definition cannot change"):
            queue.ops.admin.execute(f"update ops.runs set {change}")


def test_every_column_is_either_definition_or_known_to_move(queue: Queue) -> None:
    rows = queue.ops.admin.execute(
        "select attname from pg_attribute where attrelid = 'ops.runs'::regclass and attnum > 0 and not attisdropped"
    ).fetchall()
    assert {r[0] for r in rows} == DEFINITION | MOVING


def test_a_template_version_never_changes(queue: Queue) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        queue.ops.admin.execute("update ops.templates set spec = '{}'")


@pytest.mark.parametrize("change", ["state = 'succeeded', finished_at = now()", "state = 'waiting'"])
def test_a_state_that_does_not_follow_is_refused_by_the_table_itself(queue: Queue, change: str) -> None:
    queue.submit()
    with pytest.raises(psycopg.errors.CheckViolation):
        queue.ops.admin.execute(f"update ops.runs set {change}")
