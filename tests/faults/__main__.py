"""Break it on purpose, in each way of tests/faults/faults.py, and show which tests notice.

    python -m tests.faults [--json] [NAME …]

First each fault must fit the source it breaks, and the tests must pass without any. Then each fault's tests run in a
pytest of their own. A fault is caught by an assertion that fails, and by nothing else: an error, or a test that did not
run, proves nothing. Tells on stderr how far it is; prints fault -> caught by; ends with 1 when a fault survives.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.faults.faults import BY_NAME, FAULTS, Fault
from tests.faults.outcome import Outcome, Verdict, judge, read, unsound
from tests.faults.plugin import NOT_PUT_IN

ROOT = Path(__file__).parents[2]
SECONDS = 900


class Unproved(Exception):  # noqa: N818 - it is no fault
    """Nothing can be said about any fault, and why."""


def run(tests: Sequence[str], fault: str | None) -> list[Outcome]:
    """Run tests on PostgreSQL 18, with a fault or without. Unproved when pytest itself did not work."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outcomes"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPS_FAULT_OUTCOMES": str(file)}
        environment |= {"OPS_SEEDED_FAULT": fault or ""}
        command = [sys.executable, "-m", "pytest", "-q", "--tb=native", "-p", "no:cacheprovider"]
        command += ["-p", "tests.faults.plugin", "-m", "not slow", "-k", "not pg15 and not pg17", *tests]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS)
        if done.returncode not in (0, 1):
            why = "it cannot be put in" if done.returncode == NOT_PUT_IN else f"pytest ended with {done.returncode}"
            raise Unproved(f"{fault or 'without a fault'}: {why}: {done.stdout[-3000:]}{done.stderr}")
        return read(file)


def check(faults: Sequence[Fault]) -> int:
    """How many tests there are for these faults. Unproved unless every fault fits, and all pass without one."""
    unfit = [problem for fault in faults for problem in fault.unfit()]
    if unfit:
        raise Unproved("\n".join(unfit))
    tests = sorted({test for fault in faults for test in fault.tests})
    tell(f"{len(faults)} faults fit; their tests without any fault")
    outcomes = run(tests, None)
    wrong = unsound(tests, outcomes)
    if wrong:
        raise Unproved("without a fault the tests do not pass:\n" + "\n".join(wrong))
    return len(outcomes)


def judged(fault: Fault) -> Verdict:
    started = time.monotonic()
    verdict = judge(fault.name, run(fault.tests, fault.name), hangs=fault.hangs)
    said = "SURVIVES" if verdict.survived else f"caught by {len(verdict.caught_by)} of {verdict.ran} tests"
    tell(f"{fault.name}: {said}, {time.monotonic() - started:.0f} s")
    for line in verdict.trouble:
        tell(f"    proves nothing: {line}")
    return verdict


def tell(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def table(verdicts: Sequence[Verdict]) -> str:
    """fault -> caught by, a line per test."""
    lines = [f"{'fault':34}  caught by"]
    for verdict in verdicts:
        caught = [name.rpartition("/")[2] for name in verdict.caught_by] or ["NOTHING: it survives", *verdict.trouble]
        more = [f"and {len(caught) - 4} more"] if len(caught) > 4 else []
        for n, name in enumerate([*caught[:4], *more]):
            lines.append(f"{verdict.fault if n == 0 else '':34}  {name}")
    return "\n".join(lines)


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="which faults; all by default")
    parser.add_argument("--json", action="store_true", help="print the verdicts as JSON")
    wanted = parser.parse_args(words)
    if unknown := set(wanted.names) - BY_NAME.keys():
        parser.error(f"no fault is named {', '.join(sorted(unknown))}; there are: {', '.join(BY_NAME)}")
    faults = [BY_NAME[name] for name in wanted.names] or list(FAULTS)
    try:
        tests = check(faults)
        verdicts = [judged(fault) for fault in faults]
    except Unproved as problem:
        tell(f"nothing is proved: {problem}")
        return 1
    survivors = [verdict.fault for verdict in verdicts if verdict.survived]
    if wanted.json:
        found = {"tests": tests, "faults": [asdict(verdict) for verdict in verdicts], "survivors": survivors}
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        caught = f"{len(verdicts)} faults, {len(verdicts) - len(survivors)} caught, survivors: {survivors}"
        sys.stdout.write(f"{table(verdicts)}\n{caught}\nwithout a fault: {tests} tests, all passed\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
