"""What proves a run: its manifest, the keys that sign, and the chain of events as it is stored."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
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
