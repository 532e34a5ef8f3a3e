"""The kernel process: learns of its run from a file that it deletes, then becomes an ordinary ipykernel, in which the
name ``control_room`` is :mod:`executors.notebook.kernel` before the first cell."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from executors.notebook import kernel
from executors.runtime.sandbox import die_with_parent

JOB_VARIABLE = "CONTROL_ROOM_KERNEL_JOB"
PARENT_VARIABLE = "JPY_PARENT_PID"
NAME = "control_room"


def main() -> None:
    """Start the kernel; it dies with the child that started it, also when that one is killed."""
    die_with_parent(int(os.environ[PARENT_VARIABLE]), signal.SIGKILL)
    # The job holds the declared connections: it must not lie about while user code runs.
    path = Path(os.environ.pop(JOB_VARIABLE))
    job = json.loads(path.read_text("utf-8"))
    path.unlink()
    kernel.begin(job)
    # In a cell `import control_room` is that too: the product's package of this name is nothing to a notebook.
    sys.modules[NAME] = kernel
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(exec_lines=[f"import {NAME}"])


if __name__ == "__main__":
    main()
