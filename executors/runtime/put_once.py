"""Put a staged file whole, once, with a digest that the store checks."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from executors.runtime.delta_storage import s3_code, split_uri, store_failed
from executors.runtime.failures import TaskError

ALREADY_THERE = frozenset({"PreconditionFailed", "412"})


def put_once(client: Any, uri: str, path: Path, record: Mapping[str, Any], media_type: str) -> None:
    """Put a file where nothing stands; the same bytes already there (a lost answer, repeated) are fine."""
    bucket, prefix = split_uri(uri)
    place = {"Bucket": bucket, "Key": f"{prefix}/{record['path']}"}
    try:
        with path.open("rb") as body:
            client.put_object(
                **place,
                Body=body,
                ContentLength=record["size"],
                ContentType=media_type,
                IfNoneMatch="*",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(record["sha256"])).decode(),
                Metadata={"sha256": record["sha256"]},
            )
    except Exception as error:
        if s3_code(error) not in ALREADY_THERE:
            raise store_failed(f"{uri}/{record['path']} cannot be written", error) from error
        confirm_same(client, place, record)


def confirm_same(client: Any, place: Mapping[str, str], record: Mapping[str, Any]) -> None:
    """Check that the object that stands there holds the bytes we meant to put."""
    where = f"s3://{place['Bucket']}/{place['Key']}"
    try:
        head = client.head_object(**place)
    except Exception as error:
        raise store_failed(f"{where} cannot be checked", error) from error
    if head["ContentLength"] != record["size"] or head.get("Metadata", {}).get("sha256") != record["sha256"]:
        raise TaskError(
            "internal",
            "staging_conflict",
            f"{where} exists already with other content; does the run publish one table through two outputs?",
        )
