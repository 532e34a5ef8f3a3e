"""Executors, as last heard of, and what they are told."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from control_room.api import models
from control_room.api.access import Operator, Reader
from control_room.api.context import Context, context
from control_room.api.documented import reading, writing
from control_room.api.steering import told
from control_room.api.strict_route import StrictRouter

router = StrictRouter(tags=["executors"])
Ctx = Annotated[Context, Depends(context)]
Ref = Annotated[models.Text, Path(min_length=1, max_length=40, description="executor_id or number")]
Told = models.Reason | None


@router.get("/executors", operation_id="listExecutors", responses=reading())
async def list_executors(ctx: Ctx, caller: Reader) -> models.Executors:
    """Every executor that registered, newest first."""
    return models.Executors.model_validate(await ctx.store.list_executors(caller.principal))


@router.post("/executors/{ref}/pause", operation_id="pauseExecutor", responses=writing(404, 409))
async def pause_executor(ctx: Ctx, caller: Operator, ref: Ref, body: Told = None) -> models.Executor:
    """Give an executor no new runs; it keeps those it has."""
    return models.Executor.model_validate(await ctx.store.pause_executor(caller.principal, ref, told(body)))


@router.post("/executors/{ref}/resume", operation_id="resumeExecutor", responses=writing(404, 409))
async def resume_executor(ctx: Ctx, caller: Operator, ref: Ref, body: Told = None) -> models.Executor:
    """Give a paused executor runs again."""
    return models.Executor.model_validate(await ctx.store.resume_executor(caller.principal, ref, told(body)))


@router.post("/executors/{ref}/drain", operation_id="drainExecutor", responses=writing(404, 409))
async def drain_executor(ctx: Ctx, caller: Operator, ref: Ref, body: Told = None) -> models.Executor:
    """Let an executor finish what it has, and leave; its next heartbeat tells it. This cannot be undone."""
    return models.Executor.model_validate(await ctx.store.drain_executor(caller.principal, ref, told(body)))
