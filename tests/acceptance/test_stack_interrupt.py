"""Ctrl-C in the middle of the demo: clear words, nothing lost, and the next demo finishes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import BIN, Stack, wait_until

pytestmark = [pytest.mark.xdist_group("stack_interrupt"), pytest.mark.timeout(600)]


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


def test_an_interrupted_demo_says_what_goes_on_and_the_next_one_finishes(stack: Stack) -> None:
    process = demo_in_a_group_of_its_own(stack)
    read_until(process, r"postgres ready")
    assert "the stack goes on starting in the background" in interrupt(process)

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
