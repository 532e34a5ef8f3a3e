"""What the routes of the executor plane work with; one per process, hung on the app."""

from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import FastAPI
from starlette.requests import Request

from contract.server.exchanger import Exchanger
from contract.server.object_store import ObjectStore
from contract.server.principals import Principals
from contract.server.profiles import Profiles
from contract.server.ready import ReadyBroker
from contract.server.teller import ReadyTeller
from contract.server.verifying import Verifier
from ops_schema.store import Store


@dataclass(frozen=True)
class Services:
    """store: the database; object_store: bytes; ready: who wakes waiting claims; claim_poll: the fallback's pause;
    teller: tells what became claimable; exchanger: carries reports and claims together; principals: who calls;
    profiles: what executors can have; verifier: reads objects whose digest the store does not know."""

    store: Store
    object_store: ObjectStore
    ready: ReadyBroker
    claim_poll: timedelta = timedelta(seconds=2)
    teller: ReadyTeller = field(init=False)
    exchanger: Exchanger = field(init=False)
    principals: Principals = field(init=False)
    profiles: Profiles = field(init=False)
    verifier: Verifier = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "principals", Principals(self.store))
        object.__setattr__(self, "teller", ReadyTeller(self.store, self.ready))
        object.__setattr__(self, "exchanger", Exchanger(self.store, self.ready.wake_in, self.teller.tell))
        object.__setattr__(self, "profiles", Profiles(self.store))
        object.__setattr__(self, "verifier", Verifier(self.object_store))


def hang_on(app: FastAPI, services: Services) -> None:
    """Give an app its services."""
    app.state.executor_plane = services


async def services_of(request: Request) -> Services:
    """The services of the app that serves a request. Async, since FastAPI gives a sync dependency a thread."""
    found = request.app.state.executor_plane
    assert isinstance(found, Services)
    return found
