"""What proves a run: manifest, signing keys, chain of events."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from control_room.api import models
from control_room.api.access import Reader
from control_room.api.context import Context, context
from control_room.api.documented import reading
from control_room.api.runs import EventFilters, Ref
from control_room.api.strict_route import StrictRouter

router = StrictRouter(tags=["provenance"])
Ctx = Annotated[Context, Depends(context)]


@router.get("/runs/{ref}/manifest", operation_id="getManifest", responses=reading(404))
async def get_manifest(ctx: Ctx, caller: Reader, ref: Ref) -> models.RunManifest:
    """What the run read, ran and wrote, by digest: as it was recorded and signed when it had ended."""
    return models.RunManifest.model_validate(await ctx.store.get_manifest(caller.principal, ref))


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
