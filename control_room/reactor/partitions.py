"""Makes the partitions of events and logs ahead of time."""

from __future__ import annotations

import logging
from typing import Any, Protocol

log = logging.getLogger("control_room.reactor")


class Partitions(Protocol):
    """Where partitions are made."""

    async def ensure_partitions(self) -> dict[str, Any]: ...


async def ensure(store: Partitions) -> bool:
    """Make what is missing; never more to do at once."""
    answer = await store.ensure_partitions()
    if answer.get("created"):
        log.info("action=ensure_partitions created=%s", ",".join(answer["created"]))
    return False
