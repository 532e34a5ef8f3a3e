"""The model's verbs of people who steer: runs paused, resumed, rescheduled and requeued; executors steered."""

from __future__ import annotations

from tests.support.machine_parts import Json, Refusal, Run
from tests.support.machine_swept import SweptModel

WAITS_FOR_TIME = {"not_before", "retry_backoff"}
RETIMED = WAITS_FOR_TIME | {"waiting_on_dependency", "waiting_on_pipeline"}


class SteeredModel(SweptModel):
    """The model, with steering. A schedule's not_before is in seconds, or None for now."""

    def family(self, run_id: str) -> list[Run]:
        """The run, of a pipeline with its tasks, in run-id order."""
        return [run for key, run in sorted(self.runs.items()) if run_id in (key, run.pipeline)]

    def steerable(self, run: Run) -> None:
        if run.ended or run.reason == "publishing":
            raise Refusal("OPC05")

    def pause(self, run_id: str, *, paused: bool) -> None:
        self.steerable(self.runs[run_id])
        changed = [
            run for run in self.family(run_id) if run.paused != paused and not run.ended and run.reason != "publishing"
        ]
        for run in changed:
            run.paused = paused
        if not paused:
            for run in sorted((run for run in changed if run.place), key=lambda run: run.place or 0):
                self.queue(run)
            self.let_due(changed)

    def let_due(self, runs: list[Run]) -> None:
        """Those that wait for a time that has come."""
        due = [run for run in runs if run.reason in WAITS_FOR_TIME and not run.paused and run.not_before is not None]
        for run in sorted(due, key=lambda run: (run.not_before or 0, run.run_id)):
            if (run.not_before or 0) <= self.now:
                self.queue(run)

    def reschedule(self, run_id: str, schedule: Json) -> None:
        run = self.runs[run_id]
        self.steerable(run)
        later = schedule.get("not_before") is not None and schedule["not_before"] > self.now
        held = run.reason == "rerun_unsafe" and "not_before" in schedule
        if not run.is_pipeline and (run.state == "running" or (run.state == "queued" and later) or held):
            raise Refusal("OPC05")
        family = [one for one in self.family(run_id) if one.is_pipeline or one.state in ("waiting", "queued")]
        moved = []
        for one in sorted(family, key=lambda one: (one.place or float("inf"), one.run_id)):
            if one.ended:
                continue
            before, one.priority = one.priority, schedule.get("priority", one.priority)
            self.retime(one, schedule)
            moved += [one] if one.place and one.priority != before else []
        for one in moved:
            self.queue(one)
        self.let_due(family)

    def retime(self, run: Run, schedule: Json) -> None:
        if "not_before" in schedule and run.reason in RETIMED:
            now = None if run.not_before is None else min(run.not_before, self.now)
            run.not_before = now if schedule["not_before"] is None else schedule["not_before"]

    def requeue(self, run_id: str, epoch: int) -> None:
        run, attempt = self.runs[run_id], self.attempts.get((run_id, epoch))
        if run.epoch != epoch and attempt and attempt.outcome == "expired":
            return
        self.steerable(run)
        if run.state != "running" or run.is_pipeline or run.epoch != epoch:
            raise Refusal("OPC05")
        self.revoke(run, "expired")
        run.expirations += 1
        self.route(run, "expired", "internal", at_once=True)
        self.settle()

    def steer_worker(self, worker: int, state: str) -> None:
        if self.workers.get(worker) == "draining" and state != "draining":
            raise Refusal("OPC05")
        self.workers[worker] = state
