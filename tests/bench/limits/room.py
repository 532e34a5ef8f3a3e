"""A stack with the executors of a measure, and runs on it that are to be stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from control_room.client import TERMINAL
from control_room.engines import catalogue, findings
from tests.bench.executors.room import Room as ExecutorsRoom
from tests.bench.executors.room import RunFailed
from tests.bench.limits.work import SHELL, work
from tests.support.stack import Stack

Json = dict[str, Any]
POLL_SECONDS = 0.05
LONGEST_SECONDS = 120.0
PROCESSES = ("python", "notebook", "dbt", "duckdb", "command")
ENGINES = {"trino": "Trino", "spark": "Spark"}


class LimitsRoom(ExecutorsRoom):
    """The stack of one measure: executors of processes together, each engine with its own."""

    def __init__(self, folder: Path, *kinds: str) -> None:
        engine = next((kind for kind in kinds if kind in ENGINES), "")
        super().__init__(folder, *(f"{kind}=1" for kind in kinds), engine=engine)
        self.stack = AllowingStack(self.stack.data_dir)
        self._applied: set[str] = set()

    def start(self, kind: str, do: str, caps: Json | None = None) -> str:
        """A run of this work, once only; its number."""
        found, name = work(kind, do), f"limits-{kind}-{do}"
        if name not in self._applied:
            self.apply(name, {**found.spec, "retry": {"max_attempts": 1}}, found.files or None)
            self._applied.add(name)
        return str(self.client.submit(name, dict(found.params), caps=caps)["number"])

    def until(self, ref: str, what: str, holds: Callable[[Json], Any]) -> Json:
        """The run as soon as this holds of it."""
        begun = time.monotonic()
        while not holds(run := self.client.run(ref)):
            if run["state"] in TERMINAL or time.monotonic() - begun > LONGEST_SECONDS:
                raise RunFailed(f"run {ref} is {run['state']}, not {what}: {run.get('error')}")
            time.sleep(POLL_SECONDS)
        return run

    def ended(self, ref: str) -> Json:
        return self.until(ref, "ended", lambda run: run["state"] in TERMINAL)

    def prepare(self, sql: str) -> None:
        """Have Trino execute these statements."""
        self.apply("limits-prepare", {"kind": "trino", "config": {"sql": sql, "plan": False, "parquet": False}})
        self.run("limits-prepare")


class AllowingStack(Stack):
    """A stack whose command executor may start a shell."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"OPS_COMMAND_ALLOW": SHELL}


def missing(kind: str) -> str:
    """Why an engine cannot take part; "" when it can."""
    [engine] = catalogue.chosen([kind])
    if kind == "spark" and findings.package_version("pyspark") != engine.version:
        return f"pyspark {engine.version} is not in this environment (extra spark)"
    if catalogue.installed_at(engine) is None:
        return f"it is not installed; `control-room engines install {kind}`"
    return ""
