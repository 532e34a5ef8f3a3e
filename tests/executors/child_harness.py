"""The supervisor's side of the child protocol, as small as it can be: start a child, gather what it says.

The child is confined as the warden confines it, with its writing limited to its own folders and to what stands in /tmp.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from executors.runtime import sandbox

KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


@dataclass
class ChildRun:
    """A finished child: ``messages`` in order, ``output`` of stdout and stderr, ``code``."""

    messages: list[dict[str, Any]]
    output: str
    code: int

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def result(self) -> dict[str, Any]:
        value: dict[str, Any] = self.of("result")[-1]["value"]
        return value

    @property
    def error(self) -> dict[str, Any]:
        return self.of("error")[-1]

    @property
    def artifacts(self) -> dict[str, bytes]:
        return {
            message["name"]: Path(message["path"]).read_bytes() for message in self.of("artifact") if "path" in message
        }


@dataclass
class RunningChild:
    """A child that runs: ``process`` leads a process group of its own."""

    process: subprocess.Popen[str]
    messages: list[dict[str, Any]] = field(default_factory=list)
    _output: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def follow(self, control: int) -> None:
        assert self.process.stdout is not None
        for lines, take in ((os.fdopen(control), self._message), (self.process.stdout, self._output.append)):
            thread = threading.Thread(target=self._read, args=(lines, take), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _read(self, lines: IO[str], take: Any) -> None:
        with lines:
            for line in lines:
                with self._news:
                    take(line)
                    self._news.notify_all()
        self.process.wait()
        with self._news:
            self._news.notify_all()

    def _message(self, line: str) -> None:
        self.messages.append(json.loads(line))

    def wait_for(self, text: str, seconds: float = 90) -> None:
        """Wait until a message or the output holds ``text``."""
        with self._news:
            found = self._news.wait_for(lambda: text in self._said() or self.process.poll() is not None, seconds)
            assert found, self._said()
            assert text in self._said(), self._said()

    def _said(self) -> str:
        return json.dumps(self.messages) + "".join(self._output)

    def end(self, seconds: float = 120) -> ChildRun:
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise AssertionError(f"the child did not end within {seconds} s: {self._said()[-3000:]}") from None
        for thread in self._threads:
            thread.join(10)
        return ChildRun(self.messages, "".join(self._output), code)

    def terminate_group(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        self.process.kill()


def start_child(kind: str, job: Mapping[str, Any]) -> RunningChild:
    """Start ``executors.<kind>.child`` with a scrubbed environment and the job on fd 3, control on fd 4."""
    work_dir = Path(job["work_dir"])
    home = work_dir / "home"
    home.mkdir(exist_ok=True)
    job_read, job_write = os.pipe()
    control_read, control_write = os.pipe()

    secrets = work_dir.with_name(f"{work_dir.name}-secrets")
    secrets.mkdir(exist_ok=True)
    (work_dir / ".tmp").mkdir(exist_ok=True)
    own = [str(path) for path in (work_dir, home, job.get("bundle_dir")) if path]

    def place_pipes() -> None:
        ends = [os.dup(job_read), os.dup(control_write)]
        for fd, place in zip([os.dup2(end, end + 100) for end in ends], (3, 4), strict=True):
            os.dup2(fd, place)
        sandbox.confine([str(secrets)], (), own)

    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", f"executors.{kind}.child"],
        cwd=work_dir,
        env=kept | {"HOME": str(home), "TMPDIR": str(work_dir / ".tmp"), "PYTHONUTF8": "1"},
        pass_fds=(3, 4),
        preexec_fn=place_pipes,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    os.close(job_read)
    os.close(control_write)
    running = RunningChild(process)
    running.follow(control_read)
    with os.fdopen(job_write, "w") as pipe:
        json.dump(dict(job), pipe)
    return running


def run_child(kind: str, job: Mapping[str, Any]) -> ChildRun:
    """Start a child and wait for its end."""
    return start_child(kind, job).end()
