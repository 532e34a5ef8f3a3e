"""STATE_MACHINE.md, ops.transitions(), the triggers and the CHECKs say the same."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from tests.support.core import Queue, Worker, publication

PAGE = Path(__file__).parents[2] / "ops_schema" / "STATE_MACHINE.md"
COLUMNS = {
    "run": ("runs", "state"),
    "attempt": ("attempts", "outcome"),
    "publication": ("publications", "state"),
    "artifact": ("artifacts", "state"),
}


def drawn() -> dict[str, set[tuple[str, str]]]:
    """The arrows of the page, per entity; from '' is creation, to '' is the end."""
    found = {}
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        arrows = re.findall(r"^ +(\S+) --> (\S+?)(?::.*)?$", section, flags=re.MULTILINE)
        entity = section.split("\n", 1)[0].strip().lower()
        found[entity] = {tuple("" if end == "[*]" else end for end in arrow) for arrow in arrows}
    return found


def allowed(queue: Queue, entity: str) -> set[tuple[str, str]]:
    rows = queue.ops.admin.execute("select from_state, to_state from ops.transitions() where entity = %s", (entity,))
    return set(rows.fetchall())


def checked(queue: Queue, entity: str) -> set[str]:
    """The states that the table's CHECK knows."""
    table, column = COLUMNS[entity]
    text = queue.ops.value(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = %s", f"{table}_{column}"
    )
    return set(re.findall(r"'(\w+)'::text", text))


@pytest.mark.parametrize("entity", COLUMNS)
def test_the_diagram_the_function_and_the_check_agree(queue: Queue, entity: str) -> None:
    arrows = drawn()[entity]
    pairs = allowed(queue, entity)
    assert {a for a in arrows if a[1]} == pairs
    states = {s for pair in pairs for s in pair if s}
    assert states == checked(queue, entity)
    final = {s for s in states if not any(start == s for start, _ in pairs)}
    assert {start for start, end in arrows if not end} == final


def test_nothing_but_the_four_machines_is_drawn_or_listed(queue: Queue) -> None:
    assert set(drawn()) == set(COLUMNS)
    listed = queue.ops.admin.execute("select distinct entity from ops.transitions()").fetchall()
    assert {row[0] for row in listed} == set(COLUMNS)


def test_is_terminal_means_that_no_arrow_leaves(queue: Queue) -> None:
    states = checked(queue, "run")
    leaving = {start for start, _ in allowed(queue, "run")}
    terminal = {s for s in states if queue.ops.value("select ops.is_terminal(%s)", s)}
    assert terminal == states - leaving


@pytest.mark.parametrize("entity", COLUMNS)
def test_the_tables_refuse_every_arrow_that_is_not_drawn(queue: Queue, entity: str) -> None:
    table, column = COLUMNS[entity]
    outputs = [{"name": "flights", "format": "delta", "mode": "append", "path": "x"}]
    queue.template(outputs=outputs)
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.artifact(run)
    worker.report(run, publications=[publication(run)])
    admin = queue.ops.admin
    admin.execute("set session_replication_role = replica")
    for name in admin.execute(
        "select conname from pg_constraint where conrelid = %s::regclass and contype = 'c' and conname <> %s",
        (f"ops.{table}", f"{table}_{column}"),
    ).fetchall():
        admin.execute(f'alter table ops.{table} drop constraint "{name[0]}"')
    pairs, states = allowed(queue, entity), sorted(checked(queue, entity))
    for start in states:
        for end in states:
            admin.execute("set session_replication_role = replica")
            admin.execute(f"update ops.{table} set {column} = %s", (start,))
            admin.execute("set session_replication_role = origin")
            change = f"update ops.{table} set {column} = %s"
            if start == end or (start, end) in pairs:
                admin.execute(change, (end,))
            else:
                with pytest.raises(psycopg.errors.CheckViolation, match="not allowed"):
                    admin.execute(change, (end,))


CONTRADICTIONS = [
    ("runs", "ready_seq = null"),
    ("runs", "queued_at = null"),
    ("runs", "finished_at = now()"),
    ("runs", "cancel_reason = 'x'"),
    ("runs", "attempt = 7"),
    ("runs", "state = 'cancelled', ready_seq = null"),
    ("runs", "state = 'failed', ready_seq = null, finished_at = now()"),
    ("runs", "state = 'running', ready_seq = null, started_at = now()"),
]


@pytest.mark.parametrize(("table", "change"), CONTRADICTIONS)
def test_a_state_without_its_timestamps_is_refused(queue: Queue, table: str, change: str) -> None:
    queue.template()
    queue.submit()
    with pytest.raises(psycopg.errors.CheckViolation):
        queue.ops.admin.execute(f"update ops.{table} set {change}")
