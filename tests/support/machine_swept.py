"""The model's verbs of people who cancel, and of the reactor: what lapses, what nobody obeyed, whose time has come."""

from __future__ import annotations

from tests.support.machine_model import Model
from tests.support.machine_parts import CANCEL_GRACE, SWEEPER_GAP, TERMINAL, Refusal, Run


class SweptModel(Model):
    """The model, with cancellations, the sweeper and the promoter."""

    def cancel(self, run_id: str, *, force: bool) -> None:
        run = self.runs[run_id]
        if run.state in TERMINAL - {"cancelled"} or run.reason == "publishing":
            raise Refusal("OPC05")
        for one in [run] if not run.is_pipeline else [r for r in self.runs.values() if r.pipeline == run_id]:
            if one.ended or one.reason == "publishing":
                continue
            one.cancel_at = self.now if one.cancel_at is None else one.cancel_at
            if one.state != "running":
                self.finish(one, "cancelled")
            elif force:
                self.revoke(one, "cancelled")
                self.finish(one, "cancelled")
        if run.is_pipeline and not run.ended and run.cancel_at is None:
            run.cancel_at = self.now
        self.settle()

    def sweep(self, limit: int) -> list[tuple[str, int]]:
        """The (run, epoch) that expired."""
        if self.now - self.ran_at > SWEEPER_GAP:
            self.gaps.append((self.now, self.now - self.ran_at))
        self.ran_at = self.now
        late = [
            (run_id, lease.epoch)
            for run_id, lease in sorted(self.leases.items())
            if lease.deadline < self.now
            and not lease.reported
            and self.back(self.runs[run_id]) + self.runs[run_id].lease_seconds <= self.now
        ][:limit]
        for run_id, _ in late:
            run = self.runs[run_id]
            self.revoke(run, "expired")
            run.expirations += 1
            self.route(run, "expired", "internal")
        for run in [run for _, run in sorted(self.runs.items()) if self.disobeyed(run)][:limit]:
            self.revoke(run, "cancelled")
            self.finish(run, "cancelled")
        self.settle()
        return late

    def back(self, run: Run) -> float:
        """When the sweeper came back from the last pause that counts for the run's lease."""
        return max(ended for ended, seconds in self.gaps if seconds > run.lease_seconds / 3)

    def disobeyed(self, run: Run) -> bool:
        if run.state != "running" or run.is_pipeline or run.reason == "publishing" or run.cancel_at is None:
            return False
        return max(run.cancel_at, self.back(run)) + run.lease_seconds + CANCEL_GRACE < self.now

    def promote_due(self) -> None:
        self.promote_ready()
        held = [run for run in self.runs.values() if run.reason == "budget_exhausted" and not run.paused]
        for run in sorted(held, key=lambda run: (-run.priority, run.run_id))[: max(0, self.room())]:
            self.queue(run)
        for run in self.runs.values():
            late = run.deadline is not None and run.deadline <= self.now and not run.is_pipeline
            if late and not run.ended and run.cancel_at is None and run.reason != "publishing":
                if run.state == "running":
                    run.cancel_at = self.now
                else:
                    self.finish(run, "failed")
        self.settle()
