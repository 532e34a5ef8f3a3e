"""The flow of one run: submit, claim, heartbeat, success."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from tests.support.core import Json, Queue, Worker, refused


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


def test_a_request_id_is_of_what_is_meant_not_of_how_it_is_written(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker, body = Worker(queue), {"request_id": str(uuid.uuid4()), "max_runs": 1}
    for same in (body, body | {"queues": None}, body | {"wait_seconds": 3}):
        (run,) = queue.ops.call("claim_runs", worker.token, worker.id, same)["runs"]
        assert run["epoch"] == 1
    with refused("OPC06"):
        queue.ops.call("claim_runs", worker.token, worker.id, body | {"queues": []})


@pytest.mark.parametrize("bad", [{"max_runs": 0}, {"max_runs": 101}, {"request_id": "x"}, {"queues": "all"}])
def test_a_malformed_claim_is_refused(queue: Queue, bad: dict) -> None:
    worker = Worker(queue)
    body = {"request_id": str(uuid.uuid4()), "max_runs": 1, "queues": None} | bad
    with refused("OPV01"):
        queue.ops.call("claim_runs", worker.token, worker.id, body)


def test_a_heartbeat_renews_keeps_progress_and_tells_terminal_runs(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    queue.forward(30)
    answer = worker.heartbeat(run, progress={"fraction": 0.5}, usage={"cpu_seconds": 1})
    assert answer["runs"][0]["lease_deadline"] > run["lease_deadline"]
    assert answer["heartbeat_seconds"] == 5
    shown = queue.get(run)
    assert (shown["progress"], shown["usage"]) == ({"fraction": 0.5}, {"cpu_seconds": 1})
    worker.report(run)
    assert worker.directive(run) == "already_terminal"
    assert queue.get(run)["progress"] == {"fraction": 0.5}


def test_who_cannot_wait_for_orders_or_has_a_cost_to_be_looked_at_is_heard_more_often(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    queue.ops.admin.execute("update ops.executors set contract_version = '1.0'")
    assert worker.heartbeat(run)["heartbeat_seconds"] == 0.7
    queue.ops.admin.execute("update ops.settings set value = '30000' where key = 'order_milliseconds'")
    assert worker.heartbeat(run)["heartbeat_seconds"] == 5
    queue.ops.admin.execute("update ops.settings set value = '700' where key = 'order_milliseconds'")
    queue.ops.admin.execute("update ops.executors set contract_version = '1.1'")
    worker.report(run)
    queue.submit(caps={"cost": 5})
    run = worker.claim_one()
    assert worker.heartbeat(run)["heartbeat_seconds"] == 0.7


def test_an_executor_without_a_run_is_heard_every_five_seconds_not_every_second(queue: Queue) -> None:
    assert Worker(queue).heartbeat()["heartbeat_seconds"] == 5


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


def metrics(queue: Queue, run: Json) -> list[Json]:
    """Those of each attempt, as the run's page shows them."""
    return [attempt["metrics"] for attempt in queue.get(run)["attempts"]]


def test_metrics_of_a_heartbeat_show_while_the_run_works_and_the_reports_own_stay(queue: Queue) -> None:
    queue.template()
    one, other = queue.submit(), queue.submit()
    worker = Worker(queue)
    first, second = worker.claim(2)
    assert {first["run_id"], second["run_id"]} == {one["run_id"], other["run_id"]}
    assert metrics(queue, first) == [{}]
    worker.heartbeat(first, second, metrics={"loss": 0.5, "rows": 3})
    worker.heartbeat(first, second)
    assert metrics(queue, first) == [{"loss": 0.5, "rows": 3}]
    worker.heartbeat(first, second, metrics={"loss": 0.25})
    assert metrics(queue, first) == [{"loss": 0.25}]
    worker.report(first)
    worker.report(second, metrics={"loss": 0.125})
    assert (metrics(queue, first), metrics(queue, second)) == ([{"loss": 0.25}], [{"loss": 0.125}])


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_the_metrics_of_an_attempt_that_nobody_reported_stay_with_it(queue: Queue, end: str) -> None:
    queue.template(retry={"max_attempts": 2, "backoff_seconds": 0})
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.heartbeat(run, metrics={"loss": 0.5})
    if end == "expired":
        queue.forward(61, sweeping=True)
        queue.sweep()
        worker.claim_one()
    else:
        queue.ops.call("cancel_run", queue.operator, run["run_id"], {"reason": "enough", "force": True})
    assert metrics(queue, run) == [{"loss": 0.5}, {}][: 2 if end == "expired" else 1]


@pytest.mark.parametrize("odd", [[1], "x", {f"{n:063}": 10**700 for n in range(60)}], ids=["list", "text", "too-long"])
def test_metrics_that_are_none_cost_no_member_of_the_heartbeat_its_lease(queue: Queue, odd: object) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.heartbeat(run, metrics={"loss": 0.5})
    queue.forward(30)
    answer = worker.heartbeat(run, metrics=odd, usage={"cpu_seconds": 1})
    assert answer["runs"][0]["lease_deadline"] > run["lease_deadline"]
    assert (metrics(queue, run), queue.get(run)["usage"]) == ([{"loss": 0.5}], {"cpu_seconds": 1})


@pytest.mark.parametrize("told", [{}, {"metrics": {f"m{n}": n / 3 for n in range(50)}}], ids=["bare", "with-metrics"])
def test_renewals_are_hot_updates(queue: Queue, told: Json) -> None:
    queue.template()
    for _ in range(20):
        queue.submit()
    worker = Worker(queue)
    runs = worker.claim(20)
    for _ in range(50):
        worker.heartbeat(*runs, **told)
    queue.ops.server.execute("select pg_stat_force_next_flush()")
    with psycopg.connect(queue.database.conninfo, autocommit=True) as connection:
        found = connection.execute(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'leases'"
        ).fetchone()
    assert found is not None
    assert found[0] >= 1000
    assert found[1] / found[0] >= 0.95
