"""The tests are tested: each seeded fault is noticed by the tests that are there for it."""

from __future__ import annotations

import psycopg
import pytest

from tests.faults.__main__ import check, judged, table
from tests.faults.faults import FAULTS, Edit, Fault, Swap
from tests.faults.outcome import PUT_IN, Outcome, how, judge, unsound

IN = Outcome(PUT_IN, "passed")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_fits_the_source_it_breaks(fault: Fault) -> None:
    assert fault.unfit() == []


def test_a_fault_that_no_longer_fits_says_what_is_not_there_any_more() -> None:
    edits = (Edit("notify_ready", "what nobody wrote", ""), Edit("no_such_function", "a", "b"))
    swaps = (Swap("contract.server.lanes", "Lanes", "gone", lambda _: None), Swap("contract.gone", "A", "b", id))
    wrong = Fault("old", "nothing", ("tests/gone.py",), edits, swaps=swaps).unfit()
    said = ["tests/gone.py", "what nobody wrote", "no_such_function", "Lanes.gone", "contract.gone"]
    assert [part for part in said if not any(part in line for line in wrong)] == []


def test_a_fault_that_breaks_nothing_does_not_fit() -> None:
    assert Fault("idle", "nothing", ("tests/faults/test_faults.py",)).unfit() == ["fault idle: it breaks nothing"]


def test_only_an_assertion_that_fails_catches_a_fault() -> None:
    assert judge("f", [IN, Outcome("a", "passed"), Outcome("b", "assertion")]).caught_by == ("b",)
    for ended in ("passed", "skipped", "error", "timeout"):
        assert judge("f", [IN, Outcome("a", ended, "why")]).survived
    assert judge("f", [IN, Outcome("a", "error", "why")]).trouble == ("error in a: why",)


def test_a_hang_catches_a_fault_whose_symptom_it_is() -> None:
    assert not judge("f", [IN, Outcome("a", "timeout")], hangs=True).survived


def test_a_fault_that_was_never_put_in_is_not_caught() -> None:
    verdict = judge("f", [Outcome("a", "assertion")])
    assert verdict.survived
    assert "never put in" in verdict.trouble[0]


def test_a_control_run_is_sound_when_every_test_selected_ran_and_passed() -> None:
    assert unsound(["t.py::a", "u.py"], [Outcome("t.py::a[pg18]", "passed"), Outcome("u.py::b", "passed")]) == []
    wrong = unsound(["t.py::a", "u.py"], [Outcome("t.py::a", "skipped", "no node")])
    assert wrong == ["skipped in t.py::a: no node", "no test ran for u.py"]


def after(first: Exception, then: Exception) -> Exception:
    """The second, raised while the first was handled."""
    try:
        try:
            raise first
        except Exception:
            raise then  # noqa: B904 - as an assert in an except block does
    except Exception as error:
        return error


def test_how_a_test_failed_is_told_from_what_it_raised() -> None:
    said = {
        "assertion": [AssertionError("2 == 3"), ExceptionGroup("two", [KeyError("a"), AssertionError("b")])],
        "timeout": [TimeoutError(), pytest.fail.Exception("Timeout (>300.0s) from pytest-timeout.")],
        "error": [
            KeyError("a"),
            psycopg.OperationalError("away"),
            after(psycopg.errors.UndefinedColumn("there is no column x"), AssertionError("42703 is not OPC01")),
        ],
    }
    said["assertion"] += [after(psycopg.errors.InsufficientPrivilege("no"), AssertionError("42501 is not OPC01"))]
    assert {kind: [how(error) for error in errors] for kind, errors in said.items()} == {
        kind: [kind] * len(errors) for kind, errors in said.items()
    }


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_fault_survives(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        check(FAULTS)
        verdicts = [judged(fault) for fault in FAULTS]
        print(f"\n{table(verdicts)}")  # noqa: T201 - the table is the result
    assert [verdict.fault for verdict in verdicts if verdict.survived] == []
    assert len(verdicts) >= 12
