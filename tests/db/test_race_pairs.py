"""Every two verbs that can meet on one run, in each order, the second while the first's transaction is open.

Two judges. The tables (tests/db/race_table*.py) say, pair by pair, whether the second waits and where the run stands in
the end. And what the second answers, and what is left, is the same as when the first had been over before the second
began; with two exceptions, both harmless: those that look for runs (FINDERS) may pass over one in other hands and
leave what the first left, and those that only look (READERS) may answer what was so before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.db import race_verbs as verbs
from tests.db.race_table import CANNOT_MEET, NOT_ABOUT_A_RUN, TABLE
from tests.db.race_table_held import HELD
from tests.db.race_table_steering import STEERING
from tests.db.race_verbs import Scene, Stage, Verb
from tests.support.core import Queue
from tests.support.invariants import violations
from tests.support.postgres import NEWEST, TEMPLATE, VERSIONS, Database, cluster
from tests.support.race import Outcome, Session, outcome

FINDERS = {"claim", "claim_each", "expire_leases", "promote_due"}
READERS = {"claim_again", "heartbeat"}
TABLES = (TABLE, STEERING, HELD)
SITUATIONS = dict.fromkeys(situation for table in TABLES for situation in table)
Expected = dict[tuple[str, str], tuple[bool, str]]


def expected_of(situation: str) -> Expected:
    """{(first, second): (the second waits, the end)}."""
    found: Expected = {}
    for line in "".join(table.get(situation, "") for table in TABLES).strip().splitlines():
        if not line.strip():
            continue
        first, how, end, seconds = (part.strip() for part in line.split("|"))
        for second in seconds.split():
            assert (first, second) not in found, (situation, first, second)
            found[first, second] = (how == "waits", end)
    return found


# The older versions take their turn with the long suites: minutes each.
BY_TURN = [pytest.param(v, marks=() if v == NEWEST else pytest.mark.slow, id=f"pg{v}") for v in VERSIONS]


@pytest.fixture(params=BY_TURN, scope="module")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    server = cluster(request.param)
    name = server.create_database(TEMPLATE)
    queue = Queue(Database(server.conninfo(name), request.param, server))
    yield Stage(queue)
    queue.ops.close()
    server.drop_database(name)


@pytest.fixture
def sessions(stage: Stage) -> Iterator[tuple[Session, Session]]:
    pair = Session(stage.queue), Session(stage.queue)
    yield pair
    for session in pair:
        session.close()


def call(scene: Scene, name: str) -> tuple[Any, ...]:
    verb: Verb = getattr(verbs, name)
    return verb(scene)


def told(found: Outcome) -> Any:
    """What two answers to the same request have in common when they are about two runs."""
    code, answer = found
    if code != "ok" or not isinstance(answer, dict):
        return found if code != "ok" else ("ok", str(answer).count('"run_id') if answer else 0)
    kept = ("outcome", "run_state", "repeated", "state", "accepted", "promoted", "deadlines")
    lists = {name: len(answer[name]) for name in ("runs", "expired") if name in answer}
    directives = [run.get("directive") for run in answer.get("runs", [])]
    return "ok", {name: answer[name] for name in kept if name in answer} | lists, directives


def finish(session: Session, found: Outcome) -> Outcome:
    if found[0] == "ok":
        session.commit()
    else:
        session.rollback()
    return found


def in_turn(scene: Scene, pair: tuple[Session, Session], first: str, second: str) -> tuple[Any, str, str]:
    """(what the second answers, where the run stands between the two, where it stands)."""
    finish(pair[0], outcome(pair[0].start(*call(scene, first))))
    between = scene.state()
    answer = told(finish(pair[1], outcome(pair[1].start(*call(scene, second)))))
    return answer, between, scene.state()


def at_once(scene: Scene, pair: tuple[Session, Session], first: str, second: str) -> tuple[Any, bool, str]:
    """(what the second answers, whether it waited, where the run stands)."""
    one, two = pair
    ahead = outcome(one.start(*call(scene, first)))
    running = two.start(*call(scene, second))
    waited = two.waits(running)
    finish(one, ahead)
    answer = told(finish(two, outcome(running)))
    return answer, waited, scene.state()


EVERY = [pytest.param(situation, id=situation) for situation in SITUATIONS]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("situation", EVERY)
def test_two_verbs_that_meet_end_where_the_table_says(
    stage: Stage, sessions: tuple[Session, Session], situation: str
) -> None:
    wrong = []
    for (first, second), known in expected_of(situation).items():
        answer, waited, end = at_once(stage.scene(situation), sessions, first, second)
        if (waited, end) != known:
            wrong.append(f"{first}, {second}: waited {waited}, {end}, {answer}; the table says {known}")
    assert wrong == []
    assert violations(stage.queue.ops.admin) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("situation", EVERY)
def test_two_verbs_that_meet_answer_what_they_answer_one_after_the_other(
    stage: Stage, sessions: tuple[Session, Session], situation: str
) -> None:
    wrong = []
    for first, second in expected_of(situation):
        answer, between, end = in_turn(stage.scene(situation), sessions, first, second)
        found, _, state = at_once(stage.scene(situation), sessions, first, second)
        passed_over = second in FINDERS and state == between
        looked_before = second in READERS and state == end
        if (found, state) != (answer, end) and not passed_over and not looked_before:
            wrong.append(f"{first}, {second}: {found}, {state}; one after the other: {answer}, {end}")
    assert wrong == []


def test_each_pair_of_verbs_either_meets_or_is_said_to_be_unable_to() -> None:
    # …_whole: a verb that is there anyway, on the pipeline of a task.
    met = {frozenset(pair) for situation in SITUATIONS for pair in expected_of(situation)}
    met = {pair for pair in met if not any(verb.endswith("_whole") for verb in pair)}
    every = {verb for pair in met for verb in pair}
    missing = {frozenset((a, b)) for a in every for b in every} - met
    said = {frozenset((a, b)) for a, others, _ in CANNOT_MEET for b in others.split()}
    assert missing == said


def test_each_verb_of_servers_that_can_touch_a_run_is_in_the_tables(stage: Stage) -> None:
    # From the grants: what a server may call at all. A function that is not volatile writes and locks nothing.
    granted = stage.queue.ops.admin.execute(
        "select proname from pg_proc where pronamespace = 'ops'::regnamespace and provolatile = 'v'"
        " and has_function_privilege('ops_server', oid, 'execute')"
    ).fetchall()
    said = [verb for verbs_, _ in NOT_ABOUT_A_RUN for verb in verbs_.split()]
    scene = stage.scene("task")
    met = {verb for situation in SITUATIONS for pair in expected_of(situation) for verb in pair}
    called = {call(scene, verb)[0] for verb in met}
    assert {row[0] for row in granted} == called | set(said)
    assert called & set(said) == set()
    assert len(said) == len(set(said))
