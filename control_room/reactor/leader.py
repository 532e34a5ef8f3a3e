"""One leader among all server processes, by a lease row that is renewed at a third of its length."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from contract.tasks import end
from control_room.reactor.clock import Clock
from control_room.reactor.duty import Duty, repeat
from ops_schema.errors import StoreError, StoreUnavailable

log = logging.getLogger("control_room.reactor")


class Leadership(Protocol):
    """Where the lease row is."""

    async def lead(self, name: str, holder: str, seconds: float) -> bool: ...


class Leader:
    """Tries to lead `name` as `holder`; while it does, the duties run. seconds: length of the lease."""

    def __init__(self, store: Leadership, name: str, holder: str, seconds: float, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._name, self._holder, self._seconds = name, holder, seconds
        self._until = float("-inf")

    @property
    def leading(self) -> bool:
        """Whether the lease is surely still held, by this process's own clock."""
        return self._clock.monotonic() < self._until

    async def renew(self) -> bool:
        """Take or renew the lease. When the database is away, the lease just runs on to its end."""
        # Counted from before the call: the row's lease began no earlier than that.
        asked_at = self._clock.monotonic()
        try:
            granted = await self._store.lead(self._name, self._holder, self._seconds)
        except StoreUnavailable as error:
            log.warning("action=lead holder=%s the database is away: %s", self._holder, error)
            return self.leading
        self._until = asked_at + self._seconds if granted else float("-inf")
        return granted

    async def run(self, duties: Sequence[Duty]) -> None:
        """Lead whenever possible, until cancelled."""
        try:
            while True:
                if await self._try_renew():
                    await self._lead(duties)
                await self._clock.sleep(self._seconds / 3)
        finally:
            await self._release()

    async def _try_renew(self) -> bool:
        try:
            return await self.renew()
        except Exception:
            log.exception("action=lead holder=%s failed", self._holder)
            return self.leading

    async def _lead(self, duties: Sequence[Duty]) -> None:
        log.info("action=lead holder=%s leads %s", self._holder, self._name)
        tasks = [asyncio.create_task(repeat(duty, self._clock), name=f"reactor-{duty.name}") for duty in duties]
        try:
            while await self._try_renew():
                await self._clock.sleep(self._seconds / 3)
            log.warning("action=lead holder=%s no longer leads %s", self._holder, self._name)
        finally:
            await end(tasks)

    async def _release(self) -> None:
        if not self.leading:
            return
        self._until = float("-inf")
        # A courtesy to the next leader; without it the lease lapses by itself.
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(1):
                await self._store.lead(self._name, self._holder, 0)
