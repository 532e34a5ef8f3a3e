"""Fixtures that several folders of tests share."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.stack import Stack

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell without job control gives that to what it starts in the background, and processes hand it on to theirs:
    # Ctrl-C would then reach none of the programs under test.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class DemoRun:
    """The demo, run once per test session through the command line, and what it printed as JSON."""

    stack: Stack
    summary: dict[str, Any]

    @property
    def number(self) -> str:
        return str(self.summary["run"]["number"])

    def task(self, key: str) -> dict[str, Any]:
        return self.stack.runs(self.number)[key]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoRun]:
    stack = Stack(tmp_path_factory.mktemp("demo") / ".control-room")
    try:
        done = stack.run("demo", "--json", timeout=300)
        yield DemoRun(stack, json.loads(done.stdout))
    finally:
        stack.run("down", check=False)
