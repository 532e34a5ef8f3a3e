"""What proves a run: manifest, signing keys, chain of events."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Response

from control_room.api import models
from control_room.api.access import Operator, Reader
from control_room.api.comparing import compare
from control_room.api.context import Context, context
from control_room.api.documented import reading, writing
from control_room.api.runs import EventFilters, Ref
from control_room.api.strict_route import StrictRouter

router = StrictRouter(tags=["provenance"])
Ctx = Annotated[Context, Depends(context)]
Other = Annotated[models.Text, Path(min_length=1, max_length=40, description="run_id or number of the other run")]


@router.get("/runs/{ref}/manifest", operation_id="getManifest", responses=reading(404))
async def get_manifest(ctx: Ctx, caller: Reader, ref: Ref) -> models.RunManifest:
    """What the run read, ran and wrote, by digest: as it was recorded and signed when it had ended."""
    return models.RunManifest.model_validate(await ctx.store.get_manifest(caller.principal, ref))


@router.get("/runs/{ref}/diff/{other}", operation_id="diffRuns", responses=reading(404, 409))
async def diff_runs(ctx: Ctx, caller: Reader, ref: Ref, other: Other) -> models.RunDiff:
    """What differs between two runs that have ended: code, parameters, environment, inputs, caps, outputs, outcome, and
    what was measured."""
    return models.RunDiff.model_validate(await compare(ctx.store, caller.principal, ref, other))


@router.post(
    "/runs/{ref}/reproduce",
    operation_id="reproduceRun",
    status_code=201,
    responses={
        **writing(404, 409),
        200: {"model": models.Run, "description": "The idempotency_key was seen before."},
    },
)
async def reproduce_run(
    ctx: Ctx, caller: Operator, ref: Ref, response: Response, body: models.ReproduceRun | None = None
) -> models.Run:
    """A new run of the same version with the same parameters and exactly the same inputs. What it publishes lies at
    places of its own, so that nothing that others read is touched."""
    wanted = body.model_dump(exclude_none=True) if body else {}
    run = await ctx.store.reproduce_run(caller.principal, ref, wanted)
    if run.get("repeated"):
        response.status_code = 200
    return models.Run.model_validate(run)


@router.get("/runs/{ref}/chain", operation_id="listRunChain", responses=reading(404))
async def run_chain(ctx: Ctx, caller: Reader, ref: Ref, filters: Annotated[EventFilters, Query()]) -> models.RunChain:
    """The run's events exactly as they are stored, for who recomputes the chain."""
    return models.RunChain.model_validate(
        await ctx.store.run_chain(caller.principal, ref, filters.model_dump(exclude_none=True))
    )


@router.get("/signing-keys", operation_id="listSigningKeys", responses=reading())
async def signing_keys(ctx: Ctx, caller: Reader) -> models.SigningKeys:
    """The public keys of those that signed manifests, retired ones too."""
    return models.SigningKeys.model_validate(await ctx.store.list_signing_keys(caller.principal))
