"""Puts the duties together."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from uuid import uuid4

from control_room.reactor.clock import Clock, SystemClock
from control_room.reactor.duty import Duty
from control_room.reactor.leader import Leader
from control_room.reactor.manifests import ManifestMaker
from control_room.reactor.partitions import drop, ensure
from control_room.reactor.promoter import promote
from control_room.reactor.publisher import AT_ONCE, Publisher
from control_room.reactor.sweeper import sweep
from ops_schema.store import Store

LEASE_SECONDS = 9
DAY = 86_400.0


def holder_name() -> str:
    """A name for this process that no other has: host, process id, and chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


def standard_duties(
    store: Store,
    connections_file: Path | None,
    clock: Clock,
    commits_at_once: int = AT_ONCE,
    signing_key_file: Path | None = None,
) -> Sequence[Duty]:
    """Every duty with its interval in seconds."""
    publisher = Publisher(store, connections_file, clock, at_once=commits_at_once)
    manifests = ManifestMaker(store, signing_key_file, clock)
    return (
        Duty("expire_leases", 1.0, partial(sweep, store)),
        Duty("promote_due", 0.5, partial(promote, store)),
        Duty("publish", 2.0, publisher.publish),
        Duty("manifests", 1.0, manifests.make),
        Duty("ensure_partitions", DAY, partial(ensure, store)),
        Duty("drop_partitions", DAY, partial(drop, store)),
    )


async def react(
    store: Store,
    connections_file: Path | None,
    clock: Clock | None = None,
    commits_at_once: int = AT_ONCE,
    signing_key_file: Path | None = None,
) -> None:
    """Lead whenever this process can, until cancelled."""
    ticking = clock or SystemClock()
    leader = Leader(store, "reactor", holder_name(), LEASE_SECONDS, ticking)
    await leader.run(standard_duties(store, connections_file, ticking, commits_at_once, signing_key_file))
