"""Exchanges as the server sends them: the members, and what each was answered."""

from __future__ import annotations

import json
import uuid
from typing import Any

from psycopg.types.json import Jsonb

from tests.support.core import Json, Queue, Worker, report

Member = tuple[str | None, Json]


def reporting(worker: Worker, run: Json, outcome: str = "succeeded", **more: Any) -> Json:
    """A report as the server hands it to the database."""
    return {"token_id": str(worker.token), "run_id": run["run_id"], "body": report(run, outcome, **more)}


def claiming(worker: Worker, max_runs: int = 1, **more: Any) -> Json:
    """A claim as the server hands it to the database."""
    body = {"request_id": str(uuid.uuid4()), "max_runs": max_runs, "queues": None} | more
    return {"token_id": str(worker.token), "executor_id": str(worker.id), "body": body}


def exchange(queue: Queue, reports: list[Json], claims: list[Json] | None = None) -> list[Member]:
    """(code, detail) of each member, in the order given."""
    members = [{**member, "ordinal": n} for n, member in enumerate([*reports, *(claims or [])])]
    arguments = (Jsonb(members[: len(reports)]), Jsonb(members[len(reports) :]))
    rows = queue.ops.server.execute("select * from ops.exchange_each(%s, %s)", arguments).fetchall()
    found = {ordinal: (code, json.loads(detail)) for ordinal, code, detail in rows if ordinal >= 0}
    assert len(found) == len(members)
    return [found[n] for n in range(len(members))]


def claimed(queue: Queue, worker: Worker, count: int, template: str = "job") -> list[Json]:
    for _ in range(count):
        queue.submit(template)
    runs = worker.claim(count)
    assert len(runs) == count
    return runs
