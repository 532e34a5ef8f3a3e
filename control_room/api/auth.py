"""Logging in: an operator's token makes a one-time code, the code makes a session, the session lives in a cookie."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response

from control_room.api import models
from control_room.api.access import (
    Caller,
    Operator,
    Reader,
    check_origin,
    cookie_name,
    new_secret,
    sha256_of,
)
from control_room.api.context import Context, context
from control_room.api.documented import reading, writing
from control_room.api.strict_route import StrictRouter

router = StrictRouter(prefix="/auth", tags=["auth"])
Ctx = Annotated[Context, Depends(context)]


@router.post("/login-codes", operation_id="createLoginCode", status_code=201, responses=reading())
async def create_login_code(ctx: Ctx, caller: Operator) -> models.LoginCode:
    """A link that opens the dashboard once."""
    code = new_secret()
    made = await ctx.store.create_login_code(caller.principal, sha256_of(code))
    # In the fragment: browsers keep it to themselves, so it reaches no request line, log or referrer.
    url = f"{ctx.settings.public_url.rstrip('/')}/login/#code={code}"
    return models.LoginCode(code=code, expires_at=made["expires_at"], url=url)


@router.post("/sessions", operation_id="createSession", responses=writing())
async def create_session(ctx: Ctx, request: Request, response: Response, body: models.OpenSession) -> models.Session:
    """Exchange a login code for the session cookie. A code works once."""
    if "origin" in request.headers or "sec-fetch-site" in request.headers:
        check_origin(request, ctx.settings.public_url)
    cookie = new_secret()
    made = await ctx.store.redeem_login_code(sha256_of(body.code), sha256_of(cookie))
    session = models.Session(
        via="session", **{name: made[name] for name in ("name", "role", "workspaces", "expires_at")}
    )
    _set_cookie(response, ctx, cookie, session)
    return session


def _set_cookie(response: Response, ctx: Context, cookie: str, session: models.Session) -> None:
    response.set_cookie(
        cookie_name(ctx.settings.public_url),
        cookie,
        expires=session.expires_at,
        path="/",
        httponly=True,
        samesite="strict",
        secure=is_https(ctx),
    )


def is_https(ctx: Context) -> bool:
    """Whether browsers reach the server by https."""
    return ctx.settings.public_url.lower().startswith("https://")


@router.delete("/sessions", operation_id="endSession", status_code=204, responses=reading())
async def end_session(ctx: Ctx, request: Request, caller: Reader) -> Response:
    """Log out: the session ends, and with it its event streams."""
    if caller.session is not None:
        check_origin(request, ctx.settings.public_url)
        await ctx.store.end_session(caller.session)
        ctx.hub.close_session(caller.session)
    gone = Response(status_code=204)
    name = cookie_name(ctx.settings.public_url)
    gone.delete_cookie(name, path="/", httponly=True, samesite="strict", secure=is_https(ctx))
    return gone


@router.get("/me", operation_id="getMe", responses=reading())
async def me(caller: Reader) -> models.Me:
    """Who the caller is."""
    return _me(caller)


def _me(caller: Caller) -> models.Me:
    principal = caller.principal
    workspaces = None if principal.workspaces is None else list(principal.workspaces)
    return models.Me.model_validate(
        {"name": principal.name, "role": principal.role, "workspaces": workspaces, "via": caller.via}
    )
