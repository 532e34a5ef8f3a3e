"""Run a program as another user, for servers that refuse root: python -m control_room.local.stepdown UID PROGRAM ...

The program must be found and its files read although the checkout may lie in a folder that only root may enter
(`HOME` with mode 0700). Opening up such folders would be rude, so where the other user cannot get through, the program
keeps one capability, CAP_DAC_OVERRIDE: it may pass folders, and is root in no other way.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def main() -> None:
    """argv: UID PROGRAM ARGUMENTS. Replaces this process."""
    uid, argv = int(sys.argv[1]), sys.argv[2:]
    needed = [Path(argv[0]), Path.cwd()]
    if can_reach(uid, needed):
        drop(uid)
    else:
        drop_keeping_path_access(uid)
    os.execv(argv[0], argv)  # noqa: S606 - replacing ourselves is the point


def can_reach(uid: int, paths: list[Path]) -> bool:
    """Whether the user may enter every folder on the way; tried in a child, by really being that user."""
    child = os.fork()
    if child == 0:
        try:
            drop(uid)
            os._exit(0 if all(os.access(path, os.R_OK | os.X_OK) for path in paths) else 1)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def drop(uid: int) -> None:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def drop_keeping_path_access(uid: int) -> None:
    """Become `uid` with CAP_DAC_OVERRIDE alone. access(2) looks at the real user unless the secure bit is set."""
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    drop(uid)
    mask = 1 << CAP_DAC_OVERRIDE
    _check(libc.capset(struct.pack("II", CAPABILITY_VERSION_3, 0), struct.pack("IIIIII", mask, mask, mask, 0, 0, 0)))
    _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"cannot step down from root: {os.strerror(code)}")


if __name__ == "__main__":
    main()
