"""The executor kit against our Trino executor: its workload is done with statements on a real Trino."""

from __future__ import annotations

import sys

import pytest

from contract.conformance import executor_kit
from tests.conformance.subjects import failures, judge
from tests.support.trino import Trino, lake, trino

__all__ = ["lake", "trino"]
QUICK = ("register", "run", "failure", "logs", "artifact", "cancel", "superseded", "claim-lost", "claimed-twice")


def command(server: Trino) -> tuple[str, ...]:
    """Starts our executor for this server: the kit takes all OPS_ variables but its own away."""
    return ("env", f"OPS_TRINO_URL={server.url}", sys.executable, "-m", "executors.runtime.main", "trino")


def test_our_trino_executor_passes_the_quick_cases(trino: Trino) -> None:
    assert failures(judge(command(trino), *QUICK)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("case", [case.id for case in executor_kit.CASES if case.id not in QUICK])
def test_it_passes_every_other_case_too(trino: Trino, case: str) -> None:
    assert failures(judge(command(trino), case)) == {}
