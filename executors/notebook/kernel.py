"""What a notebook sees of its run: ``control_room``, which is there before the first cell.

::

    flights = control_room.read_table("flights")    # pyarrow Table at the pinned version
    delays = control_room.read_pandas("flights", columns=["dep_delay"])
    control_room.publish("summary", frame)          # a declared output; committed when the run succeeds
    control_room.artifact("model.bin", Path("model.bin"), kind="model")
    control_room.params, control_room.inputs(), control_room.outputs(), control_room.connections()

In an editor, outside of a run, the name comes by ``from executors.notebook import kernel as control_room``; there every
call raises ControlRoomError, which says so.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.runtime.child import ARTIFACT_KINDS
from executors.runtime.failures import TaskError

if TYPE_CHECKING:
    import pandas
    import pyarrow

MESSAGES = ".kernel-messages.jsonl"

__all__ = [
    "ControlRoomError",
    "artifact",
    "connections",
    "input_file",
    "inputs",
    "metric",
    "outputs",
    "params",
    "publish",
    "read_batches",
    "read_pandas",
    "read_table",
]

params: dict[str, Any] = {}
_job: dict[str, Any] = {}
_writing = threading.Lock()


class ControlRoomError(Exception):
    """A call of this module failed; the text is ``<failure class>/<code>: <message>``, as the run's report has it."""


def inputs() -> list[str]:
    """Names of the run's inputs."""
    return [item["name"] for item in _the_job().get("inputs") or []]


def outputs() -> list[str]:
    """Names of the run's declared outputs."""
    return [item["name"] for item in _the_job().get("outputs") or []]


def connections() -> dict[str, dict[str, Any]]:
    """The connections that the template declares, by name, with their secrets; what keeps the run's page clean of them
    does not reach what a cell sends elsewhere."""
    return {name: dict(found) for name, found in (_the_job().get("connections") or {}).items()}


def read_table(name: str, columns: Sequence[str] | None = None) -> pyarrow.Table:
    """Read a table input, whole or some columns, at the version that the run was given."""
    return _data("read_table", name, columns)


def read_pandas(name: str, columns: Sequence[str] | None = None) -> pandas.DataFrame:
    """Read a table input as a pandas DataFrame; see :func:`read_table`."""
    frame: pandas.DataFrame = _data("read_table", name, columns).to_pandas()
    return frame


def read_batches(name: str, columns: Sequence[str] | None = None) -> pyarrow.RecordBatchReader:
    """Stream a table input in batches, for tables larger than memory."""
    return _data("read_batches", name, columns)


def input_file(name: str) -> Path:
    """The local path of an artifact input, or of an object input, which is fetched at its first use."""
    job = _the_job()
    if name in (job.get("input_files") or {}):
        return Path(job["input_files"][name])
    return Path(_data("object_path", name))


def publish(output: str, data: Any) -> int:
    """Stage a pandas DataFrame, pyarrow Table or stream for a declared output; returns its rows.

    An output that is an object takes bytes, a Path or a binary file. What is staged is published only when the whole
    run has succeeded.
    """
    publication = _data("stage", output, data)
    _send("publication", publication)
    return int(publication["rows"])


def artifact(name: str, data: Path | bytes | str, kind: str = "file", media_type: str | None = None) -> None:
    """Keep bytes, text, or the file at a Path with the run; ``kind`` is one of file, report, log, metrics, model."""
    folder = Path(_the_job()["work_dir"]) / ".kernel-artifacts"
    if kind not in ARTIFACT_KINDS:
        raise ControlRoomError(
            f"user/artifact_kind_invalid: artifact {name!r}: {kind!r} is not one of {ARTIFACT_KINDS}"
        )
    folder.mkdir(exist_ok=True)
    target = folder / uuid.uuid4().hex
    if isinstance(data, Path):
        shutil.copyfile(data, target)
    else:
        target.write_bytes(data.encode() if isinstance(data, str) else data)
    _send("artifact", {"name": name, "path": str(target), "kind": kind, "media_type": media_type})


def metric(name: str, value: float) -> None:
    """Note a number to watch, shown while the run works; the last one of each name stays, of 50 names at most."""
    _send("metric", {"name": name, "value": float(value)})


def begin(job: Mapping[str, Any]) -> None:
    """Set the run; called once by the kernel's start, before the first cell."""
    _job.clear()
    _job.update(job)
    params.clear()
    params.update(job.get("params") or {})


def _the_job() -> dict[str, Any]:
    if not _job:
        raise ControlRoomError("user/no_run: this notebook is not executed by a run; submit it through its template")
    return _job


def _data(function: str, *arguments: Any) -> Any:
    from executors.runtime import child_data

    job = _the_job()
    try:
        return getattr(child_data, function)(job, *arguments)
    except TaskError as error:
        raise ControlRoomError(f"{error.failure_class}/{error.code}: {error.message}") from None


def _send(message_type: str, fields: Mapping[str, Any]) -> None:
    """Leave a message for the child, which passes it on when the notebook has succeeded."""
    line = json.dumps({**fields, "type": message_type}) + "\n"
    path = Path(_the_job()["work_dir"]) / MESSAGES
    with _writing, os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w") as file:
        file.write(line)
