"""The executor's handle on one child: pipes, start, orders, end. No policy here."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from contract import models
from executors.runtime.tree import TreeWatch

REAP_SECONDS = 5.0
WARDEN_SECONDS = 5.0
WARDEN = Path(__file__).with_name("warden.py")
# For a bundle's environment the interpreter that the executor's own is made from: an environment's bin/python is a file
# that its packages can replace. Nothing is on its path but the standard library; utf-8 as PYTHONUTF8 says, which it
# does not read.
BASE_PYTHON: str = getattr(sys, "_base_executable", "") or sys.executable
APART = (BASE_PYTHON, "-I", "-S", "-X", "utf8", str(Path(__file__).with_name("fork_main.py")))
ALLOWED_ENVIRONMENT = frozenset(
    {"PATH", "LANG", "LANGUAGE", "TZ", "TERM", "USER", "LOGNAME", "LD_LIBRARY_PATH", "JAVA_HOME"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "AWS_CA_BUNDLE"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
)
ALLOWED_PREFIXES = ("LC_", "PYTHON")
PIPE_BYTES = 1024 * 1024
MARKER = "CONTROL_ROOM_ATTEMPT"


def child_environment(
    base: Mapping[str, str], work_dir: Path, home: Path, marker: str, told: Mapping[str, str]
) -> dict[str, str]:
    """The child's whole environment: an allow-list of ``base``, its own folders, its run, and what it is told of it."""
    kept = {k: v for k, v in base.items() if k in ALLOWED_ENVIRONMENT or k.startswith(ALLOWED_PREFIXES)}
    own = {"HOME": str(home), "TMPDIR": str(work_dir / ".tmp"), "PYTHONUTF8": "1", MARKER: marker}
    return kept | own | dict(told)


def ancestry(claimed: models.ClaimedRun) -> dict[str, str]:
    """What libraries in a child need to say whose work they do: the trace to continue (W3C), and the run as the parent
    of what they tell of lineage, as OpenLineage's own integrations read it (``namespace/job/run id``)."""
    parent = {"OPENLINEAGE_PARENT_ID": f"{claimed.workspace}/{claimed.template_name}/{claimed.run_id}"}
    return parent | ({"TRACEPARENT": claimed.traceparent} if claimed.traceparent else {})


