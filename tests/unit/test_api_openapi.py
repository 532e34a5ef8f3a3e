"""The exported document is what the code says, and what the dashboard's types are made from."""

from __future__ import annotations

import json

from openapi_spec_validator import validate

from control_room.api.export import TARGET, rendered
from control_room.api.headers import inline_script_hashes
from control_room.api.models import Request, Run


def test_the_committed_document_is_the_codes() -> None:
    assert TARGET.read_text("utf-8") == rendered(), "run `python -m control_room.api.export`"


def test_the_document_is_valid_openapi() -> None:
    validate(json.loads(rendered()))


def test_every_operation_documents_its_refusals_as_problems() -> None:
    document = json.loads(rendered())
    for path, methods in document["paths"].items():
        for operation in methods.values():
            refusals = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
            assert {"401", "503"} <= set(refusals), path
            for answer in refusals.values():
                schema = answer["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}


def test_every_field_of_an_answer_is_always_there() -> None:
    schema = json.loads(rendered())["components"]["schemas"]["Run"]
    assert set(schema["required"]) == set(schema["properties"]) == set(Run.model_fields)


def test_no_request_ignores_a_field_it_does_not_know() -> None:
    assert Request.__subclasses__()
    for model in Request.__subclasses__():
        assert model.model_config.get("extra") == "forbid", model.__name__


def test_inline_scripts_are_hashed_as_browsers_do() -> None:
    # The value is the one of the CSP specification's example of `alert('Hello, world.');`.
    page = "<script>alert('Hello, world.');</script><script src=x></script><script>alert('Hello, world.');</script>"
    assert inline_script_hashes(page) == ["'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"]
    assert inline_script_hashes("<p>no script</p>") == []
