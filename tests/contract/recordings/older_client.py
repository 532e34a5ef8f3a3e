"""The day of an executor, played with the client of whatever commit stands on PYTHONPATH; `record.py` starts it.

    python older_client.py URL TOKEN_FILE MIN MAX

One JSON line on standard output for each step: {"do": ...} asks the recorder to act as the operator and waits for
a line on standard input; {"request": ..., "response": ...} tells what the client sent and what came back.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from contract import models
from contract.client import NO_RETRY, ExecutorClient
from contract.errors import ContractError

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
DATA = b"the bytes of an artifact\n"
BUNDLE = b"the bytes of a bundle\n"
UNSAID = ("authorization", "host", "content-length", "user-agent", "connection", "accept-encoding")
ERROR = {"class": "user", "code": "boom", "message": "it broke", "trace": "line 1", "position": {"line": 1}}
SCHEMA = {"type": "struct", "fields": [{"name": "a", "type": "long", "nullable": True, "metadata": {}}]}


def say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


class Telling(httpx.BaseTransport):
    """Tells of each request and its response. to: plane or store."""

    def __init__(self, to: str) -> None:
        self.to, self.inner = to, httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        response = self.inner.handle_request(request)
        response.read()
        say({"request": self._asked(request), "response": self._answered(response)})
        return response

    def _asked(self, request: httpx.Request) -> dict[str, Any]:
        url = str(request.url) if self.to == "store" else request.url.raw_path.decode()
        headers = {name: value for name, value in request.headers.items() if name not in UNSAID}
        return {
            "to": self.to,
            "method": request.method,
            "url": url,
            "headers": headers,
            "body": request.content.decode(),
        }

    def _answered(self, response: httpx.Response) -> dict[str, Any]:
        if self.to == "store":
            return {"status": response.status_code, "body": response.text if response.status_code == 200 else None}
        kind = response.headers.get("content-type")
        body = response.json() if kind and "json" in kind else None
        return {"status": response.status_code, "type": kind, "body": body}


class Day:
    """One executor. Ids that the executor itself makes count up from 1."""

    def __init__(self, client: ExecutorClient, low: str, high: str) -> None:
        self.client, self.range, self.ids = client, models.ContractRange(min=low, max=high), 0
        self.executor_id = ""

    def id(self) -> UUID:
        self.ids += 1
        return UUID(int=self.ids)

    def operator(self, do: str, **more: Any) -> None:
        """Have the operator do something, and wait until it is done."""
        say({"do": do, **more})
        sys.stdin.readline()

    def refused(self, code: str, call: Callable[[], Any]) -> None:
        found = "nothing"
        try:
            call()
        except ContractError as error:
            found = error.code
        assert found == code, f"{code} was due, {found} came"

    # Verbs ------------------------------------------------------------------------------------------------------------

    def register(self) -> None:
        body = models.RegisterRequest(
            **{"instance_id": self.id(), "name": "recorded", "kind": "python", "version": "0.1.0", "slots": 4},
            **{"contract": self.range, "capabilities": {"cancel": "full"}, "labels": {"zone": "local"}},
            **{"host": "worker", "pid": 4711},
        )
        first, again = (self.client.register_executor(body) for _ in range(2))
        assert first.executor_id == again.executor_id
        self.executor_id = str(first.executor_id)

    def claim(self, most: int = 1, wait: float = 0) -> list[models.ClaimedRun]:
        return self.ask(models.ClaimRequest(request_id=self.id(), max_runs=most, wait_seconds=wait))

    def ask(self, body: models.ClaimRequest) -> list[models.ClaimedRun]:
        return self.client.claim_runs(self.executor_id, body).runs

    def take(self, template: str, **spec: Any) -> models.ClaimedRun:
        """A new run of this template, claimed."""
        self.operator("submit", template=template, spec=spec)
        (run,) = self.claim()
        return run

    def beat(self, *runs: models.ClaimedRun, **more: Any) -> models.HeartbeatResponse:
        states = [models.HeartbeatRun(run_id=run.run_id, epoch=run.epoch, **more) for run in runs]
        return self.client.heartbeat(self.executor_id, models.HeartbeatRequest(state="active", runs=states))

    def told(self, run: models.ClaimedRun) -> dict[str, Any]:
        """What all reports have in common."""
        key = f"{run.run_id}/{run.epoch}"
        return {"epoch": run.epoch, "idempotency_key": key, "usage": {"wall_seconds": 1.5}, "finished_at": AT}

    def succeed(self, run: models.ClaimedRun, **more: Any) -> models.SucceededReport:
        return models.SucceededReport(**self.told(run), outcome="succeeded", **more)

    def file(self, run: models.ClaimedRun, data: bytes, name: str = "out/report.txt") -> models.BeginFileArtifact:
        digest = hashlib.sha256(data).hexdigest()
        given = {"epoch": run.epoch, "name": name, "kind": "file", "media_type": "text/plain", "metadata": {"a": 1}}
        return models.BeginFileArtifact(**given, size=len(data), sha256=digest)

    # The day, part by part --------------------------------------------------------------------------------------------

    def claims(self) -> None:
        assert self.claim() == []
        assert self.claim(wait=0.5) == []
        self.operator("submit", template="job", spec={}, params={"day": 1})
        wish = models.ClaimRequest(request_id=self.id(), max_runs=2, wait_seconds=5, queues=None)
        (run,) = self.ask(wish)
        assert [again.run_id for again in self.ask(wish)] == [run.run_id]
        other = models.ClaimRequest(request_id=wish.request_id, max_runs=3)
        self.refused("request_id_conflict", lambda: self.ask(other))
        progress = models.Progress(fraction=0.25, message="grüße", current=1, total=4, unit="rows")
        assert self.beat(run, progress=progress, usage={"cpu_seconds": 0.5}).runs[0].directive == "continue"
        self.logs(run)
        self.files(run)
        self.reports(run)

    def logs(self, run: models.ClaimedRun) -> None:
        for seq, offset, text in ((0, 0, "grüße\n"), (0, 0, "grüße\n"), (2, 20, "after a gap\n")):
            chunk = models.LogChunk(stream="stdout", seq=seq, offset=offset, at=AT, text=text)
            self.client.append_logs(run.run_id, models.LogsRequest(epoch=run.epoch, chunks=[chunk]))

    def files(self, run: models.ClaimedRun) -> None:
        begun = self.client.begin_artifact(run.run_id, self.file(run, DATA))
        record = models.RecordArtifactRequest(epoch=run.epoch)
        self.refused("upload_missing", lambda: self.client.record_artifact(run.run_id, begun.artifact_id, record))
        assert begun.upload is not None
        assert [self.client.upload(begun.upload, DATA) for _ in range(2)] == ["stored", "exists"]
        for _ in range(2):
            assert self.client.record_artifact(run.run_id, begun.artifact_id, record).state == "recorded"
        assert self.client.begin_artifact(run.run_id, self.file(run, DATA)).already_stored
        self.refused("artifact_conflict", lambda: self.client.begin_artifact(run.run_id, self.file(run, b"other")))
        table = models.TableRef(format="delta", uri="s3://lakehouse/silver/a", version=0)
        self.client.begin_artifact(
            run.run_id, models.BeginTableArtifact(epoch=run.epoch, name="silver", kind="table", table=table)
        )
        self.client.report_attempt(run.run_id, self.succeed(run, result={"rows": 3}))
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "report.txt"
            self.client.download(self.client.get_artifact(begun.artifact_id), target)
            assert target.read_bytes() == DATA

    def reports(self, run: models.ClaimedRun) -> None:
        assert self.client.report_attempt(run.run_id, self.succeed(run, result={"rows": 3})).repeated
        error = models.ErrorInfo.model_validate(ERROR)
        failed = models.FailedReport(**self.told(run), outcome="failed", error=error)
        self.refused("already_reported", lambda: self.client.report_attempt(run.run_id, failed))
        assert self.beat(run).runs[0].directive == "already_terminal"
        run = self.take("fails", retry={"max_attempts": 1})
        told = models.FailedReport(**self.told(run), outcome="failed", error=error)
        assert self.client.report_attempt(run.run_id, told).run_state == "failed"
        run = self.take("caps", retry={"max_attempts": 1}, caps={"wall_seconds": 60})
        capped = models.CappedReport(**self.told(run), outcome="capped", cap="wall_seconds", error=error)
        assert self.client.report_attempt(run.run_id, capped).run_state == "failed"
        self.refused("run_not_found", lambda: self.client.report_attempt(UUID(int=99), self.succeed(run)))

    def cancellations(self) -> None:
        run = self.take("job")
        self.operator("cancel", run_id=str(run.run_id), body={"reason": "not wanted"})
        assert self.beat(run).runs[0].directive == "cancel"
        cancelled = models.CancelledReport(**self.told(run), outcome="cancelled", reason="not wanted")
        assert self.client.report_attempt(run.run_id, cancelled).run_state == "cancelled"
        stale = self.take("job")
        self.operator("cancel", run_id=str(stale.run_id), body={"reason": "by force", "force": True})
        self.refused("lease_lost", lambda: self.client.report_attempt(stale.run_id, self.succeed(stale)))
        self.refused("lease_lost", lambda: self.client.begin_artifact(stale.run_id, self.file(stale, DATA)))
        self.refused("lease_lost", lambda: self.logs(stale))
        assert self.beat(stale).runs[0].directive in ("superseded", "already_terminal")

    def publications(self) -> None:
        table = {"name": "table", "format": "delta", "mode": "append", "path": "bronze/table"}
        run = self.take("publishes", outputs=[table])
        (output,) = run.outputs
        part = {"path": "part-0.parquet", "size": 10, "sha256": hashlib.sha256(b"x").hexdigest(), "rows": 3}
        given = {"output": output.name, "format": "delta", "mode": output.mode, "uri": output.uri, "rows": 3}
        publication = {**given, "files": [part], "schema": SCHEMA, "partition_by": []}
        report = models.SucceededReport.model_validate(
            {**self.told(run), "outcome": "succeeded", "publications": [publication]}
        )
        assert self.client.report_attempt(run.run_id, report).route.decision == "publish"
        done = models.CommittedPublication(epoch=run.epoch, state="committed", table_version=0, rows=3)
        for _ in range(2):
            self.client.commit_publication(run.run_id, "table", done)
        other = models.CommittedPublication(epoch=run.epoch, state="committed", table_version=1, rows=3)
        self.refused("publication_conflict", lambda: self.client.commit_publication(run.run_id, "table", other))
        assert self.client.report_attempt(run.run_id, report).repeated

    def bundles(self) -> None:
        sha256 = hashlib.sha256(BUNDLE).hexdigest()
        self.operator("bundle", text=BUNDLE.decode())
        run = self.take("bundled", bundle={"sha256": sha256, "size": len(BUNDLE)})
        assert run.bundle is not None
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "bundle"
            self.client.download(self.client.get_bundle(sha256), target)
            assert target.read_bytes() == BUNDLE
        self.client.report_attempt(run.run_id, self.succeed(run))
        self.refused("bundle_not_found", lambda: self.client.get_bundle("0" * 64))

    def leaves(self) -> None:
        idle = models.HeartbeatRequest(state="draining", runs=[])
        self.client.heartbeat(self.executor_id, idle)
        for _ in range(2):
            self.client.leave_executor(self.executor_id)
        self.refused("executor_gone", self.claim)
        newer = models.ContractRange(min="98.0", max="99.0")
        self.range, self.ids = newer, self.ids + 1
        self.refused("contract_version_unsupported", self.register)


def main(url: str, token_file: str, low: str, high: str) -> None:
    code = Path(models.__file__)
    assert code.is_relative_to(os.environ["PYTHONPATH"]), f"the client comes from {code}, not from PYTHONPATH"
    token = Path(token_file).read_text("utf-8").strip()
    transports = {"transport": Telling("plane"), "store_transport": Telling("store")}
    with ExecutorClient(url, token, retry=NO_RETRY, **transports) as client:  # type: ignore[arg-type]
        day = Day(client, low, high)
        for part in (day.register, day.claims, day.cancellations, day.publications, day.bundles, day.leaves):
            part()


if __name__ == "__main__":
    main(*sys.argv[1:])
