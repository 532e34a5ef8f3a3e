"""The executor under test: a process started as the user said, told where the kit's server is."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

from contract.conformance.room import Room

TAIL = 1500


class Subject:
    """Starts, signals and ends the command. Its environment: OPS_URL, OPS_TOKEN_FILE, and OPS_WORK_DIR, a folder that
    outlives a restart within a case. Everything else of OPS_ is taken away."""

    def __init__(self, command: Sequence[str], room: Room, environment: Mapping[str, str] | None = None) -> None:
        self.command, self.room = list(command), room
        self._folder = tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.log = self.folder / "executor.log"
        self._environment = dict(environment or os.environ)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it (again)."""
        token = self.folder / "token"
        token.touch(mode=0o600)
        token.write_text(self.room.token)
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        environment = {name: value for name, value in self._environment.items() if not name.startswith("OPS_")}
        environment |= {"OPS_URL": self.room.url, "OPS_TOKEN_FILE": str(token), "OPS_WORK_DIR": str(work)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to the process itself, as an operator or the system would."""
        assert self.process is not None
        self.process.send_signal(number)

    def exit_code(self, seconds: float) -> int | None:
        """Its exit code, None when it still runs after so long."""
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        return None

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        self.exit_code(10)

    def said(self) -> str:
        """The end of what it wrote."""
        return self.log.read_text("utf-8", "replace")[-TAIL:].strip() if self.log.exists() else ""

    def close(self) -> None:
        """Leave no process and no file behind."""
        if self.process is not None:
            below = _descendants(self.process.pid)
            if self.running:
                self.signal(signal.SIGTERM)
                self.exit_code(5)
            if self.running:
                self.kill()
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            for process in below:
                with suppress(psutil.Error):
                    process.kill()
        self._folder.cleanup()

    def __enter__(self) -> "Subject":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
