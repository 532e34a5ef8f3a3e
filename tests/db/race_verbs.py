"""The verbs that can meet on one run: situations a run can be in, and how each verb is called there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.core import EXTERNAL, Json, Queue, Worker, publication, report

Call = tuple[Any, ...]
OUTPUTS = [{"name": "flights", "format": "delta", "mode": "append", "path": "x"}]
TEMPLATES: dict[str, Json] = {
    "job": {"retry": {"backoff_seconds": 0}},
    "unsafe": {"retry": {"backoff_seconds": 0}, "rerun": "unsafe"},
    "table": {"retry": {"backoff_seconds": 0}, "outputs": OUTPUTS},
    "fragile": {"retry": {"max_attempts": 1}},
    "flow": {"kind": "pipeline", "tasks": {"a": {"template": "job"}, "b": {"template": "job", "depends_on": ["a"]}}},
}


@dataclass
class Scene:
    """One run, who has it or had it, and another executor that would like it."""

    queue: Queue
    holder: Worker
    other: Worker
    run: Json
    request: Json = field(default_factory=dict)  # the claim that brought it
    artifact: str = ""
    report: Json = field(default_factory=dict)  # what the holder reported
    whole: Json | None = None  # the pipeline run that it is a task of

    @property
    def run_id(self) -> str:
        return str(self.run["run_id"])

    def state(self) -> str:
        """state[:reason]/epoch, ! for a cancellation that was asked for, = for a pause, +n for a priority; for a task,
        "in" and its pipeline likewise; for a run with dependents, "then" and their states."""
        found = self.standing(self.run_id)
        if self.whole:
            found += f" in {self.standing(str(self.whole['run_id']))}"
        query = (
            "select string_agg(r.state, ' ' order by r.run_id) from ops.run_dependencies d"
            " join ops.runs r using (run_id) where d.depends_on = %s and r.pipeline_run_id is null"
        )
        dependents = self.queue.ops.value(query, self.run_id)
        return found + (f" then {dependents}" if dependents else "")

    def standing(self, run_id: str) -> str:
        query = (
            "select state || case when state in ('waiting', 'running') then coalesce(':' || state_reason, '') else ''"
            " end"
            " || '/' || epoch || case when state = 'running' and cancel_requested_at is not null then '!' else '' end"
            " || case when paused and finished_at is null then '=' else '' end"
            " || case when priority <> 0 then '+' || priority else '' end"
            " from ops.runs where run_id = %s"
        )
        return str(self.queue.ops.value(query, run_id))


class Stage:
    """Makes scenes in one database, one after the other."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        for name, spec in TEMPLATES.items():
            queue.template(name, **spec)
        queue.ops.admin.execute("update ops.settings set value = '100000000' where key = 'sweeper_gap_seconds'")
        self.holder, self.other = Worker(queue), Worker(queue)
        # A clock in a table: moving it makes no session plan its functions anew.
        queue.ops.admin.execute("create table public.shift as select interval '0' as by")
        queue.ops.admin.execute("grant select on public.shift to public")
        queue.ops.admin.execute(
            "create or replace function ops.now() returns timestamptz language sql stable parallel safe"
            " return statement_timestamp() + (select s.by from public.shift s)"
        )

    def forward(self, seconds: int) -> None:
        self.queue.ops.admin.execute("update public.shift set by = by + make_interval(secs => %s)", [seconds])

    def clear(self) -> None:
        """End what the last scene left, so that nobody claims it."""
        pending = "select run_id::text, output, epoch from ops.publications where state = 'recorded'"
        for run_id, output, epoch in self.queue.ops.admin.execute(pending).fetchall():
            body = {"epoch": epoch, "state": "committed", "table_version": 1, "rows": 1}
            self.queue.ops.call("commit_publication_as_reactor", run_id, output, body)
        going = (
            "select run_id::text from ops.runs where state in ('waiting', 'queued', 'running')"
            " order by kind <> 'pipeline', run_id"
        )
        for (run_id,) in self.queue.ops.admin.execute(going).fetchall():
            self.queue.cancel({"run_id": run_id}, force=True)

    def scene(self, situation: str) -> Scene:
        self.clear()
        scene: Scene = getattr(self, situation)()
        return scene

    def submitted(self, template: str = "job", **more: Any) -> Scene:
        run = self.queue.submit(template, **{"dedupe_key": str(uuid.uuid4())} | more)
        return Scene(self.queue, self.holder, self.other, run)

    def claimed(self, template: str = "job", **more: Any) -> Scene:
        scene = self.submitted(template, **more)
        scene.request = {"request_id": str(uuid.uuid4()), "max_runs": 1, "queues": None}
        (scene.run,) = self.queue.ops.call("claim_runs", self.holder.token, self.holder.id, scene.request)["runs"]
        return scene

    def later(self, seconds: float) -> str:
        return str(self.queue.ops.value("select ops.iso(ops.now() + make_interval(secs => %s))", seconds))

    # Situations -----------------------------------------------------------------------------------------------

    def queued(self) -> Scene:
        return self.submitted()

    def late(self) -> Scene:
        """Queued, and its deadline has passed."""
        scene = self.submitted(deadline=self.later(5))
        self.forward(6)
        return scene

    def due(self) -> Scene:
        """Waiting for a time that has come."""
        scene = self.submitted(not_before=self.later(5))
        self.forward(6)
        return scene

    def unsafe(self) -> Scene:
        """Waiting for a person, after an attempt whose repetition may do harm."""
        scene = self.claimed("unsafe")
        self.send_report(scene, "failed", error=EXTERNAL)
        return scene

    def lapsed(self) -> Scene:
        """Held, with an artifact begun; the lease has passed, and nobody has looked yet."""
        scene = self.claimed()
        scene.artifact = scene.holder.artifact(scene.run, record=False)["artifact_id"]
        self.forward(200)
        return scene

    def overdue(self) -> Scene:
        """Held, by a lease in force; the run's deadline has passed."""
        scene = self.claimed(deadline=self.later(5))
        self.forward(6)
        return scene

    def publishing(self) -> Scene:
        """Its success was accepted, its table is not committed; the lease has passed."""
        scene = self.claimed("table")
        self.send_report(scene, publications=[publication(scene.run)])
        self.forward(200)
        return scene

    def task(self) -> Scene:
        """A task of a pipeline, held, and another waits for it; the lease has passed."""
        whole = self.queue.submit("flow")
        (run,) = self.holder.claim()
        self.forward(200)
        return Scene(self.queue, self.holder, self.other, run, whole=whole)

    def ended(self) -> Scene:
        scene = self.claimed("fragile")
        self.send_report(scene, "failed", error=EXTERNAL)
        return scene

    def send_report(self, scene: Scene, result: str = "succeeded", **more: Any) -> None:
        scene.report = report(scene.run, result, **more)
        self.queue.ops.call("report_attempt", self.holder.token, scene.run_id, scene.report)


