"""The command: `python -m tests.bench queue`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.bench.queue import floor, install, profile, report, room
from tests.bench.queue.cluster import DurableCluster
from tests.bench.queue.measures import MEASURES, PEERS_NEEDED, QUICK, Bench, Sizes

PAGE = install.ROOT / "spec" / "docs" / "explanation" / "performance.md"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--only", nargs="*", choices=[*MEASURES], help="which measures; all when none is named")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: shows that the harness works, measures nothing"
    )
    parser.add_argument("--profile", action="store_true", help="instead: where the CPU of a run goes")
    parser.add_argument("--repeat", type=int, help="how often each is repeated (3)")
    parser.add_argument("--out", type=Path, help="write queue.json, queue.md and queue.svg into this folder")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument(
        "--publish", action="store_true", help="put tables and plot of all measures into the documentation"
    )
    parser.add_argument("--disk", type=Path, help="folder for the data of Postgres, on a real disk (.cache)")


def contradiction(chosen: argparse.Namespace) -> str:
    """Why these options do not go together; "" when they do. What is published replaces the whole table."""
    if not chosen.publish:
        return ""
    for option, given in (("--only", chosen.only), ("--quick", chosen.quick), ("--profile", chosen.profile)):
        if given:
            return f"--publish replaces the whole table with full figures of all measures: leave {option} out"
    return ""


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
    failed = [name for name in names if not _measured(bench, name)]
    out = chosen.out or bench.folder / "out"
    text = report.write(bench, machine, chosen.json, out)
    if chosen.publish and not failed:
        report.publish(text, out / "queue.svg", PAGE)
    print(text)
    if failed:
        print(f"failed, see above: {', '.join(failed)}; nothing was published", file=sys.stderr)
    return 1 if failed else 0


def _measured(bench: Bench, name: str) -> bool:
    started = time.monotonic()
    try:
        MEASURES[name](bench)
    except Exception:
        # The other measures of half an hour are not to be lost with this one.
        bench.say(traceback.format_exc())
        return False
    bench.say(f"-- {name}: {time.monotonic() - started:.0f} s")
    return True


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
