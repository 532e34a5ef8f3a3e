"""Removes bytes that nobody needs: of attempts that were lost, and of artifacts over their retention."""

from __future__ import annotations

import logging
from typing import Any, Protocol

log = logging.getLogger("control_room.reactor")
BATCH = 500
ROUND = 100

Json = dict[str, Any]


class Records(Protocol):
    """Where artifacts are on record."""

    async def expire_artifacts(self, limit: int = 500) -> int: ...
    async def condemn_objects(self, limit: int = 500) -> int: ...
    async def take_condemned(self) -> Json | None: ...
    async def removed_object(self, object_key: str, again: bool) -> None: ...


class Objects(Protocol):
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

    async def collect(self) -> bool:
        """One round; True when there is more to do at once."""
        expired = await self._store.expire_artifacts(BATCH)
        looked = await self._store.condemn_objects(BATCH)
        removed = 0
        while removed < ROUND and (taken := await self._store.take_condemned()):
            await self._objects.remove(taken["object_key"])
            await self._store.removed_object(taken["object_key"], taken["again"])
            removed += 1
        if expired or removed:
            log.info("action=collect expired=%d removed=%d", expired, removed)
        return BATCH in (expired, looked) or removed == ROUND
