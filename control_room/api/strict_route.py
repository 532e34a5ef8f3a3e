"""Routes that read bodies strictly and name each wrong place: JSON Pointer in the body, or the parameter's name."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, APIRouter
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from contract.errors import ContractError
from contract.server.strict_json import invalid, pointer_into, read_json
from control_room.api.access import identify

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
_NOTHING_TAKES_THIS = b"!"
_MAX_MESSAGE = 200
OPEN = frozenset({"createSession"})
# Sent many times a second, and its verb looks at the token again, inside its transaction.
REMEMBERED = frozenset({"submitRun"})
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def as_errors(found: Sequence[Any], body: Any) -> list[dict[str, str]]:
    """[{path, message}] of FastAPI's validation errors; values are never echoed."""
    return [{"path": _path(tuple(one["loc"]), body), "message": str(one["msg"])[:_MAX_MESSAGE]} for one in found]


def _path(loc: tuple[int | str, ...], body: Any) -> str:
    if loc and loc[0] == "body":
        return pointer_into(loc[1:], body)
    return str(loc[1] if len(loc) > 1 else loc[0])


async def _read(request: Request) -> ContractError | None:
    """Read the body into where Starlette keeps what it has parsed, so that FastAPI finds it there.

    A body that cannot be read is answered with its error later, by which time the caller is known to be allowed; until
    then a value stands in that no model takes.
    """
    try:
        if await request.body():
            request._json = await read_json(request, _ANYTHING)
    except ContractError as error:
        request._body = request._json = _NOTHING_TAKES_THIS
        return error
    return None


class StrictRoute(APIRoute):
    """An APIRoute whose body is strict JSON: UTF-8, no doubled keys, no NaN, nothing that cannot be stored.

    Nobody's body is read: only that of a caller who is known, but for the route that lets callers in.
    """

    def get_route_handler(self) -> Handler:
        """The handler, with the body read before FastAPI does."""
        handle = super().get_route_handler()
        has_body = self.body_field is not None
        is_open = self.operation_id in OPEN
        remembered = self.operation_id in REMEMBERED

        async def strict(request: Request) -> Response:
            if has_body and not is_open:
                await identify(request, remembered)
            refused = await _read(request) if has_body else None
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise refused or invalid(as_errors(error.errors(), error.body)) from None

        return strict


class StrictRouter(APIRouter):
    """An APIRouter of strict routes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=StrictRoute, **options)
