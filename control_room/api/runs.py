"""Runs: submit, list, look at, cancel, retry."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from fastapi import Body, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from contract.errors import ContractError, Invalid
from control_room.api import models
from control_room.api.access import Operator, Reader
from control_room.api.context import Context, context
from control_room.api.documented import reading, writing
from control_room.api.intake import Intake
from control_room.api.names import did_you_mean
from control_room.api.retrying import retry
from control_room.api.strict_route import StrictRouter

router = StrictRouter(tags=["runs"])
Ctx = Annotated[Context, Depends(context)]
Ref = Annotated[models.Text, Path(min_length=1, max_length=40, description="run_id or number")]
KNOWN_STATES: tuple[str, ...] = get_args(models.RunState)


class RunFilters(BaseModel):
    """Which runs to list; all that are given must hold."""

    model_config = ConfigDict(extra="forbid")

    state: list[models.Text] = Field(default_factory=list, description="May repeat.", max_length=20)
    reason: models.Text | None = Field(
        None, max_length=63, description="A state_reason: budget_exhausted, publishing, …"
    )
    kind: models.Text | None = Field(None, max_length=63)
    template: models.Text | None = Field(None, max_length=63)
    pipeline: models.Text | None = Field(None, max_length=40, description="Children of this run: run_id or number.")
    q: models.Text | None = Field(None, max_length=200, description="Part of a name, label, number or run_id.")
    top_level: bool = Field(False, description="Leave out the children of pipelines.")
    limit: int = Field(50, ge=1, le=200)
    cursor: models.Text | None = Field(None, max_length=500, description="next_cursor of the page before.")


class EventFilters(BaseModel):
    """Which events to list."""

    model_config = ConfigDict(extra="forbid")

    after_seq: int = Field(0, ge=0, le=2**53)
    limit: int = Field(200, ge=1, le=1000)


class LogFilters(BaseModel):
    """Which log chunks to list."""

    model_config = ConfigDict(extra="forbid")

    stream: models.Text | None = Field(None, max_length=63)
    after: models.Text | None = Field(None, max_length=500, description="A former `next`.")
    limit: int = Field(500, ge=1, le=2000)


def check_states(states: list[str]) -> None:
    """Raises unknown_state when one is not a run state."""
    for state in states:
        if state not in KNOWN_STATES:
            raise Invalid(
                f"unknown state {state!r}{did_you_mean(state, KNOWN_STATES)}",
                code="unknown_state",
                members={"state": state, "known": list(KNOWN_STATES)},
                hint="States: " + ", ".join(KNOWN_STATES),
            )


@router.get("/runs", operation_id="listRuns", responses=reading(404))
async def list_runs(ctx: Ctx, caller: Reader, filters: Annotated[RunFilters, Query()]) -> models.RunPage:
    """Runs, newest first."""
    check_states(filters.state)
    page = await ctx.store.list_runs(caller.principal, filters.model_dump(exclude_none=True))
    return models.RunPage.model_validate(page)


@router.post(
    "/runs",
    operation_id="submitRun",
    status_code=201,
    responses={
        **writing(404, 409),
        200: {"model": models.Run, "description": "It was on record: the idempotency_key, or the dedupe_key."},
    },
)
async def submit_run(ctx: Ctx, caller: Operator, body: models.SubmitRun, response: Response) -> models.Run:
    """Submit a run. The parameters are checked against the template's schema and its defaults applied."""
    run = await Intake(ctx.store, ctx.submitter, caller.principal).submit(body)
    if run.get("repeated"):
        response.status_code = 200
    return models.Run.model_validate(run)


@router.post("/runs/bulk", operation_id="submitRuns", responses=writing())
async def submit_runs(ctx: Ctx, caller: Operator, body: models.BulkSubmit) -> models.BulkAnswer:
    """Submit up to 1,000 runs. Each is accepted or refused for itself; give each an idempotency_key, and the same
    request again answers with the same runs."""
    found = await Intake(ctx.store, ctx.submitter, caller.principal).submit_each(body.runs)
    items = [_bulk_item(ordinal, one) for ordinal, one in enumerate(found)]
    refused = sum(item.problem is not None for item in items)
    return models.BulkAnswer(items=items, accepted=len(items) - refused, refused=refused)


