"""Executors pass the conformance kit inside their own images: read-only root, no capability, user 10001."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contract.conformance import executor_kit
from tests.containers.engine import output, programs
from tests.support.trino import Trino, lake, trino

__all__ = ["lake", "trino"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def verdict(image: str, kind: str, *variables: str) -> dict[str, Any]:
    """The kit's verdict on the executor of an image; the kit runs beside it, in the same container."""
    hardened = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp:mode=1777")
    kit = ("python", "-m", "contract.conformance", "--json", "--")
    executor = ("env", *variables, "python", "-m", "executors.runtime.main", kind)
    command = (programs()[0], "run", "--rm", "--network", "host", *hardened, image, *kit, *executor)
    told: dict[str, Any] = json.loads(output(*command, check=False, seconds=1800))
    return told


def judged(told: dict[str, Any]) -> dict[str, str]:
    assert len(told["cases"]) == len(executor_kit.CASES)
    return {case["id"]: case["detail"] for case in told["cases"] if case["verdict"] != "pass"}


@pytest.mark.parametrize("kind", ["python", "duckdb"])
def test_an_executor_passes_the_kit_in_its_image(images: dict[str, str], kind: str) -> None:
    assert judged(verdict(images[f"{kind.upper()}_IMAGE"], kind)) == {}


def test_the_trino_executor_passes_the_kit_in_its_image(images: dict[str, str], trino: Trino) -> None:
    assert judged(verdict(images["TRINO_IMAGE"], "trino", f"OPS_TRINO_URL={trino.url}")) == {}
