"""The executor kit against our command executor: its workload is done by a program of ours, started like any other."""

from __future__ import annotations

import sys

import pytest

from contract.conformance import executor_kit
from tests.conformance.subjects import failures, judge

# The kit takes all OPS_ variables but its own away.
COMMAND = ("env", "OPS_COMMAND_ALLOW=/bin/sh", sys.executable, "-m", "executors.runtime.main", "command")
QUICK = ("register", "run", "failure", "logs", "artifact", "cancel", "superseded", "claim-lost", "claimed-twice")


def test_our_command_executor_passes_the_quick_cases() -> None:
    assert failures(judge(COMMAND, *QUICK)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("case", [case.id for case in executor_kit.CASES if case.id not in QUICK])
def test_it_passes_every_other_case_too(case: str) -> None:
    assert failures(judge(COMMAND, case)) == {}
