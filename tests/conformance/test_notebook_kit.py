"""The executor kit against our notebook executor: its workload is a notebook, whose cells run in a kernel."""

from __future__ import annotations

import sys

import pytest

from contract.conformance import executor_kit
from tests.conformance.subjects import failures, judge

COMMAND = (sys.executable, "-m", "executors.runtime.main", "notebook")
QUICK = ("register", "run", "failure", "logs", "artifact", "cancel", "superseded", "claim-lost", "claimed-twice")


def test_our_notebook_executor_passes_the_quick_cases() -> None:
    assert failures(judge(COMMAND, *QUICK)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("case", [case.id for case in executor_kit.CASES if case.id not in QUICK])
def test_it_passes_every_other_case_too(case: str) -> None:
    assert failures(judge(COMMAND, case)) == {}
