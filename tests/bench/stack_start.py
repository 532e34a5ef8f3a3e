"""Seconds from `control-room up` to ready, on a data folder that has been started before (warm)."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.stack import Stack


def measure(folder: Path, repeat: int) -> dict[str, list[float]]:
    stack = Stack(folder / ".control-room")
    started, stopped = [], []
    try:
        stack.run("up")
        stack.run("down")
        for _ in range(repeat):
            before = time.perf_counter()
            stack.run("up")
            ready = time.perf_counter()
            stack.run("down")
            started.append(ready - before)
            stopped.append(time.perf_counter() - ready)
    finally:
        stack.run("down", check=False)
    return {"stack start to ready, embedded, warm (s)": started, "stack stop (s)": stopped}
