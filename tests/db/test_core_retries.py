"""What follows an attempt that ended without success: retry, wait for a person, or the end."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from tests.support.core import EXTERNAL, USER, Queue, Worker, refused


def test_a_failed_attempt_is_retried_after_a_backoff_with_jitter(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 3, "backoff_seconds": 40, "backoff_max_seconds": 60})
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    route = worker.report(run, "failed")["route"]
    assert route["decision"] == "retry"
    waiting = queue.get(run)
    assert (waiting["state"], waiting["state_reason"]) == ("waiting", "retry_backoff")
    assert queue.why(run) == ["retry_backoff"]
    queue.forward(19)
    assert queue.promote()["promoted"] == 0
    queue.forward(21)
    assert queue.promote()["promoted"] == 1

    second = worker.claim_one()
    assert (second["epoch"], second["attempt"]) == (2, 2)
    worker.report(second, "failed")
    queue.forward(60)  # the second backoff is cut at 60 s; a claim promotes by itself
    third = worker.claim_one()
    answer = worker.report(third, "failed")
    assert (answer["route"]["decision"], answer["route"]["reason"]) == ("finish", "attempts_exhausted")
    assert queue.get(run)["error"] == EXTERNAL


@pytest.mark.parametrize(
    ("error_class", "policy", "decision"),
    [
        ("user", {}, "finish"),
        ("internal", {}, "retry"),
        ("resources", {}, "retry"),
        ("external", {"on": ["internal"]}, "finish"),
        ("user", {"on": ["user"]}, "retry"),
        ("internal", {"max_attempts": 1}, "finish"),
    ],
)
def test_the_failure_class_decides_about_a_retry(queue: Queue, error_class: str, policy: dict, decision: str) -> None:
    queue.template(retry=policy)
    queue.submit()
    worker = Worker(queue)
    error = EXTERNAL | {"class": error_class}
    assert worker.report(worker.claim_one(), "failed", error=error)["route"]["decision"] == decision


@pytest.mark.parametrize(("rerun", "said"), [("unsafe", "a rerun is unsafe"), ("checked", "there is no probe yet")])
def test_an_unsafe_run_is_never_retried_blindly(queue: Queue, rerun: str, said: str) -> None:
    queue.template(rerun=rerun)
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    assert queue.expire()[0]["decision"] == "wait"
    assert (queue.get(run)["state_reason"], queue.why(run)) == ("rerun_unsafe", ["rerun_unsafe"])
    assert said in queue.ops.call("why_run", queue.operator, run["run_id"])["reasons"][0]["message"]
    queue.forward(10_000)
    assert worker.claim() == []
    assert queue.retry(run)["run_id"] == run["run_id"]
    assert worker.claim_one()["epoch"] == 3


def test_a_retry_that_lets_a_run_go_on_is_answered_the_same_again(queue: Queue) -> None:
    queue.template(rerun="unsafe")
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.report(run, "failed")
    first = queue.retry(run, idempotency_key="k")
    assert ("repeated" in first, first["state"]) == (False, "queued")
    claimed = worker.claim_one()
    again = queue.retry(run, idempotency_key="k")
    assert (again["run_id"], again["repeated"], again["state"]) == (run["run_id"], True, "running")
    worker.report(claimed)
    assert queue.retry(run, idempotency_key="k")["run_id"] == run["run_id"], "the repeat makes no new run"
    with refused("OPC03") as conflict:
        queue.submit(idempotency_key="k")
    assert conflict.members == {"run_id": run["run_id"], "number": first["number"]}
    assert queue.retry(run, idempotency_key="k2")["retry_of"] == run["run_id"]


def test_a_routing_rule_escalates_or_holds(queue: Queue) -> None:
    queue.template()
    queue.template("held")
    queue.ops.admin.execute(
        "insert into ops.routing_rules (rule_id, template_name, error_class, decision, notify) values "
        "(gen_random_uuid(), 'job', 'external', 'escalate', '{\"to\": \"oncall\"}'), "
        "(gen_random_uuid(), 'held', null, 'wait', '{}')"
    )
    worker = Worker(queue)
    queue.submit()
    run = worker.claim_one()
    assert worker.report(run, "failed")["route"]["decision"] == "escalate"
    assert (queue.state(run), queue.event_types(run)[-1]) == ("failed", "run.escalated")
    queue.submit("held")
    held = worker.claim_one()
    assert worker.report(held, "failed", error=USER)["route"]["decision"] == "wait"
    assert queue.why(held) == ["held_by_rule"]


def test_expired_attempts_go_back_and_end_after_the_last(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 2, "backoff_seconds": 0}, lease_seconds=60)
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    assert queue.expire(50) == []
    assert queue.expire(11) == [{"run_id": run["run_id"], "epoch": 1, "decision": "retry"}]
    assert queue.sweep() == []
    again = worker.claim_one()
    assert again["epoch"] == 3
    assert queue.expire()[0]["decision"] == "finish"
    failed = queue.get(run)
    assert (failed["state"], failed["state_reason"], failed["error"]["code"]) == (
        "failed",
        "attempts_exhausted",
        "lease_expired",
    )
    outcomes = queue.ops.admin.execute("select epoch, outcome from ops.attempts order by epoch").fetchall()
    assert outcomes == [(1, "expired"), (3, "expired")]


def test_a_poison_run_ends_after_max_expirations(queue: Queue) -> None:
    queue.ops.admin.execute("update ops.settings set value = '2' where key = 'max_expirations'")
    queue.template(retry={"max_attempts": 50, "backoff_seconds": 0})
    queue.submit()
    worker = Worker(queue)
    worker.claim_one()
    assert queue.expire()[0]["decision"] == "retry"
    run = worker.claim_one()
    assert queue.expire()[0]["decision"] == "finish"
    assert queue.get(run)["state_reason"] == "expirations_exhausted"


def test_after_an_outage_of_its_own_the_sweeper_gives_each_lease_its_length(queue: Queue) -> None:
    queue.template(lease_seconds=60)
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    queue.forward(120)  # nobody swept, nobody could renew
    assert queue.sweep() == []
    assert queue.expire(50) == []
    assert queue.expire(12) == [{"run_id": run["run_id"], "epoch": 1, "decision": "retry"}]


def test_a_run_is_retried_by_one_run_at_a_time(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 1})
    first = queue.submit()
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed")
    second = queue.retry(first)
    with refused("OPC05") as found:
        queue.retry(first)
    assert f"is being retried, by run {second['number']}, which is queued" in found.message
    worker.report(worker.claim_one(), "failed")
    third = queue.retry(second)
    with refused("OPC05") as found:
        queue.retry(first)
    assert f"by run {third['number']}" in found.message, "it retries the same work"
    queue.cancel(third)
    fourth = queue.retry(first)
    assert fourth["state"] == "queued"
    for ended in (second, third):
        with refused("OPC05") as found:
            queue.retry(ended)
        assert f"by run {fourth['number']}" in found.message, "whichever of the tries is retried"
    (row,) = queue.ops.server.execute(
        "select code, detail from ops.replay_each(%s, %s)", (queue.operator, Jsonb([str(second["number"])]))
    ).fetchall()
    assert row[0] == "OPC05"


def test_the_same_request_again_finds_the_retry_that_it_made(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 1})
    first = queue.submit()
    worker = Worker(queue)
    worker.report(worker.claim_one(), "failed")
    second = queue.retry(first, idempotency_key="again")
    assert queue.retry(first, idempotency_key="again")["run_id"] == second["run_id"]
