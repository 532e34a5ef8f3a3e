"""Requests for runs, one or many."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, WithJsonSchema

from control_room.api.models.base import Answer, ErrorClass, JsonObject, Problem, Request, RunCondition, RunState, Text

MOST_RUNS = 1000
RunReference = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)] | Annotated[Text, Field(max_length=40)]


class DependsOn(Request):
    """A run to wait for, by run_id or number."""

    run: RunReference
    inputs: dict[Text, Text] = Field(
        default_factory=dict, max_length=100, description="Input of this run -> output of that one."
    )


class RetryPolicy(Request):
    """Instead of the template's, field by field. Of each pause a random part between a half and the whole is taken."""

    backoff_seconds: Annotated[float, Field(ge=0, le=86400, strict=True)] | None = None
    backoff_max_seconds: Annotated[float, Field(ge=0, le=604800, strict=True)] | None = None
    on: list[ErrorClass] | None = Field(None, max_length=4, description="Failure classes that are tried again.")


class AskedCap(Request):
    """A ceiling of one run that says what is done at its limit; it may tighten what is in force, never loosen it."""

    limit: Annotated[float, Field(gt=0, strict=True)]
    action: Literal["warn", "cancel", "kill", "cut"] | None = None
    grace_seconds: Annotated[float, Field(ge=0, le=3600, strict=True)] | None = None


class SubmitRun(Request):
    """A request for a run."""

    template: Text = Field(min_length=1, max_length=63)
    template_version: int | None = Field(None, strict=True, ge=1, le=2**31 - 1)
    workspace: Text | None = Field(None, min_length=1, max_length=63)
    params: JsonObject = Field(default_factory=dict)
    priority: int | None = Field(None, strict=True, ge=-1000, le=1000)
    queue: Text | None = Field(None, min_length=1, max_length=63)
    not_before: AwareDatetime | None = None
    deadline: AwareDatetime | None = None
    labels: dict[Text, Text] | None = Field(None, max_length=50)
    idempotency_key: Text | None = Field(None, min_length=1, max_length=200)
    dedupe_key: Text | None = Field(
        None, min_length=1, max_length=200, description="At most one run of the workspace that has not ended holds it."
    )
    on_conflict: Literal["error", "return", "replace"] | None = Field(
        None,
        description="When a run holds the dedupe_key: 409 (the default), answer with it, or cancel it unless it runs.",
    )
    concurrency_key: Text | None = Field(None, min_length=1, max_length=200)
    concurrency_limit: int | None = Field(None, strict=True, ge=1, le=10000)
    depends_on: list[DependsOn] | None = Field(None, min_length=1, max_length=100)
    condition: RunCondition | None = Field(None, description="What must hold of depends_on; all_success if not said.")
    max_attempts: int | None = Field(None, strict=True, ge=1, le=100)
    retry: RetryPolicy | None = None
    lease_seconds: int | None = Field(None, strict=True, ge=10, le=3600)
    caps: dict[Text, Annotated[float, Field(gt=0, strict=True)] | AskedCap] | None = None
    reuse: Literal["never"] | None = Field(
        None, description="never: do the work, also when the template reuses what was done for the same inputs."
    )


class BulkSubmit(Request):
    """Requests for many runs. Each stands for itself: one that is refused takes no other with it."""

    # Read one by one, so that a wrong one is its own answer and not that of all.
    runs: list[Annotated[Any, WithJsonSchema({"$ref": "#/components/schemas/SubmitRun"})]] = Field(
        min_length=1, max_length=MOST_RUNS
    )


class BulkItem(Answer):
    """What became of the request at this place of the list: a run, or a problem."""

    ordinal: int
    run_id: UUID | None = None
    number: int | None = None
    state: RunState | None = None
    repeated: bool | None = Field(None, description="The run was on record: idempotency_key, or dedupe_key.")
    problem: Problem | None = None


class BulkAnswer(Answer):
    """One item for each request, in their order."""

    items: list[BulkItem]
    accepted: int
    refused: int
