"""The platform, and who may use it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from control_room.api.models.base import Answer, JsonObject, Request, Role, Text


class RunRef(Answer):
    """A run, by both its names."""

    run_id: UUID
    number: int


class Executor(Answer):
    """A process that runs things, as last heard of."""

    executor_id: UUID
    number: int
    name: str
    kind: str
    version: str
    state: str = Field(description="active, paused, draining, lost or left.")
    state_at: datetime | None = Field(None, description="Since when an operator has it paused or draining.")
    state_by: str | None = None
    state_reason: str | None = None
    trouble: str | None = Field(
        None, description="What keeps it from taking runs, as it says itself: its engine is away."
    )
    labels: JsonObject
    capabilities: JsonObject
    workspaces: list[str] | None = None
    slots: int
    running: list[RunRef]
    host: str | None = None
    pid: int | None = None
    contract_version: str
    registered_at: datetime
    last_seen_at: datetime
    left_at: datetime | None = None


class Executors(Answer):
    """Executors of the last week, the most recently heard of first."""

    items: list[Executor]


class Workspace(Answer):
    """A tenant."""

    name: str
    description: str
    created_at: datetime


class Workspaces(Answer):
    """The workspaces the caller may see."""

    items: list[Workspace]


class Info(Answer):
    """The server: its version, the contract versions it speaks, its clock."""

    version: str
    contract_versions: list[str]
    environment: str
    server_time: datetime
    schema_version: int
    database_version: str
    kinds: list[str]
    lakehouse_root: str


class LoginCode(Answer):
    """A one-time code; the url carries it in its fragment, which browsers never send."""

    code: str
    expires_at: datetime
    url: str


class OpenSession(Request):
    """The code of a login link."""

    code: Text = Field(min_length=1, max_length=200)


class Me(Answer):
    """Who the caller is."""

    name: str
    role: Role
    workspaces: list[str] | None = None
    via: Literal["token", "session"]


class Session(Me):
    """A new session; its secret is in the cookie alone."""

    expires_at: datetime
