"""Every operation, and every error that the document names for it, is met in a real exchange."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from contract.versions import NEWEST
from tests.contract.document import operations
from tests.contract.plane import Plane, plane_over, server_settings
from tests.contract.scenarios import COMMON, SPECIFIC, send
from tests.contract.successes import SUCCESS
from tests.support.ops import Ops

DOCUMENTED = sorted((name, code) for name, operation in operations().items() for _, code in operation.codes)
OUTAGES = {"database_unavailable", "object_store_unavailable"}
MET_HERE = [pair for pair in DOCUMENTED if pair[1] not in OUTAGES]
STORE_AWAY = [pair for pair in DOCUMENTED if pair[1] == "object_store_unavailable"]


def expect(response: httpx.Response, operation: str, code: str) -> None:
    """The documented error came, as a problem that says what to do."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == code, problem
    assert (response.status_code, code) in operations()[operation].codes
    assert problem["detail"]
    assert "Traceback" not in response.text


def test_there_is_a_scenario_for_every_documented_error() -> None:
    unmet = {pair for pair in MET_HERE if pair not in SPECIFIC and pair[1] not in COMMON}
    assert unmet == set()


def test_there_is_a_scenario_for_the_success_of_every_operation() -> None:
    assert set(SUCCESS) == set(operations())


def test_every_specific_scenario_is_for_something_documented() -> None:
    assert set(SPECIFIC) - set(DOCUMENTED) == set()


@pytest.mark.parametrize("name", sorted(SUCCESS))
async def test_every_operation_succeeds(plane: Plane, name: str) -> None:
    response = await SUCCESS[name](plane)
    assert response.status_code in operations()[name].successes, response.text
    assert response.headers["contract-version"] == NEWEST


@pytest.mark.parametrize(("name", "code"), sorted(SPECIFIC))
async def test_every_error_particular_to_an_operation_is_met(plane: Plane, name: str, code: str) -> None:
    expect(await SPECIFIC[name, code](plane), name, code)


@pytest.mark.parametrize("code", COMMON)
async def test_every_operation_meets_the_errors_they_have_in_common(plane: Plane, code: str) -> None:
    names = [name for name, documented in MET_HERE if documented == code and (name, code) not in SPECIFIC]
    assert names
    for name in names:
        expect(await COMMON[code](plane, name), name, code)


@pytest.fixture
async def without_database(ops18: Ops, tmp_path: Path) -> AsyncIterator[Plane]:
    """A plane whose database does not answer."""
    with tempfile.TemporaryDirectory() as nobody:
        async with plane_over(ops18, server_settings(tmp_path), conninfo=f"host={nobody}") as found:
            yield found


@pytest.fixture
async def without_store(ops18: Ops, tmp_path: Path) -> AsyncIterator[Plane]:
    """A plane whose object store does not answer."""
    async with plane_over(ops18, server_settings(tmp_path)) as found:
        yield found


async def test_without_its_database_every_operation_says_so(without_database: Plane) -> None:
    for name in operations():
        response = await send(without_database, name)
        expect(response, name, "database_unavailable")
        assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize(("name", "code"), STORE_AWAY)
async def test_without_its_object_store_what_needs_it_says_so(without_store: Plane, name: str, code: str) -> None:
    _, run = await without_store.claimed()
    if name == "recordArtifact":
        # Begun while the store was there.
        body = {"epoch": run["epoch"], "name": "x", "kind": "file", "size": 1, "sha256": "0" * 64}
        begun = await without_store.store.begin_artifact(
            await without_store.executor(), run["run_id"], body | {"media_type": "text/plain"}
        )
        response = await without_store.record(run, begun["artifact_id"])
    else:
        response = await without_store.begin(run, b"x")
    expect(response, name, code)
    assert int(response.headers["retry-after"]) > 0


async def test_a_defect_is_found_in_the_log_by_the_id_that_its_answer_names(
    plane: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    problem = (await COMMON["internal"](plane, "claimRuns")).json()
    assert problem["request_id"] in problem["detail"]
    assert "authenticate" not in str(problem)
    (record,) = [record for record in caplog.records if problem["request_id"] in record.getMessage()]
    assert record.exc_info is not None
    assert "POST" in record.getMessage()
