"""The command: `python -m tests.bench limits`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.bench.executors.bench import QUICK, Sizes
from tests.bench.executors.report import publish_between
from tests.bench.limits import cancels, caps, report
from tests.bench.limits.bench import LimitsBench
from tests.bench.measuring import PAGE, common_arguments, measured, unpublishable
from tests.bench.queue.install import ROOT

MEASURES: dict[str, Callable[[LimitsBench], None]] = {"cancels": cancels.measure, "caps": caps.measure}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    common_arguments(parser, MEASURES)


def contradiction(chosen: argparse.Namespace) -> str:
    """Why these options do not go together; "" when they do."""
    return unpublishable(chosen, ("only", "quick"))


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
        bench = LimitsBench(Path(folder), sizes, lambda text: print(text, file=sys.stderr, flush=True))
        failed = [name for name in chosen.only or MEASURES if not measured(MEASURES, bench, name)]
    made = report.document(bench, machine)
    text = report.markdown(made)
    if chosen.out:
        report.write(made, chosen.out)
    if chosen.publish and not failed:
        publish_between(text, PAGE, report.BEGIN, report.END)
    print(text)
    if failed:
        print(f"failed, see above: {', '.join(failed)}; nothing was published", file=sys.stderr)
    return 1 if failed else 0
