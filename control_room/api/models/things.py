"""Artifacts, templates and bundles."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from control_room.api.models.base import Answer, JsonObject, Request, Sha256, Text


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
    state: Literal["begun", "recorded", "visible", "orphaned", "expired"]
    metadata: JsonObject
    table: JsonObject | None = None
    recorded_at: datetime | None = None
    verify_ms: int | None = Field(None, description="What the server took to read and hash it; null: the store did.")


class Preview(Answer):
    """What there is to show of an artifact without its bytes."""

    artifact: Artifact
    preview: JsonObject | None = Field(
        None,
        description="What its run told of it; `type` is table (format, columns, rows, page, cut), image (format, "
        "width, height), html (title), metrics (values), archive (files, count, bytes), json or text (lines).",
    )
    text: str | None = Field(None, description="The first 64 KiB of a text, a log or JSON.")
    text_cut: bool = Field(False, description="Whether there is more.")


class Amount(Answer):
    """How many artifacts, and how many bytes."""

    artifacts: int
    bytes: int


class ObjectAmount(Answer):
    """How many objects in the store, and how many bytes."""

    objects: int
    bytes: int


class CollectedObject(Answer):
    """Bytes that nobody needs any more, and one of the artifacts that had them."""

    object_key: str
    size: int | None = None
    run_number: int
    name: str
    state: Literal["orphaned", "expired"]
    since: datetime


class OpenUploads(Answer):
    """Uploads in parts that are not completed."""

    open: int
    collectable: int = Field(description="Those that nobody has gone on with for the safety window.")
    unknown: int = Field(description="Those of the store that are on no record, and as old: a server died at them.")


class Collection(Answer):
    """What the collector takes, and when."""

    safety_hours: int = Field(description="For so long bytes that nobody needs are left alone.")
    lost: Amount = Field(description="Those that still are.")
    collectable: ObjectAmount = Field(description="Those that its next rounds take.")
    uploads: OpenUploads = Field(description="In parts.")
    expiring: Amount = Field(description="What retention ends in the next seven days.")
    held: int = Field(description="Runs under a legal hold.")
    items: list[CollectedObject] = Field(description="The first 200 of the collectable.")


class Artifacts(Answer):
    """Artifacts of a run."""

    items: list[Artifact]


class Verification(Answer):
    """What the bytes in the object store say about an artifact; size and sha256_actual are null when none are there."""

    ok: bool
    size: int | None = None
    sha256_expected: str
    sha256_actual: str | None = None


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
    workspace: Text | None = Field(
        None, min_length=1, max_length=63, description="Whose it is; `default`, or the token's first, when left out."
    )


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
