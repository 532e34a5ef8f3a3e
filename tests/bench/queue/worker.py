"""A load generator's process, led by words on its stdin: see workers/pacing.py."""

from __future__ import annotations

import json
import select
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.bench.queue import cpu, install
from tests.support.postgres import _die_with_the_tests

Json = dict[str, Any]


class WorkerError(Exception):
    """A worker ended or said that something went wrong; the text is what it wrote."""


class Worker:
    """`with Worker(command, options)`: started and ready; `go`, `sample`, `stop`."""

    def __init__(self, command: list[str], options: Json, log: Path, folder: Path = install.NPM) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [*command, json.dumps(options)],
                cwd=folder if folder.exists() else log.parent,
                env=install.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                preexec_fn=_die_with_the_tests,
            )
        self._rest = b""

    def __enter__(self) -> Worker:
        self.read(120)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu(self) -> float:
        return cpu.seconds(self.pid)

    def tell(self, word: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{word}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            self.read(5)
            raise WorkerError(self._wrote()) from None

    def sample(self) -> tuple[float, int]:
        """(seconds, finished so far)."""
        self.tell("sample")
        found = self.read(30)
        return float(found["t"]), int(found["n"])

    def stop(self, seconds: float = 60) -> Json:
        """End it; answers what it has to say at the end."""
        self.tell("stop")
        found = self.read(seconds)
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return found

    def read(self, seconds: float) -> Json:
        """The next line of JSON. Other lines (a tool's own words) are passed over."""
        end = time.monotonic() + seconds
        while True:
            line, found, rest = self._rest.partition(b"\n")
            if found:
                self._rest = rest
                if line.startswith(b"{"):
                    return self._checked(json.loads(line))
                continue
            self._rest += self._more(end)

    def _more(self, end: float) -> bytes:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
            raise WorkerError(f"no word in time; {self._wrote()}")
        data = self._process.stdout.read1(1 << 20)  # type: ignore[attr-defined]
        if not data:
            raise WorkerError(self._wrote())
        return bytes(data)

    def _checked(self, found: Json) -> Json:
        if "error" in found:
            raise WorkerError(f"{found['error']}; {self._wrote()}")
        return found

    def _wrote(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


def call(command: list[str], options: Json, folder: Path = install.NPM) -> None:
    """Run a worker to its end: install or seed."""
    done = subprocess.run(
        [*command, json.dumps(options)], cwd=folder, env=install.environment(), capture_output=True, text=True
    )
    if done.returncode != 0:
        raise WorkerError(f"{command[-1]} {options['mode']}: {done.stderr[-3000:]}")
