"""Who calls: a bearer token, known to the database by its sha256 alone."""

import hashlib
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from contract.errors import make
from contract.server.principals import Principals
from contract.server.services import services_of
from ops_schema.store import Principal

MAX_TOKEN = 512
_HINT = "send Authorization: Bearer <token>"


async def authenticate(principals: Principals, authorization: str | None) -> Principal:
    """The principal of an Authorization header. Raises unauthenticated, never naming the token."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if authorization is None or scheme.lower() != "bearer" or not 0 < len(token) <= MAX_TOKEN:
        raise make("unauthenticated", "no bearer token came with the request", hint=_HINT)
    principal = await principals.find(hashlib.sha256(token.encode("utf-8", "replace")).digest())
    if principal is None:
        raise make("unauthenticated", "the token is unknown, expired or revoked", hint=_HINT)
    return principal


async def bearer_principal(request: Request) -> Principal:
    """FastAPI dependency: the caller by bearer token, of whatever role."""
    services = await services_of(request)
    return await authenticate(services.principals, request.headers.get("authorization"))


def require_executor(principal: Principal) -> None:
    """Raises forbidden for every role but executor."""
    if principal.role != "executor":
        detail = f"a token of role {principal.role} does not open the executor plane"
        raise make("forbidden", detail, hint="use a token of role executor")


async def executor_principal(principal: Annotated[Principal, Depends(bearer_principal)]) -> Principal:
    """FastAPI dependency: a caller of role executor; every other role is refused on this plane."""
    require_executor(principal)
    return principal


Executor = Annotated[Principal, Depends(executor_principal)]
