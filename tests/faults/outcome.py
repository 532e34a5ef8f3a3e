"""How a test ended, and what that says of a fault: only an assertion that does not hold has caught it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
import pytest

PUT_IN = "the fault was put in"
# Of PostgreSQL: the statement itself is wrong, so the fault broke more than it says. Not a refusal for want of rights.
BAD_STATEMENT, NO_RIGHT = "42", "42501"


@dataclass(frozen=True)
class Outcome:
    """ended: passed, skipped, assertion (one does not hold), timeout, or error (anything else went wrong)."""

    test: str
    ended: str
    why: str = ""


def how(error: BaseException | None) -> str:
    """In what way a test failed that ended with this."""
    every = [*leaves(error)] if error else []
    if any(bad_statement(one) for one in every):
        return "error"
    if any(is_timeout(one) for one in every):
        return "timeout"
    told = any(isinstance(one, AssertionError | pytest.fail.Exception) for one in every)
    return "assertion" if told else "error"


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors of a group, however deep; of no group, the error."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from leaves(one)
    else:
        yield error


def is_timeout(error: BaseException) -> bool:
    by_the_clock = isinstance(error, pytest.fail.Exception) and str(error).startswith("Timeout")
    return by_the_clock or isinstance(error, TimeoutError)


def bad_statement(error: BaseException | None) -> bool:
    """Whether PostgreSQL could not carry out a statement as it stands, here or in what led to this."""
    while error is not None:
        state = (error.sqlstate or "") if isinstance(error, psycopg.Error) else ""
        if state.startswith(BAD_STATEMENT) and state != NO_RIGHT:
            return True
        error = error.__cause__ or error.__context__
    return False


def append(file: Path, outcome: Outcome) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(asdict(outcome)) + "\n")


def read(file: Path) -> list[Outcome]:
    """What `append` wrote; [] when nothing was."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return [Outcome(**json.loads(line)) for line in lines]


@dataclass(frozen=True)
class Verdict:
    """What the tests of a fault said. caught_by: those with an assertion that failed; trouble: what proves nothing."""

    fault: str
    ran: int
    caught_by: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()

    @property
    def survived(self) -> bool:
        return not self.caught_by


def judge(fault: str, outcomes: Sequence[Outcome], *, hangs: bool = False) -> Verdict:
    """hangs: waiting in vain is what the fault is about, so a timeout shows it too."""
    tests = [one for one in outcomes if one.test != PUT_IN]
    if len(tests) == len(outcomes):
        return Verdict(fault, len(tests), trouble=("no test met it: it was never put in",))
    counts = {"assertion", "timeout"} if hangs else {"assertion"}
    caught = tuple(dict.fromkeys(one.test for one in tests if one.ended in counts))
    rest = [one for one in tests if one.ended not in counts | {"passed"}]
    return Verdict(fault, len(tests), caught, tuple(f"{one.ended} in {one.test}: {one.why}" for one in rest))


def unsound(selected: Sequence[str], outcomes: Sequence[Outcome]) -> list[str]:
    """What keeps a run without any fault from being a control: tests that do not pass, and those that did not run."""
    wrong = [f"{one.ended} in {one.test}: {one.why}" for one in outcomes if one.ended != "passed"]
    ran = [one.test for one in outcomes]
    return wrong + [f"no test ran for {name}" for name in selected if not any(test.startswith(name) for test in ran)]
