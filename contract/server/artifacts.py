"""Artifacts between the database, which knows what was announced, and the object store, which knows what is there."""

import unicodedata
from typing import Any
from uuid import UUID

from contract.errors import DigestMismatch, UploadMissing, make
from contract.server import parts
from contract.server.object_store import ObjectStore, StoredObject
from contract.server.store_parts import MOST_BYTES, SINGLE_BYTES
from contract.server.strict_json import invalid
from contract.server.verifying import Verified, Verifier
from ops_schema.errors import OpsError
from ops_schema.store import Principal, Store

JsonObject = dict[str, Any]


async def begin(store: Store, objects: ObjectStore, caller: Principal, run_id: UUID, body: JsonObject) -> JsonObject:
    """beginArtifact: the announcement, and a presigned PUT unless the store holds these very bytes already.

    With `resume`, an upload in parts in place of it.
    """
    check_name(body["name"])
    resume = body.pop("resume", False)
    check_size(body, resume)
    answer = await store.begin_artifact(caller, run_id, body)
    return await place(store, objects, caller, run_id, {**body, "resume": resume}, answer)


async def place(
    store: Store, objects: ObjectStore, caller: Principal, run_id: UUID, body: JsonObject, answer: JsonObject
) -> JsonObject:
    """Where the bytes of a begun artifact go; nowhere when the store holds these very bytes already."""
    key = answer.pop("object_key")
    if key is None or answer["already_stored"]:
        return {**answer, "upload": None}
    resume, size, sha256 = body.get("resume", False), body["size"], body["sha256"]
    found = await objects.head(key)
    # What came in parts has no digest yet: recordArtifact reads it.
    if found is not None and (found == StoredObject(size, sha256) or (resume and found == StoredObject(size, None))):
        return {**answer, "already_stored": True, "upload": None}
    if resume and size > 0:
        multipart = await parts.begin(store, objects, caller, run_id, answer, body, key)
        return {**answer, "upload": None, "multipart": multipart}
    upload = await objects.presign_put(key, size=size, sha256=sha256, media_type=body["media_type"])
    return {**answer, "upload": upload}


def check_size(body: JsonObject, resume: bool) -> None:
    """Refuse what no store takes: more than 5 GiB in one PUT, more than 5 TiB in parts."""
    size, most = body.get("size") or 0, MOST_BYTES if resume else SINGLE_BYTES
    if size > most:
        hint = "" if resume else "; larger ones go up in parts, with `resume` (contract 1.1)"
        raise invalid([{"path": "/size", "message": f"an artifact has at most {most} bytes{hint}"}])


def check_name(name: str) -> None:
    """Refuse characters that Unicode does not assign: nobody knows how they will show. SQL refuses the rest."""
    unassigned = next((character for character in name if unicodedata.category(character) == "Cn"), None)
    if unassigned is not None:
        raise make(
            "artifact_name_invalid",
            f"artifact name {name[:200]!a} holds U+{ord(unassigned):04X}, which Unicode {unicodedata.unidata_version} "
            "does not assign",
            hint="Leave that character out.",
        )


async def record(
    store: Store,
    objects: ObjectStore,
    verifier: Verifier,
    caller: Principal,
    run_id: UUID,
    artifact_id: UUID,
    body: JsonObject,
) -> JsonObject:
    """recordArtifact: only once the store was seen to hold the bytes announced."""
    took = await check_stored(store, objects, verifier, caller, run_id, artifact_id, body)
    told = body if took is None else {**body, "verify_ms": took}
    return public(await store.record_artifact(caller, run_id, artifact_id, told))


