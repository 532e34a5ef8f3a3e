"""Runs and what belongs to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from control_room.api.models.base import (
    Answer,
    AttemptOutcome,
    ErrorClass,
    JsonObject,
    Request,
    RunCondition,
    RunState,
    Text,
)


class RunError(Answer):
    """Why a run or an attempt failed."""

    model_config = ConfigDict(extra="allow")

    class_: ErrorClass = Field(alias="class")
    code: str
    message: str
    trace: str | None = None
    position: Any = None


class LegalHold(Answer):
    """Why no retention removes what a run left."""

    reason: str
    placed_at: datetime
    placed_by: str


class Cost(Answer):
    """Price times use, of all attempts so far, by the price lists in force when they ended."""

    amount: float
    currency: str


class Run(Answer):
    """One requested execution."""

    run_id: UUID
    number: int
    workspace: str
    template_name: str
    template_version: int
    kind: str
    task_key: str | None = None
    pipeline_run_id: UUID | None = None
    pipeline_run_number: int | None = None
    params: JsonObject
    inputs: list[JsonObject]
    outputs: list[JsonObject]
    labels: dict[str, str]
    state: RunState
    state_reason: str | None = None
    priority: int
    queue: str
    paused: bool
    epoch: int
    attempt: int
    max_attempts: int
    retry: JsonObject | None = Field(None, description="What its submit said instead of the template's retry policy.")
    lease_seconds: int
    condition: RunCondition | None = Field(None, description="Of a run that depends on others.")
    not_before: datetime | None = None
    deadline: datetime | None = None
    submitted_by: str
    submitted_at: datetime
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    cancel_reason: str | None = None
    legal_hold: LegalHold | None = Field(None, description="Of the run, or of its pipeline.")
    result: JsonObject | None = None
    error: RunError | None = None
    progress: JsonObject | None = None
    usage: JsonObject
    cost: Cost | None = Field(None, description="So far; null while there are no prices.")
    caps: JsonObject
    cap_rules: JsonObject = Field(
        default_factory=dict,
        description="What template and submit say beside limits: {cap: {action, grace_seconds, warn}}.",
    )
    retry_of: UUID | None = None
    retry_of_number: int | None = None
    reproduces: UUID | None = Field(None, description="The ended run that it does again, beside what that one left.")
    reproduces_number: int | None = None
    reused_from: UUID | None = Field(
        None, description="It did no work: this run had, with the same inputs. Artifacts, data and result are its."
    )
    reused_from_number: int | None = None
    executor_name: str | None = None
    rows: int | None = None
    artifact_count: int = 0
    lease_deadline: datetime | None = None
    concurrency_key: str | None = None
    dedupe_key: str | None = None


class StopTimings(Answer):
    """When an attempt that was stopped heard of it, and when it was over, by its executor's clock."""

    cause: Literal["cancel", "cap"]
    delivered_at: datetime | None = None
    engine_stopped_at: datetime | None = None
    released_at: datetime | None = Field(None, description="No process of it was left.")


class Attempt(Answer):
    """One try at a run, made by a claim."""

    epoch: int
    attempt: int
    outcome: AttemptOutcome
    executor_id: UUID | None = None
    executor_name: str | None = None
    executor_number: int | None = None
    started_at: datetime
    finished_at: datetime | None = None
    reported_at: datetime | None = None
    result: JsonObject | None = None
    error: RunError | None = None
    usage: JsonObject
    metrics: dict[str, float] = Field(description="What the work measured of itself so far, name to number.")
    timings: StopTimings | None = Field(None, description="Of a stop that was ordered, or that a cap made.")


