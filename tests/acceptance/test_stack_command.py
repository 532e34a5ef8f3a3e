"""A command executor of the embedded stack and one beside it, by the words of the how-to."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_docs import blocks
from tests.support.stack import Stack, wait_until

PAGE = "spec/docs/how-to/run-a-command.md"
SHUF = {"OPS_COMMAND_ALLOW": "/usr/bin/shuf"}
KINDS = "python=1,command=1"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("command") / ".control-room")
    try:
        yield stack
    finally:
        stack.run("down", "--drain", "1", check=False)


def sampled(stack: Stack) -> Any:
    """The page's template applied and run: its run."""
    folder = stack.data_dir.parent
    (folder / "words").mkdir(exist_ok=True)
    (folder / "words" / "words.txt").write_text("one\ntwo\nthree\n")
    [template] = blocks(PAGE, "yaml")
    (folder / "sample-of-words.yaml").write_text(template)
    stack.run("templates", "apply", str(folder / "sample-of-words.yaml"))
    stack.run("submit", "sample-of-words", "-p", "count=2", "--follow")
    [newest, *_] = stack.json("runs", "ls")["items"]
    return newest


def a_sample(stack: Stack, run: Any, path: Path) -> list[str]:
    stack.run("artifacts", "get", f"{run['number']}/sample.txt", "--output", str(path))
    return path.read_text().split()


def test_without_a_list_up_is_refused_before_anything_starts(stack: Stack) -> None:
    refused = stack.run("up", "--executors", KINDS, check=False)
    assert refused.returncode == 2
    assert "OPS_COMMAND_ALLOW=" in refused.stderr
    assert stack.status()["phase"] != "ready"


def test_a_stack_with_a_list_runs_the_pages_template(stack: Stack, tmp_path: Path) -> None:
    stack.run("up", "--executors", KINDS, **SHUF)
    run = sampled(stack)
    assert run["state"] == "succeeded"
    sample = a_sample(stack, run, tmp_path / "sample.txt")
    assert len(sample) == 2
    assert set(sample) < {"one", "two", "three"}


def test_a_running_stack_refuses_another_list(stack: Stack) -> None:
    refused = stack.run("up", check=False, OPS_COMMAND_ALLOW="bundle")
    assert refused.returncode == 3
    assert "control-room down" in refused.stderr


def test_the_list_is_remembered(stack: Stack) -> None:
    stack.run("down", "--drain", "1")
    stack.run("up")
    assert sampled(stack)["state"] == "succeeded"


def test_beside_a_stack_that_has_no_command_executor_one_can_be_started(stack: Stack) -> None:
    stack.run("down", "--drain", "1")
    stack.run("up", "--executors", "python=1")
    beside = stack.start("executor", "command", **SHUF)
    try:
        wait_until(
            lambda: [e for e in stack.json("executors", "ls")["items"] if e["kind"] == "command"],
            seconds=30,
            what="the command executor to register",
        )
        assert sampled(stack)["state"] == "succeeded"
    finally:
        beside.send_signal(signal.SIGINT)
        said, _ = beside.communicate(timeout=60)
    assert beside.returncode == 0, said


def test_a_slip_in_a_kinds_name_is_told(stack: Stack) -> None:
    refused = stack.run("executor", "pyhton", check=False)
    assert refused.returncode == 2
    assert "did you mean 'python'" in refused.stderr
