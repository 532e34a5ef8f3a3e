"""The exchange of the executor plane: artifacts recorded, attempts reported, runs claimed, in one round trip."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

from starlette.requests import Request

from contract.errors import ContractError
from contract.server import artifacts, claims
from contract.server.exchanger import Answer, claim_member, report_member
from contract.server.problems import from_ops_error
from contract.server.services import Services
from contract.server.strict_json import invalid
from ops_schema.errors import OpsError
from ops_schema.store import Principal

JsonObject = dict[str, Any]
MOST_ARTIFACTS = 200


async def exchange(services: Services, request: Request, caller: Principal, executor_id: UUID, body: JsonObject) -> str:
    """The ExchangeResponse as JSON text."""
    if not body["reports"] and body["max_runs"]:
        return await _wait(services, request, caller, executor_id, body)
    _check_artifacts(body["reports"])
    unseen = await _unrecordable(services, caller, body["reports"])
    sent = [
        report_member(caller, one["run_id"], one["report"], one.get("artifacts"))
        for n, one in enumerate(body["reports"])
        if n not in unseen
    ]
    wanted = [claim_member(caller, executor_id, _claim(body))] if body["max_runs"] else []
    carried = await services.exchanger.carry(sent, wanted)
    answers = iter(carried.answers)
    found = [Answer(error=unseen[n]) if n in unseen else next(answers) for n in range(len(body["reports"]))]
    return _response(body["reports"], found, next(answers, None), carried.server_time)


async def _wait(services: Services, request: Request, caller: Principal, executor_id: UUID, body: JsonObject) -> str:
    claim = {**_claim(body), "wait_seconds": body.get("wait_seconds", 0)}
    try:
        answer = Answer(await claims.claim(services, request, caller, executor_id, claim))
    except ContractError as error:
        answer = Answer(error=error)
    carried = await services.exchanger.carry([], []) if answer.error else None
    return _response([], [], answer, carried.server_time if carried else "")


def _claim(body: JsonObject) -> JsonObject:
    return {"request_id": body["request_id"], "max_runs": body["max_runs"], "queues": body.get("queues")}


def _check_artifacts(reports: list[JsonObject]) -> None:
    named = sum(len(sent.get("artifacts") or ()) for sent in reports)
    if named > MOST_ARTIFACTS:
        message = f"{named} artifacts are named in all, at most {MOST_ARTIFACTS} go into one exchange"
        raise invalid([{"path": "/reports", "message": message}])


async def _unrecordable(services: Services, caller: Principal, reports: list[JsonObject]) -> dict[int, ContractError]:
    """Why artifacts that reports name cannot be recorded, by place of the report; those that can are not in it."""
    places = [n for n, sent in enumerate(reports) if sent.get("artifacts")]
    problems = await asyncio.gather(*(_missing(services, caller, reports[n]) for n in places))
    return {n: problem for n, problem in zip(places, problems, strict=True) if problem is not None}


async def _missing(services: Services, caller: Principal, sent: JsonObject) -> ContractError | None:
    try:
        for artifact_id in map(UUID, sent["artifacts"]):
            body = {"epoch": sent["report"]["epoch"]}
            whose = (services.store, services.object_store, services.verifier, caller, UUID(sent["run_id"]))
            if await artifacts.check_stored(*whose, artifact_id, body) is not None:
                await artifacts.record(*whose, artifact_id, body)  # what it took goes on record with it
    except OpsError as error:
        return from_ops_error(error)
    except ContractError as error:
        return error
    return None


def _response(sent: list[JsonObject], found: list[Answer], claimed: Answer | None, server_time: str) -> str:
    told = ", ".join(
        f'{{"run_id": "{one["run_id"]}", "epoch": {one["report"]["epoch"]}, '
        f'"answer": {answer.text or "null"}, "problem": {_problem(answer.error)}}}'
        for one, answer in zip(sent, found, strict=True)
    )
    rest = claimed.text if claimed and claimed.text else f'{{"runs": [], "server_time": "{server_time}"}}'
    return f'{{"reports": [{told}], "claim_problem": {_problem(claimed.error if claimed else None)}, {rest[1:]}'


def _problem(error: ContractError | None) -> str:
    return "null" if error is None else json.dumps(error.problem(), default=str)
