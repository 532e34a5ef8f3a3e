"""Schemathesis against the real server: whatever the document allows or forbids, no answer is a server error."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode, checks

from tests.contract.document import PREFIX, document
from tests.contract.plane import EXECUTOR, plane_over, server_settings
from tests.contract.served import served
from tests.support.ops import Ops
from tests.support.postgres import NEWEST, Database, cluster
from tests.support.seaweed import Seaweed

schema = schemathesis.openapi.from_dict(document())
schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
schema.config.checks.negative_data_rejection.expected_statuses = [
    "400",
    "401",
    "403",
    "404",
    "409",
    "413",
    "415",
    "422",
]
CHECKS = [
    checks.not_a_server_error,
    schemathesis.specs.openapi.checks.status_code_conformance,
    schemathesis.specs.openapi.checks.content_type_conformance,
    schemathesis.specs.openapi.checks.response_schema_conformance,
    schemathesis.specs.openapi.checks.response_headers_conformance,
]
REJECTED = schemathesis.specs.openapi.checks.negative_data_rejection


MOST_SECONDS = document()["components"]["schemas"]["ClaimRequest"]["properties"]["wait_seconds"]["maximum"]


@dataclass(frozen=True)
class Target:
    """A served plane. known: identifiers of things that exist there."""

    url: str
    known: dict[str, str]


@pytest.fixture(scope="module")
def target(object_store: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server in a thread of its own, with an executor that holds a run."""
    server = cluster(NEWEST)
    name = server.create_database()
    ops = Ops(Database(server.conninfo(name), NEWEST, server))
    found: list[Target | BaseException] = []
    up, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with (
            plane_over(ops, server_settings(tmp_path_factory.mktemp("fuzz"), object_store)) as plane,
            served(plane.app) as url,
        ):
            executor_id, run = await plane.claimed()
            begun = (await plane.begin(run, b"fuzzed")).json()
            known = {"executor_id": executor_id, "run_id": run["run_id"], "artifact_id": begun["artifact_id"]}
            found.append(Target(url + PREFIX, known))
            up.set()
            await asyncio.to_thread(over.wait)

    def run_server() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            found.append(error)
        up.set()

    thread = threading.Thread(target=run_server)
    thread.start()
    up.wait(60)
    try:
        assert isinstance(found[0], Target), found
        yield found[0]
    finally:
        over.set()
        thread.join(30)
        ops.close()
        server.drop_database(name)
    assert len(found) == 1, found


def send(case: schemathesis.Case, target: Target, *more: Any) -> None:
    """Send a generated request; a claim does not wait. One that may not wait as long as it says stays wrong."""
    wait = case.body.get("wait_seconds") if isinstance(case.body, dict) else None
    if type(wait) in (int, float) and 0 <= wait <= MOST_SECONDS:
        case.body["wait_seconds"] = 0
    headers = {"Authorization": f"Bearer {EXECUTOR}"}
    case.call_and_validate(base_url=target.url, headers=headers, checks=[*CHECKS, *more], timeout=30)


@schema.parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_makes_the_server_fail(case: schemathesis.Case, target: Target) -> None:
    send(case, target, REJECTED)


@schema.exclude(operation_id=["leaveExecutor"]).parametrize()
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_about_what_exists_makes_the_server_fail(case: schemathesis.Case, target: Target) -> None:
    if isinstance(case.body, dict) and type(case.body.get("epoch")) is int:
        case.body["epoch"] = min(case.body["epoch"], 1)
    for name in set(case.path_parameters or {}) & set(target.known):
        case.path_parameters[name] = target.known[name]
    send(case, target)
