"""The executor plane: one route per operation of the authored document. What they do is in SQL."""

import json
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
from contract.server import artifact_batch, artifacts, claims, exchange, orders, parts
from contract.server.auth import Executor, executor_principal
from contract.server.hot import hot_route
from contract.server.services import Services, services_of
from contract.server.strict_json import body_of
from ops_schema.store import Principal

DOCUMENT = (Path(__file__).parents[1] / "openapi.yaml").read_bytes()
JsonObject = dict[str, Any]
Plane = Annotated[Services, Depends(services_of)]
OutputName = Annotated[str, PathParameter(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,127}$")]
Sha256 = Annotated[str, PathParameter(pattern=r"^[0-9a-f]{64}$")]

# Authentication stands before everything else: a caller without a token learns nothing about its request.
router = APIRouter(prefix=PREFIX, dependencies=[Depends(executor_principal)], include_in_schema=False)


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
    found = await artifacts.record(plane.store, plane.object_store, plane.verifier, caller, run_id, artifact_id, body)
    return JSONResponse(found)


@router.post("/runs/{run_id}/artifacts/batch", name="batchArtifacts")
async def batch_artifacts(
    plane: Plane,
    caller: Executor,
    run_id: UUID,
    body: Annotated[JsonObject, Depends(body_of(models.BatchArtifactsRequest))],
) -> Response:
    return JSONResponse(await artifact_batch.batch(plane, caller, run_id, body))


@router.post("/runs/{run_id}/artifacts/{artifact_id}/parts", name="signParts")
async def sign_parts(
    plane: Plane,
    caller: Executor,
    run_id: UUID,
    artifact_id: UUID,
    body: Annotated[JsonObject, Depends(body_of(models.SignPartsRequest))],
) -> Response:
    return JSONResponse(await parts.sign(plane.store, plane.object_store, caller, run_id, artifact_id, body))


@router.post("/runs/{run_id}/publications/{output}/commit", name="commitPublication")
async def commit_publication(
    plane: Plane,
    caller: Executor,
    run_id: UUID,
    output: OutputName,
    body: Annotated[JsonObject, Depends(body_of(models.CommitPublicationRequest))],
) -> Response:
    return JSONResponse(await plane.store.commit_publication(caller, run_id, output, body))


@router.post("/runs/{run_id}/earlier", name="findEarlier")
async def find_earlier(
    plane: Plane, caller: Executor, run_id: UUID, body: Annotated[JsonObject, Depends(body_of(models.EarlierRequest))]
) -> Response:
    return JSONResponse(await artifacts.earlier(plane.store, caller, run_id, body))


@router.get("/artifacts/{artifact_id}", name="getArtifact")
async def get_artifact(plane: Plane, caller: Executor, artifact_id: UUID) -> Response:
    return JSONResponse(await artifacts.download(plane.store, plane.object_store, caller, artifact_id))


@router.get("/bundles/{sha256}", name="getBundle")
async def get_bundle(plane: Plane, caller: Executor, sha256: Sha256) -> Response:
    return JSONResponse(await artifacts.bundle(plane.store, plane.object_store, caller, sha256))


async def _heartbeat(plane: Services, _: Request, caller: Principal, executor_id: UUID, body: JsonObject) -> str:
    return json.dumps(await plane.store.heartbeat(caller, executor_id, body))


async def _await_orders(
    plane: Services, request: Request, caller: Principal, executor_id: UUID, body: JsonObject
) -> str:
    return json.dumps(await orders.await_orders(plane, request, caller, executor_id, body))


async def _append_logs(plane: Services, _: Request, caller: Principal, run_id: UUID, body: JsonObject) -> str:
    return json.dumps(await plane.store.append_logs(caller, run_id, body))


async def _report(plane: Services, _: Request, caller: Principal, run_id: UUID, body: JsonObject) -> str:
    return await plane.exchanger.report(caller, run_id, body)


HOT = (
    ("/executors/{executor_id}/claims", "claimRuns", models.ClaimRequest, claims.claim),
    ("/executors/{executor_id}/exchange", "exchange", models.ExchangeRequest, exchange.exchange),
    ("/executors/{executor_id}/orders", "awaitOrders", models.OrdersRequest, _await_orders),
    ("/executors/{executor_id}/heartbeat", "heartbeat", models.HeartbeatRequest, _heartbeat),
    ("/runs/{run_id}/logs", "appendLogs", models.LogsRequest, _append_logs),
    ("/runs/{run_id}/report", "reportAttempt", models.Report, _report),
)
# First, since routes are tried in their order.
router.routes[:0] = [hot_route(f"{PREFIX}{path}", name, model, verb) for path, name, model, verb in HOT]
