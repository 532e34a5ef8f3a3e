"""The flow of one run: submit, claim, heartbeat, report, and what is refused on the way."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.core import EXTERNAL, USER, Queue, Worker, publication, refused, report
from tests.support.postgres import Database

OUTPUTS = [{"name": "flights", "format": "delta", "mode": "overwrite", "path": "bronze/flights"}]


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    yield made
    made.ops.close()


def test_a_run_goes_from_submit_to_succeeded(queue: Queue) -> None:
    queue.template(connections=["lakehouse"], config={"a": 1}, caps={"wall_seconds": 60})
    worker = Worker(queue)
    submitted = queue.submit(params={"x": 1}, labels={"team": "ops"})
    assert (submitted["state"], submitted["epoch"], submitted["attempt"]) == ("queued", 0, 0)

    run = worker.claim_one()
    assert (run["run_id"], run["epoch"], run["attempt"]) == (submitted["run_id"], 1, 1)
    assert (run["params"], run["labels"], run["caps"]) == ({"x": 1}, {"team": "ops"}, {"wall_seconds": 60})
    assert (run["lease_seconds"], run["on_lapse"], run["rerun"]) == (60, "continue", "safe")
    assert queue.state(run) == "running"
    assert worker.directive(run) == "continue"

    answer = worker.report(run, result={"rows": 5}, usage={"cpu_seconds": 2})
    assert (answer["repeated"], answer["run_state"], answer["route"]["decision"]) == (False, "succeeded", "finish")
    done = queue.get(run)
    assert (done["state"], done["result"], done["usage"]) == ("succeeded", {"rows": 5}, {"cpu_seconds": 2})
    assert queue.event_types(run) == ["run.submitted", "run.started", "run.succeeded"]
    assert worker.claim() == []


def test_runs_are_claimed_by_priority_then_in_order(queue: Queue) -> None:
    queue.template()
    low, first, second = queue.submit(priority=-1), queue.submit(), queue.submit()
    high = queue.submit(priority=5)
    claimed = Worker(queue).claim(10)
    assert [r["run_id"] for r in claimed] == [r["run_id"] for r in (high, first, second, low)]


def test_an_executor_gets_only_its_kind_queue_workspace_and_what_it_can(queue: Queue) -> None:
    queue.ops.admin.execute("insert into ops.workspaces (workspace) values ('other')")
    queue.template()
    queue.template("gpu", requires={"capabilities": {"gpu": True}})
    queue.template("elsewhere", workspace="other")
    queue.submit(queue="night")
    queue.submit("gpu")
    queue.submit("elsewhere", workspace="other")
    here = Worker(queue, workspaces=["default"])
    assert Worker(queue, "dbt").claim(10) == []
    assert here.claim(10, queues=["day"]) == []
    assert [r["template_name"] for r in here.claim(10, queues=["night", "default"])] == ["job"]
    able = Worker(queue, capabilities={"gpu": True, "cuda": 12})
    assert {r["template_name"] for r in able.claim(10)} == {"gpu", "elsewhere"}


def test_a_claim_asked_for_again_gets_the_same_runs_minus_those_revoked(queue: Queue) -> None:
    queue.template()
    worker, request = Worker(queue), str(uuid.uuid4())
    assert worker.claim(2, request) == []  # nothing yet, and nothing remembered
    for _ in range(3):
        queue.submit()
    first = worker.claim(2, request)
    assert len(first) == 2
    assert [(r["run_id"], r["epoch"]) for r in worker.claim(2, request)] == [(r["run_id"], r["epoch"]) for r in first]
    queue.cancel(first[0], force=True)
    assert [r["run_id"] for r in worker.claim(2, request)] == [first[1]["run_id"]]
    with refused("OPC06"):
        worker.claim(3, request)


@pytest.mark.parametrize("bad", [{"max_runs": 0}, {"max_runs": 101}, {"request_id": "x"}, {"queues": "all"}])
def test_a_malformed_claim_is_refused(queue: Queue, bad: dict) -> None:
    worker = Worker(queue)
    body = {"request_id": str(uuid.uuid4()), "max_runs": 1, "queues": None} | bad
    with refused("OPV01"):
        queue.ops.call("claim_runs", worker.token, worker.id, body)


def test_every_verb_refuses_a_stale_epoch_with_the_holders_epoch_and_the_reason(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 3, "backoff_seconds": 0}, outputs=OUTPUTS)
    queue.submit()
    worker = Worker(queue)
    old = worker.claim_one()
    worker.artifact(old, "half.html")
    assert [e["run_id"] for e in queue.expire()] == [old["run_id"]]

    verbs = {
        "report": lambda: worker.report(old),
        "logs": lambda: queue.ops.call("append_logs", worker.token, old["run_id"], {"epoch": 1, "chunks": []}),
        "artifact": lambda: worker.artifact(old, "late.html"),
        "commit": lambda: worker.commit(old, "flights"),
    }
    for verb in verbs.values():
        with refused("OPC01") as lost:
            verb()
        assert lost.members == {
            "run_id": old["run_id"],
            "epoch_sent": 1,
            "epoch_current": 2,
            "reason": "expired",
            "run_state": "queued",
        }
    new = worker.claim_one()
    assert (new["run_id"], new["epoch"], new["attempt"]) == (old["run_id"], 3, 2)
    for verb in verbs.values():
        with refused("OPC01") as lost:
            verb()
        assert (lost.members["epoch_current"], lost.members["reason"]) == (3, "superseded")
    answer = worker.heartbeat(old, new)["runs"]
    assert [a["directive"] for a in answer] == ["superseded", "continue"]
    worker.report(new)
    with refused("OPC01") as lost:
        worker.artifact(new, "late.html")
    assert lost.members["reason"] == "terminal"
    rows = queue.ops.admin.execute("select epoch, state from ops.artifacts").fetchall()
    assert rows == [(1, "orphaned")]


def test_a_lease_past_its_deadline_that_nobody_revoked_is_still_current(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    queue.forward(600)
    assert worker.directive(run) == "continue"
    queue.forward(600)
    assert worker.report(run)["run_state"] == "succeeded"


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


def test_another_executors_token_cannot_speak_for_the_holder(queue: Queue) -> None:
    queue.template(outputs=OUTPUTS)
    queue.submit()
    run, thief = Worker(queue).claim_one(), Worker(queue)
    for verb in (
        lambda: thief.report(run),
        lambda: thief.artifact(run),
        lambda: thief.commit(run, "flights"),
        lambda: queue.ops.call("append_logs", thief.token, run["run_id"], {"epoch": 1, "chunks": []}),
    ):
        with refused("OPU02"):
            verb()
    assert thief.directive(run) == "superseded"
    assert queue.state(run) == "running"


def test_an_executor_cannot_submit_and_an_operator_cannot_claim(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    with refused("OPU02"):
        queue.ops.submit(worker.token)
    with refused("OPU02"):
        queue.ops.call("claim_runs", queue.operator, worker.id, {"request_id": str(uuid.uuid4()), "max_runs": 1})
    with refused("OPU01"):
        queue.ops.submit(uuid.uuid4())


def test_a_heartbeat_renews_keeps_progress_and_tells_terminal_runs(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    queue.forward(30)
    answer = worker.heartbeat(run, progress={"fraction": 0.5}, usage={"cpu_seconds": 1})
    assert answer["runs"][0]["lease_deadline"] > run["lease_deadline"]
    assert answer["heartbeat_seconds"] == 20
    shown = queue.get(run)
    assert (shown["progress"], shown["usage"]) == ({"fraction": 0.5}, {"cpu_seconds": 1})
    worker.report(run)
    assert worker.directive(run) == "already_terminal"
    assert queue.get(run)["progress"] == {"fraction": 0.5}


def test_a_heartbeat_with_strangers_still_renews_the_rest(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    strangers = [{"run_id": str(uuid.uuid4()), "epoch": 1}, run, {"run_id": run["run_id"], "epoch": 9}]
    told = worker.heartbeat(*strangers)["runs"]
    assert [t["directive"] for t in told] == ["superseded", "continue", "superseded"]
    assert [t["epoch"] for t in told] == [1, 1, 9]


def test_a_draining_executor_is_told_to_drain_and_gets_nothing_new(queue: Queue) -> None:
    queue.template()
    queue.submit()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    answer = worker.heartbeat(run, state="draining")
    assert (answer["directive"], answer["runs"][0]["directive"]) == ("drain", "drain")
    assert worker.claim() == []


def test_renewals_are_hot_updates(queue: Queue) -> None:
    queue.template()
    for _ in range(20):
        queue.submit()
    worker = Worker(queue)
    runs = worker.claim(20)
    for _ in range(50):
        worker.heartbeat(*runs)
    queue.ops.server.execute("select pg_stat_force_next_flush()")
    with psycopg.connect(queue.database.conninfo, autocommit=True) as connection:
        found = connection.execute(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'leases'"
        ).fetchone()
    assert found is not None
    assert found[0] >= 1000
    assert found[1] / found[0] >= 0.95


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


# Publications ---------------------------------------------------------------------------------------------------------


def test_a_success_with_publications_is_running_until_all_are_committed(queue: Queue) -> None:
    outputs = [*OUTPUTS, {"name": "planes", "format": "delta", "mode": "append", "path": "bronze/{params.name}"}]
    queue.template(outputs=outputs)
    queue.submit(params={"name": "planes"})
    worker = Worker(queue)
    run = worker.claim_one()
    assert run["outputs"][1]["uri"] == "s3://lakehouse/bronze/planes"
    answer = worker.report(run, publications=[publication(run), publication(run, "planes")])
    assert (answer["run_state"], answer["route"]["decision"]) == ("running", "publish")
    marker = {"output": "flights", "state": "recorded", "app_id": f"{run['run_id']}/flights", "app_version": 1}
    assert answer["publications"][0] == marker
    assert (queue.get(run)["state_reason"], queue.why(run)) == ("publishing", ["publishing"])
    assert worker.directive(run) == "continue"

    assert worker.commit(run, "flights", 0)["run_state"] == "running"
    assert worker.commit(run, "flights", 0)["run_state"] == "running"
    with refused("OPC07") as conflict:
        worker.commit(run, "flights", 1)
    assert conflict.members == {"state": "committed", "table_version": 0}
    with refused("OPN05"):
        worker.commit(run, "trains")
    assert worker.commit(run, "planes", 4) == {
        "run_id": run["run_id"],
        "output": "planes",
        "state": "committed",
        "table_version": 4,
        "run_state": "succeeded",
    }
    assert worker.commit(run, "planes", 4)["run_state"] == "succeeded"
    assert queue.get(run)["rows"] == 6


def test_a_publication_that_fails_fails_the_run(queue: Queue) -> None:
    queue.template(outputs=OUTPUTS)
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.report(run, publications=[publication(run)])
    failed = {"epoch": 1, "state": "failed", "error": USER}
    answer = queue.ops.call("commit_publication", worker.token, run["run_id"], "flights", failed)
    assert (answer["state"], answer["run_state"]) == ("failed", "failed")
    assert queue.ops.call("commit_publication", worker.token, run["run_id"], "flights", failed) == answer
    with refused("OPC07"):
        worker.commit(run, "flights", 1)
    assert queue.get(run)["error"] == USER


def test_the_reactor_commits_for_an_executor_that_died_after_its_report(queue: Queue) -> None:
    queue.template(outputs=OUTPUTS, connections=["lakehouse"])
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.report(run, publications=[publication(run)])
    assert queue.pending() == []
    assert queue.expire(100) == []  # an accepted report is never taken back
    (left,) = queue.pending()
    assert (left["run_id"], left["app_id"], left["app_version"]) == (run["run_id"], f"{run['run_id']}/flights", 1)
    assert (left["connections"], left["files"][0]["rows"]) == (["lakehouse"], 3)
    body = {"epoch": 1, "state": "committed", "table_version": 7, "rows": 3}
    answer = queue.ops.call("commit_publication_as_reactor", run["run_id"], "flights", body)
    assert answer["run_state"] == "succeeded"
    assert queue.pending() == []
    assert worker.commit(run, "flights", 7)["run_state"] == "succeeded"  # the dead one was only slow


@pytest.mark.parametrize(
    "change",
    [{"output": "planes"}, {"uri": "s3://elsewhere/x"}, {"mode": "append"}, {"files": None}],
)
def test_only_declared_outputs_are_published_where_the_submit_put_them(queue: Queue, change: dict) -> None:
    queue.template(outputs=OUTPUTS)
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    with refused("OPV01"):
        worker.report(run, publications=[publication(run) | change])
    with refused("OPV01"):
        worker.report(run, publications=[publication(run), publication(run)])
    with refused("OPV01"):
        worker.report(run, "failed", publications=[publication(run)])
    assert worker.report(run, publications=[publication(run)])["run_state"] == "running"
