"""Break it on purpose, in each way of tests/faults/faults.py, and show which tests notice.

    python -m tests.faults [NAME …]

Each fault's tests run in a pytest of their own, first without any fault, then with it. Prints fault -> caught by; ends
with 1 when a fault survives, or when the tests fail without one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree  # our own pytest wrote it

from tests.faults.faults import BY_NAME, FAULTS, Fault

ROOT = Path(__file__).parents[2]
SECONDS = 900


@dataclass(frozen=True)
class Verdict:
    """What the tests of a fault said. caught_by: the names of those that failed; ran: how many there were."""

    fault: str
    caught_by: tuple[str, ...]
    ran: int

    @property
    def survived(self) -> bool:
        return not self.caught_by


def run(tests: Sequence[str], fault: str | None) -> Verdict:
    """Run tests on PostgreSQL 18, with a fault or without. RuntimeError when pytest itself did not work."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    plugin = []
    if fault:
        environment["OPS_SEEDED_FAULT"] = fault
        plugin = ["-p", "tests.faults.plugin"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, f"--junit-xml={report}"]
        command += ["-m", "not slow", "-k", "not pg15 and not pg17", *tests]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"pytest ended with {done.returncode} under {fault}: {done.stdout[-3000:]}{done.stderr}")
        cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [
        case.get("name", "") for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    return Verdict(fault or "no fault", tuple(dict.fromkeys(failed)), len(cases))


def table(verdicts: Sequence[Verdict]) -> str:
    """fault -> caught by, a line per test."""
    lines = [f"{'fault':34}  caught by"]
    for verdict in verdicts:
        caught = verdict.caught_by or ("NOTHING: it survives",)
        more = [f"and {len(caught) - 4} more"] if len(caught) > 4 else []
        for n, name in enumerate([*caught[:4], *more]):
            lines.append(f"{verdict.fault if n == 0 else '':34}  {name}")
    return "\n".join(lines)


def judge(faults: Sequence[Fault]) -> tuple[Verdict, list[Verdict]]:
    """(the verdict without a fault, that of each fault)."""
    sound = run(sorted({test for fault in faults for test in fault.tests}), None)
    return sound, [run(fault.tests, fault.name) for fault in faults]


def main(names: Sequence[str]) -> int:
    faults = [BY_NAME[name] for name in names] or list(FAULTS)
    sound, verdicts = judge(faults)
    survivors = [verdict.fault for verdict in verdicts if verdict.survived]
    told = [table(verdicts), f"{len(verdicts)} faults, {len(verdicts) - len(survivors)} caught, survivors: {survivors}"]
    told.append(f"without a fault: {sound.ran} tests, failed: {list(sound.caught_by)}")
    sys.stdout.write("\n".join(told) + "\n")
    return 1 if survivors or sound.caught_by else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
