"""The rules of submits that look at what is there; what a test runs is all rules together."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.db.machine import ANY, KEYS
from tests.db.machine_steering import SteeredMachine
from tests.support.machine_parts import Json, Refusal

CONDITIONS = ["all_success", "all_success", "none_failed", "all_failed", "all_done"]
CONDITIONS += ["at_least_one_success", "at_least_one_failed"]


class SubmittedMachine(SteeredMachine):
    """All rules."""

    sent: tuple[str, Json] | None = None

    def submit_first(self) -> None:
        """The holder of a dedupe key, so that it mostly runs when the next submit wants the key."""
        self.deduplicated(None, {"template": "job", "params": {}, "dedupe_key": "d1"})

    @precondition(lambda self: self.model.runs)
    @rule(
        template=st.sampled_from(["job", "keyed", "table", "flow", "flow"]),
        which=st.lists(ANY, min_size=1, max_size=3, unique=True),
        condition=st.sampled_from(CONDITIONS),
        deadline=st.sampled_from([None, None, None, 50]),
        whole=st.booleans(),
    )
    def submit_after(self, template: str, which: list[int], condition: str, deadline: int | None, whole: bool) -> None:
        """A run, or a pipeline, that waits for others: plain ones, pipelines, tasks of either, ended or not. whole: a
        pipeline, if there is any, is one of them."""
        every = [run.run_id for run in reversed(self.model.runs.values())]
        pipelines = [run_id for run_id in every if self.model.runs[run_id].is_pipeline]
        parents = dict.fromkeys(every[n % len(every)] for n in which)
        if whole and pipelines:
            parents |= {pipelines[which[0] % len(pipelines)]: None}
        named: Json = {"depends_on": [{"run": run_id} for run_id in parents], "condition": condition}
        if deadline is not None:
            named["deadline"] = self.at(self.model.now + deadline + next(self.fraction) / 1000)
        self.ops.call("submit_run", self.operator, {"template": template, "params": {}} | named)
        self.learn()

    @precondition(lambda self: self.model.held_back())
    @rule(which=ANY, verb=st.sampled_from(["cancel", "cancel", "reschedule", "pause"]))
    def steer_held(self, which: int, verb: str) -> None:
        """What people do to a pipeline that waits for other runs, or to a task of it."""
        held = self.model.held_back()
        at = list(reversed(self.model.runs)).index(held[which % len(held)].run_id)
        if verb == "cancel":
            self.cancel(at, False, False)
        elif verb == "reschedule":
            self.reschedule(at, None, 45)
        else:
            self.pause(at, True, False)

    @rule(
        template=st.sampled_from(["job", "table", "later", "flow"]),
        dedupe=st.sampled_from(["d1", "d1", "d2"]),
        on_conflict=st.sampled_from([None, "error", "return", "return", "replace", "replace"]),
        later=st.sampled_from([None, None, None, 45]),
        key=KEYS,
    )
    def submit_deduplicated(
        self, template: str, dedupe: str, on_conflict: str | None, later: int | None, key: str | None
    ) -> None:
        body: Json = {"template": template, "params": {}, "dedupe_key": dedupe, "idempotency_key": key}
        body |= {} if on_conflict is None else {"on_conflict": on_conflict}
        if later and template != "flow":  # no two are due at the same moment
            body["not_before"] = self.at(self.model.now + later + next(self.fraction) / 1000)
        self.sent = (key, body) if key else self.sent
        self.deduplicated(key, body)

    @precondition(lambda self: self.sent)
    @rule()
    def submit_deduplicated_again(self) -> None:
        """The same request once more, whatever became of its run and of its key's holder."""
        assert self.sent is not None
        self.deduplicated(*self.sent)

    def deduplicated(self, key: str | None, body: Json) -> None:
        sent = ("submit", json.dumps(body))
        if key in self.model.keys:
            self.keyed(key, sent, "submit_run", self.operator, body)
            return
        answered: Any = None
        try:
            answered = self.model.deduplicate(body["dedupe_key"], body.get("on_conflict"))
        except Refusal as refusal:
            self.refused(refusal.code, "submit_run", self.operator, body)
            return
        if answered is None:
            self.keyed(key, sent, "submit_run", self.operator, body)
            return
        answer = self.ops.call("submit_run", self.operator, body)
        assert (answer["run_id"], answer["repeated"]) == (answered, True)
        if key:
            self.model.keys[key] = (sent, answered)
