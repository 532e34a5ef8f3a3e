"""The operator plane's OpenAPI document. The dashboard's TypeScript types are generated from it."""

from __future__ import annotations

from typing import Any

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from control_room.api.info import own_version
from control_room.api.models import Problem, StreamEvent

_BESIDE: tuple[Any, ...] = ((Problem, "serialization"), (StreamEvent, "serialization"))


def document(routes: list[BaseRoute]) -> dict[str, Any]:
    """OpenAPI 3.1 of the operator routes, with the schemas that only responses outside JSON name."""
    found: dict[str, Any] = get_openapi(
        title="Lakehouse Control Room: operator plane",
        version=own_version(),
        summary="Submit and watch runs, apply templates, read artifacts.",
        routes=routes,
    )
    _, beside = models_json_schema(_BESIDE, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = found.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas |= beside["$defs"]
    found["components"]["schemas"] = dict(sorted(schemas.items()))
    return found
