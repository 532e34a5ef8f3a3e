"""How pyiceberg reaches the files of a table: the S3 part of a connection as its properties. Loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from executors.runtime.delta_storage import DEFAULT_REGION


def file_io_properties(connection: Mapping[str, Any]) -> dict[str, str]:
    """Properties of a FileIO; without keys the AWS chain of the process applies."""
    named = {
        "s3.endpoint": connection.get("endpoint"),
        "s3.region": connection.get("region") or DEFAULT_REGION,
        "s3.access-key-id": connection.get("access_key"),
        "s3.secret-access-key": connection.get("secret_key"),
        "s3.session-token": connection.get("session_token"),
        "s3.connect-timeout": "5",
        "s3.request-timeout": "120",
    }
    return {name: str(value) for name, value in named.items() if value}
