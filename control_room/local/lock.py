"""One supervisor per data folder. The lock belongs to the process: the kernel lets go of it when the process dies."""

from __future__ import annotations

import fcntl
import os
import time
from typing import IO

from control_room.errors import REFUSED, ControlRoomError
from control_room.local.folder import StackFolder


class FolderLock:
    """Held from acquire() until release() or the end of the process."""

    def __init__(self, folder: StackFolder):
        self._path = folder.lock_file
        self._file: IO[str] | None = None

    def try_acquire(self) -> bool:
        file = self._path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        os.set_inheritable(file.fileno(), False)
        self._file = file
        return True

    def acquire(self, patience: float = 1.0) -> None:
        """Take the lock; `patience` seconds cover a command that only looked whether it is free."""
        deadline = time.monotonic() + patience
        while not self.try_acquire():
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            raise ControlRoomError(
                "another stack runs on this data folder",
                where=str(self._path.parent),
                next_step="see `control-room status`, stop it with `control-room down`, or pass another --data-dir",
                exit_code=REFUSED,
            )

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
