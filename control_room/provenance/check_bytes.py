"""Whether stored bytes are those that a manifest names: read in pieces, hashed, and never held whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from control_room.provenance.findings import Finding, Told

Read = Callable[[], Iterator[bytes]]


class MissingBytesError(Exception):
    """There is nothing where bytes should be."""


class UnreadableBytesError(Exception):
    """Bytes cannot be read now, so nothing is known of them; the text says why."""


@dataclass(frozen=True)
class Found:
    """What a stream was: its sha256, hex, and its size in bytes."""

    sha256: str
    size: int


def hashed(pieces: Iterator[bytes]) -> Found:
    """Read to the end."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return Found(digest.hexdigest(), size)


def check_bytes(told: Told, where: str, wanted: Mapping[str, Any], read: Read) -> Finding:
    """wanted: {sha256, size} of the manifest; read: opens the bytes. See the errors above for what it may raise."""
    try:
        found = hashed(read())
    except MissingBytesError:
        return gone(told, where, wanted, datetime.now(UTC))
    except UnreadableBytesError as error:
        return told.bad(where, f"its bytes cannot be read: {error}")
    return judged(told, where, wanted, found)


def gone(told: Told, where: str, wanted: Mapping[str, Any], now: datetime) -> Finding:
    """The finding for bytes that are not there: by right, where the manifest says that they were kept until before."""
    until = wanted.get("expires_at")
    if until and datetime.fromisoformat(until) <= now:
        return told.unknown(where, f"its bytes are gone: its template's retention kept them until {until}")
    return told.bad(where, f"its {wanted['size']} bytes are gone from the store")


def judged(told: Told, where: str, wanted: Mapping[str, Any], found: Found) -> Finding:
    """The finding for bytes that were read."""
    sha256, size = wanted["sha256"], wanted["size"]
    if (found.sha256, found.size) == (sha256, size):
        return told.good(where, f"{size} bytes have sha256 {sha256}")
    if found.size < size:
        return told.bad(where, f"it ends at byte {found.size} of {size}: bytes {found.size} to {size - 1} are gone")
    if found.size > size:
        text = f"it goes on after byte {size - 1}, its last: bytes {size} to {found.size - 1} were added"
        return told.bad(where, f"{text} (sha256 {found.sha256} instead of {sha256})")
    text = f"bytes 0 to {size - 1} have sha256 {found.sha256}, the manifest says {sha256}: at least one was changed"
    return told.bad(where, text)
