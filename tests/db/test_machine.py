"""Any order of all verbs, from several executors, with a clock that jumps: the database does what the model says."""

from __future__ import annotations

import os
import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.db.machine_submits import SubmittedMachine
from tests.support.postgres import NEWEST, TEMPLATE, VERSIONS, Database, cluster

COMMON: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
# Under a seeded fault it is enough to know that there is a counterexample: none is made smaller.
PHASES = [Phase.explicit, Phase.generate] if os.environ.get("OPS_SEEDED_FAULT") else list(Phase)
QUICK = settings(phases=PHASES, max_examples=30, stateful_step_count=50, derandomize=True, **COMMON)
EXAMPLES, STEPS = int(os.environ.get("OPS_MACHINE_EXAMPLES", "150")), int(os.environ.get("OPS_MACHINE_STEPS", "80"))
LONG = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, print_blob=True, **COMMON)


# The older versions take their turn with the long suites.
BY_TURN = [pytest.param(v, marks=() if v == NEWEST else pytest.mark.slow, id=f"pg{v}") for v in VERSIONS]


def machine_on(version: str) -> Any:
    """A maker of machines, each on a database of its own."""

    def make() -> SubmittedMachine:
        server = cluster(version)
        name = server.create_database(TEMPLATE)
        return SubmittedMachine(Database(server.conninfo(name), version, server), lambda: server.drop_database(name))

    return make


@pytest.mark.parametrize("version", BY_TURN)
def test_any_order_of_verbs_leaves_what_the_model_says(version: str) -> None:
    run_state_machine_as_test(machine_on(version), settings=QUICK)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"pg{version}")
def test_any_order_of_verbs_leaves_what_the_model_says_for_long(version: str) -> None:
    chosen = int(os.environ.get("OPS_SEED") or secrets.randbelow(2**32))
    print(f"again with: OPS_SEED={chosen} (examples {EXAMPLES}, steps {STEPS})")  # noqa: T201 - shown when it fails
    run_state_machine_as_test(seed(chosen)(machine_on(version)), settings=LONG)
