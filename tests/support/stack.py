"""A whole embedded stack for tests, driven as a user drives it: through the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SHARED = ("OPS_ENGINES_DIR", "OPS_JAVA_HOME")  # of the machine, not of one stack


@dataclass(frozen=True)
class Stack:
    """One data folder and the commands on it."""

    data_dir: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_", "PG"))}
        kept |= {name: os.environ[name] for name in SHARED if name in os.environ}
        return kept | {
            "OPS_DATA_DIR": str(self.data_dir),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }

    def run(
        self, *words: str, timeout: float = 300, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one `control-room` command to its end. When it fails and `check`: AssertionError with its output.

        variables: of its environment, beside the usual ones.
        """
        done = subprocess.run(
            [str(BIN / "control-room"), *words],
            env=self.environment | variables,
            cwd=self.data_dir.parent,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode != 0:
            output = f"{done.stdout}\n{done.stderr}\n{self.tails()}"
            raise AssertionError(f"control-room {' '.join(words)} ended with {done.returncode}\n{output}")
        return done

    def json(self, *words: str, timeout: float = 300) -> Any:
        return json.loads(self.run(*words, "--json", timeout=timeout).stdout)

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start one command and leave it running. variables: of its environment, beside the usual ones."""
        return subprocess.Popen(
            [str(BIN / "control-room"), *words],
            env=self.environment | variables,
            cwd=self.data_dir.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def tails(self) -> str:
        """The last lines of each service's log, for the message of a failed test."""
        parts = []
        for log in sorted((self.data_dir / "logs").glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-15:]
            parts.append(f"--- {log.name}\n" + "\n".join(lines))
        return "\n".join(parts)

    def runs(self, pipeline: str) -> dict[str, dict[str, Any]]:
        """The tasks of a pipeline run, by task key."""
        return {child["task_key"]: child for child in self.json("runs", "show", pipeline)["children"]}

    def connection(self) -> dict[str, Any]:
        document = json.loads((self.data_dir / "secrets" / "connections.json").read_text())
        return dict(document["lakehouse"])

    def storage_options(self) -> dict[str, str]:
        """deltalake's options for the lakehouse bucket."""
        connection = self.connection()
        return {
            "AWS_ENDPOINT_URL": connection["endpoint"],
            "AWS_ACCESS_KEY_ID": connection["access_key"],
            "AWS_SECRET_ACCESS_KEY": connection["secret_key"],
            "AWS_REGION": connection["region"],
            "AWS_ALLOW_HTTP": "true",
            "aws_conditional_put": "etag",
        }

    def status(self) -> Any:
        """What `status` tells, also of a stack that is not whole right now (the command ends with 1 then)."""
        return json.loads(self.run("status", "--json", check=False).stdout)

    def wait_ready(self) -> None:
        """Wait until every service is ready, as after a kill that the supervisor heals."""
        wait_until(lambda: self.status()["phase"] == "ready", seconds=90, what="the stack to be ready", every=0.5)

    def pids(self, name: str) -> list[int]:
        """Process ids of the services whose name starts with `name`, as `status` tells them."""
        services = self.status()["services"]
        return [s["pid"] for s in services if s["name"].startswith(name) and s.get("pid")]


def wait_until(condition: Callable[[], Any], *, seconds: float, what: str, every: float = 0.1) -> Any:
    """Return the condition's first true value. Raises AssertionError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"waited {seconds:.0f} s for: {what}")


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@contextmanager
def stack_in(folder: Path) -> Iterator[Stack]:
    """A started stack in `folder`, stopped at the end whatever happened."""
    stack = Stack(folder / ".control-room")
    try:
        stack.run("up")
        yield stack
    finally:
        stack.run("down", check=False)
