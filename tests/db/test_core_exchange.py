"""Reports and claims of many at once: each member is answered on its own, whatever the others are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support.core import EXTERNAL, USER, Json, Queue, Worker, publication
from tests.support.exchanging import claimed, claiming, exchange, reporting
from tests.support.postgres import Database


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    yield made
    made.ops.close()


def test_reports_and_a_claim_go_in_one_exchange(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    runs = claimed(queue, worker, 3)
    queue.submit()
    *reported, (code, answer) = exchange(queue, [reporting(worker, run) for run in runs], [claiming(worker, 5)])
    assert [member[0] for member in reported] == [None] * 3
    assert [member[1]["run_id"] for member in reported] == [run["run_id"] for run in runs]
    assert code is None
    assert [queue.state(run) for run in runs] == ["succeeded"] * 3
    assert [run["number"] for run in answer["runs"]] == [4]
    assert queue.ops.call("verify_events", runs[0]["run_id"])["ok"]


def test_an_executor_with_an_odd_name_is_told_of_in_canonical_events(queue: Queue) -> None:
    """Started and succeeded are put together as text: what they quote has to be quoted as jsonb does it."""
    queue.template()
    worker = Worker(queue)
    name = 'a"b\\c\t\x01 ä é 🐘 </x>'
    queue.ops.admin.execute("update ops.executors set name = %s where executor_id = %s", (name, worker.id))
    (run,) = claimed(queue, worker, 1)
    ((code, _),) = exchange(queue, [reporting(worker, run)], [])
    assert code is None
    assert [event["actor"] for event in told(queue, run)][1:] == [f"executor:{name}"] * 2
    assert queue.ops.call("verify_events", run["run_id"])["ok"]


def test_what_a_report_frees_a_claim_of_the_same_exchange_can_have(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    first, second = (queue.submit(concurrency_key="one") for _ in range(2))
    run = worker.claim_one()
    assert run["run_id"] == first["run_id"]
    assert worker.claim() == []
    _, (_, answer) = exchange(queue, [reporting(worker, run)], [claiming(worker)])
    assert [one["run_id"] for one in answer["runs"]] == [second["run_id"]]


@pytest.mark.parametrize("own", [{}, {"metrics": {"loss": 0.25}}, {"metrics": None}], ids=["none", "own", "null"])
def test_a_plain_report_leaves_what_the_single_verb_leaves(queue: Queue, own: Json) -> None:
    more = {"result": {"rows": 5}, "usage": {"cpu_seconds": 2}, **own}
    queue.template(outputs=[])
    worker = Worker(queue)
    one, other = claimed(queue, worker, 2)
    worker.heartbeat(one, other, usage={"memory_bytes": 7}, progress={"fraction": 0.5}, metrics={"loss": 0.5})
    answer = worker.report(one, **more)
    ((code, detail),) = exchange(queue, [reporting(worker, other, **more)])
    assert code is None
    assert unlike(answer) == unlike(detail)
    for table in ("runs", "attempts"):
        assert unlike(row(queue, table, one)) == unlike(row(queue, table, other))
    assert queue.event_types(one) == queue.event_types(other)
    assert [unlike(event) for event in told(queue, one)] == [unlike(event) for event in told(queue, other)]


OWN = {
    *("run_id", "number", "ready_seq", "queued_at", "submitted_at", "started_at", "finished_at", "reported_at"),
    *("event_head", "event_xid", "idempotency_key", "report_digest", "answer", "at", "params_digest"),
}


def unlike(value: Any) -> Any:
    """Without what is each run's own."""
    if isinstance(value, dict):
        return {name: unlike(member) for name, member in value.items() if name not in OWN}
    return value


def row(queue: Queue, table: str, run: Json) -> Json:
    found: Json = queue.ops.value(f"select to_jsonb(t) from ops.{table} t where run_id = %s", run["run_id"])
    return found


def told(queue: Queue, run: Json) -> list[Json]:
    rows = queue.ops.admin.execute("select canonical from ops.events where run_id = %s order by seq", (run["run_id"],))
    return [json.loads(canonical) for (canonical,) in rows]


# Duplicates -----------------------------------------------------------------------------------------------------------


