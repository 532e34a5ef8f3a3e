"""Routes of the verbs that executors call all day.

The framework's solving of dependencies takes several times what such a verb takes itself, so these are plain routes of
the same app: the same authentication, the same reading of the body, the same handlers of errors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contract.server.auth import authenticate, require_executor
from contract.server.services import Services, services_of
from contract.server.strict_json import invalid, read_json
from ops_schema.store import Principal

JsonObject = dict[str, Any]
IDS: TypeAdapter[UUID] = TypeAdapter(UUID)
Verb = Callable[[Services, Request, Principal, UUID, JsonObject], Awaitable[str]]


def hot_route(path: str, name: str, model: Any, verb: Verb) -> Route:
    """The route of an operation whose path holds one id, whose body is a `model` and whose answer is JSON text.

    Authentication stands before everything else. Raises ContractError, OpsError, StoreUnavailable to the app.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(model)

    async def endpoint(request: Request) -> Response:
        services = await services_of(request)
        caller = await authenticate(services.principals, request.headers.get("authorization"))
        require_executor(caller)
        body = await read_json(request, adapter)
        text = await verb(services, request, caller, path_id(request), body)
        return Response(text, media_type="application/json")

    return Route(path, endpoint, methods=["POST"], name=name, include_in_schema=False)


def path_id(request: Request) -> UUID:
    """The one id in the path. Raises invalid_request."""
    ((name, value),) = request.path_params.items()
    try:
        return IDS.validate_python(value)  # as the framework does on all other routes; UUID() reads more
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"]
        raise invalid([{"path": f"path.{name}", "message": message[:200]}]) from None
