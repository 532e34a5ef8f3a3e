"""One attempt from claim to accepted report, on a thread of its own: prepare, run the child, ship, report."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contract import models
from contract.errors import ContractError
from executors.runtime import measures, outcome
from executors.runtime.caps import Breach, Caps
from executors.runtime.connections import Connection
from executors.runtime.delivery import REPORT_FILE, SPOOL_FILE, Parcel
from executors.runtime.editions import FIRST
from executors.runtime.engine_gate import TAKEN_SECONDS
from executors.runtime.environments import NoEnvironmentError, pip_settings
from executors.runtime.failures import DISK_FULL_ERRNOS, TaskError, error_record, with_place
from executors.runtime.heartbeat import plain_rules
from executors.runtime.job import job_document
from executors.runtime.logs import Chunk, LogBook, LogShipper
from executors.runtime.memory import oom_kills
from executors.runtime.notes import MISFITS, Notes
from executors.runtime.policy import GivenUp, Persistence
from executors.runtime.process import ChildProcess, ChildSpec, ancestry, child_environment, kill_orphans
from executors.runtime.run_keys import run_connections
from executors.runtime.supervise import SILENT, ChildEnd, Stop, Supervision
from executors.runtime.text import Redactor, secrets_in, secrets_in_addresses
from executors.runtime.uploads import Uploads
from executors.runtime.warm import WarmRun
from executors.runtime.workshop import Workshop

Json = dict[str, Any]
# Of the executor's work folder a child may read these of its own attempt. A home that outlived it would let one run
# leave what the next one executes or sends (.netrc, .ipython/startup), also of another workspace.
CHILDS_FOLDERS = ("work", "home", "bundle", "inputs")
RUNTIME_MESSAGES = ("cancelled",)
TOLD_MISFITS = 20
INTERRUPTED = "run.interrupted"  # `control-room down` counts these lines


class Attempt:
    """A claimed run at work. ``run`` is the thread's body; all other methods may be called from any thread."""

    def __init__(self, run: models.ClaimedRun, shop: Workshop, contract_version: str) -> None:
        """contract_version: what the control room that gave the run speaks."""
        self._contract_version = contract_version
        self.run_id, self.epoch, self.claimed = str(run.run_id), run.epoch, run
        self.gone = threading.Event()
        self.reporting = False
        self.renewed_at = shop.clock()
        self._shop = shop
        self._caps = Caps.of(run.caps.model_dump(), plain_rules(run.cap_rules))
        self._persist = Persistence(self.gone, self._trouble)
        self._journal = shop.journal.bind(run_id=self.run_id, number=run.number, epoch=run.epoch)
        self._folder = shop.runs_dir / f"{self.run_id}-{self.epoch}"
        self._marker = f"{self.run_id}/{self.epoch}"
        self._notes = Notes()
        self._misfits = 0
        self._warm, self._clean_child = shop.kind.warm, False
        self._lock = threading.Lock()
        self._stop: Stop | None = None
        self._supervision: Supervision | None = None
        self._redactor = Redactor()
        self._connections: dict[str, Connection] = {}
        self._shipper: LogShipper | None = None
        self._book: LogBook | None = None
        self._artifacts: Uploads | None = None
        self._group_full = False

    # What heartbeats need -----------------------------------------------------------------------------------------

    def state(self) -> models.HeartbeatRun:
        """Progress, usage and metrics so far."""
        with self._lock:
            progress = models.Progress(**self._notes.progress) if self._notes.progress else None
            usage, metrics = self._notes.told(self._measured(), self._contract_version)
        run_id, more = self.claimed.run_id, {"metrics": metrics} if metrics else {}
        return models.HeartbeatRun(run_id=run_id, epoch=self.epoch, progress=progress, usage=usage, **more)

    def stop(self, stop: Stop) -> None:
        """End the child. Superseded and lapsed also end every wait: nothing may be said any more."""
        stop = replace(stop, heard_at=self._shop.clock())
        with self._lock:
            self._stop = stop if self._stop is None or stop.kind in SILENT else self._stop
            supervision = self._supervision
        if stop.kind in SILENT:
            self.gone.set()
        if supervision:
            supervision.stop(stop)

    def tighten(self, caps: Json, rules: Json | None) -> None:
        with self._lock:
            self._caps = self._caps.tightened(caps, rules)
            if self._supervision:
                self._supervision.tighten(caps, rules)

    def _measured(self) -> dict[str, float]:
        if self._supervision is None:
            return {}
        found = measures.measured(self._supervision.end, self._supervision.elapsed, self._counted())
        return self._ours(found)

    def _counted(self) -> dict[str, float]:
        """What is counted beside the child: its log, its artifacts, what it told of caps that hold here."""
        told = measures.amounts(self._notes)
        found = {name: amount for name, amount in told.items() if name in self._shop.kind.tells}
        if self._book:
            found["log_bytes"] = float(self._book.observed)
        if self._artifacts:
            found["artifact_bytes"] = float(self._artifacts.bytes)
            found["artifact_count"] = float(self._artifacts.files)
        return found

    def _ours(self, measured: Mapping[str, float]) -> dict[str, float]:
        """Without what the engine measures better."""
        theirs = self._shop.kind.engine_usage if self._warm else frozenset()
        return {name: value for name, value in measured.items() if name not in theirs}

    # The thread ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Everything, to the accepted report. Raises nothing."""
        self._journal.info("run.started", attempt=self.claimed.attempt, template=self.claimed.template_name)
        try:
            self._shop.gate.wait(lambda: self._stop is not None, TAKEN_SECONDS)
            body = self._execute()
            if body is not None:
                self._shop.gate.hear(body)
                self._deliver(body)
            elif self._stop and self._stop.kind == "shutdown":
                self._give_back()
            else:
                self._journal.warn("run.dropped", self._stop.reason if self._stop else "the lease is lost")
            self._clean()
        except GivenUp as error:
            self._journal.warn("run.left", f"not reported: {error}")

    def _give_back(self) -> None:
        """Say nothing of how it ended, but send its log while the lease is held: leaving gives the run back."""
        if self._shipper:
            self._shipper.join()
        self._journal.warn(INTERRUPTED, "the executor stops; the run is given back")

    @property
    def report_kept(self) -> bool:
        """Whether a report is on disk that the control room has not settled; the next process here sends it."""
        return (self._folder / REPORT_FILE).exists()

    def _deliver(self, body: Json) -> None:
        self.reporting = True
        self._make_room()
        connections = tuple(self.claimed.connections)
        parcel = Parcel(self.run_id, self.claimed.number, body, connections, self._folder)
        try:
            parcel.save()
        except OSError as error:  # a full disk: what is in memory can still be sent
            self._journal.warn("report.not_saved", str(error))
        if self._shipper:
            self._shipper.join()
        self._shop.delivery.deliver(parcel, self._persist, self.gone)

    def _make_room(self) -> None:
        """Remove all but the log: a run that filled the disk the database is on too could never be reported else."""
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)

    def _clean(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _execute(self) -> Json | None:
        """Run the child; the report's body, or None when another epoch holds the run or it is to be given back."""
        try:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True, mode=0o700)
            return self._in_folder()
        except TaskError as error:
            return self._failed(
                error_record(error.failure_class, error.code, error.message, error.trace, error.position)
            )
        except OSError as error:
            text = f"the executor could not run it: {with_place(error, self._folder)}; check its disk and limits"
            code = "disk_full" if error.errno in DISK_FULL_ERRNOS else "executor_failed"
            return self._failed(error_record("resources", code, text))
        except GivenUp:
            if self._stop and self._stop.kind in (*SILENT, "shutdown"):
                return None
            raise
        except ContractError as error:
            if error.code in ("lease_lost", "run_not_found"):
                self._stop = Stop("superseded", error.detail)
                return None
            return self._failed(error_record("internal", error.code, str(error)))
        except Exception as error:  # a defect of ours must end the run, not the slot
            self._journal.error("run.defect", f"{type(error).__name__}: {error}")
            return self._failed(error_record("internal", "executor_defect", f"{type(error).__name__}: {error}"))

    def _failed(self, error: Json) -> Json | None:
        end = ChildEnd(stop=self._stop, status=1, error=error)
        return outcome.conclude(end, self._facts({}))

    def _in_folder(self) -> Json | None:
        own = self._shop.connections.named(self.claimed.connections) | self._shop.kind.connections()
        self._connections = self._persist(lambda: run_connections(self.claimed, own))
        of_indexes = secrets_in_addresses(" ".join(pip_settings(os.environ).values()))
        self._redactor = Redactor(secrets_in(own) | secrets_in(self._connections) | of_indexes)
        book = LogBook(self._folder / SPOOL_FILE, self._shop.log_chunk_bytes, self._caps.log_bytes, self._redactor)
        self._book = book
        self._shipper = LogShipper(book, self._ship)
        try:
            return self._with_logs(book)
        except TaskError as error:
            book.note(f"the run could not start: {error.message}")
            raise
        finally:
            book.close()

    def _with_logs(self, book: LogBook) -> Json | None:
        uploads = self._artifacts = self._uploads()
        job = job_document(
            self.claimed, self._shop, self._persist, self._folder, self._connections, self._contract_version
        )
        self._redactor.add(job.pop("secrets", ()))
        oom_before = oom_kills()
        end = self._supervise(job, book, uploads)
        self._shop.kind.explain(job, end)
        finished = datetime.now(UTC)
        book.flush()  # so that the log travels beside the artifacts
        uploads.finish()
        if uploads.breach and all(breach.cap != uploads.breach.cap for breach in end.breaches):
            end.breaches.append(uploads.breach)
        clock, own_group = self._shop.clock(), self._group_full
        oom_killed = own_group or oom_kills() > oom_before
        if breach := measures.memory_breach(end, self._caps, oom_killed=oom_killed, now=clock, own_group=own_group):
            end.breaches.append(breach)
        facts = self._facts(self._measured(), finished, uploads.error, oom_killed)
        if self._contract_version != FIRST:
            facts = replace(facts, timings=measures.stop_timings(end, clock, datetime.now(UTC)))
        body = outcome.conclude(end, facts)
        return self._redactor.json(body) if body else None

    def _uploads(self) -> Uploads:
        return Uploads(
            self._shop.client,
            self._persist,
            self.run_id,
            self.epoch,
            self._folder / "work",
            self._caps,
            self._breached,
            self._shop.clock,
            None if self._contract_version == FIRST else self._shop.resume_bytes,
        )

    def _breached(self, breach: Breach) -> None:
        if self._supervision:
            self._supervision.breach(breach)

    def _supervise(self, job: Json, book: LogBook, uploads: Uploads) -> ChildEnd:
        work = Path(job["work_dir"])
        home, shop = self._folder / "home", self._shop
        environment = child_environment(os.environ, work, home, self._marker, ancestry(self.claimed))
        visible = (*shop.visible, *(str(self._folder / name) for name in CHILDS_FOLDERS))
        own = shop.kind.own_module(job)
        self._warm, self._clean_child = shop.kind.warm and own is None, own in shop.kind.clean_modules
        spec = ChildSpec(own or shop.kind.child_module, job, work, environment, shop.hide, visible, shop.writable)
        spec = replace(spec, data_bytes=measures.data_bytes(self._caps, limited=shop.kind.limited_data))
        spawn = shop.spawn_own if own else shop.spawn

        def watch(child: ChildProcess, seconds: float) -> ChildEnd:
            return self._watched(child, replace(self._caps, wall_seconds=seconds), book, uploads)

        try:
            with shop.fitted(spec, watch, lambda: self._stop) as fitted:
                return self._grouped(fitted, lambda spec: self._watched(spawn(spec), self._caps, book, uploads))
        except NoEnvironmentError as error:
            return error.end
        finally:
            shop.kind.release(job)

    def _grouped(self, spec: ChildSpec, run: Callable[[ChildSpec], ChildEnd]) -> ChildEnd:
        """Run a child in a memory cgroup of the attempt's own, where there is one to be had and a cap to be held."""
        cgroup, most = self._shop.cgroup, self._caps.memory_bytes
        if cgroup is None or most is None or self._warm:
            return run(spec)
        with cgroup.group(f"{self.run_id}-{self.epoch}", most) as group:
            end = run(replace(spec, cgroup=str(group.path)))
            self._group_full = group.out_of_memory()
        return end

    def _watched(self, child: ChildProcess | WarmRun, caps: Caps, book: LogBook, uploads: Uploads) -> ChildEnd:
        end = None
        try:
            end = self._supervision_of(child, caps, book, uploads).run()
        finally:
            if end is None or end.status is None:
                kill_orphans(self._marker)
        return end

    def _supervision_of(
        self, child: ChildProcess | WarmRun, caps: Caps, book: LogBook, uploads: Uploads
    ) -> Supervision:
        def on_message(message: Json) -> None:
            self._on_message(message, book, uploads)

        try:
            keep = self._shop.kind.keep_seconds
            clean = self._clean_child
            supervision = Supervision(child, book, caps, on_message, self._shop.clock, keep, clean=clean)
        except BaseException:  # out of descriptors: nobody would watch it
            child.destroy()
            raise
        with self._lock:
            self._supervision = supervision
            early = self._stop
        if early:
            supervision.stop(early)
        return supervision

    def _on_message(self, message: Json, book: LogBook, uploads: Uploads) -> None:
        """A line of the child's control pipe; what does not fit is left out with a line in the log."""
        kind = message.get("type")
        try:
            if kind == "log":
                book.feed(str(message.get("stream", "log")), str(message.get("text", "")).encode())
            elif kind == "artifact":
                uploads.add(message | {"preview": self._redactor.json(message.get("preview"))})
            elif kind not in RUNTIME_MESSAGES:
                fields = {name: value for name, value in message.items() if name != "type"}
                with self._lock:
                    self._notes.take(str(kind), fields, self._redactor)
                self._observe()
        except MISFITS as error:
            self._misfit(kind, error, book)

    def _observe(self) -> None:
        """What the child told against its caps; those that its engine enforces are only warned of here."""
        if self._supervision:
            for cap, amount in measures.amounts(self._notes).items():
                self._supervision.observe(cap, amount, stops=cap in self._shop.kind.tells)

    def _misfit(self, kind: object, error: Exception, book: LogBook) -> None:
        """A line in the log for a message left out; not for each of a million, these lines count against no cap."""
        self._misfits += 1
        if self._misfits <= TOLD_MISFITS:
            book.note(f"a {str(kind)[:100]} message of the child does not fit the protocol: {str(error)[:300]}")

    def _ship(self, chunks: list[Chunk]) -> bool:
        return self._shop.delivery.send_logs(self.run_id, self.epoch, chunks, self._persist)

    def _facts(
        self,
        measured: Mapping[str, float],
        finished: datetime | None = None,
        upload_error: Json | None = None,
        oom_killed: bool = False,
    ) -> outcome.Facts:
        usage, metrics = self._notes.told(measured, self._contract_version)
        return outcome.Facts(
            self.run_id,
            self.epoch,
            finished or datetime.now(UTC),
            usage,
            metrics,
            tuple(self._notes.publications.values()),
            upload_error,
            oom_killed,
        )

    def _trouble(self, error: BaseException, tries: int) -> None:
        if tries in (1, 10) or tries % 100 == 0:
            self._journal.warn("control_room.unanswered", str(error), tries=tries)
