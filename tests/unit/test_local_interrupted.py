"""What `control-room down` says of runs that executors had to interrupt."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from control_room.commands.stack import interrupted_text
from control_room.local import interrupted
from control_room.local.folder import StackFolder
from executors.runtime.attempt import INTERRUPTED
from executors.runtime.journal import Journal


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    made = StackFolder(tmp_path / "stack")
    made.ensure()
    return made


def lines(*actions: str) -> str:
    """What an executor writes."""
    out = io.StringIO()
    for action in actions:
        Journal(out).warn(action, "a message", run_id="r")
    return out.getvalue()


def test_only_what_came_since_counts_of_all_executors_and_of_nothing_else(folder: StackFolder) -> None:
    python, dbt = folder.log("executor-python"), folder.log("executor-dbt")
    python.write_text(lines(INTERRUPTED))
    dbt.write_text("")
    folder.log("server").write_text("")
    before = interrupted.sizes(folder)
    with python.open("a") as log:
        log.write(lines("run.stopped", INTERRUPTED, "executor.left") + f"Traceback {INTERRUPTED}\n[1]\n")
    dbt.write_text(lines(INTERRUPTED))
    folder.log("server").write_text(lines(INTERRUPTED))
    assert interrupted.count(before) == 2


def test_a_stack_without_executors_interrupts_nothing(folder: StackFolder) -> None:
    assert interrupted.count(interrupted.sizes(folder)) == 0


@pytest.mark.parametrize(
    ("runs", "text"),
    [(1, "1 run was interrupted; `up` goes on with it"), (3, "3 runs were interrupted; `up` goes on with them")],
)
def test_the_number_of_interrupted_runs_is_told(runs: int, text: str) -> None:
    assert interrupted_text(runs) == text
