"""The python executor through the real stack: trivial runs per minute, claim to body, and what it takes when idle.

A trivial run's body returns the time, so that the attempt's own start (its claim, by the database's clock of the same
machine) can be held against it. Each run has a process, a bundle, a log, a report of its own.
"""

from __future__ import annotations

import json
import statistics
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from tests.support.stack import Stack, wait_until

RUNS = 200
SLOTS = 2
IDLE_SECONDS = 10.0
TASK = "import time\n\n\ndef main():\n    return time.time()\n"
TEMPLATE = "name: trivial\nkind: python\nbundle: trivial\nentrypoint: 'task:main'\nrerun: safe\n"


def apply_template(stack: Stack, folder: Path) -> None:
    (folder / "trivial").mkdir()
    (folder / "trivial" / "task.py").write_text(TASK)
    (folder / "trivial.yaml").write_text(TEMPLATE)
    stack.run("templates", "apply", str(folder / "trivial.yaml"))


def drain(stack: Stack, folder: Path, count: int) -> list[dict[str, Any]]:
    """Submit so many runs and return them once all have ended."""
    (folder / "runs.jsonl").write_text(f"{json.dumps({'template': 'trivial'})}\n" * count)
    before = newest(stack, 1)
    last = before[0]["number"] if before else 0
    stack.run("submit", "--bulk", str(folder / "runs.jsonl"))
    wait_until(lambda: not newest(stack, 1, "queued", "running"), seconds=600, what="all runs to end", every=1.0)
    return [run for run in newest(stack, count) if run["number"] > last]


def newest(stack: Stack, count: int, *states: str) -> list[dict[str, Any]]:
    chosen = [word for state in states for word in ("--state", state)]
    found = stack.json("runs", "ls", "--template", "trivial", "--limit", str(count), *chosen)
    return list(found["items"] if isinstance(found, dict) else found)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def runs_per_minute(runs: list[dict[str, Any]]) -> float:
    """From the first claim to the last end."""
    begun, ended = min(at(run["started_at"]) for run in runs), max(at(run["finished_at"]) for run in runs)
    return len(runs) / (ended - begun) * 60


def claim_to_body(stack: Stack, runs: list[dict[str, Any]]) -> float:
    """Median milliseconds of a few of them."""
    shown = [stack.json("runs", "show", str(run["number"])) for run in runs[:: max(1, len(runs) // 10)]]
    return statistics.median((run["result"]["value"] - at(run["started_at"])) * 1000 for run in shown)


def idle(stack: Stack) -> tuple[float, float]:
    """MB (the share of memory that is its own, PSS) and per cent of one core, of the executor and its fork server."""
    executor = psutil.Process(stack.pids("executor-python")[0])
    tree = [executor, *executor.children(recursive=True)]
    before = sum(sum(process.cpu_times()[:2]) for process in tree)
    time.sleep(IDLE_SECONDS)
    used = sum(sum(process.cpu_times()[:2]) for process in tree) - before
    return sum(process.memory_full_info().pss for process in tree) / 1e6, used / IDLE_SECONDS * 100


def measure(folder: Path, repeat: int) -> dict[str, list[float]]:
    stack = Stack(folder / ".control-room")
    try:
        stack.run("up", "--executors", f"python={SLOTS}")
        apply_template(stack, folder)
        drain(stack, folder, 10)
        resting = [idle(stack) for _ in range(repeat)]
        drained = [drain(stack, folder, RUNS) for _ in range(repeat)]
        alone = [drain(stack, folder, 1) for _ in range(10)]
        waits = [claim_to_body(stack, runs) for runs in alone]
        busy = [claim_to_body(stack, runs) for runs in drained]
    finally:
        stack.run("down", check=False)
    return {
        f"python, trivial runs per minute, {SLOTS} slots": [runs_per_minute(runs) for runs in drained],
        "python, claim to body, one run alone (ms)": waits,
        f"python, claim to body, {RUNS} runs queued (ms)": busy,
        "python executor idle, memory (MB, PSS)": [memory for memory, _ in resting],
        "python executor idle, CPU (% of a core)": [share for _, share in resting],
    }
