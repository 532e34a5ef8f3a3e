"""What the routes work with, held by the application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

from contract.server.object_store import ObjectStore
from contract.server.principals import Principals
from contract.server.settings import ServerSettings
from control_room.api.dashboard import Dashboard
from control_room.api.submitter import Submitter
from ops_schema.store import Store

if TYPE_CHECKING:
    from control_room.api.events_hub import EventHub


@dataclass(frozen=True)
class Context:
    """One per application."""

    settings: ServerSettings
    store: Store
    objects: ObjectStore
    hub: EventHub
    dashboard: Dashboard
    submitter: Submitter
    principals: Principals


async def context(request: Request) -> Context:
    """The application's context, as a dependency. Async, since FastAPI gives a sync dependency a thread."""
    return context_of(request)


def context_of(request: Request) -> Context:
    """The context of the application that serves a request."""
    found: Context = request.app.state.context
    return found
