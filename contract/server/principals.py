"""Whom a bearer token names, remembered for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable

from ops_schema.store import Principal, Store

SECONDS = 5.0
MOST = 10_000


class Principals:
    """The principals of live tokens, looked up in the database at most once in `seconds`.

    A token that was revoked meanwhile opens nothing: every verb of the database looks at the token again, inside its
    own transaction. What is remembered here only spares the look before it. Unknown tokens are not remembered.
    """

    def __init__(self, store: Store, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._seconds, self._clock = store, seconds, clock
        self._known: dict[bytes, tuple[Principal, float]] = {}

    async def find(self, token_sha256: bytes) -> Principal | None:
        """The principal, or None when the token is unknown, revoked or expired. Raises StoreUnavailable."""
        known = self._known.get(token_sha256)
        if known is not None and known[1] > self._clock():
            return known[0]
        self._known.pop(token_sha256, None)
        principal = await self._store.authenticate(token_sha256)
        if principal is not None:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[token_sha256] = (principal, self._clock() + self._seconds)
        return principal
