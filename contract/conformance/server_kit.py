"""The server kit: asks a running server what only one that keeps the contract answers."""

from collections.abc import Callable, Iterable, Iterator

import httpx

from contract.conformance import server_access, server_files, server_publications, server_queue, server_reports
from contract.conformance.desk import Desk, Server
from contract.conformance.verdict import Case, Result, chosen, judge, run_all

CASES: list[Case[Desk]] = [
    *server_access.CASES.cases,
    *server_queue.CASES.cases,
    *server_reports.CASES.cases,
    *server_files.CASES.cases,
    *server_publications.CASES.cases,
]


def run(
    server: Server,
    ids: Iterable[str] = (),
    told: Callable[[Result], None] = lambda _: None,
    transport: httpx.BaseTransport | None = None,
) -> Iterator[Result]:
    """Judge the server by each case. ValueError for an unknown id; httpx.TransportError when nobody answers at all."""
    cases = chosen(CASES, ids)
    timeout = httpx.Timeout(30.0, read=server.patience_seconds + 30.0)
    with httpx.Client(timeout=timeout, transport=transport, trust_env=False) as http:
        http.get(server.url)
        yield from run_all(cases, lambda case: judged(case, Desk(server, http)), told)


def judged(case: Case[Desk], desk: Desk) -> Result:
    """One case, at a desk of its own that is cleared afterwards."""
    result = judge(case, desk)
    desk.clear()
    return result
