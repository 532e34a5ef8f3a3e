"""Puts the duties together."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from control_room.reactor.clock import Clock, SystemClock
from control_room.reactor.collector import Collector, Objects
from control_room.reactor.duty import Duty
from control_room.reactor.leader import Leader
from control_room.reactor.lineage import Endpoint, Lineage
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


@dataclass(frozen=True)
class Orders:
    """How the reactor does its duties.

    connections_file: how to reach the lakehouse; lineage_to: who is told of lineage, None: nobody, it is kept;
    lineage_namespace: of its jobs; signing_key_file: of the key that signs manifests, None: nobody signs them.
    """

    connections_file: Path | None = None
    commits_at_once: int = AT_ONCE
    lineage_to: Endpoint | None = None
    lineage_namespace: str = "lakehouse-control-room"
    signing_key_file: Path | None = None


def standard_duties(store: Store, objects: Objects, clock: Clock, orders: Orders) -> Sequence[Duty]:
    """Every duty with its interval in seconds."""
    publisher = Publisher(store, orders.connections_file, clock, at_once=orders.commits_at_once)
    lineage = Lineage(store, clock, orders.lineage_namespace, orders.lineage_to)
    manifests = ManifestMaker(store, orders.signing_key_file, clock)
    return (
        Duty("expire_leases", 1.0, partial(sweep, store)),
        Duty("promote_due", 0.5, partial(promote, store)),
        Duty("publish", 2.0, publisher.publish),
        Duty("manifests", 1.0, manifests.make),
        Duty("collect", 60.0, Collector(store, objects).collect),
        Duty("make_lineage", 1.0, lineage.make),
        Duty("send_lineage", 1.0, lineage.send),
        Duty("ensure_partitions", DAY, partial(ensure, store)),
        Duty("drop_partitions", DAY, partial(drop, store)),
    )


async def react(store: Store, objects: Objects, orders: Orders, clock: Clock | None = None) -> None:
    """Lead whenever this process can, until cancelled."""
    ticking = clock or SystemClock()
    leader = Leader(store, "reactor", holder_name(), LEASE_SECONDS, ticking)
    await leader.run(standard_duties(store, objects, ticking, orders))
