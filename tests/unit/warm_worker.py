"""A warm process for tests: does what the param `do` says."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from executors.runtime.child import Cancelled
from executors.runtime.warm_child import WarmContext, serve


def body(context: WarmContext) -> dict[str, Any]:
    what = context.params["do"]
    if what == "fail":
        raise ValueError("asked to")
    if what == "die":
        context.unsure(True)
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hang":
        time.sleep(600)
    if what == "wait" and context.wait(60):
        raise Cancelled("told to stop")
    if what == "breach":
        context.breach("rows_out", 10, 12, "engine")
        context.wait(60)
        raise Cancelled("a cap is passed")
    if what == "read":
        return {"read": tried(Path(context.params["path"]))}
    return {"pid": os.getpid()}


def tried(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        return type(error).__name__


if __name__ == "__main__":
    serve(body)
