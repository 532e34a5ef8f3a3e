"""The rules of people who steer."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.db.machine import ANY, WORKER, QueueMachine
from tests.db.machine_room import TOKENS
from tests.support.machine_parts import Json

# Now, or in so many seconds; "as it is" leaves it out.
WHEN = st.sampled_from(["as it is", "as it is", None, None, 5, 45])


class SteeredMachine(QueueMachine):
    """Work, and people who steer it."""

    @precondition(lambda self: self.model.runs)
    @rule(which=ANY, paused=st.sampled_from([True, False, False]), those=st.booleans())
    def pause(self, which: int, paused: bool, those: bool) -> None:
        """those: one of those that are paused, if any is."""
        choice = [run for run in reversed(self.model.runs.values()) if run.paused and not run.ended]
        run = choice[which % len(choice)] if those and choice else self.a_run(which)
        name = "pause_run" if paused else "resume_run"
        said = lambda: self.model.pause(run.run_id, paused=paused)  # noqa: E731
        self.steered(run.run_id, said, name, {})

    def steered(self, run_id: str, said: Any, name: str, body: Json) -> None:
        _, answer = self.both(said, name, self.operator, run_id, body)
        assert answer is None or answer["state"] == self.model.runs[run_id].state

    @precondition(lambda self: self.model.runs)
    @rule(which=ANY, priority=st.sampled_from([None, None, 0, 5, 9]), when=WHEN)
    def reschedule(self, which: int, priority: int | None, when: str | int | None) -> None:
        run, schedule, body = self.a_run(which), {}, {}
        if priority is not None or when == "as it is":
            schedule["priority"] = body["priority"] = priority or 0
        if when != "as it is":
            tie = next(self.fraction) / 1000  # no two are due at the same moment
            schedule["not_before"] = None if when is None else self.model.now + int(when) + tie
            body["not_before"] = None if when is None else self.at(schedule["not_before"])
        said = lambda: self.model.reschedule(run.run_id, schedule)  # noqa: E731
        self.steered(run.run_id, said, "reschedule_run", body)

    @precondition(lambda self: self.model.attempts)
    @rule(which=ANY, wrong=st.sampled_from([0, 0, 0, 1]))
    def requeue(self, which: int, wrong: int) -> None:
        run_id, epoch, _ = self.attempt(which, "own")
        said = lambda: self.model.requeue(run_id, epoch + wrong)  # noqa: E731
        self.steered(run_id, said, "requeue_run", {"force": True, "epoch": epoch + wrong})

    @rule(paused=st.sampled_from([True, False, False]))
    def pause_queue(self, paused: bool) -> None:
        if paused:
            answer = self.ops.call("pause_queue", self.operator, "default", {})
        else:
            answer = self.ops.call("resume_queue", self.operator, "default")
        assert answer["paused"] is paused
        self.model.queue_paused = paused

    @rule(worker=WORKER, state=st.sampled_from(["paused", "active", "active", "active", "draining"]))
    def steer_worker(self, worker: int, state: str) -> None:
        if state == "draining":
            worker = len(TOKENS) - 1  # it never works again: the others do
        verb = {"paused": "pause", "active": "resume", "draining": "drain"}[state]
        said = lambda: self.model.steer_worker(worker, state)  # noqa: E731
        self.both(said, f"{verb}_executor", self.operator, str(self.workers[worker]), {})
        found = self.ops.value("select state from ops.executors where executor_id = %s", self.workers[worker])
        assert found == self.model.workers.get(worker, "active")
