"""The published schemas of OpenLineage, and events held against them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2]
FILES = [*(ROOT / "tests/data/openlineage").glob("*.json"), ROOT / "spec/schemas/ControlRoomLimitsRunFacet.json"]
DOCUMENTS = [json.loads(path.read_text("utf-8")) for path in FILES]
REGISTRY: Registry[Any] = Registry().with_resources(
    [(document["$id"], Resource.from_contents(document)) for document in DOCUMENTS]
)
CHECKER = Draft202012Validator.FORMAT_CHECKER
EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"


def breaches(event: dict[str, Any]) -> list[str]:
    """What the event's schema refuses, and that of each facet by its _schemaURL; [] when it is valid."""
    found = errors(EVENT, event)
    facets = [*event["run"].get("facets", {}).values(), *event["job"].get("facets", {}).values()]
    for dataset in [*event.get("inputs", ()), *event.get("outputs", ())]:
        for name in ("facets", "inputFacets", "outputFacets"):
            facets += dataset.get(name, {}).values()
    for facet in facets:
        found += errors(facet["_schemaURL"], facet)
    return found


def errors(schema: str, value: Any) -> list[str]:
    validator = Draft202012Validator({"$ref": schema}, registry=REGISTRY, format_checker=CHECKER)
    return [f"{schema}: {'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(value)]
