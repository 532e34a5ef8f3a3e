"""What the store takes and answers besides plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

# How long a statement for many callers waits for a lock before its members go one by one.
PATIENCE_MS = 1000
Json = dict[str, Any]
Body = Mapping[str, Any]
Id = UUID | str


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. role: operator, viewer or executor; workspaces: their names, None for all."""

    token_id: UUID
    role: str
    name: str
    workspaces: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class MemberAnswer:
    """What a set-based verb says of one member: code None and detail the answer, or the SQLSTATE that refused it and
    detail {message, members, hint}. detail: JSON text."""

    ordinal: int
    code: str | None
    detail: str


def principal_of(found: Json | None) -> Principal | None:
    """The caller that the database found; None when it found none."""
    if found is None:
        return None
    workspaces = found["workspaces"]
    return Principal(
        token_id=UUID(found["token_id"]),
        role=found["role"],
        name=found["name"],
        workspaces=None if workspaces is None else tuple(workspaces),
    )
