"""The errors that every operation documents."""

from __future__ import annotations

from typing import Any

_TEXTS = {
    400: "The body is not JSON, or not UTF-8.",
    401: "No token or session, or one that is over.",
    403: "The caller may not do this, or the request came from a foreign page.",
    404: "There is no such thing.",
    409: "What is on record does not go with the request.",
    410: "What it was about was removed, as its retention says.",
    413: "The body is too large.",
    415: "The body is not JSON by its media type.",
    422: "The request is wrong; `errors` says where.",
    503: "The database or the object store is away; try again after Retry-After seconds.",
}
_READING = (401, 403, 422, 503)
_WRITING = (400, 401, 403, 413, 415, 422, 503)


def problem(status: int) -> dict[str, Any]:
    """OpenAPI of one problem response; the schema itself comes with the document (openapi.py)."""
    return {
        "description": _TEXTS[status],
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def reading(*more: int) -> dict[int | str, dict[str, Any]]:
    """Responses of an operation that reads."""
    return {status: problem(status) for status in sorted({*_READING, *more})}


def writing(*more: int) -> dict[int | str, dict[str, Any]]:
    """Responses of an operation with a body."""
    return {status: problem(status) for status in sorted({*_WRITING, *more})}
