"""Two verbs that touch one run at the same moment, in each order. Blocked statements are seen in pg_stat_activity."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.support.core import Queue, Worker, publication, refused, report
from tests.support.postgres import Database
from tests.support.race import Session

Json = dict[str, Any]


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template(retry={"backoff_seconds": 0})
    yield made
    made.ops.close()


@pytest.fixture
def one(queue: Queue) -> Iterator[Session]:
    session = Session(queue)
    yield session
    session.close()


@pytest.fixture
def two(queue: Queue) -> Iterator[Session]:
    session = Session(queue)
    yield session
    session.close()


def claim(worker: Worker, max_runs: int = 1, request_id: str = "") -> tuple[Any, ...]:
    body = {"request_id": request_id or str(uuid.uuid4()), "max_runs": max_runs, "queues": None}
    return "claim_runs", worker.token, worker.id, body


def reporting(worker: Worker, run: Json, outcome: str = "succeeded", **more: Any) -> tuple[Any, ...]:
    return "report_attempt", worker.token, run["run_id"], report(run, outcome, **more)


def beating(worker: Worker, run: Json) -> tuple[Any, ...]:
    return "heartbeat", worker.token, worker.id, {"runs": [{"run_id": run["run_id"], "epoch": run["epoch"]}]}


def lapsed(queue: Queue) -> tuple[Worker, Json]:
    """A claimed run whose lease is past its deadline, with a sweeper that has seen no outage."""
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    queue.ops.admin.execute("update ops.settings set value = '100000' where key = 'sweeper_gap_seconds'")
    queue.forward(200)
    return worker, run


def test_two_siblings_that_report_at_once_unblock_their_dependent(queue: Queue, one: Session, two: Session) -> None:
    tasks = {"a": {"template": "job"}, "b": {"template": "job"}, "z": {"template": "job", "depends_on": ["a", "b"]}}
    queue.template("flow", kind="pipeline", tasks=tasks)
    whole = queue.submit("flow")
    worker = Worker(queue)
    a, b = worker.claim(2)
    one.call(*reporting(worker, a))
    second = two.start(*reporting(worker, b))
    two.blocked(second)
    assert queue.states(whole)["z"] == "waiting"
    one.commit()
    second.result(timeout=30)
    two.commit()
    assert queue.states(whole) == {"a": "succeeded", "b": "succeeded", "z": "queued"}


def test_the_last_two_tasks_that_end_at_once_end_their_pipeline(queue: Queue, one: Session, two: Session) -> None:
    queue.template("flow", kind="pipeline", tasks={"a": {"template": "job"}, "b": {"template": "job"}})
    whole = queue.submit("flow")
    worker = Worker(queue)
    a, b = worker.claim(2)
    one.call(*reporting(worker, a))
    second = two.start(*reporting(worker, b))
    two.blocked(second)
    one.commit()
    second.result(timeout=30)
    two.commit()
    assert queue.state(whole) == "succeeded"


@pytest.mark.parametrize(("end", "expected"), [("commit", 0), ("rollback", 1)])
def test_two_claims_at_once_keep_a_key_within_its_limit(
    queue: Queue, one: Session, two: Session, end: str, expected: int
) -> None:
    queue.template("keyed", concurrency={"key": "table/{params.t}", "limit": 1})
    for _ in range(2):
        queue.submit("keyed", params={"t": "x"})
    first, second = Worker(queue), Worker(queue)
    assert len(one.call(*claim(first, 5))["runs"]) == 1
    other = two.start(*claim(second, 5))
    two.blocked(other)
    getattr(one, end)()
    assert len(other.result(timeout=30)["runs"]) == expected
    two.commit()
    assert queue.ops.value("select count(*) from ops.leases") == 1


def test_two_claims_at_once_share_no_run_and_none_waits(queue: Queue, one: Session, two: Session) -> None:
    runs = [queue.submit()["run_id"] for _ in range(4)]
    first = one.call(*claim(Worker(queue), 3))["runs"]
    second = two.call(*claim(Worker(queue), 3))["runs"]
    assert [r["run_id"] for r in first + second] == runs


def test_one_request_id_sent_twice_at_once_claims_once(queue: Queue, one: Session, two: Session) -> None:
    for _ in range(4):
        queue.submit()
    worker, request = Worker(queue), str(uuid.uuid4())
    first = one.call(*claim(worker, 2, request))["runs"]
    again = two.start(*claim(worker, 2, request))
    two.blocked(again)
    one.commit()
    assert again.result(timeout=30)["runs"] == first


def test_one_idempotency_key_submitted_twice_at_once_makes_one_run(queue: Queue, one: Session, two: Session) -> None:
    body = {"template": "job", "params": {}, "idempotency_key": "k"}
    first = one.call("submit_run", queue.operator, body)
    again = two.start("submit_run", queue.operator, body)
    two.blocked(again)
    one.commit()
    assert again.result(timeout=30)["run_id"] == first["run_id"]


def test_one_report_key_for_two_attempts_at_once_is_accepted_once(queue: Queue, one: Session, two: Session) -> None:
    queue.submit()
    queue.submit()
    worker = Worker(queue)
    a, b = worker.claim(2)
    one.call(*reporting(worker, a, idempotency_key="k"))
    second = two.start(*reporting(worker, b, idempotency_key="k"))
    two.blocked(second)
    one.commit()
    with refused("OPC03"):
        second.result(timeout=30)


def test_one_report_key_for_a_success_and_a_failure_at_once_is_accepted_once(
    queue: Queue, one: Session, two: Session
) -> None:
    """Plain successes are written in one statement and take no lock of their key: its unique index tells."""
    queue.submit()
    queue.submit()
    worker = Worker(queue)
    a, b = worker.claim(2)
    plain, failed = (
        [{"ordinal": 0, "token_id": str(worker.token), "run_id": run["run_id"], "body": body}]
        for run, body in ((a, report(a, idempotency_key="k")), (b, report(b, "failed", idempotency_key="k")))
    )
    one.call("exchange_each", plain, [])
    second = two.start("exchange_each", failed, [])
    two.blocked(second)
    one.commit()
    assert second.result(timeout=30).startswith("(0,OPC03,")
    two.commit()
    assert (queue.state(a), queue.state(b)) == ("succeeded", "running")


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_a_report_sent_twice_at_once_is_accepted_once(queue: Queue, one: Session, two: Session, outcome: str) -> None:
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    first = one.call(*reporting(worker, run))
    second = two.start(*reporting(worker, run, outcome))
    two.blocked(second)
    one.commit()
    if outcome == "succeeded":
        assert second.result(timeout=30) == first | {"repeated": True}
    else:
        with refused("OPC02"):
            second.result(timeout=30)


def test_the_sweeper_passes_over_a_run_that_is_being_reported(queue: Queue, one: Session, two: Session) -> None:
    worker, run = lapsed(queue)
    assert one.call(*reporting(worker, run))["run_state"] == "succeeded"
    assert two.call("expire_leases", 10)["expired"] == []
    one.commit()
    two.commit()
    assert queue.sweep() == []
    assert (queue.state(run), queue.get(run)["epoch"]) == ("succeeded", 1)


def test_the_sweeper_passes_over_a_cancelled_run_whose_lease_is_being_renewed(
    queue: Queue, one: Session, two: Session
) -> None:
    """It would hold other leases while it waits for this one, which a heartbeat locks in another order."""
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    queue.cancel(run, reason="not wanted")
    queue.ops.admin.execute("update ops.settings set value = '100000' where key = 'sweeper_gap_seconds'")
    for _ in range(4):  # an executor that renews and does not obey
        queue.forward(40)
        worker.heartbeat(run)
    beat = {"state": "active", "runs": [{"run_id": run["run_id"], "epoch": run["epoch"], "progress": None}]}
    one.call("heartbeat", worker.token, worker.id, beat)
    two.call("expire_leases", 10)
    two.commit()
    assert queue.state(run) == "running"
    one.commit()
    queue.sweep()
    assert queue.state(run) == "cancelled"


def test_a_report_that_comes_while_the_sweeper_revokes_is_refused(queue: Queue, one: Session, two: Session) -> None:
    worker, run = lapsed(queue)
    assert one.call("expire_leases", 10)["expired"][0]["epoch"] == 1
    late = two.start(*reporting(worker, run))
    two.blocked(late)
    one.commit()
    with refused("OPC01") as lost:
        late.result(timeout=30)
    assert (lost.members["reason"], lost.members["epoch_current"]) == ("expired", 2)


def test_the_sweeper_passes_over_a_lease_that_is_being_renewed(queue: Queue, one: Session, two: Session) -> None:
    worker, run = lapsed(queue)
    assert one.call(*beating(worker, run))["runs"][0]["directive"] == "continue"
    assert two.call("expire_leases", 10)["expired"] == []
    one.commit()
    two.commit()
    assert queue.sweep() == []


def test_a_heartbeat_that_comes_while_the_sweeper_revokes_is_told_so(queue: Queue, one: Session, two: Session) -> None:
    worker, run = lapsed(queue)
    one.call("expire_leases", 10)
    late = two.start(*beating(worker, run))
    two.blocked(late)
    one.commit()
    assert late.result(timeout=30)["runs"][0]["directive"] == "superseded"


def test_two_sweepers_expire_each_lease_once(queue: Queue, one: Session, two: Session) -> None:
    lapsed(queue)
    assert len(one.call("expire_leases", 10)["expired"]) == 1
    second = two.start("expire_leases", 10)
    two.blocked(second)
    one.commit()
    assert second.result(timeout=30)["expired"] == []


def test_a_cancel_that_comes_while_a_run_is_claimed_asks_it_to_stop(queue: Queue, one: Session, two: Session) -> None:
    run = queue.submit()
    worker = Worker(queue)
    (claimed,) = one.call(*claim(worker))["runs"]
    cancel = two.start("cancel_run", queue.operator, run["run_id"], {})
    two.blocked(cancel)
    one.commit()
    assert cancel.result(timeout=30)["state"] == "running"
    two.commit()
    assert worker.directive(claimed) == "cancel"


def test_a_claim_passes_over_a_run_that_is_being_cancelled(queue: Queue, one: Session, two: Session) -> None:
    run = queue.submit()
    one.call("cancel_run", queue.operator, run["run_id"], {})
    assert two.call(*claim(Worker(queue)))["runs"] == []
    one.commit()
    assert queue.state(run) == "cancelled"


@pytest.mark.parametrize("force", [False, True])
def test_a_report_and_a_cancel_of_the_pipeline_take_turns(
    queue: Queue, one: Session, two: Session, force: bool
) -> None:
    tasks = {"a": {"template": "job"}, "z": {"template": "job", "depends_on": ["a"]}}
    queue.template("flow", kind="pipeline", tasks=tasks)
    whole = queue.submit("flow")
    worker = Worker(queue)
    a = worker.claim_one()
    one.call(*reporting(worker, a))
    cancel = two.start("cancel_run", queue.operator, whole["run_id"], {"force": force})
    two.blocked(cancel)
    one.commit()
    assert cancel.result(timeout=30)["state"] == "cancelled"
    two.commit()
    assert queue.states(whole) == {"a": "succeeded", "z": "cancelled"}


def test_a_report_that_comes_while_its_pipeline_is_cancelled_by_force_is_refused(
    queue: Queue, one: Session, two: Session
) -> None:
    queue.template("flow", kind="pipeline", tasks={"a": {"template": "job"}})
    whole = queue.submit("flow")
    worker = Worker(queue)
    a = worker.claim_one()
    assert one.call("cancel_run", queue.operator, whole["run_id"], {"force": True})["state"] == "cancelled"
    late = two.start(*reporting(worker, a))
    two.blocked(late)
    one.commit()
    with refused("OPC01") as lost:
        late.result(timeout=30)
    assert lost.members["reason"] == "cancelled"


def test_an_artifact_and_the_report_of_its_attempt_take_turns(queue: Queue, one: Session, two: Session) -> None:
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    begun = worker.artifact(run, record=False)
    one.call("record_artifact", worker.token, run["run_id"], begun["artifact_id"], {"epoch": 1})
    second = two.start(*reporting(worker, run))
    two.blocked(second)
    one.commit()
    second.result(timeout=30)
    two.commit()
    assert queue.ops.value("select state from ops.artifacts") == "visible"


def test_two_commits_of_one_publication_at_once_are_one(queue: Queue, one: Session, two: Session) -> None:
    outputs = [{"name": "flights", "format": "delta", "mode": "append", "path": "x"}]
    queue.template("out", outputs=outputs)
    queue.submit("out")
    worker = Worker(queue)
    run = worker.claim_one()
    worker.report(run, publications=[publication(run)])
    body = {"epoch": 1, "state": "committed", "table_version": 3, "rows": 3}
    first = one.call("commit_publication", worker.token, run["run_id"], "flights", body)
    second = two.start("commit_publication_as_reactor", run["run_id"], "flights", body)
    two.blocked(second)
    one.commit()
    assert second.result(timeout=30) == first
    two.commit()
    assert queue.event_types(run).count("publication.committed") == 1


def test_the_claim_floor_never_passes_a_submit_that_is_still_open(queue: Queue, one: Session) -> None:
    queue.submit()
    worker = Worker(queue)
    worker.claim_one()
    early = one.call("submit_run", queue.operator, {"template": "job", "params": {}})
    for _ in range(5):  # the floor would move at each of these claims
        queue.submit()
        worker.claim_one()
        queue.forward(2)
    floor = queue.ops.value("select floor_seq from ops.queue_floors")
    one.commit()
    assert worker.claim_one()["run_id"] == early["run_id"]
    for _ in range(3):
        queue.forward(2)
        worker.claim()
    assert queue.ops.value("select floor_seq from ops.queue_floors") > floor


def test_many_claimers_never_hold_a_key_more_often_than_its_limit(queue: Queue) -> None:
    queue.template("keyed", concurrency={"key": "k", "limit": 2})
    for n in range(40):
        queue.submit("keyed" if n % 2 else "job")
    lock, held, most, done = threading.Lock(), 0, 0, []

    def work(worker: Worker) -> None:
        nonlocal held, most
        with psycopg.connect(queue.database.conninfo, autocommit=True) as connection:
            while len(done) < 40:
                runs = queue.ops.call_on(connection, *claim(worker, 3))["runs"]
                keyed = sum(r["template_name"] == "keyed" for r in runs)
                with lock:
                    held += keyed
                    most = max(most, held)
                for run in runs:
                    with lock:
                        held -= run["template_name"] == "keyed"
                    queue.ops.call_on(connection, *reporting(worker, run))
                    done.append(run["run_id"])

    workers = [Worker(queue) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, workers))
    assert len(set(done)) == len(done) == 40
    assert 1 <= most <= 2
