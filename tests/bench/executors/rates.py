"""Trivial runs a minute, each with a child process of its own, beside Prefect 3 and Airflow 3."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.bench.executors import idle, projects
from tests.bench.executors.bench import OURS, Bench, Contender, Json
from tests.bench.executors.peers import airflow, install, prefect
from tests.bench.executors.peers.processes import PeerFailed
from tests.bench.executors.room import Room, at
from tests.bench.queue.cluster import DurableCluster

SLOTS = 4
RATE = "trivial Python runs a minute"
BODY = "Python, claim to body, one run alone (ms)"
ALONE = 10
TEMPLATE = "bench-trivial"
CONTROL_ROOM = Contender(
    OURS,
    f"the embedded stack as `up` starts it, one executor with {SLOTS} slots; submitted at once over HTTP; timed from "
    "the first claim to the last report",
    "",
)
PEERS: dict[str, tuple[Contender, str, Callable[[Path, DurableCluster], Any]]] = {
    "prefect": (prefect.CONTENDER, "prefect", prefect.Prefect),
    "airflow": (airflow.CONTENDER, "apache-airflow", airflow.Airflow),
}


def measure(bench: Bench) -> None:
    """Alternating: ours, then each peer, so often; who is not measured does nothing meanwhile."""
    bench.meet(CONTROL_ROOM)
    with (
        durable(bench.folder) as cluster,
        peers(bench, cluster) as others,
        Room(bench.folder / "python", f"python={SLOTS}") as room,
    ):
        room.apply(TEMPLATE, {"kind": "python", "entrypoint": "task:main"}, {"task.py": projects.TASK})
        room.drain(TEMPLATE, 2 * SLOTS)
        counts = {"prefect": bench.sizes.prefect_runs, "airflow": bench.sizes.airflow_runs}
        for _ in range(bench.sizes.repeat):
            bench.add(RATE, OURS, runs_per_minute(room.drain(TEMPLATE, bench.sizes.trivial_runs)))
            for name, peer in others.items():
                peer.processes.thaw()
                bench.add(RATE, PEERS[name][0].name, peer.rate(counts[name]))
                peer.processes.freeze()
        bench.add(BODY, OURS, statistics.median(claim_to_body(room.run(TEMPLATE)) for _ in range(ALONE)))
        idle.measure(bench, room, "python")


@contextmanager
def durable(folder: Path) -> Iterator[DurableCluster]:
    cluster = DurableCluster(folder, shared_buffers="512MB")
    try:
        yield cluster
    finally:
        cluster.remove()


@contextmanager
def peers(bench: Bench, cluster: DurableCluster) -> Iterator[dict[str, Any]]:
    """Those that could be installed and started, frozen."""
    started: dict[str, Any] = {}
    try:
        for name, (contender, package, make) in PEERS.items():
            with left_out(bench, contender.name):
                peer = make(bench.folder / name, cluster)
                started[name] = peer
                peer.start()
                peer.processes.freeze()
                bench.meet(contender, **{package: install.version(name, package)})
        yield {name: peer for name, peer in started.items() if PEERS[name][0].name not in bench.left_out}
    finally:
        for peer in started.values():
            with suppress(Exception):
                peer.processes.end()


@contextmanager
def left_out(bench: Bench, who: str) -> Iterator[None]:
    try:
        yield
    except (install.NotInstalled, PeerFailed) as error:
        bench.leave_out(who, str(error))


def runs_per_minute(runs: list[Json]) -> float:
    """From the first claim to the last end."""
    begun, ended = min(at(run["started_at"]) for run in runs), max(at(run["finished_at"]) for run in runs)
    return len(runs) / (ended - begun) * 60


def claim_to_body(run: Json) -> float:
    """Milliseconds from the claim on record to the first line of the task."""
    return float((run["result"]["value"] - at(run["started_at"])) * 1000)
