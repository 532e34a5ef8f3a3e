"""The command: `python -m tests.bench queue`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measuring import PAGE, common_arguments, measured, unpublishable
from tests.bench.queue import floor, install, profile, report, room
from tests.bench.queue.cluster import DurableCluster
from tests.bench.queue.measures import MEASURES, PEERS_NEEDED, QUICK, Bench, Sizes


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    common_arguments(parser, MEASURES)
    parser.add_argument("--profile", action="store_true", help="instead: where the CPU of a run goes")
    parser.add_argument("--json", type=Path, help="write the figures here too")


def contradiction(chosen: argparse.Namespace) -> str:
    """Why these options do not go together; "" when they do."""
    return unpublishable(chosen, ("only", "quick", "profile"))


def run(chosen: argparse.Namespace) -> int:
    """Measure and print."""
    sizes = QUICK if chosen.quick else Sizes()
    if chosen.repeat:
        sizes = Sizes(**{**vars(sizes), "repeat": chosen.repeat})
    install.ensure()
    disk = chosen.disk or install.ROOT / ".cache"
    with tempfile.TemporaryDirectory(prefix="bench-", dir=disk) as folder:
        Path(folder).chmod(0o755)
        settings = {"track_functions": "all"} if chosen.profile else {}
        cluster = DurableCluster(Path(folder), **settings)
        try:
            bench = Bench(cluster, Path(folder), sizes, lambda text: print(text, file=sys.stderr, flush=True))
            return _profile(bench) if chosen.profile else _measure(bench, chosen)
        finally:
            cluster.remove()


def _measure(bench: Bench, chosen: argparse.Namespace) -> int:
    machine = report.facts(bench)
    names = chosen.only or list(MEASURES)
    _prepare(bench, names)
    failed = [name for name in names if not measured(MEASURES, bench, name)]
    out = chosen.out or bench.folder / "out"
    text = report.write(bench, machine, chosen.json, out)
    if chosen.publish and not failed:
        report.publish(text, out / "queue.svg", PAGE)
    print(text)
    if failed:
        print(f"failed, see above: {', '.join(failed)}; nothing was published", file=sys.stderr)
    return 1 if failed else 0


def _prepare(bench: Bench, names: Sequence[str]) -> None:
    started, sizes = time.monotonic(), bench.sizes
    room.prepare(bench.cluster, sizes.queued, sizes.finished if "history" in names else 0)
    if {"batch", "single"} & set(names):
        floor.prepare(bench.cluster)
    for peer in {peer.package: peer for name in names for peer in PEERS_NEEDED.get(name, ())}.values():
        peer.prepare(bench.cluster, sizes.queued)
        bench.say(f"-- {peer.name} is set up")
    bench.say(f"-- set up in {time.monotonic() - started:.0f} s")


def _profile(bench: Bench) -> int:
    room.prepare(bench.cluster, bench.sizes.queued)
    for loops, batch in ((12, 100), (64, 1), (4, 1)):
        print(profile.measure(bench, loops, batch))
    return 0
