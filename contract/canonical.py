"""Canonical JSON (RFC 8785) and sha256 digests: two sides that hash the same value get the same text."""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

import rfc8785

BLOCK = 1 << 20


def canonical_json(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value.

    Integers beyond 2**53, NaN, Infinity and values that are not JSON raise ValueError.
    """
    try:
        return bytes(rfc8785.dumps(value))
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"no canonical JSON for this value: {error}") from error


def digest_bytes(data: bytes) -> str:
    """sha256 of bytes, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """sha256 of the canonical JSON of a value."""
    return digest_bytes(canonical_json(value))


def digest_stream(stream: BinaryIO) -> tuple[str, int]:
    """(sha256, size in bytes) of what is left in a binary stream, read block by block."""
    digest, size = hashlib.sha256(), 0
    while block := stream.read(BLOCK):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


def digest_file(path: Path) -> tuple[str, int]:
    """(sha256, size in bytes) of a file, read block by block."""
    with path.open("rb") as stream:
        return digest_stream(stream)
