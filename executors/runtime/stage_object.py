"""Stage an output that is an object: its bytes as one file beside its address, whatever they are.

Called by :mod:`executors.runtime.child_data`. Nobody sees the object until the accepted report's publication is
committed (:mod:`executors.runtime.commit_object`).
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from executors.runtime.connections import connection_for
from executors.runtime.delta_storage import s3_client
from executors.runtime.failures import TaskError
from executors.runtime.media import guess_media_type
from executors.runtime.places import check_place, part_name, staging_place
from executors.runtime.put_once import put_once
from executors.runtime.records import record_of

MOST_BYTES = 5 * 1024**3  # of one PUT, in S3
Job = Mapping[str, Any]


def stage(job: Job, output: str, data: Any) -> dict[str, Any]:
    """Write ``data`` for a declared output that is an object, and return the contract's Publication.

    ``data``: bytes, the Path of a file, or a binary file object, which is read to its end; memory holds a piece of it.
    Raises TaskError: ``user`` for other data or more than 5 GiB, ``external`` for the store.
    """
    record = record_of(job, "outputs", output)
    check_place(record["uri"], "object")
    connection = connection_for(record["uri"], job.get("connections") or {})
    with tempfile.TemporaryDirectory(prefix=".staging-", dir=job["work_dir"]) as folder:
        path = Path(folder) / "object"
        copied(data, path, output)
        file = described(path, part_name(job, 0))
        if file["size"] > MOST_BYTES:
            text = f"output {output!r}: {file['size']:,} bytes; an object has at most {MOST_BYTES:,}"
            raise TaskError("user", "object_too_large", text)
        place = staging_place(record["uri"], "object", connection)
        put_once(s3_client(connection), place, path, file, guess_media_type(record["uri"]))
    return {
        "output": output,
        "format": "object",
        "mode": record["mode"],
        "uri": record["uri"],
        "files": [file],
        "schema": {},
        "rows": 0,
        "partition_by": [],
    }


def copied(data: Any, path: Path, output: str) -> None:
    """A copy of the data that does not change any more; TaskError (user) for what are no bytes."""
    if isinstance(data, Path):
        if not data.is_file():
            raise TaskError("user", "data_missing", f"output {output!r}: there is no file {data}")
        shutil.copyfile(data, path)
        return
    source: BinaryIO | None = io.BytesIO(data) if isinstance(data, bytes | bytearray | memoryview) else None
    if source is None and callable(getattr(data, "read", None)) and not isinstance(data, io.TextIOBase):
        source = data
    if source is None:
        text = f"output {output!r} is an object: publish bytes, a Path or a binary file, not {type(data).__name__}"
        raise TaskError("user", "data_unsupported", text)
    with path.open("wb") as target:
        shutil.copyfileobj(source, target)


def described(path: Path, name: str) -> dict[str, Any]:
    """The contract's publication file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": name, "size": path.stat().st_size, "sha256": digest, "rows": 0, "stats": None}
