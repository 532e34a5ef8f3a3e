"""The warm process's side: takes runs from the executor's socket, one after the other, and ends with it.

A module of a kind ends in::

    if __name__ == "__main__":
        serve(body)          # body(context) returns a JSON-able result, or raises

Unlike a child of one run (executors.runtime.child) it gets no signals: orders come over a socket of the run, to a
thread that calls what the body registered with ``context.on_stop``. The end of that socket is an order too: the
executor is gone, and nobody may go on at the engine in its name.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from executors.runtime import sandbox
from executors.runtime.child import Context, ControlPipe, read_job, run_body, run_child_with
from executors.runtime.media import guess_media_type
from executors.runtime.result import as_result
from executors.runtime.turns import Turns

FDS = 3
KILLED = 137
# After "kill": time for the engine to be told, and for the body to notice.
KILL_SECONDS = 3.0


class WarmContext(Context):
    """What a run in a warm process knows and may do beside :class:`executors.runtime.child.Context`."""

    def __init__(self, job: Mapping[str, Any], control: ControlPipe) -> None:
        super().__init__(job, control)
        self._polls = True
        self._stops: list[Callable[[], None]] = []
        self._stopping = threading.Lock()

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call this, from another thread, when the run is to end; at once when it is already."""
        with self._stopping:
            self._stops.append(callback)
            late = self._cancelled.is_set()
        if late:
            callback()

    def stop(self) -> None:
        """The run is to end."""
        with self._stopping:
            self._cancelled.set()
            stops = list(self._stops)
        for callback in stops:
            callback()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the run is to end; whether it is."""
        return self._cancelled.wait(seconds)

    def tell_result(self, value: Any) -> None:
        """The result of a run that is about to fail: it stands beside the error."""
        self._control.send("result", value=as_result(value))

    def unsure(self, flag: bool) -> None:
        """Whether something is under way whose outcome nobody would know if this process died now."""
        self._control.send("unsure", value=flag)

    def breach(self, cap: str, limit: float, observed: float, layer: str) -> None:
        """A cap is passed that only the kind can see; the run is being ended."""
        self._control.send("breach", cap=cap, limit=limit, observed=observed, layer=layer)

    def hand_over(self, name: str, path: Path, media_type: str | None = None, metadata: Any = None) -> None:
        """Upload a file of the work folder as it is, without a copy: nobody writes to it any more."""
        self._announce(name, path, "file", media_type or guess_media_type(name), metadata)


class AloneContext(WarmContext):
    """The same for a run in a process of its own, below a warden: SIGTERM is its order to stop."""

    def _on_sigterm(self, signum: int, frame: object) -> None:
        # On a thread: a callback may wait for the one that the signal has interrupted.
        threading.Thread(target=self.stop, name="stop", daemon=True).start()


def run_alone(body: Callable[[WarmContext], Any]) -> NoReturn:
    """Do one run, and exit: :func:`executors.runtime.child.run_child` for the body of a warm process.

    The author's code may be in an engine that it starts, never in the process itself: no other reaches into this one.
    """
    with suppress(OSError):
        sandbox.hide_own_memory()
    run_child_with(AloneContext, body)


def serve(body: Callable[[WarmContext], Any]) -> NoReturn:
    """Take runs until the executor closes its socket; never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        sandbox.hide_own_memory()
    desk = socket.socket(fileno=int(sys.argv[1]))
    desk.set_inheritable(False)
    paths = json.loads(first_line(desk))
    verdict = sandbox.confine(paths["hide"], paths["visible"], paths["writable"])
    while True:
        data, fds, _, _ = socket.recv_fds(desk, 1, FDS)
        if not data:
            os._exit(0)
        one_run(body, fds, verdict)
        desk.send(b"r")


def first_line(desk: socket.socket) -> bytes:
    """The start document; byte by byte, because descriptors come with what follows it."""
    line = b""
    while not line.endswith(b"\n"):
        data = desk.recv(1)
        if not data:
            os._exit(0)
        line += data
    return line


def one_run(body: Callable[[WarmContext], Any], fds: list[int], verdict: str) -> None:
    """One run under the child protocol."""
    job_fd, control_fd, life_fd = fds
    with socket.socket(fileno=life_fd) as life:
        send(life, {"pid": os.getpid(), "sandbox": verdict})
        control = ControlPipe(control_fd, Turns())
        context = WarmContext(read_job(job_fd), control)
        over = threading.Event()
        threading.Thread(target=obey, args=(life, context, over), daemon=True).start()
        try:
            code = run_body(body, context, control)
        except BrokenPipeError:  # the executor is gone
            code = 1
        over.set()
        os.close(control_fd)
        send(life, {"status": code << 8, "cpu_seconds": 0.0, "max_rss_bytes": 0, "leftovers": 0})
        with suppress(OSError):
            life.shutdown(socket.SHUT_RDWR)


def send(life: socket.socket, message: Mapping[str, Any]) -> None:
    with suppress(OSError):  # nobody to tell
        life.sendall(json.dumps(message).encode() + b"\n")


def obey(life: socket.socket, context: WarmContext, over: threading.Event) -> None:
    """Wait for orders, or for the executor's end, until the run is over."""
    while not over.is_set():
        try:
            data = life.recv(4096)
        except OSError:
            data = b""
        if over.is_set():
            return
        context.stop()
        if not data or b"kill" in data:
            if not over.wait(KILL_SECONDS):
                os._exit(KILLED)
            return
