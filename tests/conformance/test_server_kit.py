"""The server kit against this project's server, and against one that gets something wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from contract.conformance import server_kit
from contract.conformance.desk import Server
from contract.conformance.verdict import Result
from tests.contract.operator.conftest import EXECUTOR, OPERATOR, bootstrap, serving
from tests.support.ops import Ops
from tests.support.postgres import Database, pg18, stop_clusters_at_the_end
from tests.support.seaweed import Seaweed, object_store, own_object_store

__all__ = ["object_store", "own_object_store", "pg18", "stop_clusters_at_the_end"]
Change = Callable[[httpx.Request, httpx.Response], httpx.Response]


class Changed(httpx.BaseTransport):
    """What comes from the server, changed on its way: as from a server with a defect."""

    def __init__(self, change: Change) -> None:
        self.inner, self.change = httpx.HTTPTransport(), change

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self.inner.handle_request(request)
        response.read()
        return self.change(request, response)

    def close(self) -> None:
        self.inner.close()


async def judge(
    database: Database, store: Seaweed, folder: Path, *ids: str, change: Change | None = None, operator: bool = True
) -> dict[str, Result]:
    ops = Ops(database)
    bootstrap(ops)
    ops.close()
    async with serving(database, store, folder, reactor=True) as server:
        subject = Server(server.url, EXECUTOR, OPERATOR if operator else None)
        transport = Changed(change) if change else None
        results = await asyncio.to_thread(lambda: list(server_kit.run(subject, ids, transport=transport)))
    return {result.id: result for result in results}


def failures(results: dict[str, Result]) -> dict[str, str]:
    return {id_: result.detail for id_, result in results.items() if result.verdict == "fail"}


@pytest.mark.slow
async def test_our_server_passes_every_case_and_skips_none(
    pg18: Database, object_store: Seaweed, tmp_path: Path
) -> None:
    results = await judge(pg18, object_store, tmp_path)
    assert failures(results) == {}
    assert {result.verdict for result in results.values()} == {"pass"}
    assert len(results) == len(server_kit.CASES)


async def test_our_server_passes_the_quick_cases_too(pg18: Database, object_store: Seaweed, tmp_path: Path) -> None:
    quick = ("document", "versions", "claim-repeat", "stale-epoch", "report-conflict", "exchange-stale", "publication")
    results = await judge(pg18, object_store, tmp_path, *quick)
    assert {id_: result.verdict for id_, result in results.items()} == dict.fromkeys(quick, "pass")


async def test_without_a_way_to_get_runs_cases_are_skipped_with_the_reason(
    pg18: Database, object_store: Seaweed, tmp_path: Path
) -> None:
    results = await judge(pg18, object_store, tmp_path, "register-twice", "report-repeat", operator=False)
    assert results["register-twice"].verdict == "pass"
    assert results["report-repeat"].verdict == "skip"
    assert "--operator-token-file" in results["report-repeat"].detail


def accepts_stale(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    stale = response.status_code == 409 and b'"lease_lost"' in response.content
    log = {"accepted": 1, "next": {}, "log_bytes": 5}
    return httpx.Response(200, json=log) if stale and request.url.path.endswith("/logs") else response


def forgets_repeated(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    if "content-type" not in response.headers:  # nothing to forget: an answer without a body
        return response
    content = response.content.replace(b'"repeated": true', b'"repeated": false')
    content = content.replace(b'"repeated":true', b'"repeated":false')
    return httpx.Response(
        response.status_code, headers={"content-type": response.headers["content-type"]}, content=content
    )


def answers_plain_errors(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    return httpx.Response(response.status_code, text="sorry") if response.status_code == 401 else response


def names_no_holder(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    if b'"lease_lost"' not in response.content or response.status_code != 409:
        return response
    body = {name: value for name, value in json.loads(response.content).items() if name != "epoch_current"}
    return httpx.Response(409, headers={"content-type": "application/problem+json"}, content=json.dumps(body))


@pytest.mark.parametrize(
    ("change", "caught_by"),
    [
        (accepts_stale, "stale-epoch"),
        (forgets_repeated, "report-repeat"),
        (answers_plain_errors, "unauthenticated"),
        (names_no_holder, "foreign-epoch"),
    ],
)
async def test_a_server_with_a_defect_fails_the_case_for_it(
    pg18: Database, object_store: Seaweed, tmp_path: Path, change: Change, caught_by: str
) -> None:
    results = await judge(pg18, object_store, tmp_path, caught_by, change=change)
    assert results[caught_by].verdict == "fail"
