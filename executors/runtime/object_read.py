"""Reading the object inputs of a job: a local copy of exactly the bytes that were published."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executors.runtime.connections import connection_for
from executors.runtime.delta_storage import is_missing, s3_client, split_uri, store_failed
from executors.runtime.failures import TaskError
from executors.runtime.records import record_of

FOLDER = ".inputs"
CHUNK = 1024 * 1024
Job = Mapping[str, Any]


def object_path(job: Job, name: str) -> Path:
    """A local copy of an object input, fetched at its first use; the bytes are those of its version.

    Raises TaskError: ``user`` when there is no such input, or another version or none stands there by now,
    ``external`` for the store.
    """
    record = record_of(job, "inputs", name)
    if record.get("kind") != "object" or not record.get("uri") or not record.get("sha256"):
        raise TaskError("user", "input_missing", f"input {name!r} is no object of a known version")
    uri = str(record["uri"])
    suffix = Path(uri.rpartition("/")[2]).suffix
    path = Path(job["work_dir"]) / FOLDER / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}{suffix}"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        fetch(s3_client(connection_for(uri, job.get("connections") or {})), record, path)
    return path


def fetch(client: Any, record: Mapping[str, Any], path: Path) -> None:
    """Stream the object to ``path``, which is there only when every byte is right."""
    uri, what = str(record["uri"]), f"input {record['name']!r}"
    bucket, key = split_uri(uri)
    part = path.with_name(f"{path.name}.part")
    digest = hashlib.sha256()
    try:
        answer = client.get_object(Bucket=bucket, Key=key)
        with part.open("wb") as file:
            while chunk := answer["Body"].read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
    except Exception as error:
        if is_missing(error):
            text = f"{what}: {uri} is gone; run the task that publishes it again"
            raise TaskError("user", "input_missing", text) from error
        raise store_failed(f"{what}: {uri} cannot be read", error) from error
    if digest.hexdigest() != record["sha256"]:
        part.unlink()
        raise replaced(what, record, answer.get("Metadata") or {})
    part.replace(path)


def replaced(what: str, record: Mapping[str, Any], metadata: Mapping[str, str]) -> TaskError:
    """What stands there instead, as far as it says so."""
    now = "something else, which is not of the control room"
    if metadata.get("ops-run"):
        now = f"version {metadata.get('ops-version')}, of run {metadata['ops-run']}"
    text = f"{what}: version {record.get('version')} of {record['uri']} was replaced since; there is {now} by now"
    return TaskError("user", "input_replaced", f"{text}; submit the run again to read that")
