"""The authored document: whole, self-consistent, and exactly what server, client and models do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from contract import generate, models
from contract.client import AsyncExecutorClient, ExecutorClient
from contract.errors import BY_CODE, URN
from contract.server.routes import DOCUMENT, router
from tests.contract.document import METHODS, PATH, PREFIX, document, operations, raw_operations, resolve, schema_errors

SCHEMAS = document()["components"]["schemas"]


def media_types() -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, media type object) of every request and response of every operation."""
    for path, method, operation in raw_operations():
        where = f"{method} {path}"
        for name, media in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{where} request {name}", media
        for status, response in operation["responses"].items():
            for name, media in resolve(response).get("content", {}).items():
                yield f"{where} {status} {name}", media


def request_schemas() -> dict[str, dict[str, Any]]:
    """Every object schema reachable from a request body, by name or place."""
    found: dict[str, dict[str, Any]] = {}

    def walk(value: Any, where: str) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                name = value["$ref"].rsplit("/", 1)[-1]
                if name not in found:
                    found[name] = resolve(value)
                    walk(found[name], name)
                return
            if "properties" in value:
                found[where] = value
            for key, member in value.items():
                if key not in ("example", "examples", "default", "mapping"):
                    walk(member, f"{where}/{key}")
        elif isinstance(value, list):
            for index, member in enumerate(value):
                walk(member, f"{where}/{index}")

    for path, method, operation in raw_operations():
        walk(operation.get("requestBody", {}), f"{method} {path}")
    return found


def test_the_document_is_valid_openapi_31() -> None:
    OpenAPIV31SpecValidator(document()).validate()


def test_the_committed_models_are_what_the_document_gives() -> None:
    assert generate.difference(generate.generate()) == ""


def test_the_check_of_the_models_sees_a_difference() -> None:
    assert generate.difference("something else\n").startswith("--- models.py")


@pytest.mark.parametrize(("where", "media"), list(media_types()))
def test_every_request_and_response_has_examples_that_keep_its_schema(where: str, media: dict[str, Any]) -> None:
    examples = {name: resolve(example)["value"] for name, example in media.get("examples", {}).items()}
    examples |= {"example": media["example"]} if "example" in media else {}
    assert examples, f"{where} has no example"
    for name, value in examples.items():
        assert schema_errors(value, media["schema"]) == [], f"{where} example {name}"


def test_every_error_example_is_a_row_of_the_error_table() -> None:
    for operation in operations().values():
        for status, code in operation.codes:
            row, example = BY_CODE[code], resolve(document()["components"]["examples"][code])["value"]
            assert (row.status, row.title) == (status, example["title"]), code
            assert example["code"] == code
            assert example["status"] == status
            assert example["type"] == URN + code


def test_every_error_example_is_used() -> None:
    used = {code for operation in operations().values() for _, code in operation.codes}
    assert set(document()["components"]["examples"]) == used


def test_every_error_response_names_its_codes() -> None:
    for operation in operations().values():
        statuses = {status for status, _ in operation.codes}
        raw = next(op for _, _, op in raw_operations() if op["operationId"] == operation.operation_id)
        assert {int(status) for status in raw["responses"]} - operation.successes == statuses


def test_the_server_routes_are_the_documents_operations() -> None:
    served = {
        (next(iter(route.methods)), route.path, route.name) for route in router.routes if isinstance(route, Route)
    }
    assert served == {(op.method, PREFIX + op.path, op.operation_id) for op in operations().values()}
    assert all(len(route.methods) == 1 for route in router.routes if isinstance(route, Route))


def test_the_server_serves_the_document_byte_for_byte() -> None:
    assert PATH.read_bytes() == DOCUMENT


def test_both_clients_have_one_method_per_operation_with_the_same_parameters() -> None:
    for name in operations():
        method = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()
        sync, other = getattr(ExecutorClient, method), getattr(AsyncExecutorClient, method)
        assert inspect.signature(sync) == inspect.signature(other), name
        assert inspect.iscoroutinefunction(other), name


def test_requests_refuse_members_that_the_document_does_not_know() -> None:
    objects = request_schemas()
    assert {"RegisterRequest", "SucceededReport", "Publication", "StagedFile", "LogChunk"} <= set(objects)
    for where, schema in objects.items():
        if "properties" in schema:
            assert schema.get("additionalProperties") is False, where
            model = getattr(models, where, None)
            assert model is None or model.model_config["extra"] == "forbid", where


def test_responses_are_read_tolerantly() -> None:
    for name in ("Registration", "ClaimedRun", "HeartbeatResponse", "ReportResponse", "Artifact", "Problem"):
        assert "additionalProperties" not in SCHEMAS[name]
        assert getattr(models, name).model_config.get("extra") != "forbid"


def test_everything_a_request_may_hold_has_a_limit() -> None:
    for where, schema in request_schemas().items():
        for name, part in schema.get("properties", {}).items():
            problem = _unlimited(resolve(part))
            assert not problem, f"{where}.{name}: {problem}"


def _unlimited(part: dict[str, Any]) -> str:
    types = part.get("type", [])
    types = types if isinstance(types, list) else [types]
    if "string" in types and not {"maxLength", "pattern", "enum", "const", "format"} & set(part):
        return "a string without maxLength"
    if "array" in types and "maxItems" not in part:
        return "an array without maxItems"
    if "integer" in types and not ({"minimum", "maximum", "format"} <= set(part)):
        return "an integer without minimum, maximum and format"
    return ""


def test_every_report_is_told_apart_by_its_outcome() -> None:
    for name, field in (("Report", "outcome"), ("CommitPublicationRequest", "state"), ("BeginArtifactRequest", "kind")):
        schema = SCHEMAS[name]
        assert schema["discriminator"]["propertyName"] == field
        for value, reference in schema["discriminator"]["mapping"].items():
            constraint = resolve({"$ref": reference})["properties"][field]
            assert value in [constraint.get("const"), *constraint.get("enum", [])]


def test_no_operation_goes_without_a_token() -> None:
    assert document()["security"] == [{"executorToken": []}]
    assert all("security" not in operation for _, _, operation in raw_operations())
    assert all(401 in {status for status, _ in operation.codes} for operation in operations().values())


def test_methods_other_than_the_known_ones_are_not_hidden_in_the_document() -> None:
    for path, item in document()["paths"].items():
        assert set(item) - {"parameters"} <= set(METHODS), path
