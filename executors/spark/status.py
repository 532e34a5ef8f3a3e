"""Progress and usage of an application by its status API (``/api/v1`` of the driver's user interface, on loopback)."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from executors.runtime.child import Context

Json = dict[str, Any]
LOOK_SECONDS = 0.5
ANSWER_SECONDS = 5.0
NANOSECONDS = 1e9
# Figures of stages -> those of a run's usage: sums over all stages of the application.
SUMS = {
    "inputBytes": "scanned_bytes",
    "inputRecords": "rows_read",
    "outputBytes": "written_bytes",
    "outputRecords": "rows_written",
    "shuffleWriteBytes": "shuffled_bytes",
    "diskBytesSpilled": "spilled_bytes",
    "numCompleteTasks": "tasks",
}
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Follower(AbstractContextManager["Follower"]):
    """Asks on a thread of its own while it is entered. ``application``: its id, once it is there; ``worked``: it had a
    job. Figures are as of the last look: the interface ends with the application."""

    def __init__(self, context: Context, port: int) -> None:
        self._context, self._base = context, f"http://127.0.0.1:{port}/api/v1/applications"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        self._told: tuple[Json, Json] | None = None
        self.application: str | None = None
        self.worked = False

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(ANSWER_SECONDS)

    def _run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                self._look()
            except (OSError, ValueError, LookupError):  # not there yet, or no more
                continue

    def _look(self) -> None:
        if self.application is None:
            self.application = str(ask(self._base)[0]["id"])
        base = f"{self._base}/{self.application}"
        jobs, stages = ask(f"{base}/jobs"), ask(f"{base}/stages")
        self.worked = self.worked or bool(jobs)
        if (found := (progress_of(jobs, stages), usage_of(stages))) != self._told:
            self._told = found
            self._context.progress(**found[0])
            self._context.usage(**found[1])


def ask(address: str) -> Any:
    """What the API answers. OSError or ValueError when it does not."""
    with NO_PROXY.open(address, timeout=ANSWER_SECONDS) as answer:
        return json.load(answer)


def progress_of(jobs: Iterable[Mapping[str, Any]], stages: Iterable[Mapping[str, Any]]) -> Json:
    """Fields of a progress message. Nobody knows which jobs the application is yet to have: no fraction."""
    known = list(jobs)
    running = [job for job in known if job["status"] == "RUNNING"]
    over, failed = (sum(job["status"] == state for job in known) for state in ("SUCCEEDED", "FAILED"))
    done, total = (sum(int(job[name]) for job in running) for name in ("numCompletedTasks", "numTasks"))
    active = sum(int(stage["numActiveTasks"]) for stage in stages if stage["status"] == "ACTIVE")
    text = f"{len(running)} jobs at work, {over} done" + (f", {failed} failed" if failed else "")
    text += f": {done} of {total} tasks done, {active} running" if running else ""
    return {"message": text, "current": sum(int(job["numCompletedTasks"]) for job in known), "unit": "tasks"}


def usage_of(stages: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Fields of a usage record; bytes, rows, seconds of the executors' processors."""
    told = list(stages)
    found = {ours: float(sum(stage.get(name) or 0 for stage in told)) for name, ours in SUMS.items()}
    found["executors_cpu_seconds"] = sum(stage.get("executorCpuTime") or 0 for stage in told) / NANOSECONDS
    peak = max((stage.get("peakExecutionMemory") or 0 for stage in told), default=0)
    return found | ({"operator_memory_peak_bytes": float(peak)} if peak else {})
