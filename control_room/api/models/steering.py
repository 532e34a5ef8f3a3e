"""What an operator says to steer runs, queues and executors, and what is answered."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import AwareDatetime, Field

from control_room.api.models.base import Answer, ErrorClass, Problem, Request, Text
from control_room.api.models.runs import Run, RunError


class Reason(Request):
    """Why something is done; it is shown to whoever asks."""

    reason: Text | None = Field(None, min_length=1, max_length=1000)


class RescheduleRun(Request):
    """Another priority, or another time before which a run does not start; what is left out stays."""

    priority: int | None = Field(None, strict=True, ge=-1000, le=1000)
    not_before: AwareDatetime | None = Field(None, description="null means now.")
    reason: Text | None = Field(None, min_length=1, max_length=1000)


class RequeueRun(Request):
    """Take a running run from an executor that is lost; what the executor still sends is refused."""

    force: bool = Field(strict=True, description="Must be true: the executor may still be at work.")
    epoch: int = Field(
        strict=True, ge=1, le=2**53, description="The one to revoke, as the run shows it; another one is refused."
    )
    reason: Text | None = Field(None, min_length=1, max_length=1000)


class Queue(Answer):
    """A queue. used: whether a run stood in it lately; queued and running: runs of workspaces open to the caller."""

    queue: str
    paused: bool
    paused_at: datetime | None = None
    paused_by: str | None = None
    paused_reason: str | None = None
    used: bool
    queued: int
    running: int


class Queues(Answer):
    """Queues by name."""

    items: list[Queue]


class DeadLetter(Answer):
    """A failed run that nobody has retried. state_reason: why there was no other attempt."""

    run_id: UUID
    number: int
    workspace: str
    template_name: str
    template_version: int
    kind: str
    queue: str
    labels: dict[str, str]
    state_reason: str | None = None
    error_class: ErrorClass | None = None
    error: RunError
    attempt: int
    max_attempts: int
    expirations: int
    submitted_by: str
    submitted_at: datetime
    started_at: datetime | None = None
    finished_at: datetime
    retry_of: UUID | None = None


class DeadLetters(Answer):
    """A page of dead letters, newest first; next_cursor is null on the last."""

    items: list[DeadLetter]
    next_cursor: str | None = None


class DeadLetterMatch(Request):
    """Which dead letters; all that are given must hold."""

    workspace: Text | None = Field(None, max_length=63)
    template: Text | None = Field(None, max_length=63)
    kind: Text | None = Field(None, max_length=63)
    queue: Text | None = Field(None, max_length=63)
    error_class: ErrorClass | None = None
    state_reason: Text | None = Field(None, max_length=63, description="attempts_exhausted, not_retryable, …")
    finished_after: AwareDatetime | None = None
    finished_before: AwareDatetime | None = None


class Replay(Request):
    """Runs by name, or those that match; the newest `limit` of these."""

    runs: list[Text] | None = Field(None, min_length=1, max_length=500, description="run_id or number.")
    match: DeadLetterMatch | None = None
    limit: int = Field(100, strict=True, ge=1, le=500)


class Replayed(Answer):
    """What became of one dead letter: the new run, or the problem that kept it from being replayed."""

    ref: str = Field(description="The run as it was named, or its number.")
    run: Run | None = None
    problem: Problem | None = None


class Replays(Answer):
    """One answer for each run, in the order asked."""

    items: list[Replayed]
    replayed: int
