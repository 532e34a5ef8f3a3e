"""The process between an executor and a run's child: it makes sure that the whole tree of the child dies.

Started as ``python -I -S warden.py LIFE_FD``; standard library only, so that it is up in 20 ms and small. Or forked
from a fork server (executors.runtime.fork_server), with a child that is forked too. It adopts orphans (a daemon of user
code cannot escape), kills everything when the executor dies (its end of LIFE closes, even by ``kill -9``) or asks for
it, and when the child ends it kills what the child left behind.

LIFE, executor -> warden, one line each: first the start document {"command", "job_fd", "control_fd", "hide",
"visible", "writable"}, then ``term`` (SIGTERM to the child's process group), ``spare`` (SIGKILL to all but the child
itself) or ``kill``. Warden -> executor, JSON lines: {"pid", "sandbox"} at start, {"exited"} when the child has
ended, {"status", "cpu_seconds", "max_rss_bytes", "leftovers"} when its tree has (status as in wait(2)).
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING or __package__:
    from executors.runtime import sandbox
else:  # a program of its own: before any package is there
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    import sandbox

Document = dict[str, Any]
# Becomes the child: gets the start document, and the descriptor to close once nothing can fail any more.
Become = Callable[[Document, int], NoReturn]
JOB_FD, CONTROL_FD = 3, 4
FIRST_SAFE_FD = 10


class Warden:
    """One child, from start to the last of its descendants."""

    def __init__(self, life: socket.socket, become: Become) -> None:
        self.life, self.become = life, become
        self.pending = b""
        self.pid = 0
        self.status: int | None = None
        self.leftovers = 0

    def start(self, own: Document) -> None:
        """Read the start document, complete it with ``own``, and start the child."""
        document = json.loads(self._first_line()) | own
        self.pid, verdict = start_child(document, self.become)
        for fd in (document["job_fd"], document["control_fd"], 1, 2):
            os.close(fd)  # only the child's tree holds the pipes: their end is its end
        self.send({"pid": self.pid, "sandbox": verdict})

    def _first_line(self) -> bytes:
        while b"\n" not in self.pending:
            data = self.life.recv(65536)
            if not data:
                os._exit(0)
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line

    def run(self, wake_fd: int) -> None:
        """Wait for the child's end, the executor's end, or an order."""
        poll = select.poll()
        poll.register(self.life, select.POLLIN)
        poll.register(wake_fd, select.POLLIN)
        while self.status is None:
            for fd, _ in poll.poll():
                if fd == wake_fd:
                    os.read(wake_fd, 4096)
                else:
                    self._order(self.life.recv(4096))
            self.reap()
        self.send({"exited": True})
        self.finish()

    def _order(self, data: bytes) -> None:
        if not data or b"kill" in data:
            self.kill_tree()
            return
        if b"term" in data:
            signal_group(self.pid, signal.SIGTERM)
        if b"spare" in data:
            self.kill_tree(spared=self.pid)

    def reap(self) -> None:
        """Collect what ended; the child's own status is kept."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.status = status

    def tree(self) -> list[int]:
        """All living descendants. None without a look at /proc where this process has no child, not even a dead one:
        who adopts orphans has no other descendant then."""
        return [] if childless() else descendants(os.getpid())

    def kill_tree(self, spared: int = 0) -> None:
        """Stop all descendants first (a fork bomb must not outrun the kill), then kill and reap until none is left."""
        stopped: set[int] = set()
        while fresh := set(self.tree()) - stopped - {spared}:
            for pid in fresh:
                send_signal(pid, signal.SIGSTOP)
            stopped |= fresh
        while alive := set(self.tree()) - {spared}:
            for pid in alive:
                send_signal(pid, signal.SIGKILL)
            self.reap()
        self.reap()  # what died last: nobody else would collect it

    def finish(self) -> None:
        self.leftovers = len(self.tree())
        self.kill_tree()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.send(
            {
                "status": self.status,
                "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
                "max_rss_bytes": used.ru_maxrss * 1024,
                "leftovers": self.leftovers,
            }
        )

    def send(self, message: dict[str, object]) -> None:
        try:
            self.life.sendall(json.dumps(message).encode() + b"\n")
        except OSError:  # the executor is gone: nobody to tell
            self.kill_tree()


def start_child(document: Document, become: Become) -> tuple[int, str]:
    """Fork a child; the verdict of its sandbox comes back through a pipe that closes when it has become its program."""
    told, tell = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            tell = fcntl.fcntl(tell, fcntl.F_DUPFD_CLOEXEC, FIRST_SAFE_FD)
            prepare_child(document, parent, tell)
            become(document, tell)
        except BaseException as error:  # nothing may return into the warden's code
            os.write(tell, f"failed: {error}".encode())
        os._exit(127)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        return pid, pipe.read().decode()


def prepare_child(document: Document, parent: int, tell: int) -> None:
    """What holds for each child, whether a program is executed for it or not."""
    os.setsid()
    sandbox.die_with_parent(parent, signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if group := document.get("cgroup"):
        with open(f"{group}/cgroup.procs", "w") as file:  # noqa: PTH123 - no pathlib in the warden
            file.write("0")
    limit_data(document.get("data_bytes"))
    place_fds(document["job_fd"], document["control_fd"])
    verdict = sandbox.confine(document["hide"], document["visible"], document["writable"])
    os.write(tell, verdict.encode())


def limit_data(most: int | None) -> None:
    """Allocations beyond fail (MemoryError in Python). Inherited by each process, and counted for each alone."""
    if most is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def execute(document: Document, tell: int) -> NoReturn:
    """Become the command; the verdict's pipe closes with that."""
    os.execve(document["command"][0], document["command"], dict(os.environ))  # noqa: S606


def place_fds(job: int, control: int) -> None:
    """Put the pipes at 3 and 4; everything else of the warden closes at exec."""
    job = fcntl.fcntl(job, fcntl.F_DUPFD_CLOEXEC, FIRST_SAFE_FD)
    control = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, FIRST_SAFE_FD)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - no pathlib in the warden
        close_at_exec(int(name))
    os.dup2(job, JOB_FD, inheritable=True)
    os.dup2(control, CONTROL_FD, inheritable=True)


def close_at_exec(fd: int) -> None:
    try:
        if fd > 2:
            os.set_inheritable(fd, False)
    except OSError:  # the descriptor of the listing itself
        return


def childless() -> bool:
    """Whether this process has no child, living or not yet collected."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def descendants(root: int) -> list[int]:
    """Living descendants of a process, by one look at /proc (zombies and the root itself left out)."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - no pathlib in the warden
        if name.isdigit() and (found := parent_of(int(name))):
            children.setdefault(found, []).append(int(name))
    tree: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        tree += below
        todo += below
    return tree


def parent_of(pid: int) -> int | None:
    """Parent of a living process, None for a zombie or one that is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            state, ppid = file.read().rpartition(b")")[2].split()[:2]
    except OSError:
        return None
    return None if state == b"Z" else int(ppid)


def signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def send_signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def wake_on_child_end() -> int:
    """A descriptor that becomes readable when any child ends."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return read_fd


def watch(life_fd: int, become: Become, own: Document) -> None:
    """Be the warden of one child, until all of its tree is gone."""
    sandbox.adopt_orphans()
    sandbox.hide_own_memory()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wake_fd = wake_on_child_end()
    warden = Warden(socket.socket(fileno=life_fd), become)
    warden.start(own)
    warden.run(wake_fd)


if __name__ == "__main__":
    watch(int(sys.argv[1]), execute, {})
