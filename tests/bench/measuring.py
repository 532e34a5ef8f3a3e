"""What the benchmarks of several measures share: their options, and that one measure that fails loses no other."""

from __future__ import annotations

import argparse
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from tests.bench.queue.install import ROOT

PAGE = ROOT / "spec" / "docs" / "explanation" / "performance.md"


class Says(Protocol):
    """A bench that tells what it does."""

    @property
    def say(self) -> Callable[[str], None]: ...


B = TypeVar("B", bound=Says)


def common_arguments(parser: argparse.ArgumentParser, measures: Iterable[str]) -> None:
    """Add the options that each of them has."""
    parser.add_argument("--only", nargs="*", choices=[*measures], help="which measures; all when none is named")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: shows that the harness works, measures nothing"
    )
    parser.add_argument("--repeat", type=int, help="how often each is repeated (3)")
    parser.add_argument("--out", type=Path, help="write figures, text and plots into this folder")
    parser.add_argument("--publish", action="store_true", help="put what all measures gave into the documentation")
    parser.add_argument("--disk", type=Path, help="folder for all data, on a real disk (.cache)")


def unpublishable(chosen: argparse.Namespace, options: Iterable[str]) -> str:
    """Why these options do not go with --publish, which replaces the whole table; "" when they do."""
    for option in options:
        if chosen.publish and getattr(chosen, option):
            return f"--publish replaces the whole table with full figures of all measures: leave --{option} out"
    return ""


def measured(measures: Mapping[str, Callable[[B], None]], bench: B, name: str) -> bool:
    """Whether it went through; what others measured in half an hour is not to be lost with it."""
    started = time.monotonic()
    try:
        measures[name](bench)
    except Exception:
        bench.say(traceback.format_exc())
        return False
    bench.say(f"-- {name}: {time.monotonic() - started:.0f} s")
    return True
