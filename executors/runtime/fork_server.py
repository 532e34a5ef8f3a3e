"""A process that forks children of runs: they have the runtime's modules loaded, so that a task starts in milliseconds.

Started by executors.runtime.forks (see executors.runtime.fork_main) with a socket, the desk. There it gets first the
names of the children's module and of what they will load beside, then per run one byte with five descriptors: the
warden's end of LIFE, job, control, stdout, stderr. It answers each with JSON: {"pid"} and a pidfd of the new warden, or
{"refused": why}, or {"errno"}. Everything else of a run goes between executor and warden (executors.runtime.warden),
and to the child: this process never sees a job, as it never saw a token.

A forked child is the grandchild of this process and no child of it: who forked it ends at once, so that the warden
belongs to the executor, which adopts orphans, and outlives this process.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from errno import EMFILE
from types import ModuleType
from typing import Any, NoReturn

from executors.runtime import sandbox, title, warden
from executors.runtime.child import run_child
from executors.runtime.fork_main import enter

FDS = 5
KEPT = 5  # stdin, stdout, stderr, job, control
# What most tasks import, and what starts no thread.
PRELOADED = ("datetime", "hashlib", "logging", "random", "subprocess", "tempfile", "uuid")


@dataclass(frozen=True)
class Nest:
    """What each child is forked with: body, name and file of its module; what a fresh child had not loaded; and the
    folder of its environment, "" for the executor's own.
    """

    body: Callable[[Any], Any]
    module: str
    file: str
    extra: frozenset[str]
    prefix: str


def serve(desk_fd: int, module: ModuleType, loaded: frozenset[str], prefix: str) -> NoReturn:
    """Fork children that call ``module.body``, until the executor closes its end. A fresh child has ``loaded``."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sandbox.hide_own_memory()
    desk = socket.socket(fileno=desk_fd)
    desk.set_inheritable(False)
    for name in PRELOADED:
        importlib.import_module(name)
    nest = Nest(module.body, module.__name__, module.__file__ or "", frozenset(sys.modules) - loaded, prefix)
    gc.collect()
    gc.freeze()  # a collection in a child must not touch, and so copy, every page of ours
    while True:
        data, fds, _, _ = socket.recv_fds(desk, 1, FDS)
        if not data:
            os._exit(0)
        answer(desk, fork_warden(desk, nest, fds))
        for fd in fds:
            os.close(fd)


def answer(desk: socket.socket, words: dict[str, Any] | None) -> None:
    if words is not None:
        desk.send(json.dumps(words).encode())


def fork_warden(desk: socket.socket, nest: Nest, fds: list[int]) -> dict[str, Any] | None:
    """Fork the process that forks the warden; what to answer, None when that process has answered."""
    if len(fds) != FDS:
        return {"errno": EMFILE}  # what did not fit, the kernel closed
    if (threads := len(os.listdir("/proc/self/task"))) != 1:  # noqa: PTH208 - pathlib costs each child
        return {"refused": f"the fork server has {threads} threads, and a fork would copy one"}
    try:
        between = os.fork()
    except OSError as error:
        return {"errno": error.errno}
    if between == 0:
        os._exit(give_birth(desk, nest, fds))
    code = os.waitstatus_to_exitcode(os.waitpid(between, 0)[1])
    return {"errno": abs(code)} if code else None


def give_birth(desk: socket.socket, nest: Nest, fds: list[int]) -> int:
    """Fork the warden and tell of it; 0, or an errno."""
    try:
        pid = os.fork()
        if pid == 0:
            be_warden(nest, fds)
        socket.send_fds(desk, [json.dumps({"pid": pid}).encode()], [os.pidfd_open(pid)])
    except OSError as error:
        return error.errno or 1
    return 0


def be_warden(nest: Nest, fds: list[int]) -> NoReturn:
    """A warden as one that was started as a program: its own session, nothing open but what it was given.

    It stays in the server's process group until the executor has spoken to it: by that group the executor collects
    those of a killed server that it never came to know.
    """
    life, job, control, stdout, stderr = fds
    try:
        close_all_but({0, *fds})
        if not heard(life):
            os._exit(0)
        os.setsid()
        for given, place in ((stdout, 1), (stderr, 2)):
            os.dup2(given, place)
            os.close(given)
        own = {"job_fd": job, "control_fd": control}
        warden.watch(life, lambda document, tell: be_child(nest, document, tell), own)
    except BaseException as error:  # nobody reads it but a person who looks for a defect
        os.write(2, f"warden: {type(error).__name__}: {error}\n".encode())
        os._exit(1)
    os._exit(0)


def heard(life: int) -> bool:
    """Wait for the executor's first word, and leave it there to be read; False when none will come."""
    peeked = socket.socket(fileno=life)
    try:
        return bool(peeked.recv(1, socket.MSG_PEEK))
    finally:
        peeked.detach()


def be_child(nest: Nest, document: dict[str, Any], tell: int) -> NoReturn:
    """A child as one whose program was executed; then its run. ``tell`` is closed when nothing of ours can fail."""
    settle_process()
    os.chdir(document["cwd"])
    settle_environment(document["environment"])
    title.rename(
        [f"{nest.prefix}/bin/python" if nest.prefix else sys.executable, "-P", "-m", nest.module],
        document["environment"],
    )
    settle_modules(nest, document["bundle_dir"])
    close_all_but({*range(KEPT), tell})
    os.close(tell)
    try:
        if nest.prefix:
            enter(nest.prefix)
        run_child(nest.body)
    except BaseException:  # as an interpreter ends with what nobody caught
        traceback.print_exc()
        os._exit(1)


def settle_process() -> None:
    """What an interpreter sets when it starts: signals, streams; and what executing it sets: memory open to its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for number, name in ((1, "stdout"), (2, "stderr")):
        open_stream(number, name)
    sandbox.show_own_memory()


def open_stream(number: int, name: str) -> None:
    """A text stream on a pipe that was put where the server had none; the one it had asks for its place in a file."""
    stream = open(number, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def settle_environment(environment: dict[str, str]) -> None:
    """The child's whole environment, for Python and for what reads it in C."""
    os.environ.clear()
    os.environ.update(environment)
    importlib.import_module("time").tzset()


def settle_modules(nest: Nest, bundle_dir: str | None) -> None:
    """An empty ``__main__``, and the bundle's modules before those that a fresh child would not have loaded."""
    sys.argv = [nest.file]
    sys.modules["__main__"] = ModuleType("__main__")
    sys.modules["tempfile"].tempdir = None  # type: ignore[attr-defined]
    names = set(os.listdir(bundle_dir)) if bundle_dir else set()  # noqa: PTH208
    for name in nest.extra:
        top = name.partition(".")[0]
        if not name.startswith("executors.") and (top in names or f"{top}.py" in names):
            sys.modules.pop(name, None)


def close_all_but(kept: set[int]) -> None:
    """Close every other descriptor of this process. Their Python objects stay alive in frames that never return."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:  # the descriptor of the listing itself
                continue
