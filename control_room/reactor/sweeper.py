"""Expires leases that lapsed. What counts as lapsed, and how long to hold still after an outage, is decided in SQL."""

from __future__ import annotations

import logging
from typing import Any, Protocol

log = logging.getLogger("control_room.reactor")
BATCH = 100


class Leases(Protocol):
    """Where leases are."""

    async def expire_leases(self, limit: int = 100) -> dict[str, Any]: ...


async def sweep(store: Leases) -> bool:
    """Expire at most one batch; True when the batch was full."""
    answer = await store.expire_leases(BATCH)
    expired = answer.get("expired", [])
    for member in expired:
        log.warning("action=expire_leases run_id=%s epoch=%s", member.get("run_id"), member.get("epoch"))
    return len(expired) >= BATCH
