"""Many artifacts of a run in one round trip: recorded, begun, each with an answer or a problem of its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

from contract.errors import ContractError
from contract.server import artifacts
from contract.server.object_store import ObjectStore, StoredObject
from contract.server.problems import from_ops_error
from contract.server.services import Services
from ops_schema.errors import OpsError
from ops_schema.store import MemberAnswer, Principal

JsonObject = dict[str, Any]
# Up to here a PUT that the store answers with 412 costs no more than asking it first.
SMALL_BYTES = 2**20


async def batch(services: Services, caller: Principal, run_id: UUID, body: JsonObject) -> JsonObject:
    """batchArtifacts. Raises only what no member is to blame for."""
    record, begin = body["record"], body["begin"]
    took = await _stored_all(services, caller, run_id, record)
    refused = [_misfit(one) for one in begin]
    sent: JsonObject = {
        "record": [
            one if ms is None else {**one, "verify_ms": ms}
            for one, ms in zip(record, took, strict=True)
            if not isinstance(ms, ContractError)
        ],
        "begin": [_plain(one) for one, error in zip(begin, refused, strict=True) if error is None],
    }
    answers = iter(await services.store.artifacts_each(caller, run_id, sent) if any(sent.values()) else ())
    recorded = [
        _recorded(one, ms if isinstance(ms, ContractError) else next(answers))
        for one, ms in zip(record, took, strict=True)
    ]
    told = [next(answers) if error is None else error for error in refused]
    begun = await asyncio.gather(
        *(_begun(services, caller, run_id, one, answer) for one, answer in zip(begin, told, strict=True))
    )
    return {"recorded": recorded, "begun": begun}


def _misfit(body: JsonObject) -> ContractError | None:
    try:
        artifacts.check_name(body["name"])
        artifacts.check_size(body, body.get("resume", False))
    except ContractError as error:
        return error
    return None


def _plain(body: JsonObject) -> JsonObject:
    return {name: value for name, value in body.items() if name != "resume"}


# Recording ------------------------------------------------------------------------------------------------------------


async def _stored_all(
    services: Services, caller: Principal, run_id: UUID, record: list[JsonObject]
) -> list[int | ContractError | None]:
    """Of each: None when the store has verified its bytes, the milliseconds of reading them, or what is wrong."""
    if not record:
        return []
    ids = [UUID(one["artifact_id"]) for one in record]
    announced = {each["artifact_id"]: each for each in await services.store.announced_artifacts(caller, run_id, ids)}
    return await asyncio.gather(
        *(_stored(services, caller, run_id, one, announced.get(one["artifact_id"])) for one in record)
    )


async def _stored(
    services: Services, caller: Principal, run_id: UUID, one: JsonObject, announced: JsonObject | None
) -> int | ContractError | None:
    try:
        if (
            announced is not None
            and announced["epoch"] == one["epoch"]
            and await _is_there(services.object_store, announced)
        ):
            return None
        # What is not as it should be: with its reason.
        return await artifacts.check_stored(
            services.store,
            services.object_store,
            services.verifier,
            caller,
            run_id,
            UUID(one["artifact_id"]),
            {"epoch": one["epoch"]},
        )
    except OpsError as error:
        return from_ops_error(error)
    except ContractError as error:
        return error


async def _is_there(objects: ObjectStore, announced: JsonObject) -> bool:
    due = StoredObject(announced["size"], announced["sha256"])
    return announced["object_key"] is not None and await objects.head(announced["object_key"]) == due


def _recorded(one: JsonObject, answer: MemberAnswer | ContractError) -> JsonObject:
    error = _error_of(answer)
    if error is not None or isinstance(answer, ContractError):
        return {"artifact_id": one["artifact_id"], "artifact": None, "problem": error and error.problem()}
    artifact = artifacts.public(json.loads(answer.detail))
    return {"artifact_id": one["artifact_id"], "artifact": artifact, "problem": None}


# Beginning ------------------------------------------------------------------------------------------------------------


async def _begun(
    services: Services, caller: Principal, run_id: UUID, body: JsonObject, answer: MemberAnswer | ContractError
) -> JsonObject:
    error = _error_of(answer)
    found: JsonObject | None = None
    if error is None and isinstance(answer, MemberAnswer):
        try:
            found = await _place(services, caller, run_id, body, json.loads(answer.detail))
        except OpsError as refused:
            error = from_ops_error(refused)
        except ContractError as refused:
            error = refused
    return {"name": body["name"], "answer": found, "problem": error and error.problem()}


async def _place(
    services: Services, caller: Principal, run_id: UUID, body: JsonObject, answer: JsonObject
) -> JsonObject:
    """Where the bytes go."""
    if body["size"] > SMALL_BYTES or answer["already_stored"]:
        return await artifacts.place(services.store, services.object_store, caller, run_id, body, answer)
    key = answer.pop("object_key")
    upload = await services.object_store.presign_put(
        key, size=body["size"], sha256=body["sha256"], media_type=body["media_type"]
    )
    return {**answer, "upload": upload}


def _error_of(answer: MemberAnswer | ContractError) -> ContractError | None:
    if isinstance(answer, ContractError):
        return answer
    if answer.code is None:
        return None
    told = json.loads(answer.detail)
    return from_ops_error(OpsError(answer.code, told["message"], told["members"], told["hint"]))
