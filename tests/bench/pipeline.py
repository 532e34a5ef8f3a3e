"""Wall time of the demo pipeline, and the share of it that is not user code.

User code is what the executors' children do, from their start to their end, as each attempt's usage tells it. The
rest is ours: waiting for a claim, heartbeats, uploads, the report, and the publication of the tables.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tests.support.stack import Stack


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def one_run(stack: Stack) -> tuple[float, float]:
    """Run the pipeline; return its wall seconds and the seconds of user code in it."""
    summary = stack.json("demo")
    pipeline = summary["run"]
    wall = seconds_between(pipeline["submitted_at"], pipeline["finished_at"])
    tasks = stack.runs(str(pipeline["number"])).values()
    return wall, sum(task["usage"]["wall_seconds"] for task in tasks)


def measure(folder: Path, repeat: int) -> dict[str, list[float]]:
    stack = Stack(folder / ".control-room")
    try:
        stack.run("up")
        one_run(stack)
        runs = [one_run(stack) for _ in range(repeat)]
    finally:
        stack.run("down", check=False)
    return {
        "pipeline, submit to finished (s)": [wall for wall, _ in runs],
        "pipeline, outside user code (s)": [wall - user for wall, user in runs],
        "pipeline, outside user code (share)": [(wall - user) / wall for wall, user in runs],
    }
