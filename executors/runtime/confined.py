"""Become another program that may not read or write what user code may not: a server that runs code of runs itself.

    python -m executors.runtime.confined HIDDEN:... VISIBLE:... WRITABLE:... PROGRAM ARGUMENT...

The three lists are paths as in :func:`executors.runtime.sandbox.confine`, each in one argument, apart by colons.
"""

from __future__ import annotations

import os
import sys

from executors.runtime import sandbox

MISUSE = 2


def main() -> None:
    """Replaces this process; says on standard error what holds."""
    if len(sys.argv) < 5:
        sys.stderr.write("confined: HIDDEN VISIBLE WRITABLE PROGRAM [ARGUMENT]...\n")
        sys.exit(MISUSE)
    hidden, visible, writable = ([part for part in told.split(os.pathsep) if part] for told in sys.argv[1:4])
    sys.stderr.write(f"confined by {sandbox.confine(hidden, visible, writable)}\n")
    sys.stderr.flush()
    os.execv(sys.argv[4], sys.argv[4:])  # noqa: S606 - replacing ourselves is the point


if __name__ == "__main__":
    main()
