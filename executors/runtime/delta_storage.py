"""How to reach a Delta table: from a declared connection to storage options, an S3 client, and bucket and key.

A connection is a mapping ``{"kind": "s3", "endpoint": url | None, "region": str, "access_key": str, "secret_key": str,
"session_token": str | None, "root": "s3://bucket/prefix"}``. Without keys the AWS chain of the process applies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from executors.runtime.failures import TaskError

Connection = Mapping[str, Any]
DEFAULT_REGION = "us-east-1"
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# The Rust store would retry for three minutes by itself; the retries that count are those of the callers.
RUST_RETRIES = {"max_retries": "3", "retry_timeout": "20s", "timeout": "120s", "connect_timeout": "5s"}


def split_uri(uri: str) -> tuple[str, str]:
    """Return (bucket, key prefix without slashes at its ends) of an ``s3://`` URI; TaskError (user) for another."""
    parts = urlsplit(uri)
    if parts.scheme not in {"s3", "s3a"} or not parts.netloc:
        raise TaskError("user", "uri_invalid", f"{uri!r} is no s3://bucket/path URI")
    return parts.netloc, parts.path.strip("/")


def storage_options(connection: Connection) -> dict[str, str]:
    """Options for delta-rs; a commit is a conditional PUT, so two writers of one version cannot both win."""
    endpoint = str(connection.get("endpoint") or "")
    options = {
        **RUST_RETRIES,
        "aws_region": str(connection.get("region") or DEFAULT_REGION),
        "aws_conditional_put": "etag",
        "aws_virtual_hosted_style_request": "false" if endpoint else "true",
        "allow_http": str(endpoint.startswith("http://")).lower(),
    }
    named = {
        "aws_endpoint": endpoint,
        "aws_access_key_id": connection.get("access_key"),
        "aws_secret_access_key": connection.get("secret_key"),
        "aws_session_token": connection.get("session_token"),
    }
    return options | {name: str(value) for name, value in named.items() if value}


def s3_client(connection: Connection) -> Any:
    """A boto3 S3 client for the connection (path style, standard retries, checksums only where given)."""
    import boto3  # slow to load: only when something is written
    from botocore.config import Config

    return boto3.session.Session().client(
        "s3",
        endpoint_url=connection.get("endpoint") or None,
        region_name=connection.get("region") or DEFAULT_REGION,
        aws_access_key_id=connection.get("access_key") or None,
        aws_secret_access_key=connection.get("secret_key") or None,
        aws_session_token=connection.get("session_token") or None,
        config=Config(
            s3={"addressing_style": "path" if connection.get("endpoint") else "auto"},
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=5,
            read_timeout=120,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def s3_code(error: Exception) -> str:
    """The S3 error code of a botocore ClientError, else an empty text."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, Mapping) else ""


def is_missing(error: Exception) -> bool:
    return s3_code(error) in {"404", "NoSuchKey", "NotFound"}


def is_store_error(error: BaseException) -> bool:
    """Tell whether an exception comes from the store or the way to it (delta-rs: OSError; boto3: botocore's own)."""
    return isinstance(error, OSError) or any(base.__module__.startswith("botocore.") for base in type(error).__mro__)


def store_failed(what: str, error: Exception) -> TaskError:
    """An external failure with the store's own reason, without a trace through libraries."""
    reason = "the bucket or object does not exist" if is_missing(error) else reason_of(error)
    return TaskError("external", "store_failed", f"{what}: {reason}")


def reason_of(error: BaseException) -> str:
    """What an exception says, on one line: of delta-rs's tree of causes the first and the last."""
    lines = [clean for line in ANSI.sub("", str(error)).splitlines() if (clean := line.strip(" \t↳"))]
    told = [line for line in lines if not line.startswith("Help:")] or [type(error).__name__]
    return (told[0] if len(told) == 1 else f"{told[0]}: {told[-1]}")[:500]
