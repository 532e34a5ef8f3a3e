"""Cases, what became of them, and the machine-readable verdict."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, Literal, TypeVar

from contract.versions import NEWEST

T = TypeVar("T")
Kit = Literal["server", "executor"]
Verdict = Literal["pass", "fail", "skip"]


class Broken(Exception):  # noqa: N818 - it says what happened
    """The subject did not do what the case requires; the text says what was seen and what was due."""


class Skipped(Exception):  # noqa: N818 - it says what happened
    """The case cannot be judged here; the text says why."""


@dataclass(frozen=True)
class Case(Generic[T]):
    """One thing that is judged. id: stable; requirement: what the contract asks for; body: raises Broken or Skipped."""

    id: str
    title: str
    requirement: str
    body: Callable[[T], str | None]


@dataclass(frozen=True)
class Result:
    """What became of a case. seconds: it took; detail: why it failed or was skipped, or what was seen."""

    id: str
    title: str
    requirement: str
    verdict: Verdict
    seconds: float
    detail: str


class Register(Generic[T]):
    """The cases of a kit, in the order of their definition."""

    def __init__(self) -> None:
        self.cases: list[Case[T]] = []

    def case(self, id_: str, title: str, requirement: str) -> Callable[[Callable[[T], str | None]], Case[T]]:
        """Decorator: the function becomes the body of a case. What it returns is the detail of a pass."""

        def add(body: Callable[[T], str | None]) -> Case[T]:
            found = Case(id_, title, requirement, body)
            self.cases.append(found)
            return found

        return add


def require(condition: object, detail: str) -> None:
    """Raise Broken(detail) unless the condition holds."""
    if not condition:
        raise Broken(detail)


def chosen(cases: Sequence[Case[T]], ids: Iterable[str]) -> list[Case[T]]:
    """The cases of these ids, all when there are none. ValueError names an id that no case has."""
    wanted = list(ids)
    known = {case.id for case in cases}
    for id_ in wanted:
        if id_ not in known:
            raise ValueError(f"there is no case {id_}; the cases are {', '.join(sorted(known))}")
    return [case for case in cases if not wanted or case.id in wanted]


def judge(case: Case[T], subject: T, clock: Callable[[], float] = time.monotonic) -> Result:
    """Run one case. A defect of the kit itself is a failure that says so."""
    started = clock()
    verdict: Verdict = "pass"
    try:
        detail = case.body(subject) or ""
    except Broken as broken:
        verdict, detail = "fail", str(broken)
    except Skipped as skipped:
        verdict, detail = "skip", str(skipped)
    except Exception as error:  # what nobody foresaw must not hide the other cases
        verdict, detail = "fail", f"the case could not be judged: {type(error).__name__}: {error}"
    return Result(case.id, case.title, case.requirement, verdict, round(clock() - started, 3), detail)


def run_all(
    cases: Iterable[Case[T]], judged: Callable[[Case[T]], Result], told: Callable[[Result], None] = lambda _: None
) -> Iterator[Result]:
    """Judge each case in turn and tell of it at once."""
    for case in cases:
        result = judged(case)
        told(result)
        yield result


def as_json(kit: Kit, subject: str, results: Sequence[Result]) -> dict[str, Any]:
    """The machine-readable verdict; `failed` 0 means that the subject conforms, as far as it was asked."""
    count = {verdict: sum(result.verdict == verdict for result in results) for verdict in ("pass", "fail", "skip")}
    return {
        "kit": kit,
        "contract_version": NEWEST,
        "subject": subject,
        "cases": [asdict(result) for result in results],
        "passed": count["pass"],
        "failed": count["fail"],
        "skipped": count["skip"],
    }
