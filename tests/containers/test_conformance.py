"""Executors pass the conformance kit inside their own images: read-only root, no capability, user 10001.

Trino's and Spark's do so as services of compose, against the engines of its profiles.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from contract.conformance import executor_kit
from tests.containers.engine import Project, output, programs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
QUICK = ("register", "run", "failure", "logs", "artifact", "cancel", "superseded", "claim-lost", "claimed-twice")
OTHERS = tuple(case.id for case in executor_kit.CASES if case.id not in QUICK)
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp:mode=1777")
# What a kind does not start without.
SETTINGS = {"command": ("OPS_COMMAND_ALLOW=bundle",)}
# Each case starts an executor, on a machine that may be busy with an engine.
PATIENCE_SECONDS = "90"


def kit(kind: str, cases: tuple[str, ...], *variables: str) -> tuple[str, ...]:
    """The kit and, below it, the executor of a kind: to be started in one container."""
    chosen = [part for case in cases for part in ("--case", case)]
    executor = ("env", *variables, "python", "-m", "executors.runtime.main", kind)
    return ("python", "-m", "contract.conformance", "--json", "--patience", PATIENCE_SECONDS, *chosen, "--", *executor)


def judged(told: str, cases: tuple[str, ...]) -> dict[str, str]:
    """What did not pass, with the reason; every case was judged."""
    verdicts = json.loads(told)["cases"]
    assert {case["id"] for case in verdicts} == set(cases)
    return {case["id"]: case["detail"] for case in verdicts if case["verdict"] != "pass"}


def in_image(image: str, kind: str, cases: tuple[str, ...]) -> dict[str, str]:
    """The kit's verdict on the executor of an image that needs no other service."""
    command = (programs()[0], "run", "--rm", "--network", "none", *HARDENED, image)
    return judged(output(*command, *kit(kind, cases, *SETTINGS.get(kind, ())), check=False, seconds=1800), cases)


def in_compose(engines: Project, kind: str, cases: tuple[str, ...]) -> dict[str, str]:
    """The kit's verdict on a service of compose: its mounts, its networks, what it is told of its engine."""
    seen = engines.profiles(kind)
    told: dict[str, Any] = yaml.safe_load(seen("config"))["services"][kind]["environment"]
    variables = [f"{name}={value}" for name, value in told.items() if name.startswith(f"OPS_{kind.upper()}_")]
    assert variables
    command = ("run", "--rm", "-T", "--no-deps", kind, *kit(kind, cases, *variables))
    return judged(seen(*command, check=False, seconds=1800), cases)


QUICK_PYTHON, QUICK_TRINO = (pytest.param(kind, marks=pytest.mark.quick) for kind in ("python", "trino"))


@pytest.mark.parametrize("kind", [QUICK_PYTHON, "notebook", "dbt", "duckdb", "command"])
def test_an_executor_passes_the_kit_s_quick_cases_in_its_image(images: dict[str, str], kind: str) -> None:
    assert in_image(images[f"{kind.upper()}_IMAGE"], kind, QUICK) == {}


@pytest.mark.parametrize("kind", ["python", "duckdb"])
def test_it_passes_every_other_case_there_too(images: dict[str, str], kind: str) -> None:
    assert in_image(images[f"{kind.upper()}_IMAGE"], kind, OTHERS) == {}


@pytest.mark.parametrize("kind", [QUICK_TRINO, "spark"])
def test_the_executor_of_an_engine_passes_the_kit_s_quick_cases_in_compose(engines: Project, kind: str) -> None:
    assert in_compose(engines, kind, QUICK) == {}


@pytest.mark.parametrize("kind", ["trino", "spark"])
def test_it_passes_every_other_case_in_compose_too(engines: Project, kind: str) -> None:
    assert in_compose(engines, kind, OTHERS) == {}
