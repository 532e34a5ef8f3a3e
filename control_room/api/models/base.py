"""What all wire types share: words, and the two bases."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

RunState = Literal["waiting", "queued", "running", "succeeded", "failed", "cancelled", "skipped"]
RunCondition = Literal[
    "all_success", "all_done", "at_least_one_success", "none_failed", "at_least_one_failed", "all_failed"
]
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
