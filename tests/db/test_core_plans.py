"""Plans of the hot verbs: a session keeps those it made first, whatever the tables hold later."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.support.core import Queue, Worker
from tests.support.exchanging import claimed, claiming, exchange, reporting
from tests.support.postgres import Database

COUNT = 40


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    yield made
    made.ops.close()


def walked(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from walked(below)


def explained(session: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    """Where the plans of all statements that the session runs from now on are put, with what they did."""
    found: list[dict[str, Any]] = []

    def take(diagnostic: psycopg.errors.Diagnostic) -> None:
        plan = re.match(r"duration: [\d.]+ ms +plan:\s*(.*)", diagnostic.message_primary or "", re.DOTALL)
        if plan:
            found.append(json.loads(plan[1]))

    session.execute("reset session authorization")
    session.execute("load 'auto_explain'")
    for name, value in {
        **{"log_min_duration": "0", "log_analyze": "on", "log_nested_statements": "on", "log_format": "json"},
        "log_timing": "off",
    }.items():
        session.execute(f"set auto_explain.{name} = '{value}'")  # type: ignore[arg-type]
    session.execute("set client_min_messages = log")
    session.add_notice_handler(take)
    return found


def test_a_session_that_planned_on_empty_tables_does_not_walk_a_batch_for_each_of_its_members(queue: Queue) -> None:
    """Statistics of empty tables make a scan of the whole table, with the batch inside, look cheap."""
    queue.template()
    worker = Worker(queue)
    queue.ops.admin.execute("vacuum (analyze)")
    queue.ops.server.execute("select ops.warm_up()")
    held = claimed(queue, worker, COUNT)
    for _ in range(COUNT):
        queue.submit()
    plans = explained(queue.ops.server)
    *reported, (code, answer) = exchange(queue, [reporting(worker, run) for run in held], [claiming(worker, COUNT)])
    assert {member[0] for member in reported} == {code} == {None}
    assert len(answer["runs"]) == COUNT
    scans = [node for plan in plans for node in walked(plan["Plan"]) if node["Node Type"] == "CTE Scan"]
    assert {"hashed", "plain", "picked", "held"} <= {node["CTE Name"] for node in scans}
    # a handful of templates, tokens and caps may be looked through for each of them
    assert [node["CTE Name"] for node in scans if node["Actual Rows"] * node["Actual Loops"] > 2 * COUNT] == []


def test_a_warm_up_changes_nothing(queue: Queue) -> None:
    tables = ["runs", "attempts", "leases", "events", "claim_requests", "queue_floors", "retry_requests"]

    def content() -> list[Any]:
        return [queue.ops.admin.execute(f"select count(*) from ops.{name}").fetchone() for name in tables]  # type: ignore[arg-type]

    queue.template()
    queue.submit()
    before = content()
    queue.ops.server.execute("select ops.warm_up()")
    assert content() == before
    assert queue.ops.admin.execute("select last_value, is_called from ops.runs_number_seq").fetchone() == (1, True)


def test_a_warm_up_plans_under_the_settings_of_the_verb(queue: Queue) -> None:
    """A plan is kept as it was made: under other settings it would be another one."""
    query = "select proname, proconfig from pg_proc where proname = any (array['exchange_each', 'warm_up_exchange'])"
    found = dict(queue.ops.admin.execute(query).fetchall())
    assert len(found) == 2
    assert sorted(found["warm_up_exchange"]) == sorted(found["exchange_each"])


def test_a_verb_that_forbids_plans_forbids_to_compile_them(queue: Queue) -> None:
    """A forbidden scan counts as endlessly dear, and what is dear is compiled, for seconds, where Postgres has LLVM."""
    query = "select proname, proconfig from pg_proc where pronamespace = 'ops'::regnamespace and proconfig is not null"
    forbidding = {
        name: set(config) for name, config in queue.ops.admin.execute(query) if "enable_seqscan=off" in config
    }
    assert {"exchange_each", "submit_each", "heartbeat"} <= forbidding.keys()
    assert [name for name, config in forbidding.items() if "jit=off" not in config] == []
