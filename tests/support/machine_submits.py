"""The model's submits that look at what is there: dedupe keys."""

from __future__ import annotations

from tests.support.machine_parts import Refusal, Run
from tests.support.machine_steering import SteeredModel


class SubmittedModel(SteeredModel):
    """The whole model."""

    def held_back(self) -> list[Run]:
        """The tasks, not ended, of pipelines that wait for other runs, and now and then such a pipeline."""
        tasks = [run for run in self.runs.values() if not run.ended and self.held(run)]
        return tasks + [self.runs[str(run.pipeline)] for run in tasks[::5]]

    def holder(self, dedupe: str) -> Run | None:
        return next((run for run in self.runs.values() if run.dedupe == dedupe and not run.ended), None)

    def deduplicate(self, dedupe: str, on_conflict: str | None) -> str | None:
        """The run that the submit is answered with; None: a new one, for which the holder may have been cancelled."""
        holder = self.holder(dedupe)
        if holder is None:
            return None
        if on_conflict == "return":
            return holder.run_id
        if on_conflict != "replace" or holder.state == "running":
            raise Refusal("OPC11")
        self.cancel(holder.run_id, force=False)
        return None
