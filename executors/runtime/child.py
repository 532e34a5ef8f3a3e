"""The child's side of the child protocol: what user code sees, and nothing that could reach the control room.

A child is started as ``python -m executors.<kind>.child`` with two inherited pipes: fd 3 gives one JSON document (the
job) and then ends, fd 4 takes JSON lines. Its module ends in::

    if __name__ == "__main__":
        run_child(body)          # body(context) returns a JSON-able result, or raises

Exit code 0 with a result message is success; an error message, or any other exit, is failure.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from executors.runtime.failures import TaskError, describe
from executors.runtime.media import guess_media_type
from executors.runtime.result import as_result
from executors.runtime.text import clean_json
from executors.runtime.turns import Turns, take_over_output

JOB_FD = 3
CONTROL_FD = 4
ARTIFACT_KINDS = ("file", "report", "log", "metrics", "model")

__all__ = ["Cancelled", "Context", "TaskError", "run_child"]


Ctx = TypeVar("Ctx", bound="Context")


class Cancelled(BaseException):
    """Raised in the main thread when the run is cancelled and the code does not poll ``is_cancelled()``.

    Not an Exception: ``except Exception`` in user code must not swallow it, ``finally`` still runs.
    """


class ControlPipe:
    """Writes one JSON line per message; safe to use from several threads."""

    def __init__(self, fd: int, turns: Turns) -> None:
        self._fd = fd
        self._turns = turns
        self._lock = threading.Lock()
        # A process that user code starts must not hold the pipe open after the child ended.
        os.set_inheritable(fd, False)

    def send(self, message_type: str, /, **fields: Any) -> None:
        """Send one message; fields must be JSON-able (ValueError or TypeError when not)."""
        line = json.dumps(clean_json({**fields, "type": message_type}), allow_nan=False, separators=(",", ":"))
        data = memoryview(line.encode() + b"\n")
        if message_type == "log":
            self._turns.take(self._fd)
        with self._lock:
            while data:
                data = data[os.write(self._fd, data) :]


class Context:
    """What a task knows and may do. All paths are local; sizes are bytes.

    Attributes: ``run_id``, ``number``, ``epoch``, ``attempt``, ``params`` (dict), ``config`` (the template's),
    ``labels``, ``inputs`` and ``outputs`` (name -> record of the contract), ``connections`` (name -> resolved; declared
    ones only), ``input_files`` (name -> Path of a downloaded artifact), ``work_dir`` (fresh folder, also the cwd),
    ``bundle_dir`` (unpacked code bundle or None), ``entrypoint``, ``job`` (the whole document).
    """

    def __init__(self, job: Mapping[str, Any], control: ControlPipe) -> None:
        self.job = job
        self._control = control
        self._cancelled = threading.Event()
        self._polls = False
        self._artifacts = 0
        self._names = threading.Lock()
        self.run_id: str = job["run_id"]
        self.number: int = job.get("number", 0)
        self.epoch: int = job["epoch"]
        self.attempt: int = job.get("attempt", 1)
        self.entrypoint: str = job.get("entrypoint") or ""
        self.params: dict[str, Any] = dict(job.get("params") or {})
        self.config: dict[str, Any] = dict(job.get("config") or {})
        self.labels: dict[str, Any] = dict(job.get("labels") or {})
        self.inputs: dict[str, dict[str, Any]] = {item["name"]: item for item in job.get("inputs") or []}
        self.outputs: dict[str, dict[str, Any]] = {item["name"]: item for item in job.get("outputs") or []}
        self.connections: dict[str, dict[str, Any]] = dict(job.get("connections") or {})
        self.input_files = {name: Path(path) for name, path in (job.get("input_files") or {}).items()}
        self.work_dir = Path(job["work_dir"])
        self.bundle_dir = Path(job["bundle_dir"]) if job.get("bundle_dir") else None

    def log(self, text: str, stream: str = "log") -> None:
        """Add a line to a log stream of its own (``print`` goes to ``stdout`` anyway)."""
        self._control.send("log", stream=stream, text=text if text.endswith("\n") else text + "\n")

    def progress(
        self,
        fraction: float | None = None,
        message: str | None = None,
        *,
        current: float | None = None,
        total: float | None = None,
        unit: str | None = None,
    ) -> None:
        """Show how far the run is; ``fraction`` (0 to 1) comes from ``current`` and ``total`` when left out."""
        if fraction is None and current is not None and total:
            fraction = min(1.0, max(0.0, current / total))
        fields = {"fraction": fraction, "message": message, "current": current, "total": total, "unit": unit}
        self._control.send("progress", **{name: value for name, value in fields.items() if value is not None})

    def metric(self, name: str, value: float) -> None:
        """Record a number among the run's metrics, shown while it works; the last value of a name stays.

        A value that is no number of JSON's (a loss that became NaN) is left out, and the log says so.
        """
        number = float(value)
        if math.isfinite(number):
            self._control.send("metric", name=name, value=number)
        else:
            self.log(f"metric {name} is {number}; only finite numbers are kept")

    def usage(self, **fields: float) -> None:
        """Add engine usage (rows_read, bytes_scanned …) to the run's usage record."""
        self._control.send("usage", **fields)

    def artifact(
        self,
        name: str,
        data: Path | bytes | str,
        kind: str = "file",
        media_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        resume: bool = False,
    ) -> None:
        """Upload bytes, text, or the file at a Path under ``name``; the content is copied now, so it may change later.

        It becomes visible when the run's report is accepted. ``kind`` is one of file, report, log, metrics, model.
        ``resume``: in parts, whatever its size: a new attempt with the same bytes goes on where this one ended.
        """
        if kind not in ARTIFACT_KINDS:
            raise TaskError(
                "user", "artifact_kind_invalid", f"artifact {name!r}: kind {kind!r} is not one of {ARTIFACT_KINDS}"
            )
        path, media_type = self._stage_artifact(data), media_type or guess_media_type(name)
        self._announce(name, path, kind, media_type, metadata, resume=resume)

    def _announce(
        self,
        name: str,
        path: Path,
        kind: str,
        media_type: str,
        metadata: Mapping[str, Any] | None,
        **more: Any,
    ) -> None:
        from executors.runtime.preview import preview_of

        if (preview := preview_of(path, name, kind, media_type)) is not None:
            more["preview"] = preview
        fields = {"name": name, "path": str(path), "kind": kind, "media_type": media_type}
        self._control.send("artifact", **fields, metadata=dict(metadata or {}), **more)

    def _stage_artifact(self, data: Path | bytes | str) -> Path:
        with self._names:
            self._artifacts += 1
            target = self.work_dir / ".artifacts" / f"{self._artifacts:06d}"
        target.parent.mkdir(exist_ok=True)
        if isinstance(data, Path):
            if not data.is_file():
                raise TaskError("user", "artifact_missing", f"there is no file {data} to upload")
            shutil.copyfile(data, target)
        else:
            target.write_bytes(data.encode() if isinstance(data, str) else data)
        return target

    def input_file(self, name: str) -> Path:
        """The local path of an artifact input, or of an object input, which is fetched at its first use.

        TaskError (user, input_replaced) when another object stands there by now.
        """
        if self.inputs.get(name, {}).get("kind") == "object":
            from executors.runtime.child_data import object_path

            return object_path(self.job, name)
        if name not in self.input_files:
            raise TaskError("user", "input_missing", f"input {name!r} is no artifact or object input of this run")
        return self.input_files[name]

    def publish(self, output: str, data: Any) -> dict[str, Any]:
        """Stage data for a declared output; it is committed after the accepted report.

        For a table, Delta's or Iceberg's: a pyarrow Table or RecordBatchReader, a pandas frame and the like. For an
        object: bytes, a Path, or a binary file. Returns the publication record (files, rows, schema). A repeat for one
        output in a run is refused.
        """
        if output not in self.outputs:
            names = ", ".join(self.outputs) or "none"
            raise TaskError(
                "user", "output_unknown", f"output {output!r} is not declared by the template (declared: {names})"
            )
        from executors.runtime.child_data import stage

        publication: dict[str, Any] = stage(self.job, output, data)
        self.send_publication(publication)
        return publication

    def table(self, name: str, form: str, uri: str, version: int, query_id: str) -> None:
        """Record a version of a table that the engine wrote."""
        table = {"format": form, "uri": uri, "version": version}
        self._control.send("artifact", kind="table", name=name, table=table, metadata={"query_id": query_id})

    def send_publication(self, publication: Mapping[str, Any]) -> None:
        """Announce files that the caller staged itself (engines with a writer of their own)."""
        self._control.send("publication", **publication)

    def read_table(self, name: str) -> Any:
        """Read a table input at its pinned version as a pyarrow Table."""
        if name not in self.inputs:
            names = ", ".join(self.inputs) or "none"
            raise TaskError("user", "input_missing", f"input {name!r} is not an input of this run (inputs: {names})")
        from executors.runtime.child_data import read_table

        return read_table(self.job, name)

    def is_cancelled(self) -> bool:
        """True once the run is asked to stop. Code that polls this gets no exception and cleans up itself."""
        self._polls = True
        return self._cancelled.is_set()

    def _on_sigterm(self, signum: int, frame: object) -> None:
        repeated = self._cancelled.is_set()
        self._cancelled.set()
        if not self._polls and not repeated:
            raise Cancelled(f"signal {signum}")


def read_job(fd: int = JOB_FD) -> dict[str, Any]:
    """Read the job document to the end of the pipe and close it."""
    with os.fdopen(fd, "rb") as pipe:
        job: dict[str, Any] = json.load(pipe)
    return job


def run_child(body: Callable[[Context], Any]) -> NoReturn:
    """Run ``body(context)`` under the child protocol and exit; never returns."""
    run_child_with(Context, body)


def run_child_with(make: Callable[[Mapping[str, Any], ControlPipe], Ctx], body: Callable[[Ctx], Any]) -> NoReturn:
    """The same with a context of the module's own."""
    turns = Turns()
    control = ControlPipe(CONTROL_FD, turns)
    take_over_output(turns)
    context = make(read_job(), control)
    signal.signal(signal.SIGTERM, context._on_sigterm)
    code = run_body(body, context, control)
    flush_output()
    # Not sys.exit: threads that user code left behind must not keep a finished run alive.
    os._exit(code)


def run_body(body: Callable[[Ctx], Any], context: Ctx, control: ControlPipe) -> int:
    """Call the body and send its result or its error; returns the exit code."""
    try:
        value = body(context)
        context.is_cancelled()  # from here on SIGTERM only sets the flag: the result is on its way
        control.send("result", value=as_result(value))
        return 0
    except Cancelled:
        control.send("cancelled")
        return 143
    except BaseException as error:  # whatever user code raises is its report
        return report_failure(error, context, control)


def report_failure(error: BaseException, context: Context, control: ControlPipe) -> int:
    if isinstance(error, SystemExit) and error.code in (None, 0):
        control.send("result", value={})
        return 0
    control.send("error", **describe(error, context.bundle_dir or context.work_dir))
    return 1


def flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # the pipe is gone or user code closed it
            continue
