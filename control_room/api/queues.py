"""Queues: what is in them, and whether claims skip them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from control_room.api import models
from control_room.api.access import Operator, Reader
from control_room.api.context import Context, context
from control_room.api.documented import reading, writing
from control_room.api.steering import told
from control_room.api.strict_route import StrictRouter

router = StrictRouter(tags=["queues"])
Ctx = Annotated[Context, Depends(context)]
Name = Annotated[models.Text, Path(min_length=1, max_length=63, description="Name of a queue")]


@router.get("/queues", operation_id="listQueues", responses=reading())
async def list_queues(ctx: Ctx, caller: Reader) -> models.Queues:
    """The queues that runs have stood in, and those that are paused."""
    return models.Queues.model_validate(await ctx.store.list_queues(caller.principal))


@router.post("/queues/{queue}/pause", operation_id="pauseQueue", responses=writing())
async def pause_queue(ctx: Ctx, caller: Operator, queue: Name, body: models.Reason | None = None) -> models.Queue:
    """Let no run of a queue start; once this has answered, none does. Needs a token for all workspaces."""
    return models.Queue.model_validate(await ctx.store.pause_queue(caller.principal, queue, told(body)))


@router.post("/queues/{queue}/resume", operation_id="resumeQueue", responses=writing())
async def resume_queue(ctx: Ctx, caller: Operator, queue: Name, body: models.Reason | None = None) -> models.Queue:
    """Let the runs of a queue start again, in the order in which they stand. Needs a token for all workspaces."""
    return models.Queue.model_validate(await ctx.store.resume_queue(caller.principal, queue))
