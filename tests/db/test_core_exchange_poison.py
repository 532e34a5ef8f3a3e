"""One bad member among good ones of an exchange: it is refused, and the others never notice."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.support.core import Json, Queue, Worker, publication
from tests.support.exchanging import claimed, claiming, exchange, reporting
from tests.support.postgres import Database


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    yield made
    made.ops.close()


Poison = Callable[[Queue, Worker], Json]
POISON: dict[str, tuple[str, Poison]] = {}


def poison(code: str) -> Callable[[Poison], Poison]:
    """A report that is refused with this SQLSTATE."""

    def register(make: Poison) -> Poison:
        POISON[make.__name__] = (code, make)
        return make

    return register


@poison("OPC01")
def stale_epoch(queue: Queue, worker: Worker) -> Json:
    (run,) = claimed(queue, worker, 1)
    queue.cancel(run, reason="now", force=True)
    return reporting(worker, run)


@poison("OPC01")
def epoch_before_the_one_it_holds(queue: Queue, worker: Worker) -> Json:
    (run,) = claimed(queue, worker, 1)
    body = {"force": True, "epoch": run["epoch"]}
    queue.ops.call("requeue_run", queue.operator, run["run_id"], body)
    assert worker.claim_one()["run_id"] == run["run_id"]
    return reporting(worker, run)


@poison("OPU01")
def token_that_was_revoked(queue: Queue, worker: Worker) -> Json:
    other = Worker(queue)
    (run,) = claimed(queue, other, 1)
    queue.ops.admin.execute("update ops.tokens set revoked_at = now() where token_id = %s", (other.token,))
    return reporting(other, run)


@poison("OPN01")
def unknown_run(queue: Queue, worker: Worker) -> Json:
    return reporting(worker, {"run_id": str(uuid.uuid4()), "epoch": 1})


@poison("OPU02")
def run_of_another_token(queue: Queue, worker: Worker) -> Json:
    other = Worker(queue)
    (run,) = claimed(queue, other, 1)
    return reporting(worker, run)


@poison("OPC02")
def another_outcome_on_record(queue: Queue, worker: Worker) -> Json:
    (run,) = claimed(queue, worker, 1)
    worker.report(run)
    return reporting(worker, run, "failed")


@poison("OPC03")
def key_of_another_attempt(queue: Queue, worker: Worker) -> Json:
    first, second = claimed(queue, worker, 2)
    worker.report(first)
    return reporting(worker, second, idempotency_key=f"{first['run_id']}/{first['epoch']}")


@poison("OPV01")
def no_epoch(queue: Queue, worker: Worker) -> Json:
    (run,) = claimed(queue, worker, 1)
    return reporting(worker, run, epoch="one")


@poison("OPV01")
def undeclared_output(queue: Queue, worker: Worker) -> Json:
    queue.template("table", outputs=[{"name": "flights", "format": "delta", "mode": "append", "path": "bronze/x"}])
    (run,) = claimed(queue, worker, 1, "table")
    return reporting(worker, run, publications=[publication(run) | {"output": "planes"}])


@poison("OPV01")
def unknown_layer_in_the_cap_ledger(queue: Queue, worker: Worker) -> Json:
    (run,) = claimed(queue, worker, 1)
    return reporting(worker, run, cap_ledger=[{"layer": "moon", "cap": "wall_seconds", "limit": 1, "observed": 2}])


@poison("OPN04")
def artifact_of_nobody(queue: Queue, worker: Worker) -> Json:
    (run,) = claimed(queue, worker, 1)
    return reporting(worker, run, result={"of": "nobody"}) | {"artifacts": [str(uuid.uuid4())]}


@pytest.mark.parametrize("kind", POISON)
def test_a_poisoned_report_among_99_good_ones_fails_alone(queue: Queue, kind: str) -> None:
    code, make = POISON[kind]
    queue.template()
    worker = Worker(queue)
    bad = make(queue, worker)
    good = claimed(queue, worker, 99)
    sent = [reporting(worker, run) for run in good]
    before = queue.ops.value("select to_jsonb(r) from ops.runs r where run_id = %s", bad["run_id"])
    answers = exchange(queue, [*sent[:50], bad, *sent[50:]], [claiming(worker)])
    assert answers[50][0] == code
    assert answers[50][1]["message"]
    assert [member[0] for n, member in enumerate(answers) if n != 50] == [None] * 100
    assert {queue.state(run) for run in good} == {"succeeded"}
    assert queue.ops.value("select to_jsonb(r) from ops.runs r where run_id = %s", bad["run_id"]) == before


# Claims ---------------------------------------------------------------------------------------------------------------

BadClaim = Callable[[Queue, Worker, Json], Json]
CLAIMS: dict[str, tuple[str | None, BadClaim]] = {}


def bad_claim(code: str | None) -> Callable[[BadClaim], BadClaim]:
    """A claim that is refused with this SQLSTATE; None: that is answered without runs. It may look at a good claim."""

    def register(make: BadClaim) -> BadClaim:
        CLAIMS[make.__name__] = (code, make)
        return make

    return register


@bad_claim("OPC09")
def executor_that_left(queue: Queue, worker: Worker, good: Json) -> Json:
    gone = Worker(queue)
    queue.ops.call("leave_executor", gone.token, gone.id)
    return claiming(gone)


@bad_claim("OPN03")
def unknown_executor(queue: Queue, worker: Worker, good: Json) -> Json:
    return claiming(worker) | {"executor_id": str(uuid.uuid4())}


@bad_claim("OPU02")
def executor_of_another_token(queue: Queue, worker: Worker, good: Json) -> Json:
    return claiming(worker) | {"executor_id": str(Worker(queue).id)}


@bad_claim("OPU01")
def unknown_token(queue: Queue, worker: Worker, good: Json) -> Json:
    return claiming(worker) | {"token_id": str(uuid.uuid4())}


@bad_claim("OPU01")
def revoked_token(queue: Queue, worker: Worker, good: Json) -> Json:
    other = Worker(queue)
    queue.ops.admin.execute("update ops.tokens set revoked_at = now() where token_id = %s", (other.token,))
    return claiming(other)


@bad_claim("OPU01")
def token_over_its_time(queue: Queue, worker: Worker, good: Json) -> Json:
    other = Worker(queue)
    queue.ops.admin.execute("update ops.tokens set expires_at = ops.now() where token_id = %s", (other.token,))
    return claiming(other)


@bad_claim("OPU02")
def token_of_an_operator(queue: Queue, worker: Worker, good: Json) -> Json:
    return claiming(worker) | {"token_id": str(queue.operator)}


@bad_claim("OPC06")
def request_id_spent_on_another_body(queue: Queue, worker: Worker, good: Json) -> Json:
    queue.submit()
    spent = claiming(worker)
    ((_, answer),) = exchange(queue, [], [spent])
    assert len(answer["runs"]) == 1
    return claiming(worker, 7, request_id=spent["body"]["request_id"])


@bad_claim("OPC06")
def request_id_of_a_good_claim_with_another_body(queue: Queue, worker: Worker, good: Json) -> Json:
    return good | {"body": good["body"] | {"max_runs": 9}}


@bad_claim("OPV01")
def request_id_that_is_none(queue: Queue, worker: Worker, good: Json) -> Json:
    return claiming(worker, request_id="never")


@bad_claim("OPV01")
def no_runs_wanted(queue: Queue, worker: Worker, good: Json) -> Json:
    return claiming(worker, 0)


@bad_claim("OPV01")
def more_runs_than_may_be(queue: Queue, worker: Worker, good: Json) -> Json:
    return claiming(worker, 101)


@bad_claim("OPV01")
def number_of_runs_in_words(queue: Queue, worker: Worker, good: Json) -> Json:
    return claiming(worker) | {"body": {"request_id": str(uuid.uuid4()), "max_runs": "many", "queues": None}}


@bad_claim("OPV01")
def queues_that_are_no_list(queue: Queue, worker: Worker, good: Json) -> Json:
    return claiming(worker, queues={"default": True})


@bad_claim(None)
def executor_that_drains(queue: Queue, worker: Worker, good: Json) -> Json:
    other = Worker(queue)
    queue.ops.call("drain_executor", queue.operator, str(other.id), {})
    return claiming(other)


@pytest.mark.parametrize("kind", CLAIMS)
def test_a_poisoned_claim_among_99_good_ones_fails_alone(queue: Queue, kind: str) -> None:
    """Each good claim gets one of the 99 runs that are ready, so that none is left for the bad one, or for nobody."""
    code, make = CLAIMS[kind]
    queue.template()
    workers = [Worker(queue), Worker(queue), Worker(queue, labels={"zone": "b"})]
    good = [claiming(workers[n % 3]) for n in range(99)]
    bad = make(queue, workers[0], good[3])
    before = leases(queue)
    ready = [queue.submit()["run_id"] for _ in range(99)]
    answers = exchange(queue, [], [*good[:50], bad, *good[50:]])
    refused_with, said = answers.pop(50)
    assert refused_with == code
    assert said["message"] if code else said["runs"] == []
    assert [member[0] for member in answers] == [None] * 99
    assert [len(answer["runs"]) for _, answer in answers] == [1] * 99
    assert sorted(run["run_id"] for _, answer in answers for run in answer["runs"]) == sorted(ready)
    given = {(run["run_id"], str(workers[n % 3].id)) for n, (_, answer) in enumerate(answers) for run in answer["runs"]}
    assert leases(queue) - before == given


def leases(queue: Queue) -> set[tuple[str, str]]:
    """(run, its holder)"""
    return set(queue.ops.admin.execute("select run_id::text, executor_id::text from ops.leases").fetchall())


def test_refused_claims_leave_the_others_alone(queue: Queue) -> None:
    queue.template()
    worker, gone, other = Worker(queue), Worker(queue), Worker(queue)
    for _ in range(3):
        queue.submit()
    queue.ops.call("leave_executor", gone.token, gone.id)
    used = claiming(worker)
    exchange(queue, [], [used])
    bad = [
        claiming(gone),
        claiming(worker) | {"executor_id": str(uuid.uuid4())},
        claiming(worker) | {"executor_id": str(other.id)},
        claiming(worker, request_id=used["body"]["request_id"], max_runs=7),
        claiming(worker, request_id="never"),
        claiming(worker) | {"token_id": str(uuid.uuid4())},
    ]
    answers = exchange(queue, [], [*bad, claiming(worker), claiming(other)])
    assert [code for code, _ in answers] == ["OPC09", "OPN03", "OPU02", "OPC06", "OPV01", "OPU01", None, None]
    assert [len(answer["runs"]) for _, answer in answers[-2:]] == [1, 1]
