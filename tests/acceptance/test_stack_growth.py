"""Engines that come to a stack which runs already, with work in hand. It takes some minutes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.test_stack_trino import ensure_installed
from tests.support.stack import Stack, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
REFUSED = 3
NAP = """
import time

def main(context):
    time.sleep(context.params["seconds"] if context.attempt == 1 else 0)
    return {"attempt": context.attempt}
"""
NAPPING = {
    **{"name": "nap", "kind": "python", "bundle": "code", "entrypoint": "nap:main"},
    "params_schema": {"type": "object", "properties": {"seconds": {"type": "integer"}}},
}
NATIONS = {"name": "nations", "kind": "trino", "config": {"sql": "select count(*) from tpch.tiny.nation"}}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("growth") / ".control-room")
    ensure_installed(stack)
    try:
        stack.run("up", "--executors", "python=1,dbt=1")
        yield stack
    finally:
        stack.run("down", "--drain", "1", check=False)


def applied(stack: Stack, template: dict[str, Any], folder: Path) -> str:
    file = folder / f"{template['name']}.yaml"
    file.write_text(json.dumps(template))
    stack.run("templates", "apply", str(file))
    return str(template["name"])


def of(stack: Stack, run: dict[str, Any]) -> Any:
    return stack.json("runs", "show", str(run["number"]))


def pids(stack: Stack) -> dict[str, int]:
    return {service["name"]: service["pid"] for service in stack.status()["services"]}


def test_an_engine_comes_with_its_executor_and_the_work_in_hand_goes_on(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "nap.py").write_text(NAP)
    nap = applied(stack, NAPPING, tmp_path)
    run = stack.json("submit", nap, "-p", "seconds=600")
    wait_until(lambda: of(stack, run)["state"] == "running", seconds=60, what="the nap")
    before = pids(stack)
    told = stack.run("up", "--with", "trino", timeout=600).stdout
    assert "trino ready" in told
    assert "executor-trino ready" in told
    assert "the stack is ready, now with trino" in told
    after = pids(stack)
    assert set(after) - set(before) == {"trino", "executor-trino"}
    assert after["postgres"] == before["postgres"]
    ended = wait_until(lambda: (r := of(stack, run))["finished_at"] and r, seconds=60, what="the end of the nap")
    assert (ended["state"], ended["result"]) == ("succeeded", {"attempt": 2})
    assert of(stack, stack.json("submit", applied(stack, NATIONS, tmp_path), "--follow"))["result"]["rows"] == [[25]]


def test_an_engine_that_runs_is_neither_dropped_nor_changed_and_the_way_there_is_told(stack: Stack) -> None:
    before = pids(stack)
    stack.run("up", "--with", "trino")
    for wish in ("none", "trino=2G"):
        refused = stack.run("up", "--with", wish, check=False)
        assert refused.returncode == REFUSED
        assert "run `control-room down`" in refused.stderr
    assert pids(stack) == before


def test_a_hangup_without_a_wish_changes_nothing_and_the_next_supervisor_adopts_all(stack: Stack) -> None:
    before, supervisor = pids(stack), psutil.Process(stack.status()["supervisor"]["pid"])
    supervisor.send_signal(signal.SIGHUP)
    stack.wait_ready()
    assert pids(stack) == before
    supervisor.kill()
    supervisor.wait(10)
    stack.run("up")
    assert pids(stack) == before
    assert json.loads((stack.data_dir / "stack.json").read_text())["engines"] == {"trino": "1G"}


def test_an_engine_that_the_supervisor_cannot_start_is_refused_in_its_words(tmp_path: Path) -> None:
    """Whoever asks has it, the stack looks elsewhere."""
    stack = Stack(tmp_path / ".control-room")
    ensure_installed(stack)
    try:
        stack.run("up", "--executors", "python=1", OPS_ENGINES_DIR=str(tmp_path / "nothing"))
        before = pids(stack)
        refused = stack.run("up", "--with", "trino", check=False)
        assert "trino cannot be started here" in refused.stderr
        assert "engines install" in refused.stderr
        assert (refused.returncode, pids(stack)) == (2, before)
        assert stack.status()["phase"] == "ready"
    finally:
        stack.run("down", "--drain", "1", check=False)
