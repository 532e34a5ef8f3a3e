"""The executor kit: acts as the server and judges an executor, whatever language it is written in."""

import time
from collections.abc import Callable, Iterable, Iterator

from contract.conformance import executor_failures, executor_flow, executor_orders, executor_versions
from contract.conformance.trial import Options, Trial, trial
from contract.conformance.verdict import Case, Result, chosen, judge, run_all

CASES: list[Case[Trial]] = [
    *executor_flow.CASES.cases,
    *executor_orders.CASES.cases,
    *executor_failures.CASES.cases,
    *executor_versions.CASES.cases,
]


def run(options: Options, ids: Iterable[str] = (), told: Callable[[Result], None] = lambda _: None) -> Iterator[Result]:
    """Judge the executor by each case, each with a process of its own. ValueError for an unknown id."""
    yield from run_all(chosen(CASES, ids), lambda case: judged(case, options), told)


def judged(case: Case[Trial], options: Options, clock: Callable[[], float] = time.monotonic) -> Result:
    """One case, in a room of its own; with what the executor wrote when it failed."""
    with trial(options) as found:

        def body(subject: Trial) -> str | None:
            try:
                return case.body(subject)
            finally:
                subject.verify()

        result = judge(Case(case.id, case.title, case.requirement, body), found, clock)
        said = found.subject.said()
    if result.verdict != "fail" or not said:
        return result
    detail = f"{result.detail}\nthe executor wrote:\n{said}"
    return Result(result.id, result.title, result.requirement, "fail", result.seconds, detail)