async def check_stored(
    store: Store,
    objects: ObjectStore,
    verifier: Verifier,
    caller: Principal,
    run_id: UUID,
    artifact_id: UUID,
    body: JsonObject,
) -> int | None:
    """Raises unless the object store holds the bytes that were announced for an artifact of the attempt body.epoch.

    Parts are put together first. Milliseconds that the server took to read them; None when the store had verified them.
    """
    announced = await _announced(store, caller, run_id, artifact_id, body["epoch"])
    key = announced["object_key"]
    if key is None or announced["state"] != "begun":
        return None
    found = await objects.head(key)
    if found is None and await parts.complete(store, objects, caller, run_id, artifact_id, body["epoch"]):
        found = await objects.head(key)
    if found is None or found.sha256 is not None:
        check(announced, found)
        return None
    try:
        verified = await _verified(store, objects, verifier, announced, found)
    except DigestMismatch:
        await parts.tidy(store, objects, caller, run_id, artifact_id, body["epoch"])
        raise
    await parts.tidy(store, objects, caller, run_id, artifact_id, body["epoch"])
    return verified.milliseconds


async def _verified(
    store: Store, objects: ObjectStore, verifier: Verifier, announced: JsonObject, found: StoredObject
) -> Verified:
    """What reading the object brought. One that is not what its key says is removed."""
    key = announced["object_key"]
    verified = Verified(found) if found.size != announced["size"] else await verifier.verify(key, found)
    try:
        check(announced, verified.found)
    except DigestMismatch:
        await _refuse(store, objects, verifier, key, found)
        raise
    return verified


async def _refuse(store: Store, objects: ObjectStore, verifier: Verifier, key: str, found: StoredObject) -> None:
    """Remove the object that was read, unless artifacts on record have it: then it is theirs to be told by `verify`."""
    verifier.forget(key)
    if await store.refuse_object(key):
        now = await objects.head(key)
        if now is not None and now.version == found.version:  # else somebody has removed it, and others came
            await objects.remove(key)
        await store.removed_object(key, False)


async def _announced(store: Store, caller: Principal, run_id: UUID, artifact_id: UUID, epoch: int) -> JsonObject:
    try:
        return await store.get_artifact(caller, artifact_id)
    except OpsError:
        # An executor sees its artifact while it holds the lease. Appending no logs changes nothing and says lease_lost
        # or run_not_found, when that is the reason.
        await store.append_logs(caller, run_id, {"epoch": epoch, "chunks": []})
        raise


async def download(store: Store, objects: ObjectStore, caller: Principal, artifact_id: UUID) -> JsonObject:
    """getArtifact: the artifact, with a presigned GET unless it is a table."""
    found = await store.get_artifact(caller, artifact_id)
    key = found["object_key"]
    link = await objects.presign_get(key, filename=found["name"], media_type=found["media_type"]) if key else {}
    return {**public(found), "url": None, "expires_at": None, **link}


async def earlier(store: Store, caller: Principal, run_id: UUID, body: JsonObject) -> JsonObject:
    """findEarlier: attempts with the files they left."""
    found = await store.find_earlier(caller, run_id, body)
    return {"attempts": [each | {"artifacts": list(map(public, each["artifacts"]))} for each in found["attempts"]]}


async def bundle(store: Store, objects: ObjectStore, caller: Principal, sha256: str) -> JsonObject:
    """getBundle: size, and a presigned GET."""
    found = await store.get_bundle(caller, sha256)
    link = await objects.presign_get(found["object_key"], media_type="application/gzip")
    return {"sha256": found["sha256"], "size": found["size"], **link}


def check(announced: JsonObject, found: StoredObject | None) -> None:
    """Raises upload_missing, or digest_mismatch when the store holds other bytes than announced."""
    named = {"artifact_id": announced["artifact_id"], "name": announced["name"]}
    if found is None:
        detail = f"the store holds no object for {announced['name']}"
        raise UploadMissing(detail, members=named, hint="PUT the bytes to the URL of beginArtifact, then record")
    if found != StoredObject(announced["size"], announced["sha256"]):
        raise DigestMismatch(
            f"the object stored for {announced['name']} has {found.size} bytes of sha256 {found.sha256}, "
            f"announced were {announced['size']} bytes of sha256 {announced['sha256']}",
            members={**named, "size": found.size, "sha256": found.sha256},
            hint="begin the artifact again, with the bytes that are announced",
        )


def public(artifact: JsonObject) -> JsonObject:
    """An artifact as the contract shows it: where its bytes live is the server's business."""
    return {name: value for name, value in artifact.items() if name != "object_key"}
