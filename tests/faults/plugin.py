"""A pytest plugin that puts a fault into the tests, if one is named, and writes down how each test ended.

OPS_SEEDED_FAULT: the fault's name, or unset; OPS_FAULT_OUTCOMES: the file for the outcomes (tests.faults.outcome).
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.faults.faults import BY_NAME, Fault
from tests.faults.outcome import PUT_IN, Outcome, append, how

NOT_PUT_IN = 86


def pytest_configure() -> None:
    name = os.environ.get("OPS_SEEDED_FAULT")
    if name:
        put_in(BY_NAME[name])


def put_in(fault: Fault) -> None:
    # Only where a fault is wanted: without one, no test needs a database for it.
    from tests.support import postgres

    def into_database(conninfo: str) -> None:
        try:
            fault.apply_to(conninfo)
        except Exception as error:
            pytest.exit(f"fault {fault.name!r} cannot be put in: {error}", returncode=NOT_PUT_IN)
        append(outcomes(), Outcome(PUT_IN, "passed"))

    if fault.edits or fault.statements:
        postgres.after_install.append(into_database)
    for swap in fault.swaps:
        swap.apply()
        append(outcomes(), Outcome(PUT_IN, "passed"))


def outcomes() -> Path:
    return Path(os.environ["OPS_FAULT_OUTCOMES"])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" or report.outcome != "passed":
        failed = "error" if report.when != "call" else how(call.excinfo.value if call.excinfo else None)
        ended = failed if report.outcome == "failed" else report.outcome
        append(outcomes(), Outcome(item.nodeid, ended, str(call.excinfo.value)[:300] if call.excinfo else ""))
    return report
