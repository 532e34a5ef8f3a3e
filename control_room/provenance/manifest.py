"""Makes the manifest of a run from what is on record, and signs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract.canonical import canonical_json, digest_bytes
from control_room.provenance import dsse, keys
from control_room.provenance.merkle import root_of
from control_room.provenance.statement import statement

Json = dict[str, Any]


def made(parts: Mapping[str, Any], made_at: str, key: Ed25519PrivateKey | None) -> Json:
    """{text, sha256, root, made_at, key_id, envelope} of a manifest with these parts; unsigned without a key.

    made_at: ISO 8601. ValueError when the parts have no canonical JSON.
    """
    text = canonical_json(dict(parts))
    found = {"text": text.decode(), "sha256": digest_bytes(text), "root": root_of(parts), "made_at": made_at}
    if key is None:
        return {**found, "key_id": None, "envelope": None}
    payload = canonical_json(statement(parts, found["sha256"], found["root"], made_at))
    return {**found, "key_id": keys.key_id(keys.public_of(key)), "envelope": dsse.envelope(payload, key)}
