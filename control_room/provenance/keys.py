"""The Ed25519 key of a deployment: a PEM file (PKCS 8) that only its owner reads, and the id of its public half."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw


class SigningKeyError(Exception):
    """A signing key cannot be used; the text names the file and what is wrong, and holds no secret."""


def load(path: Path) -> Ed25519PrivateKey:
    """The private key of a file. Raises SigningKeyError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no PEM file of a key without a password"
        raise SigningKeyError(f"{path}: {reason}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"{path}: it holds a key of another kind; Ed25519 is wanted")
    if path.stat().st_mode & 0o007:
        raise SigningKeyError(f"{path}: others may read it; `chmod 600` it")
    return key


def ensure(path: Path) -> Path:
    """The same path, with a new key in it where there was none: mode 0600 from its first byte, whole or not there."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem(Ed25519PrivateKey.generate()))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    return path


def pem(key: Ed25519PrivateKey) -> bytes:
    """The text that `load` reads."""
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(*form, serialization.NoEncryption())


def public_of(key: Ed25519PrivateKey) -> bytes:
    """The raw public half, 32 bytes."""
    return key.public_key().public_bytes(*RAW)


def key_id(public_key: bytes) -> str:
    """What names a key: sha256 of its raw public half, hex."""
    return hashlib.sha256(public_key).hexdigest()


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the key's owner signed exactly this message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
