"""A stack as a user starts it, and runs on it: submitted over HTTP with a token, timed by what is on record."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from control_room.client import TERMINAL, OperatorClient
from control_room.local import state
from control_room.local.folder import StackFolder
from control_room.local.server import OPERATOR_TOKEN
from tests.support.stack import Stack, wait_until

Json = dict[str, Any]
POLL_SECONDS = 0.2
BULK_POLL_SECONDS = 0.5
LONGEST_SECONDS = 600.0


class RunFailed(Exception):  # noqa: N818 - it says what happened
    """A run of the benchmark did not succeed: its figures would mean nothing."""


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Room:
    """``with Room(folder, "python=2", "dbt=1") as room``: a stack that is up, and down at the end."""

    def __init__(self, folder: Path, *executors: str, engine: str = "") -> None:
        """engine: trino or spark, to run beside."""
        self._folder, self._executors, self._engine = folder, executors, engine
        self.stack = Stack(folder / ".control-room")

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        engine = ["--with", self._engine] if self._engine else []
        try:
            self.stack.run("up", "--executors", ",".join(self._executors), *engine, timeout=600)
            folder = StackFolder.at(self.stack.data_dir)
            url = f"http://127.0.0.1:{state.load(folder).ports['server']}"
            self.client = OperatorClient(url, folder.secret(OPERATOR_TOKEN).read_text().strip())
        except BaseException:
            self.stack.run("down", check=False)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.client.__exit__(kind, error, at)
        self.stack.run("down", "--drain", "1", check=False)

    def apply(self, name: str, spec: Mapping[str, Any], files: Mapping[str, str] | None = None) -> None:
        """A template of this name, with the files of its bundle."""
        spec = {"name": name, "rerun": "safe", **spec}
        if files:
            spec |= {"bundle": name}
            write(self._folder / name, files)
        path = self._folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(spec))
        self.stack.run("templates", "apply", str(path))

    def run(self, template: str, params: Mapping[str, Any] | None = None, poll: float = POLL_SECONDS) -> Json:
        """Submit a run and wait for its end. Its record, with ``seconds``: from before the request that submitted it to
        the end on record, by the clock of this machine."""
        begun = time.time()
        ref = str(self.client.submit(template, params or {})["number"])
        time.sleep(poll)  # who asks while it works is one more thing for the server to do
        while (run := self.client.run(ref))["state"] not in TERMINAL:
            if time.time() - begun > LONGEST_SECONDS:
                raise RunFailed(f"run {ref} of {template} is {run['state']} after {LONGEST_SECONDS:.0f} s")
            time.sleep(poll)
        if run["state"] != "succeeded":
            raise RunFailed(f"run {ref} of {template}: {run['state']}, {run.get('error')}")
        return run | {"seconds": at(run["finished_at"]) - begun}

    def drain(self, template: str, count: int) -> list[Json]:
        """Submit so many runs at once, and return their records when all have ended."""
        answer = self.client.submit_many([{"template": template}] * count)
        numbers = {item["number"] for item in answer["items"]}
        wait_until(lambda: not self._open(template), seconds=LONGEST_SECONDS, what="all runs", every=BULK_POLL_SECONDS)
        found = self.newest(template, count)
        if {run["number"] for run in found} != numbers or any(run["state"] != "succeeded" for run in found):
            raise RunFailed(f"not all of {count} runs of {template} succeeded")
        return found

    def _open(self, template: str) -> Sequence[Json]:
        states = ["queued", "running"]
        return list(self.client.list_runs(template=template, state=states, limit=1)["items"])

    def newest(self, template: str, count: int) -> list[Json]:
        found: list[Json] = []
        cursor = None
        while len(found) < count:
            page = self.client.list_runs(template=template, limit=min(200, count - len(found)), cursor=cursor)
            found += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                break
        return found


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Files of a folder that is not there yet, or is written over."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
