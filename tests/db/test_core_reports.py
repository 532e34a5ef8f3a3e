"""Reports: one per attempt, however often they are sent, with what they leave behind."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.core import Queue, Worker, refused, report


def test_a_report_sent_again_gets_the_recorded_answer(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    first = worker.report(run, result={"rows": 1})
    again = worker.report(run, result={"rows": 1})
    assert again == first | {"repeated": True}
    assert "report.differs" not in queue.event_types(run)

    assert worker.report(run, result={"rows": 2}) == again
    assert queue.event_types(run)[-1] == "report.differs"
    assert queue.get(run)["result"] == {"rows": 1}
    with refused("OPC02") as known:
        worker.report(run, "failed")
    assert known.members["outcome"] == "succeeded"
    assert known.members["reported_at"].endswith("Z")


def test_a_differing_report_is_noted_once_and_no_more_than_ten_of_an_attempt(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue, name="wanda")
    run = worker.claim_one()
    worker.report(run, result={"rows": 0})
    for _ in range(3):
        worker.report(run, result={"rows": 1})
    assert queue.event_types(run).count("report.differs") == 1
    for rows in range(2, 15):
        worker.report(run, result={"rows": rows})
    assert queue.event_types(run).count("report.differs") == 10
    actors = queue.ops.admin.execute(
        "select distinct canonical::jsonb ->> 'actor' from ops.events where type = 'report.differs'"
    ).fetchall()
    assert actors == [("executor:wanda",)]


def test_one_idempotency_key_reports_one_attempt(queue: Queue) -> None:
    queue.template()
    queue.submit()
    queue.submit()
    worker = Worker(queue)
    one, two = worker.claim(2)
    worker.report(one, idempotency_key="k")
    with refused("OPC03") as conflict:
        worker.report(two, idempotency_key="k")
    assert conflict.members == {"run_id": one["run_id"], "epoch": 1}


def test_a_key_that_another_executor_used_blocks_nobodys_report(queue: Queue) -> None:
    queue.template()
    queue.submit()
    queue.submit()
    rogue, worker = Worker(queue), Worker(queue)
    mine, theirs = rogue.claim_one(), worker.claim_one()
    key = f"{theirs['run_id']}/1"
    rogue.report(mine, idempotency_key=key)
    assert worker.report(theirs, idempotency_key=key)["repeated"] is False


@pytest.mark.parametrize(
    "bad",
    [
        {"epoch": "one"},
        {"epoch": None},
        {"outcome": "expired"},
        {"idempotency_key": ""},
        {"outcome": "failed"},
        {"outcome": "failed", "error": {"class": "cosmic", "code": "x", "message": "y"}},
        {"publications": [{"output": "nowhere", "files": []}]},
    ],
)
def test_a_malformed_report_is_refused_and_the_run_goes_on(queue: Queue, bad: dict) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    with refused("OPV01"):
        queue.ops.call("report_attempt", worker.token, run["run_id"], report(run) | bad)
    assert worker.directive(run) == "continue"


def test_what_a_failed_attempt_recorded_is_shown_and_what_a_lost_one_did_is_not(queue: Queue) -> None:
    queue.template(retry={"backoff_seconds": 0})
    queue.submit()
    worker = Worker(queue)
    lost = worker.claim_one()
    worker.artifact(lost, "a")
    queue.expire()
    failed = worker.claim_one()
    worker.artifact(failed, "a")
    worker.artifact(failed, "begun only", record=False)
    worker.report(failed, "failed")
    found = queue.ops.admin.execute("select epoch, name, state from ops.artifacts order by epoch, name").fetchall()
    assert found == [(1, "a", "orphaned"), (3, "a", "visible"), (3, "begun only", "orphaned")]


def test_enforced_caps_go_to_the_ledger(queue: Queue) -> None:
    queue.template(retry={"on": []})
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    entry = {
        "layer": "watchdog",
        "cap": "wall_seconds",
        "limit": 5,
        "observed": 5.4,
        "overshoot": 0.4,
        "overshoot_ms": 400,
        "action": "kill",
    }
    assert worker.report(run, "capped", cap_ledger=[entry])["run_state"] == "failed"
    assert "cap.enforced" in queue.event_types(run)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        queue.ops.admin.execute("delete from ops.cap_ledger")
    assert queue.get(run)["cap_ledger"][0]["observed"] == 5.4