class Publication(Answer):
    """Data that an accepted report made public, or is about to."""

    run_id: UUID
    epoch: int
    output: str
    format: str
    mode: str
    uri: str
    rows: int | None = None
    files: int
    app_id: str
    app_version: int
    state: Literal["recorded", "committed", "failed"]
    table_version: int | None = Field(
        None, description="Delta version, Iceberg snapshot id (63 bits), or number of an object's version at its place."
    )
    location: str | None = Field(None, description="Where the files of a committed table lie, as its executor said.")
    error: JsonObject | None = None
    recorded_at: datetime
    committed_at: datetime | None = None


class Dependency(Answer):
    """A run this one waits for."""

    run_id: UUID
    number: int
    task_key: str | None = None
    template_name: str
    state: RunState
    inputs: dict[str, str] = Field(description="Input of the waiting run -> output of this one.")


class CapEntry(Answer):
    """One enforcement of a cap. overshoot in the cap's unit; overshoot_ms from breach to stop."""

    run_id: UUID
    epoch: int
    layer: str
    cap: str
    limit: float
    observed: float
    overshoot: float
    overshoot_ms: float | None = None
    action: str
    at: datetime


class RunCounts(Answer):
    """How much belongs to a run; children by state."""

    events: int
    children: dict[str, int]


class RunDetail(Run):
    """A run with all that belongs to it."""

    attempts: list[Attempt]
    children: list[Run]
    depends_on: list[Dependency]
    publications: list[Publication]
    cap_ledger: list[CapEntry]
    counts: RunCounts
    template_digest: str
    retried_as: list[int] = Field(description="Numbers of the runs that are retries of this one.")


class RunPage(Answer):
    """A page of runs, newest first; next_cursor is null on the last."""

    items: list[Run]
    next_cursor: str | None = None


class CancelRun(Request):
    """Ask a run to stop; force takes its lease away without waiting for the executor."""

    reason: Text | None = Field(None, min_length=1, max_length=1000)
    force: bool = Field(False, strict=True)


class ReproduceRun(Request):
    """Do an ended run again: same version, parameters and inputs. What it publishes lies at places of its own."""

    idempotency_key: Text | None = Field(None, min_length=1, max_length=200)
    write_again: bool = Field(
        False, strict=True, description="Also when its engine wrote tables by itself, which it then writes again."
    )


class RetryRun(Request):
    """Make a new run with the same parameters, of the same version of its template or of the newest."""

    idempotency_key: Text | None = Field(None, min_length=1, max_length=200)
    failed_only: bool = Field(
        True,
        strict=True,
        description="Of a pipeline: tasks that succeeded are not run again; what needs them reads them.",
    )
    template: Literal["same", "latest"] | None = Field(
        None,
        description="latest: the newest version of the template. A pipeline whose succeeded tasks are kept stays "
        "what it was; its other tasks take the newest version of theirs.",
    )


class WhyReason(Answer):
    """One reason why a run is not running, or why it ended as it did."""

    code: str
    message: str
    detail: JsonObject | None = None


class Why(Answer):
    """Why a run is where it is; of one that has ended, why it ended so."""

    run_id: UUID
    state: RunState
    reasons: list[WhyReason]


class RunEvent(Answer):
    """One fact of a run's hash chain. hash = sha256(prev_hash || canonical bytes), hex."""

    run_id: UUID
    seq: int
    at: datetime
    type: str
    epoch: int
    actor: Any = None
    data: JsonObject
    hash: str
    prev_hash: str


class RunEvents(Answer):
    """Events in order of seq."""

    items: list[RunEvent]


class LogChunk(Answer):
    """Text a run wrote; offset in bytes of its stream within the epoch."""

    epoch: int
    stream: str
    seq: int
    offset: int
    at: datetime
    text: str


class LogPage(Answer):
    """Log chunks; `next` continues after the last of them, also while the run still writes."""

    items: list[LogChunk]
    next: str | None = None


class StreamEvent(Answer):
    """What one server-sent event carries in `data`."""

    run_id: UUID
    number: int
    pipeline_run_id: UUID | None = None
    type: str
    state: RunState
    at: datetime
    seq: int