def line_of(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


class Warden(Protocol):
    """What the executor asks of the process above a child: as subprocess.Popen has it."""

    @property
    def pid(self) -> int: ...

    def send_signal(self, number: int, /) -> None: ...

    def wait(self, timeout: float | None = None) -> object:
        """Until it has ended; subprocess.TimeoutExpired after ``timeout`` seconds."""


@dataclass(frozen=True)
class ChildSpec:
    """What to start: ``python -m module``, with this job, in this folder, unable to read ``hide``.

    It may write to its work folder, its home, its copy of the bundle, and ``writable``. ``prefix`` is the folder of an
    environment of its own (executors.runtime.environments), "" for the executor's. ``data_bytes``: a limit to the data
    of each process of it (RLIMIT_DATA), None for none. ``cgroup``: the folder of a group that it enters, "" for none.
    """

    module: str
    job: Mapping[str, Any]
    work_dir: Path
    environment: Mapping[str, str]
    hide: Sequence[str] = ()
    visible: Sequence[str] = ()
    writable: Sequence[str] = ()
    prefix: str = ""
    data_bytes: int | None = None
    cgroup: str = ""

    def start_document(self, job_fd: int, control_fd: int) -> bytes:
        """For a warden that executes the child's program."""
        apart = [*APART, self.module, self.prefix]
        command = apart if self.prefix else [sys.executable, "-P", "-m", self.module]
        return line_of({"command": command, "job_fd": job_fd, "control_fd": control_fd, **self._paths()})

    def fork_document(self) -> bytes:
        """For a warden that forks the child: what a program started by Popen would be given."""
        given = {"environment": dict(self.environment), "cwd": str(self.work_dir)}
        return line_of({**given, "bundle_dir": self.job.get("bundle_dir"), **self._paths()})

    def _paths(self) -> dict[str, Any]:
        paths = {"hide": list(self.hide), "visible": list(self.visible), "writable": self._writable()}
        return {**paths, "data_bytes": self.data_bytes, "cgroup": self.cgroup}

    def _writable(self) -> list[str]:
        own = [str(self.work_dir), self.environment.get("HOME"), self.job.get("bundle_dir")]
        return [path for path in own if path] + list(self.writable)


@dataclass
class ChildProcess:
    """A started child: descriptors to read until they end, and the socket of its warden."""

    warden: Warden
    life: socket.socket
    stdout: int
    stderr: int
    control: int
    pid: int = 0
    sandbox: str = ""
    _orders: threading.Lock = field(default_factory=threading.Lock)

    def order(self, word: str) -> None:
        """Send ``term``, ``spare`` or ``kill``; a warden that is gone has killed its child already."""
        with self._orders:
            try:
                self.life.send(word.encode() + b"\n")
            except OSError:
                return

    def kill_warden(self) -> None:
        """Last resort when the warden does not answer: its child dies with it."""
        self.warden.send_signal(signal.SIGKILL)

    def tree(self) -> TreeWatch | None:
        """A look at the child's tree: all that its warden has below it."""
        return TreeWatch(self.warden.pid)

    def destroy(self) -> None:
        """Kill the whole tree, and return when it is dead."""
        self.order("kill\n")
        try:
            self.warden.wait(WARDEN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_warden()
        self.close()

    def close(self) -> None:
        """Close what is still open and collect the warden."""
        self.life.close()
        for fd in (self.stdout, self.stderr, self.control):
            try:
                os.close(fd)
            except OSError:
                continue
        self.warden.wait()


def spawn(spec: ChildSpec) -> ChildProcess:
    """Start the warden with its child and hand over the job. OSError when the system has no room for a process."""
    (spec.work_dir / ".tmp").mkdir(parents=True, exist_ok=True)
    ours, theirs = socket.socketpair()
    job_r, job_w = os.pipe()
    control_r, control_w = os.pipe()
    try:
        warden = subprocess.Popen(
            [sys.executable, "-I", "-S", str(WARDEN), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=spec.work_dir,
            env=dict(spec.environment),
            pass_fds=(theirs.fileno(), job_r, control_w),
            start_new_session=True,
        )
        ours.sendall(spec.start_document(job_r, control_w))
    except BaseException:
        ours.close()  # a warden without an executor ends its child
        os.close(job_w)
        os.close(control_r)
        raise
    finally:
        theirs.close()
        os.close(job_r)
        os.close(control_w)
    try:
        feed(job_w, json.dumps(spec.job).encode())
        stdout, stderr = (take_over(pipe) for pipe in (warden.stdout, warden.stderr))
    except BaseException:  # no descriptor or thread left: nothing may run that nobody watches
        ours.close()
        os.close(control_r)
        warden.wait()
        raise
    return ChildProcess(warden, ours, stdout, stderr, control_r)


def take_over(pipe: Any) -> int:
    """Own descriptor of a Popen pipe, wide enough that a burst does not stop the child."""
    fd = os.dup(pipe.fileno())
    pipe.close()
    return widened(fd)


def widened(fd: int) -> int:
    with suppress(OSError):  # over the user's quota of pipe pages: the default size does too
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return fd


def feed(fd: int, data: bytes) -> None:
    """Write the job on a thread of its own: a child that never reads it must not hold the executor."""

    def write() -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(fd, view) :]
        except BrokenPipeError:
            pass
        finally:
            os.close(fd)

    threading.Thread(target=write, name="job-feed", daemon=True).start()


def kill_orphans(marker: str) -> None:
    """Kill what a child left to this process because its warden was killed; known by the marker in its environment."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.environ().get(MARKER) == marker:
                process.kill()
                process.wait(timeout=REAP_SECONDS)


class Spawner:
    """Starts children one after the other from one thread, so that two starts never share half-open descriptors."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, spec: ChildSpec) -> ChildProcess:
        with self._lock:
            return spawn(spec)


__all__ = ["ChildProcess", "ChildSpec", "Spawner", "ancestry", "child_environment", "spawn"]