def test_the_same_report_twice_in_one_batch_is_accepted_once(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    (run,) = claimed(queue, worker, 1)
    first, second = exchange(queue, [reporting(worker, run), reporting(worker, run)])
    assert (first[0], second[0]) == (None, None)
    assert (first[1]["repeated"], second[1]["repeated"]) == (False, True)
    assert queue.event_types(run).count("run.succeeded") == 1


def test_one_key_for_two_attempts_in_one_batch_reports_one_of_them(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    runs = claimed(queue, worker, 2)
    answers = exchange(queue, [reporting(worker, run, idempotency_key="mine") for run in runs])
    assert sorted(code or "" for code, _ in answers) == ["", "OPC03"]
    assert sorted(queue.state(run) for run in runs) == ["running", "succeeded"]


def test_a_repeated_exchange_gets_the_same_runs_without_those_reported_since(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    (done,) = claimed(queue, worker, 1)
    queue.submit()
    queue.submit()
    sent = ([reporting(worker, done)], [claiming(worker, 2)])
    (_, reported), (_, answer) = exchange(queue, *sent)
    (_, again), (_, repeated) = exchange(queue, *sent)
    assert again == reported | {"repeated": True}
    assert repeated["runs"] == answer["runs"]
    worker.report(answer["runs"][0])
    _, (_, third) = exchange(queue, *sent)
    assert third["runs"] == answer["runs"][1:]


# Routes ---------------------------------------------------------------------------------------------------------------


def test_failures_and_publications_take_their_own_way_in_a_batch(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 3, "backoff_seconds": 0})
    queue.template("table", outputs=[{"name": "flights", "format": "delta", "mode": "append", "path": "bronze/x"}])
    worker = Worker(queue)
    plain, flaky, broken = claimed(queue, worker, 3)
    (table,) = claimed(queue, worker, 1, "table")
    answers = exchange(
        queue,
        [
            reporting(worker, table, publications=[publication(table)]),
            reporting(worker, broken, "failed", error=USER),
            reporting(worker, flaky, "failed", error=EXTERNAL),
            reporting(worker, plain),
        ],
        [claiming(worker, 5)],
    )
    assert [answer["route"]["decision"] for _, answer in answers[:4]] == ["publish", "finish", "retry", "finish"]
    assert [queue.state(run) for run in (table, broken, plain)] == ["running", "failed", "succeeded"]
    assert [(run["run_id"], run["epoch"]) for run in answers[4][1]["runs"]] == [(flaky["run_id"], 2)]


def test_a_child_that_ends_in_a_batch_lets_its_dependent_start_in_the_same_exchange(queue: Queue) -> None:
    queue.template("a")
    queue.template("b")
    tasks = {"a": {"template": "a"}, "b": {"template": "b", "depends_on": ["a"]}}
    queue.template("both", kind="pipeline", entrypoint=None, tasks=tasks)
    pipeline = queue.submit("both")
    worker = Worker(queue)
    first = worker.claim_one()
    _, (_, answer) = exchange(queue, [reporting(worker, first)], [claiming(worker)])
    (second,) = answer["runs"]
    assert second["task_key"] == "b"
    exchange(queue, [reporting(worker, second)])
    assert queue.state(pipeline) == "succeeded"


def test_what_a_report_makes_claimable_is_gathered_for_the_caller_to_tell(queue: Queue) -> None:
    queue.template("a")
    queue.submit("a")
    worker = Worker(queue)
    run = worker.claim_one()
    queue.submit("a", depends_on=[{"run": str(run["number"])}])
    listener = queue.ops.admin
    listener.execute("listen ops_ready")
    sent = Jsonb([{**reporting(worker, run), "ordinal": 0}])
    query = "select ordinal, detail from ops.exchange_each(%s, '[]', null, true) where ordinal = -3"
    assert queue.ops.server.execute(query, (sent,)).fetchall() == [(-3, "python:1")]
    listener.execute("select 1")
    assert list(listener.notifies(timeout=0)) == []


def test_claims_of_like_executors_share_what_is_ready_in_their_order(queue: Queue) -> None:
    queue.template()
    workers = [Worker(queue) for _ in range(3)]
    submitted = [queue.submit()["run_id"] for _ in range(5)]
    answers = exchange(queue, [], [claiming(worker, 2) for worker in workers])
    assert [[run["run_id"] for run in answer["runs"]] for _, answer in answers] == [
        submitted[:2],
        submitted[2:4],
        submitted[4:],
    ]
    held = queue.ops.admin.execute("select executor_id, count(*) from ops.leases group by 1").fetchall()
    assert dict(held) == {workers[0].id: 2, workers[1].id: 2, workers[2].id: 1}


def test_claims_of_unlike_executors_get_what_they_can_run(queue: Queue) -> None:
    queue.template()
    queue.template("big", requires={"labels": {"size": "big"}})
    small, big = Worker(queue), Worker(queue, labels={"size": "big"})
    queue.submit("big")
    queue.submit()
    answers = exchange(queue, [], [claiming(small, 2), claiming(big, 2)])
    assert sorted(run["template_name"] for _, answer in answers for run in answer["runs"]) == ["big", "job"]
    assert "big" not in [run["template_name"] for run in answers[0][1]["runs"]]


def test_no_two_runs_of_a_key_start_in_one_batch_of_claims(queue: Queue) -> None:
    queue.template()
    workers = [Worker(queue, labels={"n": str(n)}) for n in range(3)]
    for _ in range(6):
        queue.submit(concurrency_key="one")
    answers = exchange(queue, [], [claiming(worker, 3) for worker in workers])
    assert sum(len(answer["runs"]) for _, answer in answers) == 1


def test_what_no_member_is_to_blame_for_fails_the_batch_whole(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    runs = claimed(queue, worker, 2)
    queue.ops.admin.execute("alter table ops.events add constraint broken check (type <> 'run.succeeded') not valid")
    with pytest.raises(psycopg.errors.CheckViolation):
        exchange(queue, [reporting(worker, run) for run in runs])
    assert [queue.state(run) for run in runs] == ["running"] * 2


def test_a_claim_without_runs_is_told_when_the_next_is_due(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    assert exchange(queue, [], [claiming(worker)])[0][1]["runs"] == []
    due = queue.ops.value("select ops.now() + interval '30 seconds'")
    queue.submit(not_before=due.isoformat())
    members = [{**claiming(worker), "ordinal": 0}]
    rows = queue.ops.server.execute("select * from ops.exchange_each('[]', %s)", (Jsonb(members),)).fetchall()
    (next_due,) = [float(detail) for ordinal, _, detail in rows if ordinal == -1]
    assert 20 < next_due <= 30
    queue.forward(31)
    assert len(exchange(queue, [], [claiming(worker)])[0][1]["runs"]) == 1


@pytest.mark.parametrize("ready", [1, 2])
def test_a_claim_and_its_retry_in_one_batch_get_the_same_runs(queue: Queue, ready: int) -> None:
    queue.template()
    worker = Worker(queue)
    for _ in range(ready):
        queue.submit()
    claim = claiming(worker)
    (_, first), (_, second), (code, _) = exchange(
        queue, [], [claim, claim, {**claim, "body": claim["body"] | {"max_runs": 9}}]
    )
    assert first["runs"] == second["runs"]
    assert len(first["runs"]) == 1
    assert code == "OPC06"
    assert queue.ops.value("select count(*) from ops.leases") == 1


@pytest.mark.parametrize("outcomes", [("succeeded", "failed"), ("failed", "succeeded")])
def test_of_two_outcomes_in_one_batch_the_first_counts(queue: Queue, outcomes: tuple[str, str]) -> None:
    queue.template()
    worker = Worker(queue)
    (run,) = claimed(queue, worker, 1)
    errors = {"failed": {"error": USER}, "succeeded": {}}
    first, second = exchange(queue, [reporting(worker, run, outcome, **errors[outcome]) for outcome in outcomes])
    assert (first[0], second[0]) == (None, "OPC02")
    assert queue.state(run) == outcomes[0]


def test_a_run_named_in_two_spellings_is_one_run(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    (run,) = claimed(queue, worker, 1)
    shouted = reporting(worker, run) | {"run_id": run["run_id"].upper()}
    first, second = exchange(queue, [reporting(worker, run), shouted])
    assert (first[1]["repeated"], second[1]["repeated"]) == (False, True)


def test_a_request_id_in_another_spelling_is_the_same_request(queue: Queue) -> None:
    """Plain claims are read all at once, odd ones one by one: both know each other."""
    queue.template()
    worker = Worker(queue)
    for _ in range(4):
        queue.submit()
    plain = claiming(worker, 1)
    shouted = claiming(worker, 1, request_id=plain["body"]["request_id"].upper())
    both = exchange(queue, [], [plain, shouted, claiming(worker, 1)])
    assert [code for code, _ in both] == [None] * 3
    numbers = [[run["number"] for run in answer["runs"]] for _, answer in both]
    assert numbers[0] == numbers[1]
    assert numbers[2] != numbers[0]
    ((_, again),) = exchange(queue, [], [shouted])
    assert [run["number"] for run in again["runs"]] == numbers[0]
    other = claiming(worker, 2, request_id=plain["body"]["request_id"])
    codes = [code for code, _ in exchange(queue, [], [other, claiming(worker, 1)])]
    assert codes == ["OPC06", None]


def test_each_kind_of_claim_that_is_not_plain_is_answered_for_itself(queue: Queue) -> None:
    queue.template()
    worker, paused, other = Worker(queue), Worker(queue), Worker(queue)
    queue.submit()
    queue.ops.admin.execute("update ops.executors set state = 'draining' where executor_id = %s", (paused.id,))
    sent = [
        claiming(paused, 1),
        claiming(worker, 1) | {"token_id": str(queue.operator)},
        claiming(worker, 1) | {"executor_id": "00000000-0000-7000-8000-000000000000"},
        claiming(worker, 0),
        claiming(worker, 101),
        claiming(worker, 1, queues="default"),
        claiming(other, 1),
    ]
    answers = exchange(queue, [], sent)
    assert [code for code, _ in answers] == [None, "OPU02", "OPN03", "OPV01", "OPV01", "OPV01", None]
    assert answers[0][1]["runs"] == []
    assert [run["number"] for run in answers[6][1]["runs"]] == [1]
