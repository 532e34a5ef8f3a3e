"""What runs read and made."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from control_room.api.models.base import Answer, JsonObject, RunState


class LineageRun(Answer):
    """A run at the other side of data."""

    run_id: UUID
    number: int
    template_name: str


class LineageData(Answer):
    """Data that a run read or made, named as OpenLineage does, and who made it, or reads it."""

    namespace: str
    name: str
    version: str | None = Field(None, description="Of a table its version or snapshot, of an object its digest.")
    runs: list[LineageRun] = Field(description="The latest first, fifty at most.")


class LineageEvent(Answer):
    """An OpenLineage event of a run."""

    run_id: UUID
    event_type: Literal["START", "RUNNING", "COMPLETE", "FAIL", "ABORT"]
    at: datetime
    state: Literal["pending", "sent", "refused", "kept"] = Field(description="kept: nobody is told.")
    error: str | None = Field(None, description="Why whoever is told refused it.")
    body: JsonObject = Field(description="As it is sent.")


class RunLineage(Answer):
    """What a run, or a pipeline with its tasks, read and made. Made within seconds of what it tells of."""

    run_id: UUID
    number: int
    inputs: list[LineageData]
    outputs: list[LineageData]
    events: list[LineageEvent]


class DataRun(LineageRun):
    """What a run did to data: it made a version of it, or read one."""

    state: RunState
    finished_at: datetime | None
    side: Literal["input", "output"]
    version: str | None = Field(description="Null where nothing says which.")


class DataRuns(Answer):
    """Who made and read data, the newest run first; next_cursor is null on the last page."""

    items: list[DataRun]
    next_cursor: str | None = None
