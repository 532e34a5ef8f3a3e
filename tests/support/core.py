"""The queue as a test drives it: one operator, executors that claim, beat and report, and a clock that moves."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from tests.support.ops import Ops, members
from tests.support.postgres import Database

Json = dict[str, Any]
EXTERNAL = {"class": "external", "code": "flaky", "message": "the other side hung up"}
USER = {"class": "user", "code": "bug", "message": "division by zero"}


class Worker:
    """A registered executor with the token that registered it."""

    def __init__(self, queue: Queue, kind: str = "python", **more: Any):
        self.queue = queue
        self.token = queue.ops.token("executor")
        self.id = queue.ops.executor(self.token, kind, **more)

    def claim(self, max_runs: int = 1, request_id: str | None = None, queues: list[str] | None = None) -> list[Json]:
        body = {"request_id": request_id or str(uuid.uuid4()), "max_runs": max_runs, "queues": queues}
        runs: list[Json] = self.queue.ops.call("claim_runs", self.token, self.id, body)["runs"]
        return runs

    def claim_one(self) -> Json:
        (run,) = self.claim()
        return run

    def heartbeat(self, *runs: Json, state: str = "active", **more: Any) -> Json:
        sent = [{"run_id": r["run_id"], "epoch": r["epoch"], "progress": None, "usage": None} | more for r in runs]
        answer: Json = self.queue.ops.call("heartbeat", self.token, self.id, {"state": state, "runs": sent})
        return answer

    def directive(self, run: Json) -> str:
        directive: str = self.heartbeat(run)["runs"][0]["directive"]
        return directive

    def report(self, run: Json, outcome: str = "succeeded", **more: Any) -> Json:
        answer: Json = self.queue.ops.call("report_attempt", self.token, run["run_id"], report(run, outcome, **more))
        return answer

    def commit(self, run: Json, output: str, table_version: int = 0, **more: Any) -> Json:
        body = {"epoch": run["epoch"], "state": "committed", "table_version": table_version, "rows": 3} | more
        answer: Json = self.queue.ops.call("commit_publication", self.token, run["run_id"], output, body)
        return answer

    def artifact(self, run: Json, name: str = "report.html", sha256: str = "a" * 64, *, record: bool = True) -> Json:
        body = {
            "epoch": run["epoch"],
            "name": name,
            "kind": "file",
            "media_type": "text/html",
            "size": 7,
            "sha256": sha256,
            "metadata": {},
        }
        begun: Json = self.queue.ops.call("begin_artifact", self.token, run["run_id"], body)
        if record:
            arguments = (self.token, run["run_id"], begun["artifact_id"], {"epoch": run["epoch"]})
            self.queue.ops.call("record_artifact", *arguments)
        return begun

    def table(self, run: Json, name: str, table: Json) -> None:
        """Record a version of a table that an engine wrote."""
        body = {"epoch": run["epoch"], "name": name, "kind": "table", "table": table, "metadata": {}}
        begun = self.queue.ops.call("begin_artifact", self.token, run["run_id"], body)
        arguments = (self.token, run["run_id"], begun["artifact_id"], {"epoch": run["epoch"]})
        self.queue.ops.call("record_artifact", *arguments)


class Queue:
    """One database with an operator and a workspace `default`."""

    def __init__(self, database: Database):
        self.database = database
        self.ops = Ops(database)
        self.operator = self.ops.token("operator", "olga")
        self.elapsed = 0.0
        self.sweep()  # the sweeper's first look counts as the end of an outage

    def template(self, name: str = "job", **spec: Any) -> Json:
        return self.ops.template(self.operator, name, **spec)

    def submit(self, template: str = "job", **more: Any) -> Json:
        return self.ops.submit(self.operator, template, **more)

    def get(self, run: Json) -> Json:
        answer: Json = self.ops.call("get_run", self.operator, run["run_id"])
        return answer

    def state(self, run: Json) -> str:
        state: str = self.get(run)["state"]
        return state

    def child(self, pipeline: Json, task: str) -> Json:
        (found,) = [c for c in self.get(pipeline)["children"] if c["task_key"] == task]
        return found

    def states(self, pipeline: Json) -> dict[str, str]:
        return {c["task_key"]: c["state"] for c in self.get(pipeline)["children"]}

    def cancel(self, run: Json, **body: Any) -> Json:
        answer: Json = self.ops.call("cancel_run", self.operator, run["run_id"], body)
        return answer

    def retry(self, run: Json, **body: Any) -> Json:
        answer: Json = self.ops.call("retry_run", self.operator, run["run_id"], body)
        return answer

    def why(self, run: Json) -> list[str]:
        return [r["code"] for r in self.ops.call("why_run", self.operator, run["run_id"])["reasons"]]

    def sweep(self, limit: int = 100) -> list[Json]:
        expired: list[Json] = self.ops.call("expire_leases", limit)["expired"]
        return expired

    def sweep_keys(self) -> None:
        """Move on until the sweeper looks for idle keys and floors again, and let it."""
        self.forward(11, sweeping=True)
        self.sweep()

    def promote(self) -> Json:
        answer: Json = self.ops.call("promote_due", 100)
        return answer

    def pending(self) -> list[Json]:
        found: list[Json] = self.ops.call("pending_publications", 10)
        return found

    def forward(self, seconds: float, *, sweeping: bool = False) -> list[Json]:
        """Move the clock on. sweeping: a sweeper keeps looking, so that no outage is seen; its finds are answered."""
        end, found = self.elapsed + seconds, []
        while sweeping and self.elapsed + 3 < end:
            self._set(self.elapsed + 3)
            found += self.sweep()
        self._set(end)
        return found

    def _set(self, elapsed: float) -> None:
        self.elapsed = elapsed
        self.ops.move_clock(elapsed)

    def expire(self, seconds: float = 61) -> list[Json]:
        """Move on with a working sweeper, and answer all it expired; 61 s end every default lease."""
        return self.forward(seconds, sweeping=True) + self.sweep()

    def event_types(self, run: Json) -> list[str]:
        rows = self.ops.admin.execute("select type from ops.events where run_id = %s order by seq", (run["run_id"],))
        return [row[0] for row in rows]


def report(run: Json, outcome: str = "succeeded", **more: Any) -> Json:
    """A report's body; one key per attempt."""
    body: Json = {
        "epoch": run["epoch"],
        "outcome": outcome,
        "idempotency_key": f"{run['run_id']}/{run['epoch']}",
        "usage": {},
        "finished_at": "2026-01-01T00:00:00Z",
        "cap_ledger": [],
    }
    extra: Json = {
        "succeeded": {"result": {}, "publications": []},
        "failed": {"error": EXTERNAL},
        "cancelled": {"reason": "asked", "error": None},
        "capped": {"error": {"class": "resources", "code": "wall", "message": "too long"}, "cap": "wall_seconds"},
    }[outcome]
    return body | extra | more


