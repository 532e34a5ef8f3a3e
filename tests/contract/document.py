"""The authored contract as tests read it: operations, and the error codes that each documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from openapi_schema_validator import OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

PATH = Path(__file__).parents[2] / "contract" / "openapi.yaml"
PREFIX = "/executor/v1"
METHODS = ("get", "post", "put", "patch", "delete")
BASE = "urn:contract"


@dataclass(frozen=True)
class Operation:
    """operation_id; method, upper case; path with its placeholders; codes: (status, error code) documented."""

    operation_id: str
    method: str
    path: str
    codes: frozenset[tuple[int, str]]
    successes: frozenset[int]
    has_body: bool


@cache
def document(path: Path = PATH) -> dict[str, Any]:
    """The authored document, or an older one."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def resolve(value: Any, path: Path = PATH) -> Any:
    """Follow a local $ref."""
    while isinstance(value, dict) and "$ref" in value:
        found: Any = document(path)
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def raw_operations(source: Path = PATH) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation object)."""
    for path, item in document(source)["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


@cache
def operations(source: Path = PATH) -> dict[str, Operation]:
    """By operationId."""
    return {op["operationId"]: _operation(path, method, op, source) for path, method, op in raw_operations(source)}


def _operation(path: str, method: str, op: dict[str, Any], source: Path) -> Operation:
    responses = {int(status): resolve(response, source) for status, response in op["responses"].items()}
    codes = {
        (status, code)
        for status, response in responses.items()
        for code in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    successes = frozenset(status for status in responses if status < 400)
    name = op["operationId"]
    return Operation(name, method.upper(), path, frozenset(codes), successes, "requestBody" in op)


@cache
def _registry() -> Registry[Any]:
    resource = Resource(contents=document(), specification=DRAFT202012)
    return Registry().with_resource(BASE, resource)


def _absolute(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: f"{BASE}{member}" if name == "$ref" and isinstance(member, str) else _absolute(member)
            for name, member in value.items()
        }
    return [_absolute(member) for member in value] if isinstance(value, list) else value


def schema_errors(value: Any, schema: dict[str, Any]) -> list[str]:
    """What is wrong with a value, by a schema of the document."""
    validator = OAS31Validator(_absolute(schema), registry=_registry(), format_checker=OAS31Validator.FORMAT_CHECKER)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(value)]
