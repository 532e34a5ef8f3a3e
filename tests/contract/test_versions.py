"""Versions and deprecations on the wire: which version an executor gets, and what says that it should move on."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contract.client import SPOKEN
from contract.deprecation import of_days, of_version, told
from contract.models import ClaimRequest, RegisterRequest
from contract.server.app import DEPRECATED
from contract.server.deprecations import marked
from contract.versions import NEWEST, OLDEST
from tests.contract.document import document
from tests.contract.plane import Plane, claim_body, plane_over, registration, server_settings
from tests.support.ops import Ops
from tests.support.seaweed import Seaweed

JSON = {"content-type": "application/json"}
SAID = ("deprecation", "sunset", "link")


async def registered(plane: Plane, low: str, high: str) -> Any:
    return await plane.call("POST", "/executors", registration(contract={"min": low, "max": high}))


async def test_an_executor_of_an_older_version_is_answered_with_it_and_told_that_it_is_deprecated(plane: Plane) -> None:
    answer = await registered(plane, OLDEST, OLDEST)
    assert answer.json()["contract_version"] == OLDEST
    due = of_version(OLDEST)
    assert due is not None
    assert {name: answer.headers[name] for name in SAID if name in answer.headers} == due.headers()


async def test_where_the_link_points_a_token_of_an_executor_reads_what_to_do(plane: Plane) -> None:
    said = told((await registered(plane, OLDEST, OLDEST)).headers)
    assert said is not None
    assert said.link is not None
    page = await plane.http.get(said.link, headers={"authorization": "Bearer executor-token"})
    assert page.status_code == 200
    assert "deprecated since" in page.text


async def test_a_newer_executor_gets_the_newest_version_spoken_and_no_such_word(plane: Plane) -> None:
    answer = await registered(plane, OLDEST, "2.0")
    assert answer.json()["contract_version"] == NEWEST
    assert not set(SAID) & set(answer.headers)


async def test_an_executor_that_speaks_newer_versions_alone_is_told_what_to_do(plane: Plane) -> None:
    answer = await registered(plane, "2.0", "2.1")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "contract_version_unsupported")
    assert problem["detail"] == "the control room speaks contract 1.0, 1.1; the executor asked for 2.0 to 2.1"
    assert problem["hint"] == "Upgrade the control room, or use an executor that speaks 1.1."
    assert problem["supported"] == ["1.0", "1.1"]


async def test_our_client_announces_all_that_we_speak_and_gets_the_newest(
    plane: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    async with plane.client() as client:
        body = RegisterRequest.model_validate(registration() | {"contract": SPOKEN})
        assert (await client.register_executor(body)).contract_version == NEWEST
    assert [record for record in caplog.records if record.name == "contract.client"] == []


# Operations that a document marks -------------------------------------------------------------------------------------


def marked_document() -> dict[str, Any]:
    """The authored document, in which claimRuns is on its way out and heartbeat will be."""
    found = copy.deepcopy(document())
    claim = found["paths"]["/executors/{executor_id}/claims"]["post"]
    claim |= {"deprecated": True, "x-deprecated-since": "2027-01-01", "x-sunset": "2028-01-01"}
    beat = found["paths"]["/executors/{executor_id}/heartbeat"]["post"]
    beat |= {"deprecated": True, "x-deprecated-since": "2099-01-01"}
    return found


@pytest.fixture
async def aging(ops18: Ops, object_store: Seaweed, tmp_path: Path) -> AsyncIterator[Plane]:
    """A plane whose document marks two operations."""
    deprecated = tuple(marked(marked_document()))
    async with plane_over(ops18, server_settings(tmp_path, object_store), deprecated=deprecated) as found:
        yield found


async def test_each_answer_of_a_deprecated_operation_says_so_and_no_other(aging: Plane) -> None:
    executor_id = await aging.register()
    path = f"/executors/{executor_id}/claims"
    due = of_days(date(2027, 1, 1), date(2028, 1, 1)).headers()
    answers = [
        await aging.call("POST", path, claim_body()),
        await aging.call("POST", path, {"wrong": 1}),
        await aging.call("POST", path, claim_body(), token="nobody"),
        await aging.call("POST", path, content=b" " * ((4 << 20) + 1), headers=JSON),
        await aging.call("POST", "/executors/7/claims", claim_body()),
    ]
    assert [answer.status_code for answer in answers] == [200, 422, 401, 413, 422]
    for answer in answers:
        assert {name: answer.headers[name] for name in SAID} == due
        assert answer.headers["contract-version"] == NEWEST
    for answer in (await aging.call("GET", path), await aging.call("POST", "/executors", registration())):
        assert not set(SAID) & set(answer.headers)


async def test_a_deprecation_that_lies_ahead_is_announced_too(aging: Plane) -> None:
    beat = {"state": "active", "runs": []}
    answer = await aging.call("POST", f"/executors/{await aging.register()}/heartbeat", beat)
    assert answer.headers["deprecation"] == of_days(date(2099, 1, 1)).headers()["deprecation"]
    assert "sunset" not in answer.headers


async def test_our_client_works_on_and_tells_of_it_once(aging: Plane, caplog: pytest.LogCaptureFixture) -> None:
    executor_id = await aging.register()
    async with aging.client() as client:
        for _ in range(3):
            assert (await client.claim_runs(executor_id, ClaimRequest.model_validate(claim_body()))).runs == []
    (record,) = [record for record in caplog.records if record.name == "contract.client"]
    assert "operation=claimRuns" in record.getMessage()
    assert "may stop to work on 2028-01-01" in record.getMessage()


def test_the_authored_document_marks_what_the_server_announces() -> None:
    assert [(method, said) for method, _, said in DEPRECATED] == [(m, said) for m, _, said in marked(document())]
