"""What decides which runs an executor can have, remembered, so that a waiting claim is woken for those alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from ops_schema.store import Principal, Store

SECONDS = 60.0
MOST = 100_000


@dataclass(frozen=True, slots=True)
class Profile:
    """kind: of the runs that it executes, None when not known; filter: claims of one filter can have the same runs."""

    kind: str | None
    filter: str


NO_PROFILE = Profile(None, "")


class Profiles:
    """The profiles of executors, looked up in the database at most once in `seconds`."""

    def __init__(self, store: Store, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._seconds, self._clock = store, seconds, clock
        self._known: dict[tuple[UUID, UUID], tuple[Profile, float]] = {}

    async def find(self, caller: Principal, executor_id: UUID) -> Profile:
        """The profile; NO_PROFILE when the caller registered no such executor, which the claim will say."""
        key = (caller.token_id, executor_id)
        known = self._known.get(key)
        if known is not None and known[1] > self._clock():
            return known[0]
        found = await self._store.claim_profile(caller, executor_id)
        if found is None:
            return NO_PROFILE
        if len(self._known) >= MOST:
            self._known.clear()
        profile = Profile(found["kind"], found["filter"])
        self._known[key] = (profile, self._clock() + self._seconds)
        return profile
