"""The queue in a few dicts: what each verb answers and leaves, said again in Python, without SQL and without locks.

Times are seconds since the machine began. A verb returns what its answer is about, or raises Refusal with the SQLSTATE.
"""

from __future__ import annotations

import itertools
from typing import Any

from tests.support.machine_parts import (
    BUDGET,
    MAX_EXPIRATIONS,
    NOTED,
    RETRIED,
    TERMINAL,
    Attempt,
    Json,
    Lease,
    Refusal,
    Run,
)


class Model:
    """tokens: the token of each worker."""

    def __init__(self, tokens: tuple[str, ...]) -> None:
        self.tokens = tokens
        self.now = 0.0
        self.runs: dict[str, Run] = {}
        self.attempts: dict[tuple[str, int], Attempt] = {}
        self.leases: dict[str, Lease] = {}
        self.claims: dict[tuple[int, str], tuple[Json, list[tuple[str, int]]]] = {}
        self.keys: dict[str, tuple[Any, str]] = {}
        self.ran_at = 0.0
        self.gaps = [(0.0, float("inf"))]
        self.workers: dict[int, str] = {}
        self.queue_paused = False
        self._places = itertools.count(1)

    # Runs come, and what follows from what --------------------------------------------------------------------

    def add(self, run: Run) -> None:
        self.runs[run.run_id] = run
        run.state = "waiting"
        if run.parents:
            run.reason = "waiting_on_dependency"
        elif run.is_pipeline:
            run.reason = "waiting_on_tasks"
        elif self.held(run):
            run.reason = "waiting_on_pipeline"
        else:
            self.let(run)

    def held(self, run: Run) -> bool:
        """Whether it is a task of a pipeline that waits for other runs."""
        return run.pipeline is not None and self.runs[run.pipeline].reason == "waiting_on_dependency"

    def too_early(self, run: Run) -> bool:
        """Whether its pipeline waits for other runs, or was cancelled or skipped before they had ended."""
        pipeline = self.runs.get(run.pipeline or "")
        return self.held(run) or any(not self.runs[parent].ended for parent in (pipeline.parents if pipeline else ()))

    def retried(self, run: Run) -> bool:
        """Whether a retry of it, or of one of those, has not ended."""
        while run.retry_of:
            run = self.runs[run.retry_of]
        return self._open(run)

    def _open(self, run: Run) -> bool:
        later = [r for r in self.runs.values() if r.retry_of == run.run_id]
        return not run.ended or any(self._open(r) for r in later)

    def tasks(self, pipeline: Run) -> list[Run]:
        return [run for _, run in sorted(self.runs.items()) if run.pipeline == pipeline.run_id]

    def let(self, run: Run) -> None:
        """It waits for nothing but its time."""
        if run.not_before is not None and run.not_before > self.now:
            run.reason = "not_before"
        else:
            self.queue(run)

    def queue(self, run: Run) -> None:
        run.state, run.reason, run.place = "queued", None, next(self._places)

    def finish(self, run: Run, state: str) -> None:
        run.state, run.reason, run.place = state, None, None
        self.leases.pop(run.run_id, None)

    def settle(self) -> None:
        """Children of what has ended, until nothing moves; then pipelines, and what waits for those."""
        while level := [
            (run, self.verdict(run)) for _, run in sorted(self.runs.items()) if self.verdict(run) != "wait"
        ]:
            for run, verdict in level:
                if verdict == "never":
                    self.skip(run)
                elif not run.ended:
                    self.unblock(run)
        open_ones = [run for _, run in sorted(self.runs.items()) if run.is_pipeline and not run.ended]
        for run in open_ones:
            self.derive(run)
        if any(run.ended for run in open_ones):
            self.settle()

    def skip(self, run: Run) -> None:
        """With a pipeline its tasks, which have not begun."""
        for one in [run, *self.tasks(run)]:
            if not one.ended:
                self.finish(one, "skipped")

    def unblock(self, run: Run) -> None:
        if self.held(run):
            run.reason = "waiting_on_pipeline"
        elif not run.is_pipeline:
            self.let(run)
        else:
            run.reason = "waiting_on_tasks"
            for task in self.tasks(run):
                if task.reason == "waiting_on_pipeline":
                    self.let(task)

    def verdict(self, run: Run) -> str:
        if run.reason != "waiting_on_dependency":
            return "wait"
        states = [self.runs[parent].state for parent in run.parents]
        done, good = all(s in TERMINAL for s in states), states.count("succeeded")
        bad = sum(s in ("failed", "cancelled") for s in states)
        ended = sum(s in TERMINAL for s in states)
        ready, never = {
            "all_success": (good == len(states), ended > good),
            "none_failed": (done and not bad, bad > 0),
            "all_failed": (bad == len(states), ended > bad),
            "all_done": (done, False),
            "at_least_one_success": (done and good > 0, done),
            "at_least_one_failed": (done and bad > 0, done),
        }[run.condition]
        return "ready" if ready else "never" if never else "wait"

    def derive(self, pipeline: Run) -> None:
        tasks = [run for run in self.runs.values() if run.pipeline == pipeline.run_id]
        states = {run.state for run in tasks}
        if any(run.attempt for run in tasks):
            pipeline.state, pipeline.reason = "running", None
        if states <= TERMINAL:
            self.finish(pipeline, next((s for s in ("failed", "cancelled") if s in states), "succeeded"))

    # Claim ----------------------------------------------------------------------------------------------------

    def repeated(self, worker: int, body: Json) -> list[tuple[str, int]] | None:
        """What this request was answered before, less what is held no more. OPC06: it came with another body."""
        known = self.claims.get((worker, body["request_id"]))
        if known is None:
            return None
        if known[0] != body:
            raise Refusal("OPC06")
        return [(r, e) for r, e in known[1] if (held := self.leases.get(r)) and held.epoch == e and not held.reported]

    def claim(self, worker: int, body: Json) -> list[tuple[str, int]]:
        found = self.repeated(worker, body)
        self.promote_ready()
        return self.start(worker, body) if found is None else found

    def start(self, worker: int, body: Json) -> list[tuple[str, int]]:
        given: list[tuple[str, int]] = []
        if self.workers.get(worker, "active") != "active" or self.queue_paused:
            return given
        picked = 0
        for run in sorted((r for r in self.runs.values() if r.place), key=lambda r: (-r.priority, r.place)):
            if picked < body["max_runs"] and self.startable(run):
                picked += 1
                if run.template == BUDGET[0] and self.room() < 1:
                    run.state, run.reason, run.place = "waiting", "budget_exhausted", None
                    continue
                run.state, run.place, run.epoch, run.attempt = "running", None, run.epoch + 1, run.attempt + 1
                self.attempts[run.run_id, run.epoch] = Attempt(worker)
                self.leases[run.run_id] = Lease(run.epoch, worker, self.now + run.lease_seconds)
                given.append((run.run_id, run.epoch))
        if given:
            self.claims[worker, body["request_id"]] = (body, given)
        self.settle()
        return given

    def room(self) -> int:
        """How many more runs of the template with a budget may be at work."""
        template, limit = BUDGET
        return limit - sum(self.runs[run_id].template == template for run_id in self.leases)

    def startable(self, run: Run) -> bool:
        if run.paused or (run.deadline is not None and run.deadline <= self.now):
            return False
        limit = run.spec["concurrency"]["limit"] if run.key else 0
        return not run.key or sum(self.runs[r].key == run.key for r in self.leases) < limit

    # What an attempt sends ------------------------------------------------------------------------------------

    def lost_reason(self, run_id: str, epoch: int) -> str:
        attempt = self.attempts.get((run_id, epoch))
        if attempt and attempt.report is not None:
            return "terminal"
        if attempt and attempt.outcome == "cancelled":
            return "cancelled"
        current = self.runs[run_id].epoch == epoch + 1
        return "expired" if attempt and attempt.outcome == "expired" and current else "superseded"

    def hold(self, worker: int, run_id: str, epoch: int, *, unreported: bool = False) -> Attempt:
        """The attempt, when this worker's token has it and it holds the lease."""
        self.own(worker, run_id, epoch)
        lease = self.leases.get(run_id)
        if lease is None or lease.epoch != epoch or (unreported and lease.reported):
            raise Refusal("OPC01")
        return self.attempts[run_id, epoch]

    def own(self, worker: int, run_id: str, epoch: int) -> None:
        attempt = self.attempts.get((run_id, epoch))
        if attempt and self.tokens[attempt.worker] != self.tokens[worker]:
            raise Refusal("OPU02")

    def heartbeat(self, worker: int, members: list[tuple[str, int]]) -> list[str]:
        """The directive for each."""
        answers = []
        for run_id, epoch in members:
            run, lease = self.runs[run_id], self.leases.get(run_id)
            if lease and lease.epoch == epoch and lease.worker == worker:
                lease.deadline = self.now + run.lease_seconds
                answers.append(self.told(worker, run, lease))
            else:
                terminal = self.lost_reason(run_id, epoch) == "terminal"
                answers.append("already_terminal" if terminal else "superseded")
        return answers

    def told(self, worker: int, run: Run, lease: Lease) -> str:
        if lease.reported:
            return "continue"
        if run.cancel_at is not None:
            return "cancel"
        return "drain" if self.workers.get(worker) == "draining" else "continue"

    def log(self, worker: int, run_id: str, epoch: int, seq: int, text: str) -> None:
        logs = self.hold(worker, run_id, epoch).logs
        if logs.setdefault(seq, text) != text:
            raise Refusal("OPC10")

    def begin(self, worker: int, run_id: str, epoch: int, name: str, content: str) -> None:
        artifacts = self.hold(worker, run_id, epoch, unreported=True).artifacts
        if artifacts.setdefault(name, [content, "begun"])[0] != content:
            raise Refusal("OPC04")

    def record(self, worker: int, run_id: str, epoch: int, name: str | None) -> None:
        artifacts = self.hold(worker, run_id, epoch, unreported=True).artifacts
        if name not in artifacts:
            raise Refusal("OPN04")
        artifacts[name][1] = "recorded"

    def report(self, worker: int, run_id: str, body: Json) -> bool:
        """Whether it was said before."""
        run, epoch = self.runs[run_id], body["epoch"]
        self.own(worker, run_id, epoch)
        attempt = self.attempts.get((run_id, epoch))
        if attempt and attempt.report is not None:
            if attempt.outcome != body["outcome"]:
                raise Refusal("OPC02")
            if attempt.report != body and body not in attempt.others and len(attempt.others) < NOTED:
                attempt.others.append(body)
                run.differs += 1
            return True
        attempt = self.hold(worker, run_id, epoch)
        if self.key_used(attempt.worker, body["idempotency_key"]):
            raise Refusal("OPC03")
        attempt.outcome, attempt.report = body["outcome"], body
        for artifact in attempt.artifacts.values():
            artifact[1] = "visible" if artifact[1] == "recorded" else "orphaned"
        attempt.publications = {p["output"]: ("recorded", None) for p in body.get("publications", [])}
        if attempt.outcome != "succeeded":
            self.route(run, attempt.outcome, (body.get("error") or {}).get("class", "internal"))
        elif attempt.publications:
            run.reason, self.leases[run_id].reported = "publishing", True
        else:
            self.finish(run, "succeeded")
        return False

    def key_used(self, worker: int, key: str) -> bool:
        return any(
            a.worker == worker and a.report and a.report["idempotency_key"] == key for a in self.attempts.values()
        )

    def route(self, run: Run, outcome: str, failure_class: str, *, at_once: bool = False) -> None:
        """After an attempt that did not succeed. A backoff's time is drawn by the database: None until read. at_once:
        there is none."""
        if outcome == "cancelled" or run.cancel_at is not None:
            self.finish(run, "cancelled")
        elif (
            failure_class not in RETRIED
            or run.expirations >= MAX_EXPIRATIONS
            or run.attempt >= run.spec["retry"]["max_attempts"]
        ):
            self.finish(run, "failed")
        else:
            self.leases.pop(run.run_id)
            run.not_before = None
            if run.spec.get("rerun") == "unsafe":
                run.state, run.reason = "waiting", "rerun_unsafe"
            elif run.spec["retry"]["backoff_seconds"] and not at_once:
                run.state, run.reason = "waiting", "retry_backoff"
            else:
                self.queue(run)

    def commit(self, worker: int | None, run_id: str, epoch: int, output: str, state: str, version: int) -> None:
        """worker None: the reactor."""
        if worker is not None:
            self.own(worker, run_id, epoch)
        attempt, lease = self.attempts.get((run_id, epoch)), self.leases.get(run_id)
        if attempt is None or output not in attempt.publications:
            known = (attempt and attempt.report is not None) or (lease and lease.epoch == epoch)
            raise Refusal("OPN05" if known else "OPC01")
        now, at = attempt.publications[output]
        if now != "recorded":
            if now != state or (state == "committed" and at != version):
                raise Refusal("OPC07")
        elif state == "committed":
            attempt.publications[output] = (state, version)
            if all(p[0] == "committed" for p in attempt.publications.values()):
                self.finish(self.runs[run_id], "succeeded")
        else:
            attempt.publications = {
                name: p if p[0] == "committed" else ("failed", None) for name, p in attempt.publications.items()
            }
            self.finish(self.runs[run_id], "failed")
        self.settle()

    def revoke(self, run: Run, outcome: str) -> None:
        attempt = self.attempts[run.run_id, run.epoch]
        attempt.outcome = outcome
        for artifact in attempt.artifacts.values():
            artifact[1] = "orphaned"
        run.epoch += 1

    def promote_ready(self) -> None:
        due = [
            r
            for r in self.runs.values()
            if r.reason in ("not_before", "retry_backoff") and r.not_before is not None and not r.paused
        ]
        for run in sorted((r for r in due if r.not_before <= self.now), key=lambda r: r.not_before or 0):
            self.queue(run)
