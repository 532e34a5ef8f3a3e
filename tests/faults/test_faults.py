"""The tests are tested: each seeded fault is noticed by the tests that are there for it."""

from __future__ import annotations

import pytest

from tests.faults.__main__ import judge, table
from tests.faults.faults import FAULTS, Fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_fits_the_source_it_breaks(fault: Fault) -> None:
    for edit in fault.edits:
        assert fault.broken(edit.function)
    assert fault.edits or fault.python


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_fault_survives(capsys: pytest.CaptureFixture[str]) -> None:
    sound, verdicts = judge(FAULTS)
    with capsys.disabled():
        print(f"\n{table(verdicts)}")  # noqa: T201 - the table is the result
    assert sound.caught_by == ()
    assert [verdict.fault for verdict in verdicts if verdict.survived] == []
    assert len(verdicts) >= 12
