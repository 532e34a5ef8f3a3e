"""Executors, as last heard of."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from control_room.api import models
from control_room.api.access import Reader
from control_room.api.context import Context, context
from control_room.api.documented import reading
from control_room.api.strict_route import StrictRouter

router = StrictRouter(tags=["executors"])


@router.get("/executors", operation_id="listExecutors", responses=reading())
async def list_executors(ctx: Annotated[Context, Depends(context)], caller: Reader) -> models.Executors:
    """Every executor that registered, newest first."""
    return models.Executors.model_validate(await ctx.store.list_executors(caller.principal))
