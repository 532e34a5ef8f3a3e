"""The server kit against this project's server, and against one that gets something wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

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
Json = dict[str, Any]
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
    quick = ("document", "versions", "claim-repeat", "stale-epoch", "retried-epoch", "report-conflict")
    quick += ("exchange-stale", "publication")
    results = await judge(pg18, object_store, tmp_path, *quick)
    assert {id_: result.verdict for id_, result in results.items()} == dict.fromkeys(quick, "pass")


async def test_without_a_way_to_get_runs_cases_are_skipped_with_the_reason(
    pg18: Database, object_store: Seaweed, tmp_path: Path
) -> None:
    results = await judge(pg18, object_store, tmp_path, "register-twice", "report-repeat", operator=False)
    assert results["register-twice"].verdict == "pass"
    assert results["report-repeat"].verdict == "skip"
    assert "--operator-token-file" in results["report-repeat"].detail


def report_answer(run_id: str, report: Json) -> Json:
    named = {name: report[name] for name in ("epoch", "outcome")}
    route = {"decision": "finish", "reason": None, "retry_at": None}
    place = {"run_id": run_id, "attempt": 1, "repeated": False, "run_state": "succeeded"}
    return named | place | {"route": route, "publications": []}


def artifact_answer(run_id: str, artifact_id: str, epoch: int) -> Json:
    nothing = dict.fromkeys(("media_type", "size", "sha256", "table", "recorded_at"))
    named = {"artifact_id": artifact_id, "run_id": run_id, "epoch": epoch, "name": "x", "kind": "file"}
    return named | nothing | {"state": "recorded", "metadata": {}}


def commit_answer(run_id: str, output: str, body: Json) -> Json:
    return {"run_id": run_id, "output": output, "state": body["state"], "table_version": 0, "run_state": "succeeded"}


def accepts(verb: str) -> Change:
    """A server that takes a stale epoch on this verb, the last word of its path, and answers as it would the holder."""

    def change(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        *_, name, last = request.url.path.split("/")
        if last != verb or response.status_code != 409 or b'"lease_lost"' not in response.content:
            return response
        body = json.loads(request.content)
        run_id = request.url.path.partition("/runs/")[2].partition("/")[0]
        answers: dict[str, Callable[[], Json]] = {
            "logs": lambda: {"accepted": 1, "next": {}, "log_bytes": 5},
            "artifacts": lambda: {
                "artifact_id": str(uuid4()),
                "state": "begun",
                "upload": None,
                "already_stored": True,
            },
            "record": lambda: artifact_answer(run_id, name, body["epoch"]),
            "report": lambda: report_answer(run_id, body),
            "commit": lambda: commit_answer(run_id, name, body),
        }
        return httpx.Response(200, json=answers[verb]())

    change.__name__ = f"accepts_a_stale_{verb}"
    return change


def accepts_a_stale_member(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    if not request.url.path.endswith("/exchange") or response.status_code != 200:
        return response
    sent, found = json.loads(request.content), response.json()
    for asked, told in zip(sent["reports"], found["reports"], strict=True):
        if told["problem"]:
            told |= {"problem": None, "answer": report_answer(asked["run_id"], asked["report"])}
    return httpx.Response(200, json=found)


def renews_a_stale_lease(request: httpx.Request, response: httpx.Response) -> httpx.Response:
    if not request.url.path.endswith("/heartbeat"):
        return response
    content = response.content.replace(b'"superseded"', b'"continue"')
    return httpx.Response(200, headers={"content-type": "application/json"}, content=content)


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
        *[(accepts(verb), "stale-epoch") for verb in ("logs", "artifacts", "record", "report", "commit")],
        (accepts("logs"), "retried-epoch"),
        (accepts_a_stale_member, "stale-epoch"),
        (renews_a_stale_lease, "stale-epoch"),
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
    assert "breaks the document" not in results[caught_by].detail  # what it does is wrong, not how it looks
