"""The command: `python -m tests.bench executors`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.bench.executors import beside_commands, beside_spark, beside_trino, rates, report
from tests.bench.executors.bench import QUICK, Bench, Sizes
from tests.bench.queue.install import ROOT
from tests.bench.queue.main import PAGE

MEASURES: dict[str, Callable[[Bench], None]] = {
    "dbt": beside_commands.dbt,
    "notebook": beside_commands.notebook,
    "rates": rates.measure,
    "trino": beside_trino.measure,
    "spark": beside_spark.measure,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--only", nargs="*", choices=[*MEASURES], help="which measures; all when none is named")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: shows that the harness works, measures nothing"
    )
    parser.add_argument(
        "--repeat", type=int, help="how often rates, statements, rows and idle executors are measured (3)"
    )
    parser.add_argument("--out", type=Path, help="write executors.json and executors.md into this folder")
    parser.add_argument("--publish", action="store_true", help="put the tables of all measures into the documentation")
    parser.add_argument("--disk", type=Path, help="folder for all data, on a real disk (.cache)")


def contradiction(chosen: argparse.Namespace) -> str:
    """Why these options do not go together; "" when they do. What is published replaces the whole table."""
    for option, given in (("--only", chosen.only), ("--quick", chosen.quick)):
        if chosen.publish and given:
            return f"--publish replaces the whole table with full figures of all measures: leave {option} out"
    return ""


def run(chosen: argparse.Namespace) -> int:
    """Measure and print; 1 when a measure failed, and then nothing is published."""
    sizes = QUICK if chosen.quick else Sizes()
    if chosen.repeat:
        sizes = replace(sizes, repeat=chosen.repeat)
    disk = chosen.disk or ROOT / ".cache"
    disk.mkdir(exist_ok=True)
    machine = report.facts()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=disk) as folder:
        Path(folder).chmod(0o755)
        bench = Bench(Path(folder), sizes, lambda text: print(text, file=sys.stderr, flush=True))
        failed = [name for name in chosen.only or MEASURES if not measured(bench, name)]
    made = report.document(bench, machine)
    text = report.markdown(made)
    if chosen.out:
        report.write(made, chosen.out)
    if chosen.publish and not failed:
        report.publish(text, PAGE)
    print(text)
    if failed:
        print(f"failed, see above: {', '.join(failed)}; nothing was published", file=sys.stderr)
    return 1 if failed else 0


def measured(bench: Bench, name: str) -> bool:
    started = time.monotonic()
    try:
        MEASURES[name](bench)
    except Exception:
        # The other measures are not to be lost with this one.
        bench.say(traceback.format_exc())
        return False
    bench.say(f"-- {name}: {time.monotonic() - started:.0f} s")
    return True
