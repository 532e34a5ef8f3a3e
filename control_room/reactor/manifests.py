"""Makes the manifest of each run that has ended: from what is on record, once, and signed where there is a key.

At least once and harmless twice: the database takes a manifest only if it says what is on record, and the first one
stays. A run whose manifest cannot be made is passed over for a while, with a line in the log; others go on. The work is
never more than a quarter of one process's time: ended runs are in no hurry, claims are.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from control_room.provenance import keys
from control_room.provenance.manifest import made
from control_room.reactor.clock import Clock
from control_room.reactor.publisher import RetryLater
from ops_schema.errors import OpsError, StoreUnavailable

log = logging.getLogger("control_room.reactor")
BATCH = 20
# Rest for so many times as long as a batch took.
REST = 3.0
Json = dict[str, Any]


class Manifests(Protocol):
    """Where manifests and what they are made of are on record."""

    async def without_manifest(self, limit: int, skip: Iterable[str] = ()) -> Json: ...
    async def manifest_parts(self, run_id: str) -> Json | None: ...
    async def put_manifest(self, run_id: str, body: Json) -> Json: ...
    async def put_signing_key(self, public_key: str) -> Json: ...


class ManifestMaker:
    """The duty. key_file: of the deployment's signing key, read anew for each batch, so that a new one takes effect;
    None: manifests are made unsigned."""

    def __init__(self, store: Manifests, key_file: Path | None, clock: Clock) -> None:
        self._store, self._file, self._clock = store, key_file, clock
        self._later = RetryLater()
        self._signs: str | None = None

    async def make(self) -> bool:
        """Make one batch of manifests; whether there may be more."""
        began = self._clock.monotonic()
        key = await self._key()
        held = {run_id for run_id, _ in self._later.held(began)}
        answer = await self._store.without_manifest(BATCH, held)
        found: list[str] = answer["run_ids"]
        if len(found) < BATCH:
            self._later.keep({(run_id, "") for run_id in held | set(found)})
        for run_id in found:
            await self._try(run_id, answer["now"], key)
        if len(found) == BATCH:
            await self._clock.sleep(REST * (self._clock.monotonic() - began))
        return len(found) == BATCH

    async def _key(self) -> Ed25519PrivateKey | None:
        """The key, told to the database before it signs. Raises SigningKeyError."""
        if self._file is None:
            return None
        key = keys.load(self._file)
        public_key = keys.public_of(key).hex()
        if public_key != self._signs:
            told = await self._store.put_signing_key(public_key)
            if told["retired_at"]:
                raise keys.SigningKeyError(
                    f"{self._file}: this key was retired at {told['retired_at']}; make a new one"
                )
            log.info("action=signing_key key_id=%s signs from now on", told["key_id"])
            self._signs = public_key
        return key

    async def _try(self, run_id: str, made_at: str, key: Ed25519PrivateKey | None) -> None:
        try:
            await self._make(run_id, made_at, key)
        except StoreUnavailable:
            raise
        except Exception as error:  # one that fails keeps no other from its manifest
            pause = self._later.failed((run_id, ""), self._clock.monotonic())
            expected = isinstance(error, OpsError | ValueError)
            log.warning(
                "action=manifest run_id=%s next try in %.0f s: %s",
                *(run_id, pause, error),
                exc_info=None if expected else error,
            )

    async def _make(self, run_id: str, made_at: str, key: Ed25519PrivateKey | None) -> None:
        parts = await self._store.manifest_parts(run_id)
        if parts is None:
            return
        body = made(parts, made_at, key)
        told = await self._store.put_manifest(run_id, body)
        log.debug("action=manifest run_id=%s root=%s", run_id, told["root"])
