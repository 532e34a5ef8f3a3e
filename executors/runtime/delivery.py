"""Brings an attempt's report to the control room, and its publications into their tables, whatever happens between.

The report is on disk before it is sent. If this process dies, the next one in the same work folder sends it again: the
epoch decides whether it still counts.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from contract import models
from contract.client import NO_RETRY, ExecutorClient
from contract.errors import Conflict, ContractError, Invalid
from executors.runtime.commit_process import COMMAND, CommitFailed, run_commit
from executors.runtime.connections import Connections, connection_for
from executors.runtime.failures import TaskError, error_record
from executors.runtime.journal import Journal
from executors.runtime.logs import Chunk, spooled, without_conflict
from executors.runtime.policy import GivenUp, Persistence

Json = dict[str, Any]
Report = models.SucceededReport | models.FailedReport | models.CancelledReport | models.CappedReport
REPORT: TypeAdapter[Report] = TypeAdapter(models.Report)
COMMIT_TRIES = 5
COMMITS_AT_ONCE = 4
COMMIT_PAUSE_SECONDS = 1.0
REPORT_FILE = "report.json"
SPOOL_FILE = "logs.jsonl"


@dataclass(frozen=True)
class Parcel:
    """A report on its way, with what its publications need. ``folder`` holds the copy on disk."""

    run_id: str
    number: int
    body: Json
    connections: tuple[str, ...]
    folder: Path

    def save(self) -> None:
        """Write it, durably, before the first try to send it."""
        part = self.folder / f".{REPORT_FILE}"
        record = {"run_id": self.run_id, "number": self.number, "body": self.body, "connections": self.connections}
        with part.open("w", encoding="utf-8") as file:
            json.dump(record, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / REPORT_FILE)

    @classmethod
    def load(cls, folder: Path) -> Parcel:
        found = json.loads((folder / REPORT_FILE).read_text("utf-8"))
        return cls(found["run_id"], found["number"], found["body"], tuple(found["connections"]), folder)

    def discard(self) -> None:
        """Remove the folder once the report is settled."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Delivery:
    """Sends parcels. Everything it does may be repeated."""

    def __init__(
        self,
        client: ExecutorClient,
        connections: Connections,
        journal: Journal,
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._client, self._connections, self._journal, self._command = client, connections, journal, command

    def deliver(self, parcel: Parcel, persist: Persistence, gone: threading.Event) -> None:
        """Until it is accepted or refused for good. GivenUp when ``gone`` is set before; the copy on disk stays."""
        answer = self._report(parcel, persist)
        if answer is None:
            return
        self._journal.info(
            "report.accepted",
            run_id=parcel.run_id,
            epoch=answer.epoch,
            outcome=answer.outcome,
            run_state=answer.run_state,
            route=answer.route.decision,
        )
        pending = [p for p in answer.publications if p.state not in ("committed", "failed")]
        if pending:
            # Each goes to a table of its own, and most of a commit is waiting: side by side.
            with ThreadPoolExecutor(min(len(pending), COMMITS_AT_ONCE), thread_name_prefix="commit") as pool:
                done = [pool.submit(self._publish, parcel, publication, persist, gone) for publication in pending]
            for settled in done:
                settled.result()

    def send_logs(self, run_id: str, epoch: int, chunks: list[Chunk], persist: Persistence) -> bool:
        """Send log chunks, without those on record with other text; False when nobody takes them any more."""
        while chunks:
            body = models.LogsRequest(epoch=epoch, chunks=[models.LogChunk(**chunk) for chunk in chunks])
            try:
                persist(partial(self._client.append_logs, run_id, body, retry=NO_RETRY))
                return True
            except (ContractError, GivenUp) as error:
                self._journal.warn("logs.dropped", str(error), run_id=run_id, epoch=epoch)
                before, chunks = len(chunks), without_conflict(chunks, error)
                if len(chunks) == before:
                    return False
        return True

    def recover(self, parcel: Parcel, persist: Persistence, gone: threading.Event) -> None:
        """Deliver what an earlier process left: its logs (chunks stored before are accepted again), then its report."""
        self._journal.info("report.recovered", run_id=parcel.run_id, epoch=parcel.body["epoch"])
        for chunks in spooled(parcel.folder / SPOOL_FILE):
            if not self.send_logs(parcel.run_id, parcel.body["epoch"], chunks, persist):
                break
        self.deliver(parcel, persist, gone)
        parcel.discard()

    def _report(self, parcel: Parcel, persist: Persistence) -> models.ReportResponse | None:
        ids = {"run_id": parcel.run_id, "epoch": parcel.body["epoch"]}
        try:
            return self._send(parcel.run_id, parcel.body, persist)
        except Conflict as error:
            self._journal.warn("report.dropped", error.detail, code=error.code, **ids)
        except (Invalid, ValueError) as error:
            self._journal.error("report.refused", str(error)[:500], **ids)
            return self._report_refusal(parcel, str(error), persist)
        except ContractError as error:
            self._journal.error("report.dropped", str(error), code=error.code, **ids)
        return None

    def _report_refusal(self, parcel: Parcel, why: str, persist: Persistence) -> models.ReportResponse | None:
        """A report that does not fit the contract must not leave the run hanging: say that instead."""
        error = error_record("internal", "report_refused", f"the report did not fit the contract: {why}")
        keep = {name: parcel.body[name] for name in ("epoch", "finished_at")}
        key = f"{parcel.body['idempotency_key']}/refused"
        try:
            return self._send(
                parcel.run_id, {**keep, "outcome": "failed", "idempotency_key": key, "error": error}, persist
            )
        except ContractError as refused:
            self._journal.error("report.dropped", str(refused), run_id=parcel.run_id, code=refused.code)
            return None

    def _send(self, run_id: str, body: Json, persist: Persistence) -> models.ReportResponse:
        report = REPORT.validate_python(body)
        return persist(lambda: self._client.report_attempt(run_id, report, retry=NO_RETRY))

    def _publish(
        self, parcel: Parcel, accepted: models.AcceptedPublication, persist: Persistence, gone: threading.Event
    ) -> None:
        staged = {p["output"]: p for p in parcel.body.get("publications", [])}
        marked = {**staged[accepted.output], "app_id": accepted.app_id, "app_version": accepted.app_version}
        if accepted.recorded_at:
            marked["recorded_at"] = accepted.recorded_at.isoformat()
        ids = {"run_id": parcel.run_id, "output": accepted.output}
        settled = self._settle(parcel, marked, gone)
        if settled is None:
            self._journal.warn("publication.left", "the control room commits it", **ids)
            return
        try:
            answer = persist(
                lambda: self._client.commit_publication(parcel.run_id, accepted.output, settled, retry=NO_RETRY)
            )
            # What is on record, which a commit that went through may not be: a table in another's place fails its run.
            tell = self._journal.info if answer.state == settled.state else self._journal.warn
            tell("publication.settled", state=answer.state, told=settled.state, run_state=answer.run_state, **ids)
        except ContractError as error:
            self._journal.warn("publication.refused", error.detail, code=error.code, **ids)

    def _settle(
        self, parcel: Parcel, publication: Json, gone: threading.Event
    ) -> models.CommittedPublication | models.FailedPublication | None:
        """Commit, with a few tries; None when it is left to the control room."""
        epoch = parcel.body["epoch"]
        for attempt in range(COMMIT_TRIES):
            try:
                found = self._commit(parcel, publication, gone)
                told = {name: found[name] for name in ("table_version", "location") if found.get(name) is not None}
                return models.CommittedPublication(state="committed", epoch=epoch, rows=publication["rows"], **told)
            except CommitFailed as failure:
                if not failure.transient:
                    return models.FailedPublication(
                        state="failed", epoch=epoch, error=models.ErrorInfo(**failure.error)
                    )
                ids = {"run_id": parcel.run_id, "output": publication["output"], "code": failure.error["code"]}
                self._journal.warn("publication.retried", str(failure), tries=attempt + 1, **ids)
            if gone.wait(COMMIT_PAUSE_SECONDS * 2**attempt):
                raise GivenUp("the executor stops")
        return None

    def _commit(self, parcel: Parcel, publication: Json, gone: threading.Event) -> Json:
        try:
            connection = connection_for(publication["uri"], self._connections.named(parcel.connections))
        except TaskError as error:
            # The run staged its data by that connection: the file has changed since, and may be mended.
            record = error_record(error.failure_class, error.code, error.message)
            raise CommitFailed(record, transient=True) from None
        return run_commit(self._command, publication, connection, parcel.folder, gone)


def left_over(runs: Path) -> list[Parcel]:
    """Reports that an earlier process of this work folder did not get through; its other leftovers are removed."""
    parcels: list[Parcel] = []
    for folder in sorted(runs.iterdir()):
        try:
            parcels.append(Parcel.load(folder))
        except (OSError, ValueError, KeyError, TypeError):
            # Killed before it could report, or of another version: the end of its lease settles the run.
            shutil.rmtree(folder, ignore_errors=True)
    return parcels
