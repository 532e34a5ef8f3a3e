"""Where in a Delta log a transaction was committed."""

from __future__ import annotations

import json
from typing import Any

from executors.runtime.delta_storage import split_uri


def version_of_transaction(client: Any, uri: str, app_id: str) -> int:
    """The table version whose commit holds the transaction ``app_id``; newest commits are looked at first.

    The caller knows that it is committed. When log cleanup has taken its commit file away, the oldest version
    still in the log is the answer: the earliest one that can be read with those rows.
    """
    bucket, prefix = split_uri(uri)
    versions = commit_versions(client, bucket, f"{prefix}/_delta_log/")
    for version in reversed(versions):
        key = f"{prefix}/_delta_log/{version:020d}.json"
        body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        if holds_transaction(body.decode(), app_id):
            return version
    return versions[0] if versions else 0


def commit_versions(client: Any, bucket: str, prefix: str) -> list[int]:
    """The versions of the commit files in the log, rising."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    names = (item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", []))
    return sorted(int(name[:20]) for name in names if name[20:] == ".json" and name[:20].isdigit())


def holds_transaction(commit: str, app_id: str) -> bool:
    """Tell whether a commit file (JSON lines) holds a ``txn`` action of ``app_id``."""
    actions = (json.loads(line) for line in commit.splitlines() if line.strip())
    return any(action.get("txn", {}).get("appId") == app_id for action in actions)
