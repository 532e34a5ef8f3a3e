"""Reading whole objects to learn their sha256, once for all who ask, and for no longer than a request may wait.

The store verifies single PUTs. What came in parts it has no digest of, so the server reads it: in a thread, block by
block, outside of any transaction. Who asks meanwhile is told how far it is, and asks again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from contract.errors import make
from contract.server.object_store import ObjectStore, StoredObject

PATIENCE_SECONDS = 15.0
KEPT = 256
RETRY_SECONDS = 2.0
log = logging.getLogger("contract.server")


@dataclass(frozen=True)
class Verified:
    """What was found, and the milliseconds it took; None when the store had verified it."""

    found: StoredObject | None
    milliseconds: int | None = None


@dataclass
class _Reading:
    size: int
    done: int = 0
    given_up: bool = False
    task: asyncio.Task[Verified] = field(init=False)


class Verifier:
    """Of one process. What it found is kept by key and version (etag and time): another one is another write."""

    def __init__(self, objects: ObjectStore, patience: float = PATIENCE_SECONDS) -> None:
        self._objects, self.patience = objects, patience
        self._readings: dict[tuple[str, str], _Reading] = {}
        self._kept: OrderedDict[tuple[str, str], Verified] = OrderedDict()

    async def verify(self, key: str, seen: StoredObject) -> Verified:
        """The sha256 of an object that a HEAD has just shown. Raises artifact_verifying when it takes longer."""
        of = (key, seen.version)
        if of in self._kept:
            return self._kept[of]
        reading = self._readings.get(of)
        if reading is None:
            reading = self._readings[of] = _Reading(seen.size)
            reading.task = asyncio.create_task(self._read(of, reading))
            reading.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # may find nobody waiting
        done, _ = await asyncio.wait({reading.task}, timeout=self.patience)
        if not done:
            error = make(
                "artifact_verifying",
                f"{reading.done} of {reading.size} bytes are read",
                hint="send the same request again",
                bytes_read=reading.done,
                size=reading.size,
            )
            error.retry_after = RETRY_SECONDS
            raise error
        return reading.task.result()

    async def _read(self, of: tuple[str, str], reading: _Reading) -> Verified:
        def told(count: int) -> None:
            reading.done = count
            if reading.given_up:
                raise OSError("not read to its end: the process is told to stop")

        started = time.monotonic()
        try:
            found = await self._objects.verify(of[0], told)
        except asyncio.CancelledError:
            reading.given_up = True
            raise
        finally:
            del self._readings[of]
        milliseconds = round((time.monotonic() - started) * 1000)
        log.info("action=object_verified bytes=%d milliseconds=%d", reading.done, milliseconds)
        verified = Verified(found, milliseconds)
        if found is not None and found.version == of[1]:
            self._kept[of] = verified
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return verified

    def forget(self, key: str) -> None:
        """An object was removed."""
        for of in [of for of in self._kept if of[0] == key]:
            del self._kept[of]
