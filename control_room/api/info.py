"""The server itself, and what the platform consists of."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

from fastapi import Depends

from control_room.api import models
from control_room.api.access import Reader
from control_room.api.context import Context, context
from control_room.api.documented import reading
from control_room.api.strict_route import StrictRouter

router = StrictRouter(tags=["platform"])
Ctx = Annotated[Context, Depends(context)]


def own_version() -> str:
    """The installed version of this program."""
    try:
        return version("lakehouse-control-room")
    except PackageNotFoundError:
        return "0+unknown"


@router.get("/info", operation_id="getInfo", responses=reading())
async def info(ctx: Ctx, caller: Reader) -> models.Info:
    """Versions, environment and the database's clock."""
    told = await ctx.store.info()
    own = {"version": own_version(), "environment": ctx.settings.environment}
    return models.Info.model_validate(told | own)


@router.get("/workspaces", operation_id="listWorkspaces", responses=reading())
async def list_workspaces(ctx: Ctx, caller: Reader) -> models.Workspaces:
    """The workspaces the caller may see."""
    return models.Workspaces.model_validate(await ctx.store.list_workspaces(caller.principal))
