"""Why a run ended as it did: the exact reasons, by state."""

from __future__ import annotations

from typing import Any

from tests.support.core import EXTERNAL, USER, Queue, Worker, publication

OUTPUTS = [{"name": "flights", "format": "delta", "mode": "overwrite", "path": "bronze/flights"}]


def reasons(queue: Queue, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The reasons by code, for those that give each code once."""
    found = queue.ops.call("why_run", queue.operator, run["run_id"])["reasons"]
    assert all(set(reason) == {"code", "message", "detail"} for reason in found)
    assert all(reason["message"] for reason in found)
    return {reason["code"]: reason for reason in found}


def test_a_success_says_when_and_in_which_attempt(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 2, "backoff_seconds": 0})
    queue.submit()
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed")
    run = worker.claim_one()
    worker.report(run)
    found = reasons(queue, run)["succeeded"]
    ended = queue.get(run)["finished_at"]
    assert found["detail"] == {"finished_at": ended, "attempt": 2, "max_attempts": 2}
    assert found["message"] == f"it succeeded at {ended}, in attempt 2 of at most 2"


def test_a_failure_after_the_last_attempt_names_error_attempt_and_executor(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 2, "backoff_seconds": 0})
    queue.submit()
    worker = Worker(queue, name="w7")
    worker.report(worker.claim_one(), "failed")
    run = worker.claim_one()
    worker.report(run, "failed", error=EXTERNAL | {"trace": "a long one"})
    assert queue.why(run) == ["attempt_failed", "attempts_exhausted"]
    found = reasons(queue, run)
    told = found["attempt_failed"]["detail"]
    assert (told["attempt"], told["max_attempts"], told["epoch"], told["executor_name"]) == (2, 2, 2, "w7")
    assert told["error"] == EXTERNAL, "the trace stays where it is"
    assert "attempt 2 of at most 2, at executor w7, failed at" in found["attempt_failed"]["message"]
    assert "external error flaky: the other side hung up" in found["attempt_failed"]["message"]
    assert found["attempts_exhausted"]["message"] == "no retry: attempt 2 was the last of 2"


def test_a_failure_of_a_class_that_is_not_retried_names_the_classes_that_are(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 5})
    queue.template("never", retry={"max_attempts": 5, "on": []})
    queue.submit()
    queue.submit("never")
    worker = Worker(queue)
    user, never = worker.claim(2)
    worker.report(user, "failed", error=USER)
    worker.report(never, "failed")
    found = reasons(queue, user)["not_retryable"]
    assert found["message"] == "no retry: the template retries external, internal, resources errors, not user ones"
    assert (found["detail"]["class"], found["detail"]["retry_on"]) == ("user", ["external", "internal", "resources"])
    assert "retries no errors, not external ones" in reasons(queue, never)["not_retryable"]["message"]


def test_a_lost_attempt_names_the_executor_that_was_not_heard_of(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 1})
    queue.submit()
    run = Worker(queue, name="gone").claim_one()
    queue.expire()
    assert queue.why(run) == ["attempt_expired", "attempts_exhausted"]
    found = reasons(queue, run)["attempt_expired"]
    assert found["detail"]["executor_name"] == "gone"
    assert found["detail"]["error"]["code"] == "lease_expired"
    assert "at executor gone, was lost at" in found["message"]
    assert "until the lease ended at" in found["message"]


def test_a_run_that_lost_too_many_executors_says_how_many(queue: Queue) -> None:
    queue.ops.admin.execute("update ops.settings set value = '1' where key = 'max_expirations'")
    queue.template(retry={"max_attempts": 50, "backoff_seconds": 0})
    queue.submit()
    run = Worker(queue).claim_one()
    queue.expire()
    assert reasons(queue, run)["expirations_exhausted"]["message"] == "no retry: 1 of its attempts lost their executor"


def test_a_capped_attempt_names_the_cap_its_limit_and_what_was_observed(queue: Queue) -> None:
    queue.template(retry={"on": []})
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    entry = {"layer": "watchdog", "cap": "wall_seconds", "limit": 5, "observed": 5.4, "action": "kill"}
    worker.report(run, "capped", cap_ledger=[entry])
    assert queue.why(run) == ["attempt_capped", "not_retryable"]
    found = reasons(queue, run)["attempt_capped"]
    (cap,) = found["detail"]["caps"]
    assert cap == {"cap": "wall_seconds", "limit": 5, "observed": 5.4, "overshoot": 0.4, "layer": "watchdog"}
    assert "was stopped by a cap" in found["message"]
    assert found["message"].endswith("wall_seconds reached 5.4, its limit is 5")


def test_a_capped_attempt_without_an_entry_in_the_ledger_tells_its_error(queue: Queue) -> None:
    queue.template(retry={"on": []})
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.report(run, "capped")
    assert reasons(queue, run)["attempt_capped"]["message"].endswith("resources error wall: too long")


def test_a_rule_that_ended_a_run_is_named(queue: Queue) -> None:
    queue.template()
    queue.ops.admin.execute("insert into ops.routing_rules (rule_id, decision) values (gen_random_uuid(), 'finish')")
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.report(run, "failed")
    assert queue.why(run) == ["attempt_failed", "rule"]


def test_an_output_that_could_not_be_published_is_named(queue: Queue) -> None:
    queue.template(outputs=OUTPUTS)
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.report(run, publications=[publication(run)])
    failed = {"epoch": 1, "state": "failed", "error": USER}
    queue.ops.call("commit_publication", worker.token, run["run_id"], "flights", failed)
    assert queue.why(run) == ["publication_failed"]
    (output,) = reasons(queue, run)["publication_failed"]["detail"]["outputs"]
    assert output == {"output": "flights", "uri": "s3://lakehouse/bronze/flights", "error": USER}


def test_a_deadline_that_passed_is_the_reason(queue: Queue) -> None:
    queue.template()
    run = queue.submit(deadline="2000-01-01T00:00:00Z")
    queue.promote()
    assert queue.why(run) == ["deadline_passed"]
    assert "not started by its deadline 2000-01-01" in reasons(queue, run)["deadline_passed"]["message"]


def test_a_run_cancelled_before_it_ran_names_who_when_and_why(queue: Queue) -> None:
    queue.template()
    run = queue.submit()
    queue.cancel(run, reason="wrong file")
    found = reasons(queue, run)["cancelled"]
    assert queue.why(run) == ["cancelled"]
    told = found["detail"]
    assert (told["by"], told["reason"], told["how"]) == ("operator:olga", "wrong file", "before_it_ran")
    assert told["requested_at"] == queue.get(run)["cancel_requested_at"]
    assert found["message"] == f"cancelled by olga at {told['requested_at']}: wrong file; it was not running"


def test_a_cancelled_run_says_how_its_attempt_was_stopped(queue: Queue) -> None:
    queue.template()
    for _ in range(3):
        queue.submit()
    worker = Worker(queue)
    obeyed, forced, deaf = worker.claim(3)
    queue.cancel(obeyed)
    worker.report(obeyed, "cancelled")
    queue.cancel(forced, force=True)
    queue.cancel(deaf)
    assert reasons(queue, obeyed)["cancelled"]["detail"]["how"] == "obeyed"
    assert reasons(queue, forced)["cancelled"]["detail"]["how"] == "forced"
    for _ in range(20):
        queue.forward(20, sweeping=True)
        worker.heartbeat(deaf)
        queue.sweep()
    assert reasons(queue, deaf)["cancelled"]["detail"]["how"] == "not_obeyed"
    assert queue.state(deaf) == "cancelled"


def test_a_run_that_its_executor_gave_up_tells_what_the_executor_said(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue, name="w7")
    run = worker.claim_one()
    worker.report(run, "cancelled", reason="my host shuts down")
    found = reasons(queue, run)["cancelled"]
    told = found["detail"]
    assert (told["by"], told["reason"], told["how"]) == ("executor:w7", "my host shuts down", "given_up")
    assert "nobody had asked" in found["message"]


def test_a_run_whose_rerun_was_unsafe_tells_so_after_its_cancellation(queue: Queue) -> None:
    queue.template(rerun="unsafe")
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.report(run, "failed")
    queue.cancel(run)
    assert queue.why(run) == ["cancelled", "attempt_failed", "rerun_unsafe"]
    assert "a rerun is unsafe" in reasons(queue, run)["rerun_unsafe"]["message"]


def flow(queue: Queue, **second: Any) -> dict[str, Any]:
    queue.template(retry={"max_attempts": 1})
    tasks = {"a": {"template": "job"}, "b": {"template": "job", "depends_on": ["a"]} | second}
    queue.template("flow", kind="pipeline", tasks=tasks)
    return queue.submit("flow")


def test_a_skipped_run_names_the_run_that_kept_it_from_running(queue: Queue) -> None:
    whole = flow(queue)
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed", error=USER)
    first, second = queue.child(whole, "a"), queue.child(whole, "b")
    (only,) = queue.ops.call("why_run", queue.operator, second["run_id"])["reasons"]
    assert (only["code"], only["detail"]["run_id"], only["detail"]["number"]) == (
        "skipped",
        first["run_id"],
        first["number"],
    )
    assert (only["detail"]["task_key"], only["detail"]["state"]) == ("a", "failed")
    assert only["message"].endswith(f"run {first['number']} (a) ended as failed, and its condition is all_success")


def test_a_task_that_waits_for_a_failure_is_skipped_by_a_success(queue: Queue) -> None:
    whole = flow(queue, condition="all_failed")
    worker = Worker(queue)
    worker.report(worker.claim_one())
    assert reasons(queue, queue.child(whole, "b"))["skipped"]["detail"]["state"] == "succeeded"
    assert "no task of it failed" in reasons(queue, whole)["succeeded"]["message"]


def test_a_failed_pipeline_names_the_tasks_that_failed(queue: Queue) -> None:
    whole = flow(queue, condition="all_done")
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed", error=USER)
    worker.report(worker.claim_one(), "failed")
    found = queue.ops.call("why_run", queue.operator, whole["run_id"])["reasons"]
    assert [(r["code"], r["detail"]["task_key"], r["detail"]["error"]) for r in found] == [
        ("task_failed", "a", USER),
        ("task_failed", "b", EXTERNAL),
    ]


def test_a_pipeline_names_the_tasks_that_hold_it_up_and_why(queue: Queue) -> None:
    whole = flow(queue)
    first = queue.child(whole, "a")
    found = reasons(queue, whole)["task_queued"]
    assert found["message"].startswith(f"task a (run {first['number']}) is queued: ")
    alone = queue.ops.call("why_run", queue.operator, first["run_id"])["reasons"]
    assert (found["detail"]["task_key"], found["detail"]["reasons"]) == ("a", alone)
    assert all(reason["message"] in found["message"] for reason in alone)
    worker = Worker(queue)
    run = worker.claim_one()
    assert queue.why(whole) == ["running", "task_running"]
    worker.report(run)
    assert queue.why(whole) == ["running", "task_queued"], "the second task's turn"
    worker.report(worker.claim_one())
    assert queue.why(whole) == ["succeeded"]


def test_a_cancelled_pipeline_names_who_cancelled_it_or_its_cancelled_tasks(queue: Queue) -> None:
    whole = flow(queue)
    queue.cancel(whole, reason="enough")
    assert reasons(queue, whole)["cancelled"]["detail"]["how"] == "with_its_tasks"
    other = queue.submit("flow")
    queue.cancel(queue.child(other, "a"))
    assert queue.why(other) == ["task_cancelled"]


def test_a_run_names_its_pipeline_and_the_run_it_retries_by_number(queue: Queue) -> None:
    whole = flow(queue)
    assert (whole["pipeline_run_number"], whole["retry_of_number"]) == (None, None)
    child = queue.child(whole, "a")
    assert (child["pipeline_run_id"], child["pipeline_run_number"]) == (whole["run_id"], whole["number"])
    queue.cancel(whole)
    again = queue.retry(whole)
    assert (again["retry_of"], again["retry_of_number"]) == (whole["run_id"], whole["number"])
    listed = queue.ops.call("list_runs", queue.operator, {"pipeline": whole["run_id"]})["items"]
    assert {item["pipeline_run_number"] for item in listed} == {whole["number"]}


def test_a_place_in_the_queue_counts_the_runs_that_the_caller_may_see(queue: Queue) -> None:
    queue.template()
    queue.ops.admin.execute("insert into ops.workspaces (workspace) values ('theirs')")
    queue.template("other", workspace="theirs")
    for _ in range(3):
        queue.submit("other", workspace="theirs")
    queue.submit()
    run = queue.submit()
    viewer = queue.ops.token("viewer", workspaces=["default"])
    (found,) = (
        r for r in queue.ops.call("why_run", viewer, run["run_id"])["reasons"] if r["code"] == "position_in_queue"
    )
    assert (found["detail"]["position"], found["message"]) == (
        2,
        "number 2 in line for kind python, in queue default, of the runs that you may see",
    )
    (whole,) = (
        r
        for r in queue.ops.call("why_run", queue.operator, run["run_id"])["reasons"]
        if r["code"] == "position_in_queue"
    )
    assert whole["detail"]["position"] == 5
