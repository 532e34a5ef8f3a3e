"""Canonical JSON (RFC 8785) and sha256 digests: two sides that hash the same value get the same text."""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

import rfc8785

BLOCK = 1 << 20


def canonical_json(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value.

    Integers that no IEEE double holds exactly, NaN, Infinity and values that are not JSON raise ValueError.
    """
    try:
        return _dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"no canonical JSON for this value: {error}") from error


def _dumps(value: Any) -> bytes:
    try:
        return bytes(rfc8785.dumps(value))
    except rfc8785.IntegerDomainError:
        # 1e16 reads back from its canonical text as an integer: it must get the same text again.
        return bytes(rfc8785.dumps(_doubles(value)))


def _doubles(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _doubles(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_doubles(member) for member in value]
    return float(value) if type(value) is int and _is_double(value) else value


def _is_double(value: int) -> bool:
    """Whether an integer is a double, or the shortest decimal of one, as 1e16 reads back from canonical text."""
    if not 1 << 53 <= abs(value) < 1 << 1023:
        return False
    return float(value) == value or rfc8785.dumps(float(value)) == str(value).encode()


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
