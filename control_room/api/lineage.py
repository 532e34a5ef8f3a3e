"""Lineage, seen from the data: who made it and who read it. Seen from a run it is with the runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from control_room.api import models
from control_room.api.access import Reader
from control_room.api.context import Context, context
from control_room.api.documented import reading
from control_room.api.strict_route import StrictRouter

router = StrictRouter(tags=["lineage"])
Ctx = Annotated[Context, Depends(context)]


class DataFilters(BaseModel):
    """Which data, and which page."""

    model_config = ConfigDict(extra="forbid")

    namespace: models.Text = Field(
        description="As lineage has it, such as s3://lakehouse.", min_length=1, max_length=500
    )
    name: models.Text = Field(description="As lineage has it, such as silver/flights.", min_length=1, max_length=2000)
    limit: int = Field(100, ge=1, le=500, description="Runs, not items.")
    cursor: models.Text | None = Field(None, max_length=500, description="next_cursor of the page before.")


@router.get("/lineage/runs", operation_id="listDataRuns", responses=reading())
async def data_runs(ctx: Ctx, caller: Reader, filters: Annotated[DataFilters, Query()]) -> models.DataRuns:
    """Which runs made and read a table, an object or a file, and which version; nothing is on record of other data."""
    found = await ctx.store.data_runs(caller.principal, filters.model_dump(exclude_none=True))
    return models.DataRuns.model_validate(found)
