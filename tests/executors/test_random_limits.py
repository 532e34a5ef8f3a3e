"""Random runs over random caps and budgets, on executors that are killed meanwhile.

Every cap that is passed ends its run, none is ever loosened, no budget goes beyond, every balance is its ledger's.
"""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from tests.executors.room import Executor, Json, Room

# What a run does, and which cap it goes beyond by that, whatever its limit is.
TASK = """
import time


def wall(context):
    time.sleep(3600)


def rows(context):
    for number in range(10**9):
        context.usage(rows_out=number * 10)
        time.sleep(0.001)


def log(context):
    while True:
        print("blah " * 200)


def count(context):
    for number in range(1000):
        context.artifact(f"{number}.txt", str(number))


def nothing(context):
    context.usage(rows_out=1)
    print("done")


def main(context, do):
    return globals()[do](context)
"""
BEYOND = {"wall": "wall_seconds", "rows": "rows_out", "log": "log_bytes", "count": "artifact_count"}
# Tight enough to be passed within a second or two, and wide enough for who does nothing.
LIMITS = {"wall_seconds": (3, 6), "rows_out": (500, 5000), "log_bytes": (20_000, 200_000), "artifact_count": (1, 4)}
FOREVER = {"max_attempts": 50, "on": ["external", "internal"], "backoff_seconds": 0.1, "backoff_max_seconds": 0.5}
TEMPLATES = ("a", "b", "c", "d")
SLOTS = 3
KILL_SECONDS = (2.0, 5.0)
OVER = """
    select g.scope, g.unit, g.template_name, b.reserved, b.used, g."limit"
      from ops.budget_balances b join ops.budgets g using (budget_id)
     where g.unit = 'concurrency' and b.reserved + b.used > g."limit" or b.reserved < 0 or b.used < 0"""


@dataclass
class Trial:
    """One control room with caps and budgets thrown by dice, and what was asked of it."""

    room: Room
    dice: random.Random
    bundle: Json
    in_force: dict[str, dict[str, float]] = field(default_factory=dict)
    asked: dict[str, tuple[str, dict[str, float]]] = field(default_factory=dict)
    refused: int = 0
    executors: list[Executor] = field(default_factory=list)

    def throw(self) -> dict[str, float]:
        """A limit for some of the caps."""
        return {cap: float(self.dice.randint(*LIMITS[cap])) for cap in LIMITS if self.dice.random() < 0.5}

    def limit(self) -> None:
        """Caps of the templates, and beside them of the platform, the workspace and each template; budgets of each."""
        own = {cap: float(high) for cap, (_, high) in LIMITS.items()}
        for name in TEMPLATES:
            spec = {"name": name, "kind": "python", "entrypoint": "task:main", "bundle": self.bundle, "caps": own}
            spec |= {"retry": FOREVER, "rerun": "safe", "lease_seconds": 6, "estimate": {"cpu_seconds": 1}}
            self.room.call("put_template", self.room.operator, name, spec)
        common = tightest(own, self.put_caps("platform", None), self.put_caps("workspace", "default"))
        for name in TEMPLATES:
            self.in_force[name] = tightest(common, self.put_caps("template", f"default/{name}"))
        for body in (
            {"scope": "platform", "unit": "concurrency", "period": "total", "limit": 5},
            {"scope": "workspace", "scope_ref": "default", "unit": "wall_seconds", "period": "day", "limit": 1e6},
            {"scope": "template", "scope_ref": "default/a", "unit": "concurrency", "period": "total", "limit": 2},
            {"scope": "template", "scope_ref": "default/b", "unit": "runs", "period": "day", "limit": 100_000},
        ):
            self.room.call("put_budget", self.room.operator, body)

    def put_caps(self, scope: str, ref: str | None) -> dict[str, float]:
        thrown = self.throw()
        for cap, limit in thrown.items():
            self.room.call(
                "put_cap", self.room.operator, {"scope": scope, "scope_ref": ref, "cap": cap, "limit": limit}
            )
        return thrown

    def submit(self) -> None:
        """One run; that a looser cap than is in force is refused, or else that it was taken."""
        name, do = self.dice.choice(TEMPLATES), self.dice.choice((*BEYOND, "nothing", "nothing"))
        own = self.throw()
        body = {"template": name, "params": {"do": do}, "caps": own}
        looser = any(limit > self.in_force[name][cap] for cap, limit in own.items())
        if looser:
            with pytest.raises(psycopg.Error) as refusal:
                self.room.call("submit_run", self.room.operator, body)
            assert refusal.value.sqlstate == "OPX01"
            self.refused += 1
            return
        run_id = str(self.room.call("submit_run", self.room.operator, body)["run_id"])
        self.asked[run_id] = (do, self.in_force[name] | own)

    def work(self, seconds: float) -> list[str]:
        """Until all have ended, with one executor killed and another started every few seconds; what was beyond."""
        beyond: list[str] = []
        self.executors = [self.room.executor(slots=str(SLOTS)) for _ in range(2)]
        end, kill_at = time.monotonic() + seconds, time.monotonic() + KILL_SECONDS[1]
        with self.room.database.connect() as connection:
            while not beyond:
                for sweep in ("expire_leases", "promote_due"):
                    self.room.call(sweep, 100)
                beyond += [str(row) for row in connection.execute(OVER).fetchall()]
                open_runs = connection.execute("select count(*) from ops.runs where finished_at is null").fetchone()
                if open_runs == (0,):
                    break
                if time.monotonic() > end:
                    beyond.append(f"{open_runs} runs are not over after {seconds:g} s")
                if time.monotonic() > kill_at:
                    kill_at = time.monotonic() + self.dice.uniform(*KILL_SECONDS)
                    self.replace(self.dice.randrange(len(self.executors)))
                time.sleep(0.1)
        return beyond

    def replace(self, index: int) -> None:
        """kill -9, and a new one on the same folder, as whoever supervises it would."""
        old = self.executors[index]
        old.process.send_signal(signal.SIGKILL)
        old.process.wait()
        self.executors[index] = self.room.executor(slots=str(SLOTS), work_dir=str(old.work_dir))


