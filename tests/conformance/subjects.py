"""Executors that the kit judges in tests: ours, the sample, and the sample with one thing broken."""

from __future__ import annotations

import sys
from pathlib import Path

from contract.conformance import executor_kit
from contract.conformance.trial import Options
from contract.conformance.verdict import Result
from tests.conformance.broken_executors import FAULTS

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "contract" / "conformance" / "sample" / "executor.mjs"
OURS = (sys.executable, "-m", "executors.runtime.main", "python")


def node(script: Path) -> tuple[str, ...]:
    """How to start a script with Node, the machine's or PyPI's."""
    return (str(ROOT / "infra" / "dev" / "with-node"), "node", str(script))


def broken(fault: str, folder: Path) -> tuple[str, ...]:
    """The sample with this fault."""
    text = SAMPLE.read_text("utf-8")
    for old, new in FAULTS[fault].edits:
        assert text.count(old) == 1, f"the sample no longer holds {old!r} once"
        text = text.replace(old, new)
    script = folder / "broken.mjs"
    script.write_text(text, "utf-8")
    return node(script)


def judge(command: tuple[str, ...], *ids: str, patience_seconds: float = 20.0) -> dict[str, Result]:
    """What the kit says, by case."""
    options = Options(command, patience_seconds=patience_seconds)
    return {result.id: result for result in executor_kit.run(options, ids)}


def failures(results: dict[str, Result]) -> dict[str, str]:
    return {id_: result.detail for id_, result in results.items() if result.verdict != "pass"}
