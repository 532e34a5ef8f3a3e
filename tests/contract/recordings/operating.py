"""What the operator does between the requests of a recording."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.contract.plane import Plane

BUCKET = "artifacts"


async def act(plane: Plane, step: dict[str, Any]) -> None:
    """Do a step {"do": "submit" | "cancel" | "bundle", ...}."""
    if step["do"] == "submit":
        await plane.submit(step["template"], params=step.get("params"), **step["spec"])
    elif step["do"] == "cancel":
        await plane.store.cancel_run(plane.operator, step["run_id"], step["body"])
    elif step["do"] == "bundle":
        await _bundle(plane, step["text"].encode())
    else:
        raise ValueError(f"no operator does {step['do']}")


async def _bundle(plane: Plane, data: bytes) -> None:
    body = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    key = (await plane.store.put_bundle(plane.operator, body))["object_key"]
    plane.s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    await plane.store.put_bundle(plane.operator, body | {"stored": True})
