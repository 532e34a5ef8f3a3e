"""Makes the partitions of events and logs ahead of time, and drops those that are over it."""

from __future__ import annotations

import logging
from typing import Any, Protocol

log = logging.getLogger("control_room.reactor")


class Partitions(Protocol):
    """Where partitions are made and dropped."""

    async def ensure_partitions(self) -> dict[str, Any]: ...
    async def drop_partitions(self) -> dict[str, Any]: ...


async def ensure(store: Partitions) -> bool:
    """Make what is missing; never more to do at once."""
    answer = await store.ensure_partitions()
    if answer.get("created"):
        log.info("action=ensure_partitions created=%s", ",".join(answer["created"]))
    return False


async def drop(store: Partitions) -> bool:
    """Drop one month that the settings keep no longer; whether there was one, since there may be more."""
    answer = await store.drop_partitions()
    if answer["dropped"] or answer["skipped"]:
        told = (",".join(answer[name]) for name in ("dropped", "skipped"))
        log.info("action=drop_partitions dropped=%s skipped=%s", *told)
    return bool(answer["dropped"])
