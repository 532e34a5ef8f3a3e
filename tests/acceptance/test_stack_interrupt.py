"""Ctrl-C in the middle of the demo: clear words, nothing lost, and the next demo finishes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import BIN, ROOT, Stack, wait_until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / ".control-room")
    try:
        yield stack
    finally:
        stack.run("down", "--drain", "1", check=False)


def demo_in_a_group_of_its_own(stack: Stack) -> subprocess.Popen[str]:
    """As a shell starts it: Ctrl-C goes to the whole group."""
    return subprocess.Popen(
        [str(BIN / "control-room"), "demo"], env=stack.environment, cwd=stack.data_dir.parent, process_group=0,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def read_until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"it ended before it said {pattern!r}:\n{seen}")


def interrupt(process: subprocess.Popen[str]) -> str:
    os.killpg(process.pid, signal.SIGINT)
    told, _ = process.communicate(timeout=30)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    return told


def living(stack: Stack) -> list[str]:
    """Command lines of processes that belong to the stack's folder."""
    return subprocess.run(["pgrep", "-af", str(stack.data_dir)], capture_output=True, text=True).stdout.splitlines()


def test_a_demo_interrupted_while_the_stack_starts_leaves_nothing_running(stack: Stack) -> None:
    process = demo_in_a_group_of_its_own(stack)
    read_until(process, r"postgres ready")
    told = interrupt(process)
    assert "interrupted while the stack was starting; what had been started is stopped again" in told
    assert "next: run the same command again" in told
    assert living(stack) == []
    assert stack.status()["phase"] == "stopped"


def test_an_up_interrupted_before_any_service_is_ready_can_be_repeated(stack: Stack) -> None:
    process = demo_in_a_group_of_its_own(stack)
    read_until(process, r"^stack")
    wait_until((stack.data_dir / "stack.json").exists, seconds=30, what="the supervisor to begin")
    assert "interrupted while the stack was starting" in interrupt(process)
    assert living(stack) == []
    stack.run("up")


@pytest.mark.slow
def test_an_interrupted_pipeline_says_what_goes_on_and_the_next_demo_finishes(stack: Stack) -> None:
    process = demo_in_a_group_of_its_own(stack)
    number = read_until(process, r"pipeline nycflights: run (\d+)").group(1)
    running = lambda: stack.runs(number)["ingest"]["state"] == "running"  # noqa: E731
    wait_until(running, seconds=60, what="the first task to run")
    told = interrupt(process)
    assert f"interrupted; run {number} and the stack go on" in told
    assert f"runs show {number}" in told

    summary = json.loads(stack.run("demo", "--json").stdout)
    assert summary["run"]["state"] == "succeeded"
    ended = lambda: stack.json("runs", "show", number)["state"] == "succeeded"  # noqa: E731
    wait_until(ended, seconds=120, what="the run of the interrupted demo to finish by itself")


@pytest.mark.parametrize("step", ["venv", "step"])
def test_an_interrupted_set_up_says_where_things_stand(step: str, tmp_path: Path) -> None:
    """The scripts that `make` calls, in a folder of their own; a program that waits stands for pip and npm."""
    tools = tmp_path / "infra" / "dev"
    shutil.copytree(ROOT / "infra" / "dev", tools)
    waiting = (
        '#!/bin/sh\n[ "$1" = -c ] && exit 0  # asked whether it is a usable Python\necho waiting\nexec sleep 300\n'
    )
    for program in (tmp_path / ".venv" / "bin" / "python", tools / "with-node"):
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(waiting)
        program.chmod(0o755)
    words = ["venv", "demo"] if step == "venv" else ["step", "dashboard: build", ".", "npm", "run", "dist"]
    process = subprocess.Popen(
        [str(tools / words[0]), *words[1:]], cwd=tmp_path, process_group=0, text=True,
        env={**os.environ, "PYTHON": sys.executable}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    read_until(process, "waiting")
    told = interrupt(process)
    assert "interrupted" in told
    assert "nothing was started" in told
    assert "run the same make command again" in told
