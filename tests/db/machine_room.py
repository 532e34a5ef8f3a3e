"""What the rules of the state machine stand on: the database, the model beside it, and how the two are compared."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.support.invariants import broken_chains, violations
from tests.support.machine_parts import BUDGET, TEMPLATES, Json, Refusal, Run
from tests.support.machine_submits import SubmittedModel
from tests.support.ops import Ops, members, refused
from tests.support.postgres import Database

TOKENS = ("first", "first", "second")  # two executors share a token


class MachineRoom(RuleBasedStateMachine):
    """One database, three executors, one operator, one reactor, one model, and how the two are compared."""

    def __init__(self, database: Database, drop: Callable[[], None]) -> None:
        super().__init__()
        self.ops, self.drop = Ops(database), drop
        self.model = SubmittedModel(TOKENS)
        self.answers: dict[tuple[str, int], Json] = {}
        self.artifacts: dict[tuple[str, int, str], str] = {}
        self.chunks = itertools.count()
        self.fraction = itertools.count(1)
        self.places: dict[str, int] = {}
        self.chains: dict[str, int] = {}

    def open_room(self) -> None:
        self.base = datetime.now(UTC).replace(microsecond=0)
        self.ops.admin.execute(
            "create or replace function ops.now() returns timestamptz language sql stable parallel safe"
            " return pg_catalog.current_setting('ops_test.now')::timestamptz"
        )
        self.set_clock()
        self.ops.admin.execute("update ops.settings set value = '2' where key = 'max_expirations'")
        self.operator = self.ops.token("operator", "olga")
        tokens = {name: self.ops.token("executor", name) for name in sorted(set(TOKENS))}
        self.tokens = [tokens[name] for name in TOKENS]
        self.workers = [self.ops.executor(token) for token in self.tokens]
        for name, spec in TEMPLATES.items():
            self.ops.template(self.operator, name, **spec)
        template, limit = BUDGET
        of = {"scope": "template", "scope_ref": f"default/{template}", "unit": "concurrency", "period": "total"}
        self.ops.call("put_budget", self.operator, of | {"limit": limit})
        self.ops.call("expire_leases", 10)

    def set_clock(self) -> None:
        for connection in (self.ops.admin, self.ops.server):
            connection.execute("select set_config('ops_test.now', %s, false)", [self.at(self.model.now)])

    def at(self, seconds: float) -> str:
        return (self.base + timedelta(seconds=seconds)).isoformat()

    def teardown(self) -> None:
        try:
            if self.model.runs:
                assert violations(self.ops.admin) == []
        finally:
            self.ops.close()
            self.drop()

    # Calling, and comparing the two --------------------------------------------------------------------------

    def both(self, said: Callable[[], Any], name: str, *arguments: Any) -> tuple[Any, Any]:
        """(the model's answer, the database's); (None, None) when both refuse, for the same reason."""
        try:
            expected = said()
        except Refusal as refusal:
            self.refused(refusal.code, name, *arguments)
            return None, None
        return expected, self.ops.call(name, *arguments)

    def refused(self, code: str, name: str, *arguments: Any) -> None:
        told = members(refused(code, self.ops.call, name, *arguments))
        if code == "OPC01":
            assert told["epoch_current"] == self.model.runs[told["run_id"]].epoch
            assert told["reason"] in ("terminal", self.model.lost_reason(told["run_id"], told["epoch_sent"]))

    def attempt(self, which: int, hands: str) -> tuple[str, int, int]:
        """(run, epoch, worker) of an attempt, the newest first."""
        every = list(reversed(self.model.attempts.items()))
        (run_id, epoch), attempt = every[which % len(every)]
        worker = (attempt.worker + {"own": 0, "other": 1, "another": 2}[hands]) % len(TOKENS)
        return run_id, epoch, worker

    def a_run(self, which: int) -> Run:
        return list(reversed(self.model.runs.values()))[which % len(self.model.runs)]

    def learn(self) -> None:
        """Add the runs that a submit or a retry has made to the model, parents first."""
        rows = self.ops.admin.execute(
            "select run_id::text, template_name, priority, not_before, deadline, condition, pipeline_run_id::text,"
            " dedupe_key, retry_of::text,"
            " array(select depends_on::text from ops.run_dependencies d where d.run_id = r.run_id order by 1)"
            " from ops.runs r where run_id <> all (%s::uuid[]) order by ready_seq nulls first, run_id",
            [list(self.model.runs)],
        ).fetchall()
        for run_id, template, priority, not_before, deadline, condition, pipeline, dedupe, retry_of, parents in rows:
            times = [None if t is None else (t - self.base).total_seconds() for t in (not_before, deadline)]
            self.model.add(
                Run(run_id, template, priority, *times, tuple(parents), condition, pipeline, dedupe, retry_of)
            )
        self.model.settle()

    # What holds after each step -------------------------------------------------------------------------------

    def read_backoffs(self) -> None:
        """The time of a backoff is drawn by the database: between half of it and the whole."""
        for run in self.model.runs.values():
            if run.reason == "retry_backoff" and run.not_before is None:
                found = self.ops.value("select not_before from ops.runs where run_id = %s", run.run_id)
                run.not_before = (found - self.base).total_seconds()
                whole = run.spec["retry"]["backoff_seconds"] * 2 ** (run.attempt - 1)
                assert whole / 2 - 0.01 <= run.not_before - self.model.now <= whole + 0.01

    @invariant()
    def the_database_is_as_the_model_says(self) -> None:
        if not self.model.runs:
            return
        self.read_backoffs()
        self.runs_agree()
        self.attempts_agree()
        self.budget_agrees()
        assert violations(self.ops.admin, chains=False) == []

    def runs_agree(self) -> None:
        rows = self.ops.admin.execute(
            "select run_id::text, state, case when state in ('waiting', 'running') then state_reason end, epoch,"
            " attempt, expirations, cancel_requested_at is not null, priority, paused and finished_at is null,"
            " ready_seq, event_seq,"
            " (select count(*) from ops.events e where e.run_id = r.run_id and e.type = 'report.differs')"
            " from ops.runs r"
        ).fetchall()
        found = {row[0]: row[1:9] for row in rows}
        assert found == {
            r.run_id: (
                *(r.state, r.reason, r.epoch, r.attempt, r.expirations, r.cancel_at is not None),
                *(r.priority, r.paused and not r.ended),
            )
            for r in self.model.runs.values()
        }
        assert {row[0]: row[11] for row in rows} == {r.run_id: r.differs for r in self.model.runs.values()}
        self.order_agrees({row[0]: row[9] for row in rows if row[9] is not None})
        changed = [row[0] for row in rows if self.chains.get(row[0]) != row[10]]
        self.chains |= {row[0]: row[10] for row in rows}
        assert broken_chains(self.ops.admin, changed) == []

    def budget_agrees(self) -> None:
        """What is reserved is what is at work, and the balance is that of the ledger."""
        checked = self.ops.call("check_budgets", self.operator)
        assert (checked["wrong"], checked["leases"]) == ([], [])
        reserved = self.ops.value("select coalesce(sum(reserved + used), 0) from ops.budget_balances")
        assert reserved == BUDGET[1] - self.model.room()

    def order_agrees(self, places: dict[str, int]) -> None:
        """Ready runs stand in the model's order, and whoever came (back) has a place that nobody ever had."""
        expected = sorted((r for r in self.model.runs.values() if r.place), key=lambda r: r.place or 0)
        assert sorted(places, key=lambda run_id: places[run_id]) == [run.run_id for run in expected]
        highest = max(self.places.values(), default=0)
        assert all(n > highest for run_id, n in places.items() if self.places.get(run_id) != n)
        self.places |= places

    def attempts_agree(self) -> None:
        rows = self.ops.admin.execute(
            "select run_id::text, epoch, outcome, reported_at is not null,"
            " (select jsonb_object_agg(name, state) from ops.artifacts f"
            "   where (f.run_id, f.epoch) = (a.run_id, a.epoch)),"
            " (select jsonb_object_agg(output, state) from ops.publications p"
            "   where (p.run_id, p.epoch) = (a.run_id, a.epoch)),"
            " (select jsonb_object_agg(seq, text) from ops.run_logs l where (l.run_id, l.epoch) = (a.run_id, a.epoch))"
            " from ops.attempts a"
        ).fetchall()
        found = {(r[0], r[1]): (*r[2:4], *(part or {} for part in r[4:])) for r in rows}
        assert found == {
            key: (
                a.outcome,
                a.report is not None,
                {name: state for name, (_, state) in a.artifacts.items()},
                {name: state for name, (state, _) in a.publications.items()},
                {str(seq): text for seq, text in a.logs.items()},
            )
            for key, a in self.model.attempts.items()
        }
