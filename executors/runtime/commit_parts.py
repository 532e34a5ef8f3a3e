"""What the commits of all formats share: when to look again, what a staged file must be, when two schemas agree."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from executors.runtime.delta_storage import is_missing, split_uri
from executors.runtime.failures import TaskError

PLAIN_PATH = re.compile(r"^(?!.*\.\.)[A-Za-z0-9_=.-]+(/[A-Za-z0-9_=.-]+)*$")
# How far the clocks of the control room, a catalog and a store may be apart.
CLOCKS = timedelta(minutes=15)
Pause = Callable[[], None]
Json = dict[str, Any]


class NotNowError(Exception):
    """Another commit came first, or the store did not answer: look again."""


def seen_head(client: Any, place: str, file: Mapping[str, Any]) -> Mapping[str, Any]:
    """The store's record of a staged object below ``place``; TaskError (internal) when it is gone or another."""
    bucket, prefix = split_uri(place)
    try:
        head: Mapping[str, Any] = client.head_object(Bucket=bucket, Key=f"{prefix}/{file['path']}")
    except Exception as error:
        if is_missing(error):
            raise TaskError("internal", "staged_missing", f"{place}/{file['path']} was staged and is gone") from error
        raise
    if (
        head["ContentLength"] != file["size"]
        or head.get("Metadata", {}).get("sha256", file["sha256"]) != file["sha256"]
    ):
        raise TaskError("internal", "staged_differs", f"{place}/{file['path']} is not the file that was reported")
    return head


def forgotten_since(publication: Mapping[str, Any]) -> datetime | None:
    """A publication can have been committed from this time on; None, for ever, when it does not say when it was made.

    A marker that is forgotten (expired, pushed out) after it may have been this publication's.
    """
    told = publication.get("recorded_at")
    if not told:
        return None
    moment = datetime.fromisoformat(str(told))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - CLOCKS


def outcome_unknown(uri: str, why: str) -> TaskError:
    """For good: whether the publication was committed cannot be known any more, so nothing is done."""
    return TaskError(
        "external",
        "publication_unknown",
        f"{uri}: whether this publication was committed cannot be known any more: {why}; "
        "look at the data, then repeat the run if its output is not there",
    )


def check_same_schema(table: Mapping[str, Any], data: Mapping[str, Any], uri: str) -> None:
    """Columns must agree by name and type, in any order; a NOT NULL column of the table is a difference too."""
    if described(table) != described(data):
        raise TaskError(
            "user",
            "schema_mismatch",
            f"append to {uri} with other columns; the table has ({', '.join(sorted(described(table)))}), "
            f"the data has ({', '.join(sorted(described(data)))}); change the model, or publish with mode overwrite",
        )


def described(schema: Mapping[str, Any]) -> set[str]:
    """``{"name type", …}`` of a Delta schema, nested types spelled out."""
    return {
        f"{field['name']} {type_text(field['type'])}{'' if field.get('nullable', True) else ' not null'}"
        for field in schema["fields"]
    }


def type_text(kind: Any) -> str:
    if isinstance(kind, str):
        return kind
    if kind["type"] == "struct":
        return f"struct<{', '.join(sorted(described(kind)))}>"
    if kind["type"] == "map":
        return f"map<{type_text(kind['keyType'])}, {type_text(kind['valueType'])}>"
    return f"array<{type_text(kind['elementType'])}>"


def as_schema(schema: Any) -> dict[str, Any]:
    """A Delta schema given as an object or as its JSON text."""
    value: dict[str, Any] = json.loads(schema) if isinstance(schema, str) else dict(schema)
    return value
