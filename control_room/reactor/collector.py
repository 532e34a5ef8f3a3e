"""Removes bytes that nobody needs: of attempts that were lost, of artifacts over their retention, parts of uploads that
nobody goes on with."""

from __future__ import annotations

import logging
from typing import Any, Protocol

from control_room.reactor.leftovers import UploadObjects, UploadRecords, give_up_stale, give_up_strays

log = logging.getLogger("control_room.reactor")
BATCH = 500
ROUND = 100
# Rounds between two looks at what the store has open: they list the whole bucket's uploads.
STRAY_ROUNDS = 60

Json = dict[str, Any]


class Records(UploadRecords, Protocol):
    """Where artifacts are on record."""

    async def expire_artifacts(self, limit: int = 500) -> int: ...
    async def condemn_objects(self, limit: int = 500) -> int: ...
    async def take_condemned(self) -> Json | None: ...
    async def removed_object(self, object_key: str, again: bool) -> None: ...


class Objects(UploadObjects, Protocol):
    """Where their bytes are."""

    async def remove(self, key: str) -> None: ...


class Collector:
    """``collect`` is a duty.

    An object is taken in a transaction of its own, removed, and then told to be: a process that dies between leaves it
    taken, and another takes it again some minutes later. Who begins an artifact with the same bytes in that moment is
    asked to come again.
    """

    def __init__(self, store: Records, objects: Objects) -> None:
        self._store, self._objects = store, objects
        self._round = 0

    async def collect(self) -> bool:
        """One round; True when there is more to do at once."""
        expired = await self._store.expire_artifacts(BATCH)
        looked = await self._store.condemn_objects(BATCH)
        removed = 0
        while removed < ROUND and (taken := await self._store.take_condemned()):
            await self._objects.remove(taken["object_key"])
            await self._store.removed_object(taken["object_key"], taken["again"])
            removed += 1
        given_up = await self._give_up()
        if expired or removed or given_up:
            log.info("action=collect expired=%d removed=%d uploads=%d", expired, removed, given_up)
        return BATCH in (expired, looked) or ROUND in (removed, given_up)

    async def _give_up(self) -> int:
        """Uploads in parts that nobody goes on with; how many."""
        count = await give_up_stale(self._store, self._objects)
        if self._round % STRAY_ROUNDS == 0:
            count += await give_up_strays(self._store, self._objects)
        self._round += 1
        return count
