"""DSSE v1 envelopes: a payload with its type, and signatures over both."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from control_room.provenance import keys

IN_TOTO = "application/vnd.in-toto+json"
Json = dict[str, Any]


class EnvelopeError(ValueError):
    """An envelope that cannot be read; the text says where."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: what is signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def envelope(payload: bytes, key: Ed25519PrivateKey, payload_type: str = IN_TOTO) -> Json:
    """{payload, payloadType, signatures: [{keyid, sig}]}, the bytes in base64."""
    signature = key.sign(pae(payload_type, payload))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": keys.key_id(keys.public_of(key)), "sig": base64.b64encode(signature).decode()}],
    }


def payload_of(found: Mapping[str, Any]) -> bytes:
    """The payload. Raises EnvelopeError."""
    return _bytes(found.get("payload"), "payload")


def is_signed_by(found: Mapping[str, Any], public_key: bytes) -> bool:
    """Whether one of the signatures is this key's over the payload and its type. Raises EnvelopeError.

    keyid is a hint that nobody signed: each signature is tried.
    """
    message = pae(str(found.get("payloadType")), payload_of(found))
    signatures = found.get("signatures")
    if not isinstance(signatures, list) or not signatures:
        raise EnvelopeError("signatures: there is none")
    return any(keys.is_signed(public_key, _bytes(each.get("sig"), "sig"), message) for each in signatures)


def _bytes(text: Any, name: str) -> bytes:
    """Of standard or URL-safe base64, as readers of DSSE must take both."""
    try:
        return base64.b64decode(str(text).replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise EnvelopeError(f"{name}: it is no base64") from None
