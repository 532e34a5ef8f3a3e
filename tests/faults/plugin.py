"""A pytest plugin that puts the fault named by OPS_SEEDED_FAULT into the tests: `pytest -p tests.faults.plugin …`."""

from __future__ import annotations

import os

from tests.faults.faults import BY_NAME
from tests.support import postgres


def pytest_configure() -> None:
    fault = BY_NAME[os.environ["OPS_SEEDED_FAULT"]]
    postgres.after_install.append(fault.apply_to)
    if fault.python:
        fault.python()
