"""The executor plane as an app of its own, and the pieces to mount it beside another plane.

services = make_services(store, object_store, settings)
app = FastAPI(lifespan=..., docs_url=None, redoc_url=None, openapi_url=None)
app.include_router(operator_router)
install_executor_plane(app, services)      # its routes
install_edge(app)                          # body limit, problems, Contract-Version, Deprecation: last
async with services.ready.running(): ...   # in the lifespan; close() it when the process is told to stop
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contract._calls import PREFIX
from contract.server.deprecations import Deprecations, Marked, read_marked
from contract.server.limits import EXECUTOR_LIMITS, BodyLimit
from contract.server.object_store import ObjectStore
from contract.server.problems import install_problem_handlers
from contract.server.ready import ReadyBroker
from contract.server.routes import router
from contract.server.services import Services, hang_on
from contract.server.settings import ServerSettings
from contract.versions import BY_NAME, NEWEST
from ops_schema.store import Store

DEPRECATED = read_marked(BY_NAME[NEWEST].document)


class ContractVersion:
    """ASGI middleware: every answer of the executor plane, errors too, names the contract version."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(f"{PREFIX}/"):
            await self.app(scope, receive, send)
            return

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"contract-version", NEWEST.encode())]
            await send(message)

        await self.app(scope, receive, named)


def make_services(store: Store, object_store: ObjectStore, settings: ServerSettings) -> Services:
    """The services of one process, with its one listener (not yet running)."""
    return Services(store, object_store, ReadyBroker(store), settings.claim_poll)


def install_executor_plane(app: FastAPI, services: Services) -> None:
    """Add the executor plane's routes and their services to an app."""
    hang_on(app, services)
    app.include_router(router)


def install_edge(
    app: FastAPI, deprecated: Marked = DEPRECATED, limits: Mapping[str, int] = MappingProxyType({})
) -> None:
    """What every request passes on its way in and out. Middleware added before this stays inside of it.

    deprecated: the operations that say so, those of the authored document. limits: bytes of a body by regular
    expression of the path, beside those of the executor plane.
    """
    app.router.redirect_slashes = False  # a path that is not in the contract is not there
    app.add_middleware(BodyLimit, overrides={**EXECUTOR_LIMITS, **limits})
    install_problem_handlers(app)
    app.add_middleware(ContractVersion)
    if deprecated:
        app.add_middleware(Deprecations, found=deprecated)


def create_executor_app(
    store: Store, object_store: ObjectStore, settings: ServerSettings, deprecated: Marked = DEPRECATED
) -> FastAPI:
    """The executor plane alone. The store is opened and closed by the caller."""
    services = make_services(store, object_store, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        end = store.on_ready(services.teller.tell)
        try:
            async with services.ready.running():
                yield
        finally:
            end()

    app = FastAPI(title="Lakehouse Control Room", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    install_executor_plane(app, services)
    install_edge(app, deprecated)
    return app
