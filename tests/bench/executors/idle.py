"""What an executor takes that has nothing to do: memory and CPU of it and of what it keeps beside."""

from __future__ import annotations

import time

import psutil

from tests.bench.executors.bench import OURS, Bench
from tests.bench.executors.room import Room
from tests.support.stack import wait_until

MEMORY, CPU = "{} executor idle, memory (MB, PSS)", "{} executor idle, CPU (% of a core)"
SLACK_SECONDS = 60.0


def measure(bench: Bench, room: Room, kind: str, rest: float = 0.0) -> None:
    """Of an executor that has executed something. rest: seconds after which what it keeps warm ends; 0: never."""
    executor = psutil.Process(room.stack.pids(f"executor-{kind}")[0])
    if rest:
        gone = f"what the {kind} executor keeps warm to end"
        wait_until(lambda: not executor.children(), seconds=rest + SLACK_SECONDS, what=gone, every=1.0)
    for _ in range(bench.sizes.repeat):
        tree = [executor, *executor.children(recursive=True)]
        before = used(tree)
        time.sleep(bench.sizes.idle_seconds)
        spent = used(tree) - before
        bench.add(MEMORY.format(kind), OURS, sum(process.memory_full_info().pss for process in tree) / 1e6)
        bench.add(CPU.format(kind), OURS, spent / bench.sizes.idle_seconds * 100)


def used(tree: list[psutil.Process]) -> float:
    """Seconds of CPU so far."""
    return sum(sum(process.cpu_times()[:2]) for process in tree)
