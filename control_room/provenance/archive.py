"""One self-contained archive of a run: what proves it, and the bytes of its artifacts, in a plain tar.

index.json                    {format, run_id, runs: [run_id]}; of a pipeline its tasks too
keys.json                     public keys, as the API gives them
runs/RUN_ID/manifest.json     the manifest's text, exactly as it was hashed
runs/RUN_ID/envelope.json     the DSSE envelope, where it was signed
runs/RUN_ID/record.json       {run_id, number, state, manifest_root, manifest: {sha256, root, key_id, made_at}}
runs/RUN_ID/chain.json        {head, cut}
runs/RUN_ID/events.jsonl      the events as stored, one a line
objects/SHA256                bytes of artifacts
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from control_room.errors import FAILED, MISUSE, REFUSED, ControlRoomError
from control_room.provenance.check_bytes import MissingBytesError, UnreadableBytesError, gone
from control_room.provenance.check_manifest import read
from control_room.provenance.findings import Told
from control_room.provenance.verify import Source

FORMAT = "control-room/archive/1"
APART = ("text", "envelope")
Json = dict[str, Any]


def write(source: Source, ref: str, target: Path) -> Json:
    """Write the archive of a run, through a file beside it; {run_id, runs, objects, bytes}. Raises ControlRoomError."""
    draft = target.with_name(f".{target.name}.part")
    try:
        with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
            told = _write(tar, source, ref)
        draft.replace(target)
    except OSError as error:
        raise ControlRoomError(
            f"cannot write: {error.strerror or error}",
            where=str(target),
            next_step="pass another --output",
            exit_code=MISUSE,
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return told | {"bytes": target.stat().st_size}


def _write(tar: tarfile.TarFile, source: Source, ref: str) -> Json:
    records = list(_records(source, ref))
    ids = [record["run_id"] for record in records]
    _add_json(tar, "index.json", {"format": FORMAT, "run_id": ids[0], "runs": ids})
    _add_json(tar, "keys.json", {"items": list(source.keys())})
    objects: set[str] = set()
    for record in records:
        _add_run(tar, source, record)
        _add_objects(tar, source, record, objects)
    return {"run_id": ids[0], "runs": len(ids), "objects": len(objects)}


def _records(source: Source, ref: str) -> Iterator[Json]:
    """Of the run and, of a pipeline, its tasks."""
    first = source.record(ref)
    if first["manifest"] is None:
        raise ControlRoomError(
            f"run {first['number']} has no manifest",
            next_step="wait until it has ended; the reactor makes its manifest within seconds",
            exit_code=REFUSED,
            code="no_manifest",
        )
    yield first
    manifest = read(first["manifest"]["text"])
    for task in manifest["tasks"] if manifest else ():
        yield source.record(task["run_id"])


def _add_run(tar: tarfile.TarFile, source: Source, record: Mapping[str, Any]) -> None:
    folder, kept = f"runs/{record['run_id']}", record["manifest"] or {}
    _add(tar, f"{folder}/manifest.json", str(kept.get("text", "")).encode())
    if kept.get("envelope"):
        _add_json(tar, f"{folder}/envelope.json", kept["envelope"])
    told = {name: record[name] for name in ("run_id", "number", "state", "manifest_root")}
    rest = {name: value for name, value in kept.items() if name not in APART}
    _add_json(tar, f"{folder}/record.json", told | {"manifest": rest or None})
    chain = source.chain(record["run_id"])
    _add_json(tar, f"{folder}/chain.json", {"head": chain.head, "cut": chain.cut})
    lines = [json.dumps(dict(event), ensure_ascii=False) + "\n" for event in chain.events]
    _add(tar, f"{folder}/events.jsonl", "".join(lines).encode())


def _add_objects(tar: tarfile.TarFile, source: Source, record: Mapping[str, Any], done: set[str]) -> None:
    manifest = read(record["manifest"]["text"]) if record["manifest"] else None
    for artifact in manifest["artifacts"] if manifest else ():
        if artifact["sha256"] and artifact["sha256"] not in done and not _is_expired(source, artifact):
            _add_object(tar, artifact, Pieces(source.artifact(artifact)))
            done.add(artifact["sha256"])


def _is_expired(source: Source, artifact: Mapping[str, Any]) -> bool:
    """Whether its bytes are gone by right."""
    if not artifact.get("expires_at"):
        return False
    try:
        next(source.artifact(artifact), b"")
    except MissingBytesError:
        return gone(Told("", "artifacts"), "", artifact, datetime.now(UTC)).ok is None
    return False


def _add_object(tar: tarfile.TarFile, artifact: Mapping[str, Any], pieces: Pieces) -> None:
    """The bytes, hashed as they pass: what is not the manifest's is not archived as if it were."""
    info = _info(f"objects/{artifact['sha256']}", artifact["size"])
    try:
        tar.addfile(info, pieces)
        whole = not pieces.read(1) and pieces.digest.hexdigest() == artifact["sha256"]
    except (OSError, MissingBytesError, UnreadableBytesError):
        whole = False
    if not whole:
        raise ControlRoomError(
            f"the store holds other bytes for {artifact['name']!r} than the manifest names; nothing was written",
            next_step="`control-room verify` says what does not hold",
            exit_code=FAILED,
            code="digest_mismatch",
        )


class Pieces(io.RawIOBase):
    """A stream over pieces of bytes, hashed as they are read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = pieces, b""
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end; all that are left when it is negative."""
        found = bytearray(self._left)
        while size < 0 or len(found) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            found += piece
        cut = len(found) if size < 0 else size
        self._left = bytes(found[cut:])
        taken = bytes(found[:cut])
        self.digest.update(taken)
        return taken


def _add_json(tar: tarfile.TarFile, name: str, value: Any) -> None:
    _add(tar, name, json.dumps(value, indent=1, ensure_ascii=False).encode())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_info(name, len(data)), io.BytesIO(data))


def _info(name: str, size: int) -> tarfile.TarInfo:
    """Nothing of this machine: no owner, no time."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o444
    return info
