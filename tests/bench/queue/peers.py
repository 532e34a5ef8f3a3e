"""The peers: how each is set up, at its best documented setting, and what it does not record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.queue import install, room
from tests.bench.queue.cluster import DurableCluster
from tests.bench.queue.worker import Worker, call

Json = dict[str, Any]
Connect = Callable[[DurableCluster, str], Json]


def _libpq(cluster: DurableCluster, database: str) -> Json:
    return {"conninfo": cluster.conninfo(database)}


def _asyncpg(cluster: DurableCluster, database: str) -> Json:
    return {"connect": {"host": str(cluster.home), "user": "postgres", "database": database}}


def _node(cluster: DurableCluster, database: str) -> Json:
    return {"connection": {"host": str(cluster.home), "user": "postgres", "database": database}}


@dataclass(frozen=True)
class Peer:
    """name: as people know it; package: its name in the lock; setting, unrecorded: what the report says of it; work:
    options of its worker; processes: how many of them."""

    name: str
    package: str
    command: list[str]
    connect: Connect
    setting: str
    unrecorded: str
    work: Json = field(default_factory=dict)
    processes: int = 1

    @property
    def seeded(self) -> str:
        return f"{self.package}_seeded"

    @property
    def empty(self) -> str:
        return f"{self.package}_empty"

    def options(self, cluster: DurableCluster, database: str, mode: str, **more: Any) -> Json:
        return {"mode": mode, "payload": room.PATH, **self.connect(cluster, database), **self.work, **more}

    def prepare(self, cluster: DurableCluster, queued: int) -> None:
        """Its schema and its queue of jobs, made by its own means, with statistics."""
        cluster.fresh(self.empty)
        call(self.command, self.options(cluster, self.empty, "install"))
        cluster.fresh(self.seeded, self.empty)
        call(self.command, self.options(cluster, self.seeded, "seed", count=queued))
        with cluster.connect(self.seeded) as connection:
            connection.execute("vacuum (analyze)")

    def worker(self, cluster: DurableCluster, database: str, folder: Path, mode: str = "work", **more: Any) -> Worker:
        """A process of it, not yet ready: use it in a `with`."""
        return Worker(self.command, self.options(cluster, database, mode, **more), folder / f"{self.package}.log")


GRAPHILE = Peer(
    "Graphile Worker",
    "graphile-worker",
    install.node("run_graphile.cjs"),
    _node,
    "the preset of its performance page: concurrentJobs 24, maxPoolSize 25, localQueue 500, completeJobBatchDelay 0, "
    "failJobBatchDelay 0; one process",
    "deletes a finished job: no attempt, no event, no result, no history; no fencing token; a batch of completions is "
    "lost with its process, and the jobs run again after 4 h",
    {
        "preset": {
            **{
                "concurrentJobs": 24,
                "maxPoolSize": 25,
                "localQueue": {"size": 500},
            },
            **{"completeJobBatchDelay": 0, "failJobBatchDelay": 0},
        }
    },
)
PG_BOSS = Peer(
    "pg-boss",
    "pg-boss",
    install.node("run_pgboss.cjs"),
    _node,
    "fetch(batchSize 100) and complete(100 ids), 4 loops in one process; priority false and orderByCreatedOn false, "
    "which its documentation names as faster, so jobs are not taken in order",
    "one row a job, kept: no attempt rows, no events; completion is by id, not fenced by the holder",
    {"batch": 100, "loops": 4, "fetch": {"priority": False, "orderByCreatedOn": False}},
)
PGQUEUER = Peer(
    "pgqueuer",
    "pgqueuer",
    install.python("run_pgqueuer.py"),
    _asyncpg,
    "asyncpg, uvloop, batch_size 100, 5 consumers on connections of their own in one process, as in its benchmark; "
    "durable tables, its own autovacuum settings; completions are buffered in batches of 100",
    "deletes a finished job and writes a log row: no attempts, no hash chain; no fencing token",
    {"batch": 100, "consumers": 5},
)
PROCRASTINATE = Peer(
    "Procrastinate",
    "procrastinate",
    install.python("run_procrastinate.py"),
    _libpq,
    "concurrency 100 over a pool of 12 connections, uvloop, one process; it has no batches: one job a fetch, one a "
    "completion",
    "two event rows a job by trigger, no hash chain, no attempt rows; completion is by id, not fenced by the holder",
    {"concurrency": 100, "connections": 12},
)
PEERS = (GRAPHILE, PG_BOSS, PGQUEUER, PROCRASTINATE)
