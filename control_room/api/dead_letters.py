"""Dead letters: failed runs that nobody has retried, and their replay."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import Body, Depends, Query
from pydantic import Field

from contract.errors import Invalid
from contract.server.problems import from_ops_error
from control_room.api import models
from control_room.api.access import Caller, Operator, Reader
from control_room.api.context import Context, context
from control_room.api.documented import reading, writing
from control_room.api.strict_route import StrictRouter
from ops_schema.errors import OpsError
from ops_schema.store import MemberAnswer

router = StrictRouter(tags=["runs"])
Ctx = Annotated[Context, Depends(context)]


class DeadLetterFilters(models.DeadLetterMatch):
    """Which dead letters to list."""

    limit: int = Field(50, ge=1, le=200)
    cursor: models.Text | None = Field(None, max_length=500, description="next_cursor of the page before.")


@router.get("/dead-letters", operation_id="listDeadLetters", responses=reading())
async def list_dead_letters(
    ctx: Ctx, caller: Reader, filters: Annotated[DeadLetterFilters, Query()]
) -> models.DeadLetters:
    """Failed runs that nobody has retried, newest first. Tasks of a pipeline are told by the pipeline."""
    found = await ctx.store.list_dead_letters(caller.principal, filters.model_dump(mode="json", exclude_none=True))
    return models.DeadLetters.model_validate(found)


@router.post("/dead-letters/replay", operation_id="replayDeadLetters", responses=writing())
async def replay(ctx: Ctx, caller: Operator, body: Annotated[models.Replay, Body()]) -> models.Replays:
    """A new run for each of the runs named, or of those that match. Each is answered on its own; what was retried
    already is not replayed again."""
    refs = await named(ctx, caller, body)
    answers = await ctx.store.replay_each(caller.principal, refs) if refs else []
    items = [replayed(refs[answer.ordinal], answer) for answer in sorted(answers, key=lambda a: a.ordinal)]
    return models.Replays(items=items, replayed=sum(item.run is not None for item in items))


async def named(ctx: Context, caller: Caller, body: models.Replay) -> list[str]:
    """The runs that a replay is for. Raises invalid_request when it says neither or both which."""
    if (body.runs is None) == (body.match is None):
        message = "give either runs, or match ({} for all)"
        raise Invalid(message, members={"errors": [{"path": "/", "message": message}]})
    if body.match is None:
        return list(body.runs or ())
    filters = body.match.model_dump(mode="json", exclude_none=True) | {"limit": body.limit}
    found = await ctx.store.list_dead_letters(caller.principal, filters)
    return [str(item["number"]) for item in found["items"]]


def replayed(ref: str, answer: MemberAnswer) -> models.Replayed:
    """One answer as the client gets it."""
    detail = json.loads(answer.detail)
    if answer.code is None:
        return models.Replayed(ref=ref, run=models.Run.model_validate(detail))
    refusal = from_ops_error(OpsError(answer.code, detail["message"], detail["members"], detail["hint"]))
    return models.Replayed(ref=ref, problem=models.Problem.model_validate(refusal.problem()))
