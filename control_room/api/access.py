"""Who may do what on the operator plane: a bearer token, or the session cookie of the dashboard.

A token of role `operator` may do everything, one of role `viewer` may read, one of role `executor` nothing here.
A cookie is sent by the browser on its own, so a change by cookie must come from the dashboard's own origin.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from contract.errors import Forbidden, Unauthenticated
from control_room.api.context import Context, context, context_of
from ops_schema.store import Principal

COOKIE_PREFIX = "ops_session_"
DEFAULT_PORTS = {"http": 80, "https": 443}
_READERS = frozenset({"operator", "viewer"})
_HOW = "Send 'Authorization: Bearer <operator token>', or open the link that `control-room login` prints."

# Only for the exported OpenAPI document: credentials() below reads the headers itself, to tell apart what is wrong.
_bearer = HTTPBearer(auto_error=False, scheme_name="operatorToken", description="A token of role operator or viewer.")
_cookie = APIKeyCookie(
    name=COOKIE_PREFIX + "{port}",
    auto_error=False,
    scheme_name="session",
    description="The dashboard's session; the port is that of the server's public URL.",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller; session is the sha256 of the cookie's value when it came by cookie, else token that of
    the bearer token."""

    principal: Principal
    session: bytes | None = None
    token: bytes = b""

    @property
    def via(self) -> Literal["token", "session"]:
        return "token" if self.session is None else "session"


def cookie_name(public_url: str) -> str:
    """The session cookie of one control room: browsers share cookies between the ports of a host."""
    parts = urlsplit(public_url)
    return f"{COOKIE_PREFIX}{parts.port or DEFAULT_PORTS.get(parts.scheme.lower(), 80)}"


def sha256_of(secret: str) -> bytes:
    """What the database knows of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def new_secret() -> str:
    """256 bits of chance, safe in a cookie or a URL's fragment."""
    return secrets.token_urlsafe(32)


def origin_of(url: str) -> str:
    """scheme://host[:port] of a URL, lower case."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def origin_allowed(headers: Mapping[str, str], own: frozenset[str]) -> bool:
    """Whether a request comes from a page of ours: Origin decides; without one, the browser's own word."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.lower() in own
    return headers.get("sec-fetch-site") == "same-origin"


def own_origins(request: Request, public_url: str) -> frozenset[str]:
    """The public URL's origin; on this machine alone, also the loopback address this very request was sent to.

    The Host header is the caller's word. It counts only where it cannot name anything but this machine: so that
    localhost and 127.0.0.1 are both good for a stack that is known as one of them.
    """
    own = {origin_of(public_url)}
    here = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if is_loopback(public_url) and is_loopback(here):
        own.add(origin_of(here))
    return frozenset(own)


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine: localhost, 127.0.0.0/8 or ::1."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_origin(request: Request, public_url: str) -> None:
    """Raises origin_refused unless the request comes from a page of ours."""
    own = own_origins(request, public_url)
    if not origin_allowed(request.headers, own):
        came = request.headers.get("origin", "no Origin")
        raise Forbidden(
            f"a change by session cookie must come from the dashboard; this one came from {came}",
            code="origin_refused",
            hint=f"Open the dashboard at {public_url}, or use a bearer token.",
        )


async def caller(
    request: Request,
    _token: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    _session: Annotated[str | None, Depends(_cookie)],
) -> Caller:
    """Who calls. Raises unauthenticated."""
    return await identify(request)


async def identify(request: Request, remembered: bool = False) -> Caller:
    """Who sent a request, by token if there is one, else by cookie; looked up once. Raises unauthenticated.

    remembered: a token that was known a moment ago will do, since the verb itself looks at it again.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is None:
        known = request.state.caller = await _look_up(request, context_of(request), remembered)
    return known


async def _look_up(request: Request, ctx: Context, remembered: bool) -> Caller:
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return await _by_token(ctx, authorization, remembered)
    cookie = request.cookies.get(cookie_name(ctx.settings.public_url))
    if cookie:
        return await by_cookie(ctx, cookie)
    raise Unauthenticated("neither a token nor a session came with the request", hint=_HOW)


async def _by_token(ctx: Context, authorization: str, remembered: bool) -> Caller:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("the Authorization header is not of the form 'Bearer <token>'", hint=_HOW)
    digest = sha256_of(token.strip())
    principal = await (ctx.principals.find(digest) if remembered else ctx.store.authenticate(digest))
    if principal is None:
        raise Unauthenticated("the token is unknown, expired or revoked", hint=_HOW)
    return Caller(principal, token=digest)


async def by_cookie(ctx: Context, cookie: str) -> Caller:
    """The caller of a session. Raises unauthenticated."""
    digest = sha256_of(cookie)
    principal = await ctx.store.session(digest)
    if principal is None:
        raise Unauthenticated("the session is over", hint="Open a new link from `control-room login`.")
    return Caller(principal, digest)


async def reader(found: Annotated[Caller, Depends(caller)]) -> Caller:
    """A caller who may read."""
    if found.principal.role not in _READERS:
        raise Forbidden(
            f"a token of role {found.principal.role} does not open the operator plane",
            hint="Use a token of role operator, or viewer to read.",
        )
    return found


async def operator(
    request: Request, ctx: Annotated[Context, Depends(context)], found: Annotated[Caller, Depends(reader)]
) -> Caller:
    """A caller who may change things, from a page of ours when by cookie."""
    if found.session is not None:
        check_origin(request, ctx.settings.public_url)
    if found.principal.role != "operator":
        raise Forbidden(f"a token of role {found.principal.role} may only read", hint="Use a token of role operator.")
    return found


Reader = Annotated[Caller, Depends(reader)]
Operator = Annotated[Caller, Depends(operator)]
