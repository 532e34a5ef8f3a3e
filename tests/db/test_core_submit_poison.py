"""One bad member among 99 good ones of a bulk submit: it is refused, and the others never notice."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.db.test_core_submit_each import FAR, members, queue
from tests.support.core import Queue, Worker

__all__ = ["queue"]
Json = dict[str, Any]
Answer = tuple[str | None, Json]

# 99 submits by each way through a batch: plain ones, which share a statement, others one by one, some for later.
WAYS: list[Json] = [
    {},
    {"not_before": FAR},
    {"template": "keyed"},
    {"labels": {"team": "b"}},
    {"caps": {"wall_seconds": 5}},
]
STATES = ["queued", "waiting", "queued", "queued", "queued"]
GOOD: list[Json] = [{"params": {"n": n}, "idempotency_key": f"k{n}"} | WAYS[n % 5] for n in range(99)]
# Of the key's twenty runs one may run at a time, the first.
CLAIMABLE = [n for n in range(99) if n % 5 in (0, 3, 4) or n == 2]


def among_good_ones(queue: Queue, bad: Json) -> tuple[Answer, list[Answer]]:
    """What this member was answered, and what the 99 others were."""
    good = members(queue, *GOOD)
    sent = [member | {"ordinal": n} for n, member in enumerate([*good[:50], bad, *good[50:]])]
    rows = queue.ops.server.execute("select * from ops.submit_each(%s) order by ordinal", (Jsonb(sent),)).fetchall()
    found = [(code, json.loads(detail)) for _, code, detail in rows]
    return found.pop(50), found


def unharmed(queue: Queue, found: list[Answer]) -> None:
    """Those 99 are there as they were asked for, and those that can start do."""
    assert [code for code, _ in found] == [None] * 99
    rows = queue.ops.admin.execute(
        "select run_id::text, idempotency_key, params, state, event_seq from ops.runs where params ? 'n'"
    ).fetchall()
    assert {row[0]: row[1:] for row in rows} == {
        answer["run_id"]: (f"k{n}", {"n": n}, STATES[n % 5], 1) for n, (_, answer) in enumerate(found)
    }
    claimed = [run["params"].get("n") for run in Worker(queue).claim(100)]
    assert sorted(n for n in claimed if n is not None) == CLAIMABLE


BAD: list[tuple[Json, str]] = [
    ({"template": "ghost"}, "OPN02"),
    ({"template_version": 9}, "OPN02"),
    ({"template": 5}, "OPV01"),
    ({"workspace": "ghost"}, "OPN07"),
    ({"template": "typed"}, "OPV02"),
    ({"params": [1]}, "OPV02"),
    ({"labels": []}, "OPV01"),
    ({"priority": "high"}, "OPV01"),
    ({"max_attempts": 0}, "OPV01"),
    ({"lease_seconds": 9}, "OPV01"),
    ({"lease_seconds": 3601}, "OPV01"),
    ({"retry": {"on": ["weather"]}}, "OPV01"),
    ({"retry": {"backoff_seconds": -1}}, "OPV01"),
    ({"retry": {"max_attempts": 1}}, "OPV01"),
    ({"concurrency_limit": 0}, "OPV01"),
    ({"on_conflict": "return"}, "OPV01"),
    ({"dedupe_key": "d", "on_conflict": "shout"}, "OPV01"),
    ({"caps": {"speed": 1}}, "OPV01"),
    ({"depends_on": [{"run": 999}]}, "OPV05"),
    ({"condition": "all_done"}, "OPV05"),
    ({"not_before": "2026-02-30T00:00:00Z"}, "OPV01"),
    ({"deadline": "soon"}, "OPV01"),
    ({"template": "flow", "lease_seconds": 20}, "OPV01"),
]


@pytest.mark.parametrize(("bad", "code"), BAD, ids=lambda value: json.dumps(value) if isinstance(value, dict) else None)
def test_one_bad_submit_among_99_good_ones_fails_alone(queue: Queue, bad: Json, code: str) -> None:
    (member,) = members(queue, bad)
    (refused_with, said), found = among_good_ones(queue, member)
    assert (refused_with, bool(said["message"])) == (code, True)
    unharmed(queue, found)
    assert queue.ops.value("select count(*) from ops.runs") == 99
    with pytest.raises(psycopg.Error) as single:
        queue.submit(**({"template": "out"} | bad))
    # a time that is none is told by Postgres itself, and put into words by the store
    assert single.value.sqlstate in ({code} if code != "OPV01" else {code, "22007", "22008"})


# Members that are refused for what else is there.
Poison = Callable[[Queue], Json]
POISON: dict[str, tuple[str, Poison]] = {}


def poison(code: str) -> Callable[[Poison], Poison]:
    """A member that is refused with this SQLSTATE."""

    def register(make: Poison) -> Poison:
        POISON[make.__name__] = (code, make)
        return make

    return register


def member(queue: Queue, **body: Any) -> Json:
    (made,) = members(queue, body)
    return made


@poison("OPC03")
def key_on_record_with_another_body(queue: Queue) -> Json:
    queue.submit("out", idempotency_key="before")
    return member(queue, idempotency_key="before", priority=1)


@poison("OPC03")
def key_of_a_good_one_with_another_body(queue: Queue) -> Json:
    return member(queue, idempotency_key="k7", priority=1)


@poison("OPC11")
def dedupe_key_that_is_held(queue: Queue) -> Json:
    queue.submit("out", dedupe_key="d")
    return member(queue, dedupe_key="d")


@poison("OPC11")
def dedupe_key_of_a_run_that_cannot_be_replaced(queue: Queue) -> Json:
    queue.submit("out", dedupe_key="d")
    Worker(queue).claim_one()
    return member(queue, dedupe_key="d", on_conflict="replace")


@poison("OPU02")
def token_of_a_viewer(queue: Queue) -> Json:
    return member(queue) | {"token_id": str(queue.ops.token("viewer"))}


@poison("OPU01")
def unknown_token(queue: Queue) -> Json:
    return member(queue) | {"token_id": str(uuid.uuid4())}


@poison("OPU01")
def revoked_token(queue: Queue) -> Json:
    token = queue.ops.token("operator", "otto")
    queue.ops.admin.execute("update ops.tokens set revoked_at = now() where token_id = %s", (token,))
    return member(queue) | {"token_id": str(token)}


@poison("OPV05")
def task_that_is_a_pipeline(queue: Queue) -> Json:
    queue.template("outer", kind="pipeline", tasks={"inner": {"template": "flow"}})
    return member(queue, template="outer")


@poison("OPN02")
def task_without_a_template(queue: Queue) -> Json:
    queue.template("broken", kind="pipeline", tasks={"a": {"template": "ghost"}})
    return member(queue, template="broken")


@pytest.mark.parametrize("kind", POISON)
def test_a_submit_that_meets_what_is_there_fails_alone_among_99_good_ones(queue: Queue, kind: str) -> None:
    code, make = POISON[kind]
    bad = make(queue)
    before = queue.ops.admin.execute("select run_id, to_jsonb(r) from ops.runs r").fetchall()
    (refused_with, said), found = among_good_ones(queue, bad)
    assert (refused_with, bool(said["message"])) == (code, True)
    after = dict(queue.ops.admin.execute("select run_id, to_jsonb(r) from ops.runs r").fetchall())
    assert {run_id: after[run_id] for run_id, _ in before} == dict(before)
    assert len(after) == len(before) + 99
    unharmed(queue, found)
