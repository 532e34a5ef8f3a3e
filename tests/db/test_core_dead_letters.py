"""Dead letters: failed runs that nobody has retried, and their replay."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests.support.core import EXTERNAL, USER, Queue, Worker, refused
from tests.support.ops import Ops

Json = dict[str, Any]


def failed(room: Queue, template: str = "job", error: Json = USER, **more: Any) -> Json:
    """A run that failed for good."""
    room.template(template, retry={"max_attempts": 1})
    run = room.submit(template, **more)
    worker = Worker(room)
    worker.report(worker.claim_one(), "failed", error=error)
    return run


def dead(room: Queue, token: Any = None, **filters: Any) -> list[int]:
    page = room.ops.call("list_dead_letters", token or room.operator, filters)
    return [item["number"] for item in page["items"]]


def replay(queue: Queue, *refs: Any, token: Any = None) -> list[tuple[int, str | None, Json]]:
    query = "select ordinal, code, detail from ops.replay_each(%s, %s)"
    given = (token or queue.operator, json.dumps([str(ref) for ref in refs]))
    rows = queue.ops.server.execute(query, given).fetchall()
    return [(ordinal, code, json.loads(detail)) for ordinal, code, detail in rows]


def test_a_failed_run_is_a_dead_letter_with_class_reason_and_attempts(queue: Queue) -> None:
    run = failed(queue, labels={"team": "ops"})
    (item,) = queue.ops.call("list_dead_letters", queue.ops.token("viewer"), {})["items"]
    assert (item["run_id"], item["error_class"], item["state_reason"]) == (run["run_id"], "user", "not_retryable")
    assert item["error"] == USER
    assert (item["attempt"], item["max_attempts"], item["expirations"]) == (1, 1, 0)
    assert item["labels"] == {"team": "ops"}
    assert item["finished_at"] == queue.get(run)["finished_at"]


def test_only_failed_runs_that_nobody_has_retried_are_dead_letters(queue: Queue) -> None:
    first = failed(queue)
    queue.cancel(queue.submit())
    queue.submit()
    assert dead(queue) == [first["number"]]
    second = queue.retry(first)
    assert dead(queue) == []
    worker = Worker(queue)
    for run in worker.claim(5):
        worker.report(run, "failed", error=USER)
    assert second["number"] in dead(queue)
    assert first["number"] not in dead(queue)


def test_dead_letters_are_found_by_filters_and_pages(queue: Queue) -> None:
    one = failed(queue, "one")["number"]
    two = failed(queue, "two", EXTERNAL, queue="night")["number"]
    three = failed(queue, "one", EXTERNAL)["number"]
    assert dead(queue) == [three, two, one]
    assert dead(queue, template="one") == [three, one]
    assert dead(queue, error_class="external") == [three, two]
    assert dead(queue, state_reason="attempts_exhausted") == [three, two]
    assert dead(queue, queue="night") == [two]
    assert dead(queue, kind="dbt") == []
    assert dead(queue, workspace="elsewhere") == []
    assert dead(queue, finished_after="2099-01-01T00:00:00Z") == []
    assert dead(queue, finished_before="2099-01-01T00:00:00Z", limit=2) == [three, two]
    page = queue.ops.call("list_dead_letters", queue.operator, {"limit": 2})
    assert dead(queue, cursor=page["next_cursor"]) == [one]
    assert dead(queue, token=queue.ops.token("viewer", workspaces=[])) == []
    with refused("OPV01"):
        dead(queue, limit=0)


def test_each_dead_letter_is_replayed_and_answered_on_its_own(queue: Queue) -> None:
    first, second = failed(queue, labels={"a": "b"}, priority=3), failed(queue)
    done = queue.retry(second)
    running = queue.submit()
    answers = replay(queue, first["number"], second["run_id"], running["number"], 4711, first["run_id"])
    assert [(ordinal, code) for ordinal, code, _ in answers] == [
        (0, None),
        (1, "OPC05"),
        (2, "OPC05"),
        (3, "OPN01"),
        (4, "OPC05"),
    ]
    new = answers[0][2]
    assert (new["retry_of"], new["state"], new["labels"], new["priority"]) == (first["run_id"], "queued", {"a": "b"}, 3)
    assert answers[1][2]["members"] == {"state": "failed", "run_id": done["run_id"], "number": done["number"]}
    assert answers[2][2]["members"] == {"state": "queued"}
    assert answers[4][2]["members"]["number"] == new["number"]
    assert dead(queue) == []
    assert queue.state(first) == "failed"


def test_a_replayed_pipeline_runs_only_what_had_not_succeeded(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 1})
    tasks = {"a": {"template": "job"}, "b": {"template": "job", "depends_on": ["a"]}}
    queue.template("flow", kind="pipeline", tasks=tasks)
    whole = queue.submit("flow")
    worker = Worker(queue)
    worker.report(worker.claim_one())
    worker.report(worker.claim_one(), "failed", error=USER)
    assert dead(queue) == [whole["number"]], "the task is told by its pipeline"
    ((_, code, _),) = replay(queue, queue.child(whole, "b")["run_id"])
    assert code == "OPC05"
    ((_, _, new),) = replay(queue, whole["run_id"])
    assert queue.states(new) == {"b": "queued"}


def test_a_retry_of_a_pipeline_may_ask_for_all_of_its_tasks(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 1})
    tasks = {"a": {"template": "job"}, "b": {"template": "job", "depends_on": ["a"]}}
    queue.template("flow", kind="pipeline", tasks=tasks)
    whole = queue.submit("flow")
    worker = Worker(queue)
    worker.report(worker.claim_one())
    worker.report(worker.claim_one(), "failed", error=USER)
    repaired = queue.retry(whole, failed_only=True)
    assert queue.states(repaired) == {"b": "queued"}
    queue.cancel(repaired)
    assert queue.states(queue.retry(whole, failed_only=False)) == {"a": "queued", "b": "waiting"}
    with refused("OPV01"):
        queue.retry(whole, failed_only="no")


def test_a_replay_needs_an_operator_and_runs(queue: Queue) -> None:
    run = failed(queue)
    with refused("OPU02"):
        replay(queue, run["run_id"], token=queue.ops.token("viewer"))
    with refused("OPV01"):
        replay(queue)
    ((_, code, _),) = replay(queue, run["run_id"], token=queue.ops.token("operator", workspaces=[]))
    assert code == "OPN01"


def test_readers_see_dead_letters_with_plain_sql(ops18: Ops) -> None:
    reader = ops18.database.connect()
    reader.execute("set session authorization ops_reader")
    assert reader.execute("select count(*) from ops.dead_letters").fetchone() == (0,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("select count(*) from ops.queue_pauses")
    reader.close()
