"""What proves a run: its manifest, the keys that sign, and the chain of events as it is stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from control_room.api.models.base import Answer, JsonObject, RunState, Sha256


class Manifest(Answer):
    """A manifest as it was made. `text` is canonical JSON (RFC 8785), exactly as it was hashed."""

    text: str
    sha256: Sha256 = Field(description="Of the text.")
    root: Sha256 = Field(description="Of the Merkle tree (RFC 6962) over its parts.")
    envelope: JsonObject | None = Field(description="DSSE over an in-toto Statement; null: nobody signed it.")
    key_id: Sha256 | None
    made_at: str = Field(description="Exactly as it was signed.")


class RunManifest(Answer):
    """The manifest of a run, null while there is none, and beside it what is on record now."""

    run_id: UUID
    number: int
    state: RunState
    manifest_root: Sha256 | None = Field(description="As it stands on the run.")
    manifest: Manifest | None
    on_record: JsonObject | None = Field(description="What a manifest made now would say; null: the run has not ended.")


class SigningKey(Answer):
    """A public key. What says to be made from `retired_at` on is not its."""

    key_id: Sha256 = Field(description="sha256 of the raw public key.")
    algorithm: Literal["ed25519"]
    public_key: str = Field(description="Raw, hexadecimal.", pattern=r"^[0-9a-f]{64}$")
    valid_from: datetime
    retired_at: datetime | None


class SigningKeys(Answer):
    """The newest first."""

    items: list[SigningKey]


class ChainHead(Answer):
    """Where a chain of events ends."""

    seq: int
    hash: str


class ChainCut(Answer):
    """Where a chain begins that retention cut: its events up to `seq` are gone."""

    seq: int
    hash: str
    dropped_at: datetime


class StoredEvent(Answer):
    """An event as it is stored: hash = sha256(prev_hash || UTF-8 of canonical). The rest are copies of what it says."""

    seq: int
    at: str
    type: str
    epoch: int
    canonical: str
    prev_hash: str
    hash: str


class RunChain(Answer):
    """Events in order of seq, and the head on the run."""

    run_id: UUID
    head: ChainHead
    cut: ChainCut | None
    items: list[StoredEvent]


class ComparedRun(Answer):
    """One of two runs that are compared."""

    run_id: UUID
    number: int
    state: RunState
    template_name: str
    template_version: int


class Difference(Answer):
    """A place where two runs differ, as JSON Pointer within the section. What one has not is null there."""

    at: str
    one: Any = None
    other: Any = None


class DiffSection(Answer):
    """What was compared, and the first hundred differences; none: it is the same."""

    name: Literal["code", "params", "environment", "inputs", "caps", "outputs", "outcome", "measured"]
    measured: bool = Field(description="It differs from one try to the next also where nothing was changed.")
    differences: list[Difference]
    left_out: int = Field(description="Differences beyond those.")


class TaskDiff(Answer):
    """A task of two pipelines; null: that one has no such task."""

    task_key: str
    one: ComparedRun | None
    other: ComparedRun | None
    same_outputs: bool
    sections: list[DiffSection]


class RunDiff(Answer):
    """What differs between two runs that have ended."""

    one: ComparedRun
    other: ComparedRun
    same_outputs: bool = Field(
        description="The same files by digest, the same data by rows, schema and digests of its files."
    )
    sections: list[DiffSection]
    tasks: list[TaskDiff] = Field(description="Of pipelines, by task key.")
