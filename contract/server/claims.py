"""The long poll of claimRuns: look, wait to be woken, look again, until there are runs or the time is over."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from starlette.requests import ClientDisconnect, Request

from contract.server.profiles import NO_PROFILE
from contract.server.services import Services
from ops_schema.store import Principal

JsonObject = dict[str, Any]
log = logging.getLogger("contract.server")
RARELY = 5
NO_RUNS = '{"runs": []'


async def claim(
    services: Services,
    request: Request,
    caller: Principal,
    executor_id: UUID,
    body: JsonObject,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """The ClaimResponse as JSON text. Raises ClientDisconnect when the client has gone: nothing is claimed for it then.

    A claim made in the instant before is not lost: its request_id gets the same runs again.
    """
    end = clock() + float(body.get("wait_seconds", 0))
    profile = await services.profiles.find(caller, executor_id) if end > clock() else NO_PROFILE
    gone: asyncio.Task[None] | None = None
    try:
        with services.ready.waiting(profile.kind, (profile.filter, *(body.get("queues") or ()))) as waiter:
            while True:
                waiter.event.clear()
                answer = await services.exchanger.claim(caller, executor_id, body)
                left = end - clock()
                if not answer.text.startswith(NO_RUNS) or left <= 0 or services.ready.closing:
                    return answer.text
                services.ready.looked(waiter, answer.barren)
                gone = gone or asyncio.create_task(_disconnected(request))
                await _wait(waiter.event, gone, min(left, _pause(services)))
    finally:
        if gone is not None:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone


def _pause(services: Services) -> float:
    # Spread, so that many waiting executors do not look in step; rarely, while notifications come.
    rarely = RARELY if services.ready.listening else 1
    return rarely * services.claim_poll.total_seconds() * random.uniform(0.75, 1.0)  # noqa: S311 - keeps no secret


async def _wait(woken: asyncio.Event, gone: asyncio.Task[None], seconds: float) -> None:
    waiting = asyncio.create_task(woken.wait())
    try:
        await asyncio.wait({waiting, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if gone.done():
        raise ClientDisconnect


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
