"""Folders of servers that tests start: each is deleted with its server, or by the next run when this one was killed.

A folder's `.lock` is held as long as the process that made it lives. One that nobody holds was left behind: its
process was killed, timed out, or was a worker whose run was interrupted.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LOCK = ".lock"
_held: dict[Path, int] = {}


def make(prefix: str, parent: str | None = None, forget: Callable[[Path], None] = lambda folder: None) -> Path:
    """A fresh folder for a server; what dead processes left under this prefix goes. forget: see :func:`sweep`."""
    end_in_order_on_sigterm()
    sweep(prefix, Path(parent or tempfile.gettempdir()), forget)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    draft = folder / f"{LOCK}.new"
    fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    draft.rename(folder / LOCK)  # never seen unheld while we live
    _held[folder] = fd
    return folder


def remove(folder: Path) -> None:
    """Delete a folder whose server has ended."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(KeyError):
        os.close(_held.pop(folder))


def sweep(prefix: str, parent: Path, forget: Callable[[Path], None] = lambda folder: None) -> None:
    """Delete the folders whose process is gone. forget: called before with each, for what its server left elsewhere."""
    for lock in parent.glob(f"{prefix}*/{LOCK}"):
        with suppress(OSError), lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            forget(lock.parent)
            for path in lock.parent.iterdir():
                if path.is_dir():  # the lock goes last: a server that is still ending may keep something
                    shutil.rmtree(path, ignore_errors=True)
            shutil.rmtree(lock.parent, ignore_errors=True)


def end_in_order_on_sigterm() -> None:
    """Let `kill` and `timeout` end a run as Ctrl-C does, with its fixtures."""
    ours = threading.current_thread() is threading.main_thread()
    if ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
