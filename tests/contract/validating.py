"""A transport that lets nothing pass which the authored document does not allow, in either direction."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from tests.contract.document import PATH, PREFIX, Operation, document, operations

HOST = "http://control-room.test"


class BrokenContractError(AssertionError):
    """The server, or a client, broke the document."""


@cache
def openapi(source: Path = PATH) -> OpenAPI:
    readers = {"application/problem+json": json.loads, "application/yaml": yaml.safe_load}
    config = Config(extra_media_type_deserializers=readers)
    return OpenAPI.from_dict(document(source), base_uri=f"{HOST}{PREFIX}/openapi.yaml", config=config)


def operation_of(method: str, path: str, source: Path = PATH) -> Operation | None:
    """The operation that a request is for; None when the document has none."""
    for operation in operations(source).values():
        pattern = re.sub(r"\{[a-z_0-9]+\}", "[^/]+", PREFIX + operation.path)
        if operation.method == method and re.fullmatch(pattern, path):
            return operation
    return None


def check(request: httpx.Request, response: httpx.Response, source: Path = PATH) -> None:
    """Raises BrokenContractError. Both bodies must have been read. source: the document to hold them against."""
    operation = operation_of(request.method, request.url.raw_path.decode().split("?")[0], source)
    if operation is None:
        return
    asked, answered = _request(request), _response(response)
    try:
        openapi(source).validate_response(asked, answered)
    except OpenAPIError as error:
        raise BrokenContractError(
            f"{operation.operation_id}: response {response.status_code}: {_why(error)}"
        ) from error
    _check_code(operation, response)
    if response.status_code < 400:
        _check_accepted(operation, asked, source)


def _check_code(operation: Operation, response: httpx.Response) -> None:
    if response.status_code < 400:
        return
    code = response.json()["code"]
    if (response.status_code, code) not in operation.codes:
        raise BrokenContractError(
            f"{operation.operation_id} does not document {response.status_code} {code}: {response.text}"
        )


def _check_accepted(operation: Operation, asked: MockRequest, source: Path) -> None:
    try:
        openapi(source).validate_request(asked)
    except OpenAPIError as error:
        raise BrokenContractError(
            f"{operation.operation_id}: the server accepted what breaks the document: {_why(error)}"
        ) from error


def _why(error: BaseException) -> str:
    details = getattr(error.__cause__, "schema_errors", [])
    return "; ".join(f"{list(one.absolute_path)}: {one.message}" for one in details) or f"{error}: {error.__cause__}"


def _request(request: httpx.Request) -> MockRequest:
    path = request.url.raw_path.decode().split("?")[0]
    media_type = request.headers.get("content-type", "")
    headers: dict[str, Any] = dict(request.headers)
    return MockRequest(HOST, request.method, path, headers=headers, data=request.content, content_type=media_type)


def _response(response: httpx.Response) -> MockResponse:
    media_type = response.headers.get("content-type", "").split(";")[0]
    headers: dict[str, Any] = dict(response.headers)
    return MockResponse(response.content, response.status_code, headers, media_type)


class Validating(httpx.AsyncBaseTransport):
    """Wraps another transport."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        response = await self.inner.handle_async_request(request)
        await response.aread()
        check(request, response)
        return response
