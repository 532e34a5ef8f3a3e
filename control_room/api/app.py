"""The server: executor plane, operator plane, event stream and dashboard in one application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.routing import Match, Route
from starlette.types import Scope

from contract.server.app import install_edge, install_executor_plane, make_services
from contract.server.object_store import ObjectStore
from contract.server.services import Services
from contract.server.settings import ServerSettings
from contract.tasks import end
from control_room.api.access_log import AccessLog
from control_room.api.context import Context
from control_room.api.dashboard import Dashboard
from control_room.api.events_hub import EventHub
from control_room.api.headers import SecurityHeaders
from control_room.api.router import operator_router
from control_room.api.submitter import Submitter
from control_room.reactor.lineage import Endpoint
from control_room.reactor.reactor import Orders, react
from ops_schema.store import PostgresStore, Store

log = logging.getLogger("control_room.api")
BUILT_DASHBOARD = Path(__file__).parents[1] / "web_dist"
_PLANES = ("/api/", "/executor/")
# Anybody may send a login.
LIMITS = {r"/api/v1/auth/[^/]+": 8 << 10}


def create_app(
    settings: ServerSettings,
    store: Store | None = None,
    object_store: ObjectStore | None = None,
    *,
    reactor: bool = True,
) -> FastAPI:
    """The whole server.

    store, object_store: those of the settings when left out; a store given is opened and closed by its giver. reactor:
    whether this process takes part in the reactor's duties. The database may be away at start: requests get 503 until
    it comes.
    """
    own_store = PostgresStore(min_size=3, warm_up=True) if store is None else None
    door: Store = own_store if own_store is not None else store  # type: ignore[assignment]
    objects = object_store or ObjectStore.from_settings(settings)
    services = make_services(door, objects, settings)
    dashboard = Dashboard(settings.web_dir or BUILT_DASHBOARD)
    submitter = Submitter(door, services.teller.tell, services.ready.wake_in)
    ctx = Context(settings, door, objects, EventHub(door), dashboard, submitter, services.principals)
    reacting = partial(react, door, objects, orders_of(settings))
    duties: list[Callable[[], Coroutine[Any, Any, None]]] = [ctx.hub.run, *([reacting] if reactor else [])]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if own_store is not None:
                await stack.enter_async_context(own_store)
            stack.callback(door.on_events(ctx.hub.wake))
            stack.callback(door.on_ready(services.teller.tell))
            await stack.enter_async_context(services.ready.running())
            await stack.enter_async_context(_running(duties))
            log.info("action=started pages=%d", ctx.dashboard.warm())
            stack.callback(stop_waiting, app)
            yield

    app = FastAPI(title="Lakehouse Control Room", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.context = ctx
    _compose(app, services, ctx)
    return app


def orders_of(settings: ServerSettings) -> Orders:
    """How the reactor of this process does its duties."""
    told = Endpoint(settings.lineage_url, settings.lineage_token_file) if settings.lineage_url else None
    return Orders(
        settings.connections_file, settings.commits_at_once, told, settings.lineage_namespace, settings.signing_key_file
    )


def _compose(app: FastAPI, services: Services, ctx: Context) -> None:
    app.add_api_route("/healthz", healthz, include_in_schema=False)
    install_executor_plane(app, services)
    app.include_router(operator_router())
    app.router.routes.append(PageRoute("/{path:path}", pages, methods=["GET", "HEAD"]))
    install_edge(app, limits=LIMITS)
    app.add_middleware(AccessLog)
    app.add_middleware(SecurityHeaders, https=ctx.settings.public_url.startswith("https://"))


class PageRoute(Route):
    """The route of all pages. It takes nothing below the planes: what is missing there is a problem, not a page, and a
    wrong method there is 405."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route, but never for a path of a plane."""
        if scope["type"] == "http" and f"{scope['path']}/".startswith(_PLANES):
            return Match.NONE, {}
        return super().matches(scope)


def stop_waiting(app: FastAPI) -> None:
    """Let every long poll and event stream end now: the process is about to stop."""
    ctx: Context = app.state.context
    ctx.hub.close()
    services: Services = app.state.executor_plane
    services.ready.close()


async def healthz() -> Response:
    """Liveness, and nothing else: no secret, no version, no word of the database."""
    return PlainTextResponse("ok")


async def pages(request: Request) -> Response:
    """The dashboard, for every path that no plane has."""
    ctx: Context = request.app.state.context
    return ctx.dashboard.answer(request)


@asynccontextmanager
async def _running(duties: list[Callable[[], Coroutine[Any, Any, None]]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(duty()) for duty in duties]
    try:
        yield
    finally:
        await end(tasks)
