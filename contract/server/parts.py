"""Uploads in parts: opened, signed and put together by the server, which alone knows the store's name of an upload.

A run has one open upload for each object, whichever attempt began it: a later one with the same bytes goes on with it.
The digest of each part is fixed when it is first named, so no part can be swapped for another; the digest of the whole
is read from the object afterwards (contract.server.verifying).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from contract.errors import ContractError, DigestMismatch, UploadMissing
from contract.server.object_store import ObjectStore
from contract.server.store_parts import HeldPart, Part, part_count, part_size_of, size_of_part
from ops_schema.store import Principal, Store

JsonObject = dict[str, Any]
NAMED_MISSING = 20


async def begin(
    store: Store,
    objects: ObjectStore,
    caller: Principal,
    run_id: UUID,
    begun: JsonObject,
    body: JsonObject,
    key: str,
) -> JsonObject:
    """The Multipart of beginArtifact's answer: the upload that the run has open for these bytes, else a new one."""
    artifact_id, epoch = UUID(begun["artifact_id"]), body["epoch"]
    upload = await store.open_upload(caller, run_id, artifact_id, {"epoch": epoch})
    if upload is None:
        part_size = part_size_of(body["size"], objects.part_bytes)
        store_id = await objects.open_upload(key, body["media_type"])
        opened = {"epoch": epoch, "store_id": store_id, "part_size": part_size}
        upload = await store.open_upload(caller, run_id, artifact_id, opened)
        if upload is None or upload["store_id"] != store_id:  # somebody was faster
            await objects.abort_upload(key, store_id)
    assert upload is not None
    return {"part_size": upload["part_size"], "parts": part_count(upload["size"], upload["part_size"])}


async def sign(
    store: Store, objects: ObjectStore, caller: Principal, run_id: UUID, artifact_id: UUID, body: JsonObject
) -> JsonObject:
    """signParts: what the store holds of the parts named, or of all; a PUT for each part named that it does not."""
    upload = await store.declare_parts(caller, run_id, artifact_id, body)
    if upload is None:
        raise _not_open(artifact_id)
    if upload["conflict"]:
        await give_up(store, objects, upload)
        raise DigestMismatch(
            f"part {upload['conflict'][0]} was named with other bytes before; the upload is given up",
            members={"artifact_id": str(artifact_id), "parts": upload["conflict"]},
            hint="begin the artifact again",
        )
    named = {one["number"] for one in body["parts"]}
    held = await _held(objects, upload, *((min(named), max(named)) if named else ()))
    if held is None:
        await store.close_upload(upload["upload_id"])
        raise _not_open(artifact_id)
    wanted = named - held.keys()
    parts = [part for part in declared(upload) if part.number in wanted]
    return {
        "part_size": upload["part_size"],
        "parts": part_count(upload["size"], upload["part_size"]),
        "held": sorted(held.keys() & named if named else held),
        "uploads": await objects.presign_parts(upload["object_key"], upload["store_id"], parts) if parts else [],
    }


async def complete(
    store: Store, objects: ObjectStore, caller: Principal, run_id: UUID, artifact_id: UUID, epoch: int
) -> bool:
    """Put the object together, when an upload in parts is open; whether one was. Raises upload_missing, by parts."""
    upload = await store.open_upload(caller, run_id, artifact_id, {"epoch": epoch})
    if upload is None:
        return False
    held = await _held(objects, upload)
    if held is None:  # completed by somebody whose word of it was lost, or given up: the object tells which
        await store.close_upload(upload["upload_id"])
        return True
    missing = [n for n in range(1, part_count(upload["size"], upload["part_size"]) + 1) if n not in held]
    if missing:
        raise UploadMissing(
            f"{len(missing)} parts are not in the store, the first of them {missing[0]}",
            members={"artifact_id": str(artifact_id), "missing": missing[:NAMED_MISSING]},
            hint="ask signParts where to put them, then record",
        )
    try:
        await objects.complete_upload(upload["object_key"], upload["store_id"], declared(upload), held)
    except DigestMismatch:
        await give_up(store, objects, upload)
        raise
    return True


async def tidy(
    store: Store, objects: ObjectStore, caller: Principal, run_id: UUID, artifact_id: UUID, epoch: int
) -> None:
    """The object is there and was read, or refused: what is left of an upload in parts goes."""
    upload = await store.open_upload(caller, run_id, artifact_id, {"epoch": epoch})
    if upload is not None:
        await give_up(store, objects, upload)


async def give_up(store: Store, objects: ObjectStore, upload: JsonObject) -> None:
    """The store forgets an upload and its parts, then the record of it goes."""
    await objects.abort_upload(upload["object_key"], upload["store_id"])
    await store.close_upload(upload["upload_id"])


def declared(upload: JsonObject) -> list[Part]:
    """The parts whose digests are fixed, by number."""
    size, part_size = upload["size"], upload["part_size"]
    digests = sorted((int(number), sha256) for number, sha256 in upload["parts"].items())
    return [Part(number, size_of_part(number, size, part_size), sha256) for number, sha256 in digests]


async def _held(objects: ObjectStore, upload: JsonObject, *numbers: int) -> dict[int, HeldPart] | None:
    """The parts, from one number to another, that the store holds as they were declared; None when it has no such
    upload."""
    held = await objects.list_parts(upload["object_key"], upload["store_id"], *numbers)
    sizes = {part.number: part.size for part in declared(upload)}
    return None if held is None else {n: part for n, part in held.items() if sizes.get(n) == part.size}


def _not_open(artifact_id: UUID) -> ContractError:
    return UploadMissing(
        "no upload in parts is open for this artifact",
        members={"artifact_id": str(artifact_id)},
        hint="begin the artifact again; what is stored already need not be sent",
    )
