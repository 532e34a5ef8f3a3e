"""Many submits in one statement: what holds for one holds for each, and nobody's mistake is anybody else's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.db.test_race_core import Session
from tests.support.core import Queue, Worker, refused
from tests.support.postgres import Database

Json = dict[str, Any]
FAR = "2999-01-01T00:00:00Z"


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    typed = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "year": {"type": "integer", "default": 2013}},
        "required": ["n"],
    }
    made.template("typed", params_schema=typed, labels={"team": "a"}, lease_seconds=30, priority=2, queue="q")
    made.template(caps={"wall_seconds": 9}, retry={"max_attempts": 5}, requires={"labels": {"x": "y"}})
    made.template("out", outputs=[{"name": "o", "format": "delta", "mode": "append", "path": "a/b"}])
    made.template("keyed", concurrency={"key": "k", "limit": 1})
    made.template("flow", kind="pipeline", tasks={"a": {"template": "out"}})
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


def members(queue: Queue, *bodies: Json, **more: Any) -> list[Json]:
    return [
        {"ordinal": n, "token_id": str(queue.operator), "body": {"template": "out", "params": {}} | body} | more
        for n, body in enumerate(bodies)
    ]


def each(queue: Queue, *bodies: Json, **more: Any) -> list[tuple[str | None, Json]]:
    """(code, detail) of each submit, in the order sent."""
    query = "select ordinal, code, detail from ops.submit_each(%s) order by ordinal"
    rows = queue.ops.server.execute(query, (Jsonb(members(queue, *bodies, **more)),)).fetchall()
    assert [ordinal for ordinal, _, _ in rows] == list(range(len(bodies)))
    return [(code, json.loads(detail)) for _, code, detail in rows]


BODIES: dict[str, Json] = {
    "plain": {},
    "with all that a plain one may have": {
        "template": "typed",
        "template_version": 1,
        "workspace": "default",
        "params": {"n": 5, "year": 2020},
        "priority": -3,
        "queue": "other",
        "deadline": FAR,
        "labels": {"team": "b", "x": "y"},
        "idempotency_key": "key",
        "max_attempts": 7,
        "lease_seconds": 99,
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
    "with the template's own": {"template": "typed", "params": {"n": 1}},
    "with caps and needs of the template": {"template": "job"},
    "later": {"not_before": FAR},
    "at a time that has come": {"not_before": "2001-01-01T00:00:00Z"},
    "nulls": {"labels": None, "queue": None, "priority": None},
}


@pytest.mark.parametrize("name", BODIES)
def test_a_run_of_a_batch_is_the_run_that_a_single_submit_makes(queue: Queue, name: str) -> None:
    single = queue.submit(**({"template": "out"} | BODIES[name]))
    again = BODIES[name] | ({"idempotency_key": "other"} if "idempotency_key" in BODIES[name] else {})
    ((code, answer),) = each(queue, again)
    assert (code, answer["repeated"], answer["number"] > single["number"]) == (None, False, True)

    def row(run_id: str) -> Json:
        found: Json = queue.ops.value("select to_jsonb(r) from ops.runs r where run_id = %s", run_id)
        own = {
            "run_id",
            "number",
            "submitted_at",
            "queued_at",
            "ready_seq",
            "event_head",
            "event_xid",
            "idempotency_key",
        }
        return {k: v for k, v in found.items() if k not in own and k != "request_digest"}

    def told(run_id: str) -> Json:
        text: str = queue.ops.value("select canonical from ops.events where run_id = %s and seq = 1", run_id)
        return {k: v for k, v in json.loads(text).items() if k not in ("run_id", "at")}

    assert row(answer["run_id"]) == row(single["run_id"])
    assert told(answer["run_id"]) == told(single["run_id"])
    assert queue.ops.call("verify_events", answer["run_id"]) == queue.ops.call("verify_events", single["run_id"])
    text = "select canonical = (canonical::jsonb)::text from ops.events where run_id = %s"
    assert queue.ops.value(text, answer["run_id"]), "its text is what jsonb prints"


def test_a_batch_is_claimed_in_the_order_it_was_sent_in(queue: Queue) -> None:
    keys = [uuid.uuid4().hex for _ in range(20)]
    answers = each(queue, *({"params": {"n": n}, "idempotency_key": key} for n, key in enumerate(keys)))
    numbers = [answer["number"] for _, answer in answers]
    assert numbers == sorted(numbers)
    assert sorted(answer["run_id"] for _, answer in answers) == [answer["run_id"] for _, answer in answers]
    assert [run["params"]["n"] for run in Worker(queue).claim(20)] == list(range(20))


def test_every_way_of_submitting_goes_through_a_batch(queue: Queue) -> None:
    first = queue.submit("out")
    found = each(
        queue,
        {"depends_on": [{"run": first["run_id"]}]},
        {"template": "keyed"},
        {"template": "flow"},
        {"dedupe_key": "d"},
        {"dedupe_key": "d", "on_conflict": "return"},
        {"caps": {"wall_seconds": 5}},
        {"retry": {"on": ["user"]}},
    )
    assert [code for code, _ in found] == [None] * 7
    assert [answer["state"] for _, answer in found] == ["waiting", "queued", "waiting", *["queued"] * 4]
    assert (found[4][1]["run_id"], found[4][1]["repeated"]) == (found[3][1]["run_id"], True)


def test_a_batch_sent_again_is_answered_with_the_same_runs(queue: Queue) -> None:
    bodies = [{"params": {"n": n}, "idempotency_key": f"k{n}"} for n in range(5)]
    bodies += [{"template": "keyed", "idempotency_key": "slow"}]
    first = each(queue, *bodies)
    again = each(queue, *bodies, {"idempotency_key": "new"})
    assert [a["run_id"] for _, a in again[:6]] == [a["run_id"] for _, a in first]
    assert [a["repeated"] for _, a in again] == [True] * 6 + [False]
    other = each(queue, bodies[0] | {"params": {"n": 9}}, bodies[1])
    assert [code for code, _ in other] == ["OPC03", None]
    assert other[0][1]["members"] == {"run_id": first[0][1]["run_id"], "number": first[0][1]["number"]}


def test_a_key_twice_in_one_batch_is_one_run_and_with_another_body_a_conflict(queue: Queue) -> None:
    body = {"idempotency_key": "k"}
    found = each(queue, body, body, body | {"priority": 1})
    assert [code for code, _ in found] == [None, None, "OPC03"]
    assert (found[1][1]["run_id"], found[1][1]["repeated"]) == (found[0][1]["run_id"], True)
    assert queue.ops.value("select count(*) from ops.runs") == 1


def test_a_member_that_wants_the_whole_run_gets_it(queue: Queue) -> None:
    ((_, run),) = each(queue, {"idempotency_key": "k"}, whole=True)
    assert (run["template_name"], run["params"], "repeated" in run) == ("out", {}, False)
    ((_, again),) = each(queue, {"idempotency_key": "k"}, whole=True)
    assert again == queue.submit("out", idempotency_key="k")
    assert again["repeated"] is True


def test_a_batch_notifies_once_and_only_when_something_became_claimable(queue: Queue) -> None:
    listener = queue.ops.admin
    listener.execute("listen ops_ready")
    each(queue, *[{}] * 3, {"template": "keyed"}, {"template": "typed", "params": {"n": 1}})
    each(queue, {"not_before": FAR}, {"template": "ghost"})
    each(queue, {"idempotency_key": "k"})
    each(queue, {"idempotency_key": "k"})
    listener.execute("select 1")
    assert [n.payload for n in listener.notifies(timeout=0)] == ["python:5", "python:1"]


def test_a_caller_that_gathers_is_told_what_became_claimable_and_nobody_is_notified(queue: Queue) -> None:
    listener = queue.ops.admin
    listener.execute("listen ops_ready")
    query = "select ordinal, code, detail from ops.submit_each(%s, null, true) order by ordinal"
    rows = queue.ops.server.execute(query, (Jsonb(members(queue, {}, {}, {})),)).fetchall()
    assert rows[0] == (-3, None, "python:3")
    assert len(rows) == 4
    listener.execute("select 1")
    assert list(listener.notifies(timeout=0)) == []
    queue.submit("out")
    listener.execute("select 1")
    assert [n.payload for n in listener.notifies(timeout=0)] == ["python:1"]


def test_two_batches_with_the_same_keys_at_once_make_each_run_once(queue: Queue, one: Session, two: Session) -> None:
    keys = [{"idempotency_key": f"k{n}"} for n in range(4)]
    one.call("submit_each", members(queue, *keys))
    second = two.start("submit_each", members(queue, *reversed(keys)))
    two.blocked(second)
    one.commit()
    second.result(timeout=30)
    two.commit()
    assert queue.ops.value("select count(*) from ops.runs") == 4
    assert queue.ops.value("select count(*) from ops.events") == 4


def test_a_single_submit_and_a_batch_with_its_key_make_one_run(queue: Queue, one: Session, two: Session) -> None:
    one.call("submit_each", members(queue, {"idempotency_key": "k"}))
    single = two.start("submit_run", queue.operator, {"template": "out", "params": {}, "idempotency_key": "k"})
    two.blocked(single)
    one.commit()
    assert single.result(timeout=30)["repeated"] is True
    two.commit()
    assert queue.ops.value("select count(*) from ops.runs") == 1


def test_a_batch_waits_for_a_retry_that_uses_a_key_without_making_a_run(
    queue: Queue, one: Session, two: Session
) -> None:
    queue.template("unsafe", rerun="unsafe")
    run, worker = queue.submit("unsafe"), Worker(queue)
    worker.report(worker.claim_one(), "failed")
    one.call("retry_run", queue.operator, run["run_id"], {"idempotency_key": "k"})
    batch = two.start("submit_each", members(queue, {"idempotency_key": "k"}))
    two.blocked(batch)
    one.commit()
    batch.result(timeout=30)
    two.commit()
    assert queue.ops.value("select count(*) from ops.runs") == 1, "the key is the retry's"


# Dedupe keys ----------------------------------------------------------------------------------------------------------


def test_one_run_at_a_time_holds_a_dedupe_key(queue: Queue) -> None:
    first = queue.submit("out", dedupe_key="d")
    with refused("OPC11") as held:
        queue.submit("out", dedupe_key="d")
    assert held.members == {"run_id": first["run_id"], "number": first["number"], "state": "queued"}
    same = queue.submit("out", dedupe_key="d", on_conflict="return", idempotency_key="k")
    assert (same["run_id"], same["repeated"]) == (first["run_id"], True)
    worker = Worker(queue)
    worker.report(worker.claim_one())
    second = queue.submit("out", dedupe_key="d")
    assert second["run_id"] != first["run_id"]
    again = queue.submit("out", dedupe_key="d", on_conflict="return", idempotency_key="k")
    assert again["run_id"] == first["run_id"], "a request sent again gets its answer again"


def test_replace_cancels_a_run_that_does_not_run_and_nothing_else(queue: Queue) -> None:
    first, far = queue.submit("out", dedupe_key="d"), queue.submit("flow", dedupe_key="f", not_before=FAR)
    waits = queue.submit("out", depends_on=[{"run": first["run_id"]}])
    second = queue.submit("out", dedupe_key="d", on_conflict="replace", params={"n": 2})
    assert (queue.state(first), second["state"], queue.state(waits)) == ("cancelled", "queued", "skipped")
    assert queue.get(first)["cancel_reason"] == "replaced by a new submit with its dedupe key"
    assert queue.submit("flow", dedupe_key="f", on_conflict="replace")["run_id"] != far["run_id"]
    assert queue.states(far) == {"a": "cancelled"}
    Worker(queue).claim(2)
    with refused("OPC11") as held:
        queue.submit("out", dedupe_key="d", on_conflict="replace")
    assert (held.members["run_id"], held.members["state"]) == (second["run_id"], "running")
    assert queue.get(second)["cancel_requested_at"] is None


def test_two_submits_with_one_dedupe_key_at_once_take_turns(queue: Queue, one: Session, two: Session) -> None:
    body = {"template": "out", "params": {}, "dedupe_key": "d"}
    first = one.call("submit_run", queue.operator, body)
    second = two.start("submit_run", queue.operator, body | {"on_conflict": "return"})
    two.blocked(second)
    one.commit()
    assert second.result(timeout=30)["run_id"] == first["run_id"]


def test_a_run_that_is_claimed_while_it_is_to_be_replaced_stays(queue: Queue, one: Session, two: Session) -> None:
    run, worker = queue.submit("out", dedupe_key="d"), Worker(queue)
    body = {"request_id": str(uuid.uuid4()), "max_runs": 1, "queues": None}
    assert len(one.call("claim_runs", worker.token, worker.id, body)["runs"]) == 1
    other = {"template": "out", "params": {}, "dedupe_key": "d", "on_conflict": "replace"}
    second = two.start("submit_run", queue.operator, other)
    two.blocked(second)
    one.commit()
    with refused("OPC11"):
        second.result(timeout=30)
    assert queue.get(run)["cancel_requested_at"] is None


# A retry policy of its own --------------------------------------------------------------------------------------------


def test_a_submits_retry_policy_replaces_the_templates_field_by_field(queue: Queue) -> None:
    queue.template("careful", retry={"max_attempts": 1, "backoff_seconds": 100, "on": ["external"]}, lease_seconds=60)
    given = {"on": ["user"], "backoff_seconds": 0}
    run = queue.submit("careful", max_attempts=3, retry=given, lease_seconds=600)
    worker = Worker(queue)
    claimed = worker.claim_one()
    assert (claimed["max_attempts"], claimed["lease_seconds"]) == (3, 600)
    error = {"class": "user", "code": "bug", "message": "no"}
    assert worker.report(claimed, "failed", error=error)["route"]["decision"] == "retry"
    queue.promote()
    other = worker.report(worker.claim_one(), "failed")
    assert (other["route"]["decision"], other["route"]["reason"]) == ("finish", "not_retryable")
    assert "user" in queue.ops.call("why_run", queue.operator, run["run_id"])["reasons"][-1]["message"]
    again = queue.retry(run)
    assert again["max_attempts"] == 3
    claimed = worker.claim_one()
    assert claimed["lease_seconds"] == 600
    assert worker.report(claimed, "failed", error=error)["route"]["decision"] == "retry"


def test_no_retry_policy_makes_an_unsafe_run_be_tried_again_blindly(queue: Queue) -> None:
    queue.template("unsafe", rerun="unsafe")
    queue.submit("unsafe", retry={"on": ["external"]}, max_attempts=9)
    worker = Worker(queue)
    assert worker.report(worker.claim_one(), "failed")["route"]["reason"] == "rerun_unsafe"


def test_the_backoff_is_a_random_part_between_a_half_and_the_whole(queue: Queue) -> None:
    query = (
        "select min(d), max(d), count(distinct d) from (select ops.retry_delay('{\"backoff_seconds\": 8}', 2) as d "
        "from generate_series(1, 1000)) x"
    )
    least, most, different = queue.ops.admin.execute(query).fetchone() or ()
    assert 8 <= least < 9 < 15 < most <= 16
    assert different > 900


def test_a_submit_may_set_the_limit_of_a_concurrency_key(queue: Queue) -> None:
    for _ in range(3):
        queue.submit("out", concurrency_key="c", concurrency_limit=2)
    assert len(Worker(queue).claim(5)) == 2