def publication(run: Json, output: str = "flights", **more: Any) -> Json:
    """A publication of a declared output of a claimed run."""
    (declared,) = [o for o in run["outputs"] if o["name"] == output]
    return {
        "output": output,
        "format": declared["format"],
        "mode": declared["mode"],
        "uri": declared["uri"],
        "files": [{"path": "part-0.parquet", "size": 10, "sha256": "b" * 64, "rows": 3}],
        "schema": {"type": "struct", "fields": []},
        "rows": 3,
        "partition_by": [],
    } | more


class Refused:
    """The refusal expected in a `with refused(code)` block."""

    error: psycopg.Error

    @property
    def members(self) -> Json:
        return members(self.error)

    @property
    def message(self) -> str:
        return self.error.diag.message_primary or ""


class refused:  # noqa: N801 - reads as a word
    """with refused("OPC01") as refusal: the block raises that SQLSTATE."""

    def __init__(self, sqlstate: str):
        self.sqlstate = sqlstate
        self.refusal = Refused()

    def __enter__(self) -> Refused:
        return self.refusal

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, psycopg.Error):
            if error is None:
                pytest.fail(f"expected {self.sqlstate}, nothing was refused")
            return False
        assert error.sqlstate == self.sqlstate, f"{error.sqlstate}: {error}"
        self.refusal.error = error
        return True