# Verbs ----------------------------------------------------------------------------------------------------------------


def claim(s: Scene) -> Call:
    return "claim_runs", s.other.token, s.other.id, {"request_id": str(uuid.uuid4()), "max_runs": 1, "queues": None}


def claim_again(s: Scene) -> Call:
    return "claim_runs", s.holder.token, s.holder.id, s.request


def heartbeat(s: Scene) -> Call:
    return "heartbeat", s.holder.token, s.holder.id, {"runs": [{"run_id": s.run_id, "epoch": s.run["epoch"]}]}


def append_logs(s: Scene) -> Call:
    chunk = {"stream": "stdout", "seq": 0, "offset": 0, "at": "2026-01-01T00:00:00Z", "text": "hello"}
    return "append_logs", s.holder.token, s.run_id, {"epoch": s.run["epoch"], "chunks": [chunk]}


def record_artifact(s: Scene) -> Call:
    return "record_artifact", s.holder.token, s.run_id, s.artifact, {"epoch": s.run["epoch"]}


def begin_artifact(s: Scene) -> Call:
    body = {"name": "b", "kind": "file", "media_type": "text/plain", "size": 1, "sha256": "c" * 64, "metadata": {}}
    return "begin_artifact", s.holder.token, s.run_id, body | {"epoch": s.run["epoch"]}


