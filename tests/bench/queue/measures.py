"""What is measured. Contenders of a measure alternate: one repetition of each, then the next repetition."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.queue import cpu, floor, peers, room
from tests.bench.queue.cluster import DurableCluster
from tests.bench.queue.peers import Peer
from tests.bench.queue.worker import Worker

OURS = "Control Room"
FLOOR = "pgbench floor"
BARE = "pgbench, bare run update"


@dataclass(frozen=True)
class Sizes:
    """How much of everything; `quick` shows that the harness works and measures nothing."""

    repeat: int = 3
    queued: int = 200_000
    finished: int = 1_000_000
    warm: float = 1.5
    window: float = 5.0
    most: float = 0.7  # of the queue is taken at most, so that it never runs dry in a window
    hold: float = 60.0
    idle: int = 1000
    beating: tuple[int, int] = (50, 100)
    interval: float = 10.0
    latency: float = 10.0


QUICK = Sizes(1, 6000, 2000, 0.2, 0.5, 0.7, 1.0, 20, (2, 10), 0.5, 1.0)


@dataclass
class Bench:
    """folder: for logs; figures: {measure: {contender: [value of each repetition]}}; notes: what else is told."""

    cluster: DurableCluster
    folder: Path
    sizes: Sizes
    say: Callable[[str], None]
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    spent: float | None = None  # CPU µs a run of all processes together, in the window measured last

    def note(self, measure: str, contender: str, value: float) -> None:
        self.figures.setdefault(measure, {}).setdefault(contender, []).append(value)
        self.say(f"{measure}: {contender}: {value:,.2f}")

    def alternate(self, measure: str, contenders: dict[str, Callable[[], float]]) -> None:
        """Each contender in turn, `repeat` times."""
        for _ in range(self.sizes.repeat):
            for name, run in contenders.items():
                self.spent = None
                self.note(measure, name, run())
                if self.spent is not None:
                    self.note(f"CPU µs a run: {measure}", name, self.spent)

    @contextmanager
    def server(self, template: str = room.SEEDED, fresh: bool = True) -> Iterator[room.Server]:
        """A server on a fresh copy of a database."""
        if fresh:
            self.cluster.fresh("room", template)
        with room.server(self.cluster, "room" if fresh else template, self.folder) as server:
            yield server

    def rate(self, *workers: Worker, most: float = 1e12, warm: float | None = None) -> float:
        """Finished a second by running workers, between two samples after the warm-up."""
        time.sleep(self.sizes.warm if warm is None else warm)
        first, before = [worker.sample() for worker in workers], cpu.seconds(os.getpid())
        end = time.monotonic() + self.sizes.window
        while time.monotonic() < end and sum(w.sample()[1] for w in workers) < most:
            time.sleep(min(0.5, max(0.0, end - time.monotonic())))
        last, after = [worker.sample() for worker in workers], cpu.seconds(os.getpid())
        counted = sum(n for _, n in last) - sum(n for _, n in first)
        self.spent = 1e6 * (after - before) / counted if counted else None
        return sum((n1 - n0) / (t1 - t0) for (t0, n0), (t1, n1) in zip(first, last, strict=True))

    # Finished runs a second --------------------------------------------------------------------------------------

    def ours(self, loops: int, batch: int, budgets: bool = False) -> float:
        with self.server() as server:
            if budgets:
                room.add_budgets(self.cluster, "room")
            return self._ours(server, loops, batch)

    def _ours(self, server: room.Server, loops: int, batch: int) -> float:
        with server.load("exchange", loops=loops, batch=batch, executors=8) as load:
            load.tell("go")
            found = self.rate(load, most=self.sizes.queued * self.sizes.most)
            finished = load.stop()["done"]
            self._check(server, finished)
            return found

    def _check(self, server: room.Server, finished: int) -> None:
        # What the client counted is what the database has: nothing is counted that was not committed.
        with self.cluster.connect("room") as connection:
            row = connection.execute("select count(*) from ops.runs where state = 'succeeded'").fetchone()
        if row != (finished,):
            raise RuntimeError(f"the client counted {finished} finished runs, the database has {row}")

    def peer(self, peer: Peer, **more: Any) -> float:
        self.cluster.fresh("peer", peer.seeded)
        with ExitStack() as stack:
            workers = [
                stack.enter_context(peer.worker(self.cluster, "peer", self.folder, **more))
                for _ in range(peer.processes)
            ]
            for worker in workers:
                worker.tell("go")
            found = self.rate(*workers, most=self.sizes.queued * self.sizes.most)
            for worker in workers:
                worker.stop()
            return found

    def floor(self, batch: int, clients: int, bare: bool = False) -> float:
        how = {"batch": batch, "clients": clients, "bare": bare}
        found, self.spent = floor.run(
            self.cluster, self.folder, **how, queued=self.sizes.queued, seconds=self.sizes.window
        )
        return found


def finished_100(bench: Bench) -> None:
    """No-op runs finished a second, batches of 100."""
    contenders: dict[str, Callable[[], float]] = {
        OURS: lambda: bench.ours(12, 100),
        FLOOR: lambda: bench.floor(100, 2),
        BARE: lambda: bench.floor(100, 2, bare=True),
    }
    for peer in peers.PEERS:
        contenders[peer.name] = lambda peer=peer: bench.peer(peer)  # type: ignore[misc]
    bench.alternate("finished/s, batch 100", contenders)


def finished_1(bench: Bench) -> None:
    """One run a claim: 64 loops beside the floor, 4 loops beside Procrastinate."""
    bench.alternate("finished/s, N = 1, 64 loops", {OURS: lambda: bench.ours(64, 1), FLOOR: lambda: bench.floor(1, 64)})
    bench.alternate(
        "finished/s, N = 1, 4 loops",
        {OURS: lambda: bench.ours(4, 1), "Procrastinate": lambda: bench.peer(peers.PROCRASTINATE, concurrency=4)},
    )


def budgets(bench: Bench) -> None:
    """The same batches of 100 with a budget of the platform, one of the workspace and one of the template."""
    bench.alternate(
        "finished/s, batch 100, by budgets",
        {
            "without": lambda: bench.ours(12, 100),
            "three levels": lambda: bench.ours(12, 100, budgets=True),
        },
    )


def bulk(bench: Bench) -> None:
    """Submits of 1,000 at once."""

    def ours() -> float:
        with bench.server(room.EMPTY) as server, server.load("bulk", size=1000) as load:
            load.tell("go")
            found = bench.rate(load)
            bench.notes["bulk endpoint"] = load.stop()["bulk"]
            return found

    def graphile() -> float:
        bench.cluster.fresh("peer", peers.GRAPHILE.seeded)
        with peers.GRAPHILE.worker(bench.cluster, "peer", bench.folder, "add", size=1000) as worker:
            worker.tell("go")
            found = bench.rate(worker)
            worker.stop()
            return found

    bench.alternate("submitted/s, 1,000 at once", {OURS: ours, "Graphile Worker addJobs": graphile})


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def latency(bench: Bench) -> None:
    """From submit to started, at 50 a second, on an empty queue."""

    def told(found: list[float], name: str) -> None:
        for share in (0.5, 0.99):
            bench.note(f"submit to started at 50/s, p{share * 100:.0f} (ms)", name, quantile(found, share))

    for _ in range(bench.sizes.repeat):
        with bench.server(room.EMPTY) as server, server.load("latency", rate=50, pollers=4) as load:
            load.tell("go")
            time.sleep(bench.sizes.latency)
            told(load.stop()["latencies_ms"], OURS)
        bench.cluster.fresh("peer", peers.GRAPHILE.empty)
        with peers.GRAPHILE.worker(bench.cluster, "peer", bench.folder, "latency", rate=50) as worker:
            worker.tell("go")
            time.sleep(bench.sizes.latency)
            told(worker.stop()["latencies_ms"], "Graphile Worker")


def claims_steady(bench: Bench) -> None:
    """Claims a second with a long history, and under a snapshot held open, beside a fresh database. 16 loops, N = 1."""

    def exchanging(database: str) -> float:
        with (
            bench.server(database, fresh=False) as server,
            server.load("exchange", loops=16, batch=1, executors=8) as load,
        ):
            load.tell("go")
            found = bench.rate(load)
            load.stop()
            return found

    bench.cluster.fresh("fresh", room.SEEDED)
    bench.alternate(
        "claims/s, N = 1, 16 loops, by history",
        {"fresh": lambda: exchanging("fresh"), "1 M finished runs": lambda: exchanging(room.HISTORY)},
    )


def claims_held(bench: Bench) -> None:
    """The same load all the time: before, and at the end of a minute under a snapshot that another session holds."""
    for _ in range(bench.sizes.repeat):
        with bench.server() as server, server.load("exchange", loops=16, batch=1, executors=8) as load:
            load.tell("go")
            bench.note("claims/s, N = 1, 16 loops, by snapshot", "none held", bench.rate(load))
            with bench.cluster.connect("room") as holder:
                holder.execute("begin isolation level repeatable read")
                holder.execute("select count(*) from ops.settings")
                held = bench.rate(load, warm=max(0.0, bench.sizes.hold - bench.sizes.window))
                bench.note("claims/s, N = 1, 16 loops, by snapshot", f"held {bench.sizes.hold:g} s", held)
                holder.execute("rollback")
            load.stop()


def claims_idle(bench: Bench) -> None:
    """10 busy executors, with and without 1,000 that wait; runs are submitted meanwhile, so that waking happens."""

    def busy(idle: int) -> float:
        with ExitStack() as stack:
            server = stack.enter_context(bench.server())
            if idle:
                waiting = stack.enter_context(server.load("idle", count=idle))
                waiting.tell("go")
            submitting = stack.enter_context(server.load("submit", rate=20))
            submitting.tell("go")
            load = stack.enter_context(server.load("exchange", loops=10, batch=1, executors=10))
            load.tell("go")
            found = bench.rate(load)
            load.stop()
            submitting.stop()
            if idle and (failed := waiting.stop())["failed"]:
                raise RuntimeError(f"idle executors failed: {failed}")
            return found

    count = bench.sizes.idle
    bench.alternate(
        "claims/s of 10 busy executors", {"alone": lambda: busy(0), f"beside {count:,} idle": lambda: busy(count)}
    )


def heartbeats(bench: Bench) -> None:
    """What 5,000 running runs cost: CPU of the server and of all of Postgres, and how many renewals were HOT."""
    executors, runs = bench.sizes.beating
    every = bench.sizes.interval
    with bench.server() as server:
        time.sleep(bench.sizes.warm)
        postgres = bench.cluster.pid
        idle = _share(lambda: server.cpu() + cpu.seconds(postgres), every)
        with server.load("heartbeat", executors=executors, runs=runs, interval=every) as load:
            load.tell("go")
            time.sleep(every)
            before = _updates(bench)
            for _ in range(bench.sizes.repeat):
                of_server, started = server.cpu(), time.monotonic()
                share = _share(lambda: server.cpu() + cpu.seconds(postgres), 2 * every)
                of_server = (server.cpu() - of_server) / (time.monotonic() - started)
                bench.note("heartbeats, share of one core (%)", OURS, 100 * share)
                bench.note("of it the server process (%)", OURS, 100 * of_server)
            told = load.stop()
            time.sleep(1.5)  # the statistics of a backend are told after a second
            after = _updates(bench)
        bench.notes["heartbeat idle share (%)"] = 100 * idle
        bench.note("heartbeat p95 (ms)", OURS, quantile(told["latencies_ms"], 0.95))
        done = {key: after[key] - before[key] for key in after}
        bench.notes["heartbeat updates"] = done
        bench.note("lease renewals that were HOT (%)", OURS, 100 * done["hot"] / max(1, done["all"]))


def _share(spent: Callable[[], float], seconds: float) -> float:
    at, before = time.monotonic(), spent()
    time.sleep(seconds)
    return (spent() - before) / (time.monotonic() - at)


def _updates(bench: Bench) -> dict[str, int]:
    with bench.cluster.connect("room") as connection:
        row = connection.execute(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where schemaname = 'ops' and relname = 'leases'"
        ).fetchone()
    assert row is not None
    return {"all": int(str(row[0])), "hot": int(str(row[1]))}


def ingest(bench: Bench) -> None:
    """Log chunks at 200 a second while runs finish at a moderate rate: how long each takes to be stored."""
    for _ in range(bench.sizes.repeat):
        with bench.server() as server, server.load("submit", rate=20) as background:
            background.tell("go")
            with server.load("logs", rate=200, runs=50) as load:
                load.tell("go")
                time.sleep(bench.sizes.latency)
                found = load.stop()["latencies_ms"]
            background.stop()
        bench.note("log chunk stored at 200/s, p50 (ms)", OURS, quantile(found, 0.5))
        bench.note("log chunk stored at 200/s, p95 (ms)", OURS, quantile(found, 0.95))


MEASURES: dict[str, Callable[[Bench], None]] = {
    "batch": finished_100,
    "single": finished_1,
    "budgets": budgets,
    "bulk": bulk,
    "latency": latency,
    "history": claims_steady,
    "snapshot": claims_held,
    "idle": claims_idle,
    "heartbeats": heartbeats,
    "ingest": ingest,
}
PEERS_NEEDED: dict[str, tuple[Peer, ...]] = {
    "batch": peers.PEERS,
    "single": (peers.PROCRASTINATE,),
    "bulk": (peers.GRAPHILE,),
    "latency": (peers.GRAPHILE,),
}
