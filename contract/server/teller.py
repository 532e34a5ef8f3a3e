"""Who tells of runs that became claimable: claims that wait in this process at once, other processes soon."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from contract.server.ready import ReadyBroker, counted
from ops_schema.errors import OpsError, StoreUnavailable
from ops_schema.store import Store

log = logging.getLogger("contract.server")
GATHER_SECONDS = 0.005


class ReadyTeller:
    """Wakes the broker's waiting claims and notifies other processes, at most once in `gather` seconds.

    A commit that notifies waits for every other one that does, so the verbs only say what they made claimable, and it
    is notified here, after their commits. What is lost when the process dies meanwhile, waiting claims find when they
    look for themselves.
    """

    def __init__(self, store: Store, broker: ReadyBroker, gather: float = GATHER_SECONDS) -> None:
        self._store = store
        self._broker = broker
        self._gather = gather
        self._untold: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None

    def tell(self, ready: str) -> None:
        """ready: "kind:count,…"."""
        runs = counted(ready)
        self._broker.wake_for(runs)
        self._untold += runs
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._notify(), name="ready-teller")

    async def _notify(self) -> None:
        # The first goes at once; what comes while it is under way, or soon after, goes with the next.
        while self._untold:
            told, self._untold = self._untold, Counter()
            try:
                await self._store.tell_ready(
                    ",".join(f"{kind}:{count}" for kind, count in sorted(told.items())), self._broker.name
                )
            except (StoreUnavailable, OpsError) as error:
                log.warning("action=tell_ready_failed other servers' claims look for themselves: %s", error)
            await asyncio.sleep(self._gather)
