"""Wire types of the operator plane. One name everywhere: SQL column = field here = field in TypeScript."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

RunState = Literal["waiting", "queued", "running", "succeeded", "failed", "cancelled", "skipped"]
AttemptOutcome = Literal["running", "succeeded", "failed", "cancelled", "expired", "capped"]
ErrorClass = Literal["user", "external", "internal", "resources"]
Role = Literal["operator", "viewer", "executor"]
JsonObject = dict[str, Any]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError(r"holds \u0000, which cannot be stored")
    return text


Text = Annotated[str, AfterValidator(_storable)]


class Answer(BaseModel):
    """Base of what the server sends: every field is present, null where there is nothing."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Request(BaseModel):
    """Base of what a client sends: a field nobody knows is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


# Problems ------------------------------------------------------------------------------------------------------------


class FieldIssue(Answer):
    """One field that is wrong: a JSON Pointer into the request, and what is wrong there."""

    path: str
    message: str


class Problem(BaseModel):
    """RFC 9457. `code` is stable; further members depend on it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:control-room:error:run_not_found"])
    title: str
    status: int
    detail: str
    code: str
    hint: str | None = None
    instance: str | None = None
    errors: list[FieldIssue] | None = None


# Runs ----------------------------------------------------------------------------------------------------------------


class RunError(Answer):
    """Why a run or an attempt failed."""

    model_config = ConfigDict(extra="allow")

    class_: ErrorClass = Field(alias="class")
    code: str
    message: str
    trace: str | None = None
    position: Any = None


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
    params: JsonObject
    inputs: list[JsonObject]
    outputs: list[JsonObject]
    labels: dict[str, str]
    state: RunState
    state_reason: str | None = None
    priority: int
    queue: str
    epoch: int
    attempt: int
    max_attempts: int
    not_before: datetime | None = None
    deadline: datetime | None = None
    submitted_by: str
    submitted_at: datetime
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    cancel_reason: str | None = None
    result: JsonObject | None = None
    error: RunError | None = None
    progress: JsonObject | None = None
    usage: JsonObject
    caps: JsonObject
    retry_of: UUID | None = None
    executor_name: str | None = None
    rows: int | None = None
    artifact_count: int = 0
    lease_deadline: datetime | None = None
    concurrency_key: str | None = None


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
    table_version: int | None = None
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


class RunPage(Answer):
    """A page of runs, newest first; next_cursor is null on the last."""

    items: list[Run]
    next_cursor: str | None = None


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
    concurrency_key: Text | None = Field(None, min_length=1, max_length=200)
    max_attempts: int | None = Field(None, strict=True, ge=1, le=100)
    caps: dict[Text, Annotated[float, Field(gt=0, strict=True)]] | None = None


class CancelRun(Request):
    """Ask a run to stop; force takes its lease away without waiting for the executor."""

    reason: Text | None = Field(None, min_length=1, max_length=1000)
    force: bool = Field(False, strict=True)


class RetryRun(Request):
    """Make a new run of the same definition and parameters."""

    idempotency_key: Text | None = Field(None, min_length=1, max_length=200)


class WhyReason(Answer):
    """One reason why a run is not running."""

    code: str
    message: str
    detail: JsonObject | None = None


class Why(Answer):
    """Why a run is where it is."""

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


# Artifacts -----------------------------------------------------------------------------------------------------------


class Artifact(Answer):
    """Something a run left behind. size in bytes; sha256 in hex; both null for a table."""

    artifact_id: UUID
    run_id: UUID
    epoch: int
    name: str
    kind: Literal["file", "table", "report", "log", "metrics", "model"]
    media_type: str
    size: int | None = None
    sha256: str | None = None
    state: Literal["begun", "recorded", "visible", "orphaned"]
    metadata: JsonObject
    table: JsonObject | None = None
    recorded_at: datetime | None = None


class Artifacts(Answer):
    """Artifacts of a run."""

    items: list[Artifact]


class Verification(Answer):
    """What the bytes in the object store say about an artifact; size and sha256_actual are null when none are there."""

    ok: bool
    size: int | None = None
    sha256_expected: str
    sha256_actual: str | None = None


# Templates and bundles -----------------------------------------------------------------------------------------------


class Template(Answer):
    """One version of a template."""

    template_id: UUID
    number: int
    workspace: str
    name: str
    version: int
    digest: str
    kind: str
    description: str
    spec: JsonObject
    created_at: datetime


class TemplateDetail(Template):
    """One version of a template, and which versions there are."""

    versions: list[int]


class Templates(Answer):
    """The newest version of each template."""

    items: list[Template]


class TemplateApplied(Answer):
    """What applying a template did; created is false when this version was there already."""

    template_id: UUID
    name: str
    version: int
    digest: str
    created: bool


class PutBundle(Request):
    """A code archive about to be uploaded."""

    sha256: Sha256
    size: int = Field(ge=1, le=5 * 2**30, strict=True)


class Upload(Answer):
    """Where and how to send bytes; the headers are part of the signature."""

    method: Literal["PUT"]
    url: str
    headers: dict[str, str]
    expires_at: datetime


class BundleBegun(Answer):
    """upload is null when the store has these bytes already."""

    sha256: str
    size: int
    upload: Upload | None = None


# The platform --------------------------------------------------------------------------------------------------------


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
    state: str
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


class Cap(Answer):
    """A hard ceiling of a scope."""

    scope: Literal["platform", "workspace", "template"]
    workspace: str | None = None
    template_name: str | None = None
    cap: str
    limit: float
    updated_at: datetime


class Caps(Answer):
    """Ceilings in force and the newest enforcements."""

    items: list[Cap]
    ledger: list[CapEntry]


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


# Access --------------------------------------------------------------------------------------------------------------


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


# The event stream ----------------------------------------------------------------------------------------------------


class StreamEvent(Answer):
    """What one server-sent event carries in `data`."""

    run_id: UUID
    number: int
    pipeline_run_id: UUID | None = None
    type: str
    state: RunState
    at: datetime
    seq: int
