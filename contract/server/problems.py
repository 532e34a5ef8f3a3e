"""Every error leaves the server as an RFC 9457 problem: by the table of contract.errors, never as a traceback."""

import json
import logging
from typing import TypeVar
from uuid import uuid4

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contract.errors import PROBLEM_MEDIA_TYPE, ContractError, from_sqlstate, make
from contract.server.strict_json import invalid
from ops_schema.errors import OpsError, StoreUnavailable

E = TypeVar("E", bound=Exception)
log = logging.getLogger("contract.server")
RETRY_AFTER_SECONDS = 2
DISK_FULL = "53100"  # of PostgreSQL


def problem_response(error: ContractError) -> Response:
    """The HTTP response of an error."""
    headers: dict[str, str] = {}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.status == 503:
        headers["retry-after"] = str(int(error.retry_after or RETRY_AFTER_SECONDS))
    body = json.dumps(error.problem(), ensure_ascii=False, default=str).encode("utf-8", "replace")
    return Response(body, error.status, headers, PROBLEM_MEDIA_TYPE)


def from_ops_error(error: OpsError) -> ContractError:
    """A refusal of the database, by the table; one that the table does not hold is a defect of ours."""
    known = from_sqlstate(error.sqlstate, error.message, error.members, error.hint)
    return known or internal(error)


def from_store_unavailable(error: StoreUnavailable) -> ContractError:
    """The database is away, or has no room to write. Its own words stay in the log: they may name hosts."""
    if getattr(error.__cause__, "sqlstate", None) == DISK_FULL:
        hint = "free space on the disk of the database's data folder, then send the same request again"
        return make("database_unavailable", "the database cannot write: its disk is full", hint=hint)
    return make("database_unavailable", "the database does not answer", hint="send the same request again")


def internal(error: BaseException, what: str = "") -> ContractError:
    """The 500 of a defect; the log holds the request id and the traceback, the answer only the id."""
    request_id = uuid4().hex
    log.error("action=request_failed request_id=%s %s", request_id, what, exc_info=error)
    detail = f"the server met an error it did not expect; its log holds request {request_id}"
    return make("internal", detail, request_id=request_id)


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of `app` a problem. Call it once on each FastAPI app, after its other middleware was added."""

    def contract_error(_: Request, error: Exception) -> Response:
        return problem_response(_expect(error, ContractError))

    def ops_error(_: Request, error: Exception) -> Response:
        return problem_response(from_ops_error(_expect(error, OpsError)))

    def store_unavailable(request: Request, error: Exception) -> Response:
        log.warning("action=database_unavailable path=%s %s", request.url.path, error)
        return problem_response(from_store_unavailable(_expect(error, StoreUnavailable)))

    def bad_parameters(_: Request, error: Exception) -> Response:
        return problem_response(_from_request_validation(_expect(error, RequestValidationError)))

    def http_exception(request: Request, error: Exception) -> Response:
        return _from_http_exception(request, _expect(error, HTTPException))

    app.add_exception_handler(ContractError, contract_error)
    app.add_exception_handler(OpsError, ops_error)
    app.add_exception_handler(StoreUnavailable, store_unavailable)
    app.add_exception_handler(RequestValidationError, bad_parameters)
    app.add_exception_handler(HTTPException, http_exception)
    app.add_middleware(LastResort)


def _expect(error: Exception, kind: type[E]) -> E:
    assert isinstance(error, kind)
    return error


def _from_request_validation(error: RequestValidationError) -> ContractError:
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return make("malformed_json", "the body is not JSON")
    return invalid([{"path": ".".join(map(str, one["loc"])), "message": str(one["msg"])[:200]} for one in found])


def _from_http_exception(request: Request, error: HTTPException) -> Response:
    if isinstance(error.__cause__, ContractError):  # FastAPI hides what goes wrong while it reads a body
        return problem_response(error.__cause__)
    response = problem_response(_by_status(request, error))
    response.headers.update(error.headers or {})
    return response


def _by_status(request: Request, error: HTTPException) -> ContractError:
    path = request.url.path
    if error.status_code == 404:
        return make("not_found", f"there is nothing at {path}", hint="the contract lists the paths")
    if error.status_code == 405:
        return make("method_not_allowed", f"{request.method} is not possible at {path}")
    if error.status_code == 400:
        return make("malformed_json", "the request cannot be read")
    return internal(error, f"method={request.method} path={path}")


class LastResort:
    """ASGI middleware: what nobody caught becomes a 500 problem, unless the answer is on its way already."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except ClientDisconnect:
            log.info("action=client_gone method=%s path=%s", scope["method"], scope["path"])
        except Exception as error:
            response = problem_response(internal(error, f"method={scope['method']} path={scope['path']}"))
            if started:  # nothing can be taken back; the server closes the connection
                raise
            await response(scope, receive, send)
