"""The executor plane: one route per operation of the authored document, in its order. What they do is in SQL."""

from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi import Path as PathParameter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from contract import models
from contract._calls import PREFIX
from contract.deprecation import of_version
from contract.server import artifacts, claims, exchange
from contract.server.auth import Executor, executor_principal
from contract.server.services import Services, services_of
from contract.server.strict_json import body_of

DOCUMENT = (Path(__file__).parents[1] / "openapi.yaml").read_bytes()
JsonObject = dict[str, Any]
Plane = Annotated[Services, Depends(services_of)]
OutputName = Annotated[str, PathParameter(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,127}$")]
Sha256 = Annotated[str, PathParameter(pattern=r"^[0-9a-f]{64}$")]

# Authentication stands before everything else: a caller without a token learns nothing about its request.
router = APIRouter(prefix=PREFIX, dependencies=[Depends(executor_principal)], include_in_schema=False)


def json_text(text: str) -> Response:
    """A response whose JSON was made where the facts are."""
    return Response(text, media_type="application/json")


@router.get("/openapi.yaml", name="getContract")
async def get_contract() -> Response:
    return Response(DOCUMENT, media_type="application/yaml")


@router.post("/executors", name="registerExecutor")
async def register_executor(
    plane: Plane, caller: Executor, body: Annotated[JsonObject, Depends(body_of(models.RegisterRequest))]
) -> Response:
    found = await plane.store.register_executor(caller, body)
    deprecation = of_version(found["contract_version"])
    return JSONResponse(found, headers=deprecation.headers() if deprecation else None)


@router.delete("/executors/{executor_id}", name="leaveExecutor")
async def leave_executor(plane: Plane, caller: Executor, executor_id: UUID) -> Response:
    await plane.store.leave_executor(caller, executor_id)
    return Response(status_code=204)


@router.post("/executors/{executor_id}/claims", name="claimRuns")
async def claim_runs(
    request: Request,
    plane: Plane,
    caller: Executor,
    executor_id: UUID,
    body: Annotated[JsonObject, Depends(body_of(models.ClaimRequest))],
) -> Response:
    return json_text(await claims.claim(plane, request, caller, executor_id, body))


@router.post("/executors/{executor_id}/exchange", name="exchange")
async def exchange_runs(
    request: Request,
    plane: Plane,
    caller: Executor,
    executor_id: UUID,
    body: Annotated[JsonObject, Depends(body_of(models.ExchangeRequest))],
) -> Response:
    return json_text(await exchange.exchange(plane, request, caller, executor_id, body))


@router.post("/executors/{executor_id}/heartbeat", name="heartbeat")
async def heartbeat(
    plane: Plane,
    caller: Executor,
    executor_id: UUID,
    body: Annotated[JsonObject, Depends(body_of(models.HeartbeatRequest))],
) -> Response:
    return JSONResponse(await plane.store.heartbeat(caller, executor_id, body))


@router.post("/runs/{run_id}/logs", name="appendLogs")
async def append_logs(
    plane: Plane, caller: Executor, run_id: UUID, body: Annotated[JsonObject, Depends(body_of(models.LogsRequest))]
) -> Response:
    return JSONResponse(await plane.store.append_logs(caller, run_id, body))


@router.post("/runs/{run_id}/artifacts", name="beginArtifact")
async def begin_artifact(
    plane: Plane,
    caller: Executor,
    run_id: UUID,
    body: Annotated[JsonObject, Depends(body_of(models.BeginArtifactRequest))],
) -> Response:
    return JSONResponse(await artifacts.begin(plane.store, plane.object_store, caller, run_id, body))


@router.post("/runs/{run_id}/artifacts/{artifact_id}/record", name="recordArtifact")
async def record_artifact(
    plane: Plane,
    caller: Executor,
    run_id: UUID,
    artifact_id: UUID,
    body: Annotated[JsonObject, Depends(body_of(models.RecordArtifactRequest))],
) -> Response:
    return JSONResponse(await artifacts.record(plane.store, plane.object_store, caller, run_id, artifact_id, body))


@router.post("/runs/{run_id}/report", name="reportAttempt")
async def report_attempt(
    plane: Plane, caller: Executor, run_id: UUID, body: Annotated[JsonObject, Depends(body_of(models.Report))]
) -> Response:
    return json_text(await plane.exchanger.report(caller, run_id, body))


@router.post("/runs/{run_id}/publications/{output}/commit", name="commitPublication")
async def commit_publication(
    plane: Plane,
    caller: Executor,
    run_id: UUID,
    output: OutputName,
    body: Annotated[JsonObject, Depends(body_of(models.CommitPublicationRequest))],
) -> Response:
    return JSONResponse(await plane.store.commit_publication(caller, run_id, output, body))


@router.get("/artifacts/{artifact_id}", name="getArtifact")
async def get_artifact(plane: Plane, caller: Executor, artifact_id: UUID) -> Response:
    return JSONResponse(await artifacts.download(plane.store, plane.object_store, caller, artifact_id))


@router.get("/bundles/{sha256}", name="getBundle")
async def get_bundle(plane: Plane, caller: Executor, sha256: Sha256) -> Response:
    return JSONResponse(await artifacts.bundle(plane.store, plane.object_store, caller, sha256))
