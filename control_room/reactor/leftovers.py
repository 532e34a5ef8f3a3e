"""Uploads in parts that nobody goes on with: on record, or open at the store alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

from contract.server.store_parts import OpenUpload

Json = dict[str, Any]
# Where artifacts go; other uploads of the bucket are not ours to give up.
OUR_KEY = re.compile(r"[^/]+/sha256/[0-9a-f]{2}/[0-9a-f]{64}")
BATCH = 100


class UploadRecords(Protocol):
    """Where uploads are on record."""

    async def stale_uploads(self, limit: int = BATCH) -> list[Json]: ...
    async def unknown_uploads(self, uploads: Iterable[Json]) -> list[str]: ...
    async def close_upload(self, upload_id: Any) -> None: ...


class UploadObjects(Protocol):
    """Where their parts are."""

    async def abort_upload(self, key: str, store_id: str) -> None: ...
    async def list_uploads(self) -> list[OpenUpload]: ...


async def give_up_stale(records: UploadRecords, objects: UploadObjects) -> int:
    """Uploads on record that are over their safety window: the parts go, then the record. How many."""
    stale = await records.stale_uploads(BATCH)
    for upload in stale:
        await objects.abort_upload(upload["object_key"], upload["store_id"])
        await records.close_upload(upload["upload_id"])
    return len(stale)


async def strays(records: UploadRecords, objects: UploadObjects) -> list[OpenUpload]:
    """Uploads of artifacts that the store has open, on no record, older than the safety window."""
    ours = {one.store_id: one for one in await objects.list_uploads() if OUR_KEY.fullmatch(one.key)}
    if not ours:
        return []
    told = [{"store_id": one.store_id, "begun_at": one.begun_at.isoformat()} for one in ours.values()]
    return [ours[store_id] for store_id in await records.unknown_uploads(told)]


async def give_up_strays(records: UploadRecords, objects: UploadObjects) -> int:
    """Their parts go. How many."""
    found = await strays(records, objects)
    for one in found:
        await objects.abort_upload(one.key, one.store_id)
    return len(found)
