"""The executor kit against our Spark executor: its workload is done with statements on a real Spark Connect server."""

from __future__ import annotations

import sys

import pytest

from contract.conformance import executor_kit
from tests.conformance.subjects import failures, judge
from tests.support.spark import Spark, spark, spark_lake

pytestmark = pytest.mark.timeout(900)
__all__ = ["spark", "spark_lake"]
QUICK = ("register", "run", "failure", "logs", "artifact", "cancel", "superseded", "claim-lost", "claimed-twice")
# Each case starts an executor, whose first run loads Spark's client: seconds, on a machine that is busy many.
PATIENCE_SECONDS = 90.0


def command(server: Spark) -> tuple[str, ...]:
    """Starts our executor for this server: the kit takes all OPS_ variables but its own away."""
    settings = (f"OPS_SPARK_REMOTE={server.remote}", f"OPS_SPARK_TOKEN_FILE={server.token_file}")
    return ("env", *settings, sys.executable, "-m", "executors.runtime.main", "spark")


def test_our_spark_executor_passes_the_quick_cases(spark: Spark) -> None:
    assert failures(judge(command(spark), *QUICK, patience_seconds=PATIENCE_SECONDS)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("case", [case.id for case in executor_kit.CASES if case.id not in QUICK])
def test_it_passes_every_other_case_too(spark: Spark, case: str) -> None:
    assert failures(judge(command(spark), case, patience_seconds=PATIENCE_SECONDS)) == {}