def tightest(*given: dict[str, float]) -> dict[str, float]:
    """The least limit of each cap."""
    return {cap: min(found[cap] for found in given if cap in found) for cap in LIMITS if any(cap in g for g in given)}


@pytest.fixture
def trial(control_room: Room, request: pytest.FixtureRequest) -> Trial:
    seed_run = control_room.submit({"task.py": TASK}, params={"do": "nothing"})  # which uploads the bundle
    control_room.call("cancel_run", control_room.operator, seed_run, {})
    with control_room.database.connect() as connection:
        row = connection.execute("select sha256, size from ops.bundles").fetchone()
    assert row is not None
    return Trial(control_room, random.Random(request.param), {"sha256": row[0], "size": row[1]})


def ledgers(room: Room) -> dict[str, set[str]]:
    """The caps that ended each run; that a budget held it is there, too, and is left out."""
    with room.database.connect() as connection:
        rows: list[Any] = connection.execute(
            "select run_id::text, cap from ops.cap_ledger where cap = any (%s)", [list(LIMITS)]
        ).fetchall()
    found: dict[str, set[str]] = {}
    for run_id, cap in rows:
        found.setdefault(run_id, set()).add(cap)
    return found


@pytest.mark.parametrize(
    ("trial", "runs", "seconds"),
    [
        pytest.param(1, 24, 200.0, id="24"),
        pytest.param(2, 1000, 2400.0, id="1000", marks=[pytest.mark.slow, pytest.mark.timeout(2700)]),
    ],
    indirect=["trial"],
)
def test_random_runs_over_random_caps_are_ended_by_every_cap_they_pass_and_by_none_that_is_looser(
    trial: Trial, runs: int, seconds: float
) -> None:
    trial.limit()
    while len(trial.asked) < runs:
        trial.submit()
    assert trial.refused > 0
    assert trial.work(seconds) == []
    enforced = ledgers(trial.room)
    for run_id, (do, limits) in trial.asked.items():
        run = trial.room.run(run_id)
        told = f"{do}, {limits}: {run['state']} {run['error']} {enforced.get(run_id)}"
        assert {cap: run["caps"][cap] for cap in LIMITS} == limits, told
        if do == "nothing":
            assert run["state"] == "succeeded", told
            assert run_id not in enforced, told
            continue
        last = (run["state"], run["error"]["class"], run["attempts"][-1]["outcome"])
        assert last == (
            "failed",
            "resources",
            "capped",
        ), told
        # a run may pass its wall time before the cap that it was to pass: on a machine that is loaded
        assert enforced[run_id] & {BEYOND[do], "wall_seconds"}, told
    with trial.room.database.connect() as connection:
        lost = connection.execute("select count(*) from ops.attempts where outcome = 'expired'").fetchone()
    assert lost != (0,), "no executor was killed with work in hand"
    checked = trial.room.call("check_budgets", trial.room.operator)
    assert (checked["wrong"], checked["leases"], checked["balances"] > 0) == ([], [], True)
