"""Moves runs whose time has come into the ready index."""

from __future__ import annotations

import logging
from typing import Any, Protocol

log = logging.getLogger("control_room.reactor")
BATCH = 1000


class Waiting(Protocol):
    """Where waiting runs are."""

    async def promote_due(self, limit: int = 1000) -> dict[str, Any]: ...


async def promote(store: Waiting) -> bool:
    """Promote at most one batch; True when the batch was full."""
    answer = await store.promote_due(BATCH)
    promoted = int(answer.get("promoted", 0))
    if promoted:
        log.info("action=promote_due promoted=%d", promoted)
    return promoted >= BATCH
