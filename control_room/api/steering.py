"""Steering runs: pause, resume, reschedule, requeue. Repeating a request is no error."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Path

from control_room.api import models
from control_room.api.access import Operator
from control_room.api.context import Context, context
from control_room.api.documented import writing
from control_room.api.strict_route import StrictRouter

router = StrictRouter(tags=["runs"])
Ctx = Annotated[Context, Depends(context)]
Ref = Annotated[models.Text, Path(min_length=1, max_length=40, description="run_id or number")]


@router.post("/runs/{ref}/pause", operation_id="pauseRun", responses=writing(404, 409))
async def pause_run(ctx: Ctx, caller: Operator, ref: Ref, body: models.Reason | None = None) -> models.Run:
    """Let a run not be claimed until it is resumed; an attempt under way goes on. A pipeline with all its tasks."""
    return models.Run.model_validate(await ctx.store.pause_run(caller.principal, ref, told(body)))


@router.post("/runs/{ref}/resume", operation_id="resumeRun", responses=writing(404, 409))
async def resume_run(ctx: Ctx, caller: Operator, ref: Ref, body: models.Reason | None = None) -> models.Run:
    """Let a paused run be claimed again; it goes to the end of its priority."""
    return models.Run.model_validate(await ctx.store.resume_run(caller.principal, ref, told(body)))


@router.post("/runs/{ref}/reschedule", operation_id="rescheduleRun", responses=writing(404, 409))
async def reschedule_run(
    ctx: Ctx, caller: Operator, ref: Ref, body: Annotated[models.RescheduleRun, Body()]
) -> models.Run:
    """Another priority or time for a run that waits or is queued; of a pipeline for all tasks that do."""
    wanted = body.model_dump(mode="json", exclude_unset=True)
    return models.Run.model_validate(await ctx.store.reschedule_run(caller.principal, ref, wanted))


@router.post("/runs/{ref}/requeue", operation_id="requeueRun", responses=writing(404, 409))
async def requeue_run(ctx: Ctx, caller: Operator, ref: Ref, body: Annotated[models.RequeueRun, Body()]) -> models.Run:
    """Revoke the lease of a run whose executor is lost, now; the run goes where it would go when the lease ended."""
    wanted = body.model_dump(exclude_none=True)
    return models.Run.model_validate(await ctx.store.requeue_run(caller.principal, ref, wanted))


@router.put("/runs/{ref}/legal-hold", operation_id="holdRun", responses=writing(404))
async def hold_run(ctx: Ctx, caller: Operator, ref: Ref, body: models.Reason) -> models.Run:
    """Let no retention remove what a run, or a pipeline's tasks, left, until the hold is released."""
    return models.Run.model_validate(await ctx.store.hold_run(caller.principal, ref, told(body)))


@router.delete("/runs/{ref}/legal-hold", operation_id="releaseRun", responses=writing(404))
async def release_run(ctx: Ctx, caller: Operator, ref: Ref) -> models.Run:
    """Release the legal hold of a run."""
    return models.Run.model_validate(await ctx.store.release_run(caller.principal, ref))


def told(body: models.Reason | None) -> dict[str, str]:
    """The body as the store takes it."""
    return body.model_dump(exclude_none=True) if body else {}
