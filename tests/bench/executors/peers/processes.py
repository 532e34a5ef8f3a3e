"""A peer's processes: started together, frozen while somebody else is measured, ended together."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from tests.support.postgres import _die_with_the_tests

END_SECONDS = 15.0


class PeerFailed(Exception):  # noqa: N818 - it says what happened
    """A peer did not start, or did not do its work."""


class Processes:
    """Those of one peer. Their output goes to one log each."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, {**os.environ, **environment}
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def call(self, *command: str, seconds: float = 300.0) -> str:
        """Run one to its end."""
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=seconds
        )
        if done.returncode != 0:
            raise PeerFailed(f"{' '.join(command)}: {done.stdout[-1500:]} {done.stderr[-1500:]}")
        return done.stdout

    def start(self, name: str, *command: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._started[name] = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_the_tests,
            )

    def wait(self, what: str, condition: Callable[[], object], seconds: float, every: float = 0.5) -> None:
        """Until it holds. PeerFailed with the end of each log when a process has ended, or the time is up."""
        deadline = time.monotonic() + seconds
        while not condition():
            dead = [name for name, process in self._started.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise PeerFailed(f"waited for {what}; ended: {dead}\n{self._tails()}")
            time.sleep(every)

    def _tails(self) -> str:
        logs = sorted(self._folder.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)

    def freeze(self) -> None:
        """An idle scheduler polls its database: not while others are measured."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        tree = self._tree()
        self._signal(signal.SIGCONT)
        for process in self._started.values():
            process.terminate()
        for process in psutil.wait_procs(tree, END_SECONDS)[1]:
            with suppress(psutil.Error):
                process.kill()
        for process in self._started.values():
            process.wait(END_SECONDS)

    def _tree(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for started in self._started.values():
            with suppress(psutil.Error):
                process = psutil.Process(started.pid)
                found += [process, *process.children(recursive=True)]
        return found

    def _signal(self, number: int) -> None:
        for process in self._tree():
            with suppress(psutil.Error):
                process.send_signal(number)