def _bulk_item(ordinal: int, found: dict[str, Any] | ContractError) -> models.BulkItem:
    if isinstance(found, ContractError):
        return models.BulkItem(ordinal=ordinal, problem=models.Problem.model_validate(found.problem()))
    return models.BulkItem(ordinal=ordinal, **found)


@router.get("/runs/{ref}", operation_id="getRun", responses=reading(404))
async def get_run(ctx: Ctx, caller: Reader, ref: Ref) -> models.RunDetail:
    """One run with its attempts, children, dependencies and publications."""
    return models.RunDetail.model_validate(await ctx.store.get_run(caller.principal, ref))


@router.post("/runs/{ref}/cancel", operation_id="cancelRun", responses=writing(404, 409))
async def cancel_run(ctx: Ctx, caller: Operator, ref: Ref, body: Annotated[models.CancelRun, Body()]) -> models.Run:
    """Ask a run to stop; a pipeline with all its tasks."""
    wanted = body.model_dump(exclude_none=True)
    return models.Run.model_validate(await ctx.store.cancel_run(caller.principal, ref, wanted))


@router.post(
    "/runs/{ref}/retry",
    operation_id="retryRun",
    status_code=201,
    responses={
        **writing(404, 409),
        200: {"model": models.Run, "description": "The run itself goes on, or the idempotency_key was seen before."},
    },
)
async def retry_run(
    ctx: Ctx, caller: Operator, ref: Ref, response: Response, body: models.RetryRun | None = None
) -> models.Run:
    """A new run with the same parameters; one that waits for a person goes on itself."""
    wanted = body.model_dump(exclude_none=True) if body else {}
    run = await retry(ctx.store, caller.principal, ref, wanted)
    if run.get("repeated") or ref in (run["run_id"], str(run["number"])):
        response.status_code = 200
    return models.Run.model_validate(run)


@router.get("/runs/{ref}/why", operation_id="whyRun", responses=reading(404))
async def why_run(ctx: Ctx, caller: Reader, ref: Ref) -> models.Why:
    """Why a run is not running."""
    return models.Why.model_validate(await ctx.store.why_run(caller.principal, ref))


@router.get("/runs/{ref}/events", operation_id="listRunEvents", responses=reading(404))
async def run_events(ctx: Ctx, caller: Reader, ref: Ref, filters: Annotated[EventFilters, Query()]) -> models.RunEvents:
    """The run's hash chain of events, in order."""
    return models.RunEvents.model_validate(
        await ctx.store.run_events(caller.principal, ref, filters.model_dump(exclude_none=True))
    )


@router.get("/runs/{ref}/logs", operation_id="listRunLogs", responses=reading(404))
async def run_logs(ctx: Ctx, caller: Reader, ref: Ref, filters: Annotated[LogFilters, Query()]) -> models.LogPage:
    """What the run wrote; pass `next` as `after` to go on."""
    return models.LogPage.model_validate(
        await ctx.store.run_logs(caller.principal, ref, filters.model_dump(exclude_none=True))
    )


@router.get("/runs/{ref}/lineage", operation_id="runLineage", responses=reading(404))
async def run_lineage(ctx: Ctx, caller: Reader, ref: Ref) -> models.RunLineage:
    """What a run read and made, who made what it read, who read what it made, and the events that tell of it."""
    return models.RunLineage.model_validate(await ctx.store.run_lineage(caller.principal, ref))


@router.get("/runs/{ref}/artifacts", operation_id="listRunArtifacts", responses=reading(404))
async def run_artifacts(ctx: Ctx, caller: Reader, ref: Ref) -> models.Artifacts:
    """What the run left behind."""
    return models.Artifacts.model_validate(await ctx.store.run_artifacts(caller.principal, ref))