def report_attempt(s: Scene) -> Call:
    return "report_attempt", s.holder.token, s.run_id, s.report or report(s.run)


def report_failed(s: Scene) -> Call:
    return "report_attempt", s.holder.token, s.run_id, report(s.run, "failed", error=EXTERNAL)


def report_each(s: Scene) -> Call:
    member = {"ordinal": 0, "token_id": str(s.holder.token), "run_id": s.run_id, "body": s.report or report(s.run)}
    return "exchange_each", [member], []


def claim_each(s: Scene) -> Call:
    body = {"request_id": str(uuid.uuid4()), "max_runs": 1, "queues": None}
    member = {"ordinal": 0, "token_id": str(s.other.token), "executor_id": str(s.other.id), "body": body}
    return "exchange_each", [], [member]


def cancel(s: Scene) -> Call:
    return "cancel_run", s.queue.operator, s.run_id, {}


def force_cancel(s: Scene) -> Call:
    return "cancel_run", s.queue.operator, s.run_id, {"force": True}


def retry(s: Scene) -> Call:
    return "retry_run", s.queue.operator, s.run_id, {"idempotency_key": f"again-{s.run_id}"}


def pause(s: Scene) -> Call:
    return "pause_run", s.queue.operator, s.run_id, {}


def resume(s: Scene) -> Call:
    return "resume_run", s.queue.operator, s.run_id, {}


def reschedule(s: Scene) -> Call:
    return "reschedule_run", s.queue.operator, s.run_id, {"priority": 5}


def requeue(s: Scene) -> Call:
    return "requeue_run", s.queue.operator, s.run_id, {"force": True, "epoch": max(1, s.run["epoch"])}


def replay(s: Scene) -> Call:
    return "replay_each", s.queue.operator, [s.run_id]


def submit_after(s: Scene) -> Call:
    """A run that waits for this one, however it ends."""
    body = {"template": "job", "params": {}, "depends_on": [{"run": s.run_id}], "condition": "all_done"}
    return "submit_run", s.queue.operator, body


def submit_instead(s: Scene) -> Call:
    """A run with the same dedupe key, in the place of this one."""
    key = s.queue.ops.value("select dedupe_key from ops.runs where run_id = %s", s.run_id)
    body = {"template": "job", "params": {}, "dedupe_key": key, "on_conflict": "replace"}
    member = {"ordinal": 0, "token_id": str(s.queue.operator), "body": body}
    return "submit_each", [member]


def of_whole(s: Scene, call: Call) -> Call:
    """The same verb, on the pipeline."""
    assert s.whole is not None
    return tuple(s.whole["run_id"] if part == s.run_id else part for part in call)


def cancel_whole(s: Scene) -> Call:
    return of_whole(s, cancel(s))


def force_cancel_whole(s: Scene) -> Call:
    return of_whole(s, force_cancel(s))


def pause_whole(s: Scene) -> Call:
    return of_whole(s, pause(s))


def resume_whole(s: Scene) -> Call:
    return of_whole(s, resume(s))


def reschedule_whole(s: Scene) -> Call:
    return of_whole(s, reschedule(s))


def expire_leases(s: Scene) -> Call:
    return "expire_leases", 100


def promote_due(s: Scene) -> Call:
    return "promote_due", 100


def commit(s: Scene) -> Call:
    body = {"epoch": s.run["epoch"], "state": "committed", "table_version": 7, "rows": 3}
    return "commit_publication", s.holder.token, s.run_id, "flights", body


def commit_as_reactor(s: Scene) -> Call:
    return "commit_publication_as_reactor", *commit(s)[2:]


def commit_failed(s: Scene) -> Call:
    body = {"epoch": s.run["epoch"], "state": "failed", "error": EXTERNAL}
    return "commit_publication_as_reactor", s.run_id, "flights", body


Verb = Callable[[Scene], Call]
