"""An executor whose engine is away takes no run, and goes on by itself when it answers."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.executors.room import ROOT, Executor, Room, wait_for
from tests.executors.test_runtime_steering import beats

# Python's kind with an engine: a file that is there or not. Each question leaves a line.
KIND = """
from dataclasses import replace
from pathlib import Path
from executors.python.executor import EXECUTOR as PYTHON

def trouble():
    with Path({asked!r}).open("a") as out:
        out.write("asked\\n")
    return None if Path({engine!r}).exists() else "the engine does not answer"

EXECUTOR = replace(PYTHON, configure=None, engine_trouble=trouble)
"""
TASK = """
from pathlib import Path
from executors.runtime.failures import TaskError

def main(context):
    if not Path({engine!r}).exists():
        raise TaskError("external", "engine_gone", "the engine went away")
    if context.params.get("breaks"):
        if context.attempt == 1:
            Path({engine!r}).unlink()
            raise TaskError("external", "engine_gone", "the engine went away")
    return {{"attempt": context.attempt}}
"""


@dataclass
class Engine:
    room: Room
    path: Path
    asked_in: Path

    def serve(self, **settings: str) -> Executor:
        return self.room.executor("away.executor", **settings)

    def submit(self, **params: bool) -> str:
        return self.room.submit({"task.py": TASK.format(engine=str(self.path))}, params=params)

    def asked(self) -> int:
        return len(self.asked_in.read_text().splitlines()) if self.asked_in.exists() else 0


@pytest.fixture
def engine(control_room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    found = Engine(control_room, control_room.open / "engine", tmp_path / "asked")
    (tmp_path / "away").mkdir()
    kind = KIND.format(asked=str(found.asked_in), engine=str(found.path))
    (tmp_path / "away" / "executor.py").write_text(kind)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    return found


def trouble(room: Room) -> str | None:
    (executor,) = room.call("list_executors", room.operator)["items"]
    return executor["trouble"]


def test_no_run_is_taken_before_the_engine_has_answered_once(control_room: Room, engine: Engine) -> None:
    executor = engine.serve()
    (line,) = wait_for("the engine to be missed", lambda: executor.said("engine.away"))
    assert "the engine does not answer; no run is taken" in line["message"]
    run_id = engine.submit()
    before = beats(control_room)
    wait_for("a heartbeat", lambda: beats(control_room) > before, 60)
    assert control_room.run(run_id)["state"] == "queued"
    held, _ = control_room.call("why_run", control_room.operator, run_id)["reasons"]
    assert held["code"] == "executor_in_trouble"
    assert held["message"].endswith("takes no run: the engine does not answer")
    engine.path.touch()
    run = control_room.ended(run_id)
    assert (run["state"], run["attempt"]) == ("succeeded", 1), run["error"]
    assert len(executor.said("engine.away")) == len(executor.said("engine.answers")) == 1
    wait_for("its trouble to be over", lambda: not trouble(control_room))


@pytest.mark.parametrize("slots", ["1", "2"])
def test_an_engine_that_goes_away_costs_one_attempt_however_long_it_takes(
    control_room: Room, engine: Engine, slots: str
) -> None:
    """With a second slot a claim waits while the first run fails, and brings its repetition at once."""
    engine.path.touch()
    executor = engine.serve(slots=slots)
    run_id = engine.submit(breaks=True)
    wait_for("the engine to be missed", lambda: executor.said("engine.away"))
    asked = engine.asked()
    wait_for("the engine to be asked again", lambda: engine.asked() > asked + 2)
    assert control_room.run(run_id)["attempt"] == (1 if slots == "1" else 2)
    engine.path.touch()
    run = control_room.ended(run_id)
    assert (run["state"], run["result"]) == ("succeeded", {"attempt": 2}), run["error"]
    assert len(executor.said("engine.answers")) == 1


def test_a_run_that_was_taken_just_before_can_be_cancelled_while_it_waits(control_room: Room, engine: Engine) -> None:
    engine.path.touch()
    executor = engine.serve(slots="2")
    run_id = engine.submit(breaks=True)
    wait_for("the engine to be missed", lambda: executor.said("engine.away"))
    wait_for("its repetition to be taken", lambda: control_room.run(run_id)["attempt"] == 2)
    control_room.call("cancel_run", control_room.operator, run_id, {"reason": "a test"})
    assert control_room.ended(run_id)["state"] == "cancelled"


def test_runs_that_succeed_or_fail_by_themselves_ask_nothing(control_room: Room, engine: Engine) -> None:
    engine.path.touch()
    engine.serve()
    assert control_room.ended(engine.submit())["state"] == "succeeded"
    wrong = control_room.ended(control_room.submit({"task.py": "def main(context):\n    1 / 0\n"}))
    assert wrong["error"]["class"] == "user"
    assert control_room.ended(engine.submit())["state"] == "succeeded"
    assert engine.asked() == 1


def test_an_executor_that_waits_for_its_engine_leaves_when_it_is_told(engine: Engine) -> None:
    executor = engine.serve()
    wait_for("the engine to be missed", lambda: executor.said("engine.away"))
    assert executor.stop(signal.SIGTERM, seconds=10) == 0
    assert executor.said("executor.left")
