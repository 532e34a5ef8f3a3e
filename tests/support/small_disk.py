"""A disk that a test may fill: a file system in memory, mounted for the test alone.

Mounting takes root's rights. An ordinary user gets them inside a user namespace, where the kernel lets one be made:
:func:`run_inside` runs a test file there. The mount is seen in that namespace only, and gone with its last process.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

INSIDE = "CONTROL_ROOM_TEST_NAMESPACE"
MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class SmallDisk:
    """A mounted disk of a known size. ``fill`` takes all that is free, ``free`` gives it back."""

    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Write until there is no byte left."""
        with self._filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 20))
        with self._filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(512))

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[SmallDisk]:
    """Mount a disk of this size on the new ``folder``. OSError where mounting is refused."""
    folder.mkdir(parents=True)
    options = f"size={mebibytes}m,mode=0755".encode()
    if _libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options) != 0:
        raise OSError(ctypes.get_errno(), f"cannot mount a disk for the test: {os.strerror(ctypes.get_errno())}")
    try:
        yield SmallDisk(folder)
    finally:
        _libc.umount2(os.fsencode(folder), MNT_DETACH)


def may_mount() -> bool:
    """Whether this process may mount: root, or inside the namespace of :func:`run_inside`."""
    return os.geteuid() == 0 or INSIDE in os.environ


def run_inside(test_file: str) -> subprocess.CompletedProcess[str]:
    """Run a test file as this very user in a namespace where it may mount."""
    rights = ("unshare", "--user", "--map-current-user", "--keep-caps", "--mount")
    command = [*rights, sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", test_file]
    return subprocess.run(command, env=os.environ | {INSIDE: "1"}, capture_output=True, text=True, check=False)
