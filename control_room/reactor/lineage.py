"""Lineage, by an outbox: made of the events of runs, stored, and sent in their order, at least once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from control_room.reactor.clock import Clock
from control_room.reactor.duty import pause_after_failures

log = logging.getLogger("control_room.reactor")
PAGE = 200
BATCH = 100
TIMEOUT_SECONDS = 10.0
LONGEST_PAUSE = 300.0
# Answers after which the same event may be taken later; all other refusals are for good.
PASSING = frozenset({401, 403, 404, 408, 425, 429})

Json = dict[str, Any]


class Outbox(Protocol):
    """Where lineage is on record."""

    async def lineage_facts(self, limit: int = 200) -> Json: ...
    async def record_lineage(self, body: Json) -> bool: ...
    async def pending_lineage(self, limit: int = 100) -> list[Json]: ...
    async def settle_lineage(self, lineage_id: int, error: str | None) -> None: ...


@dataclass(frozen=True)
class Endpoint:
    """Who is told: an address that takes OpenLineage events by POST, and the file of its bearer token."""

    url: str
    token_file: Path | None = None

    def headers(self) -> dict[str, str]:
        """Read anew each time, so that a rotated token takes effect."""
        if self.token_file is None:
            return {}
        return {"Authorization": f"Bearer {self.token_file.read_text('utf-8').strip()}"}


class Lineage:
    """``make`` and ``send`` are duties: each does one round and says whether there is more to do at once."""

    def __init__(
        self,
        store: Outbox,
        clock: Clock,
        namespace: str,
        endpoint: Endpoint | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._store, self._clock, self._namespace, self._endpoint = store, clock, namespace, endpoint
        self._transport = transport
        self._failures, self._not_before = 0, float("-inf")

    async def make(self) -> bool:
        """Store the lineage of one page of events."""
        page = await self._store.lineage_facts(PAGE)
        if page["next"] == page["cursor"]:
            return False
        events = [made for fact in page["items"] if (made := self._made(fact)) is not None]
        body = {"cursor": page["cursor"], "next": page["next"], "events": events, "keep": self._endpoint is None}
        await self._store.record_lineage(body)
        return True

    def _made(self, fact: Mapping[str, Any]) -> Json | None:
        """None, told in the log, for a fact of which no event can be made: it must not hold up all others."""
        from control_room.reactor.lineage_events import event_of  # takes a third of a second to load

        try:
            return event_of(fact, self._namespace)
        except Exception:
            log.exception("action=lineage run_id=%s seq=%s no event can be made of it", fact["run_id"], fact["seq"])
            return None

    async def send(self) -> bool:
        """Send what is pending, in order; stops at the first that cannot be sent now."""
        if self._endpoint is None or self._clock.monotonic() < self._not_before:
            return False
        pending = await self._store.pending_lineage(BATCH)
        if not pending:
            return False
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, transport=self._transport) as client:
            for event in pending:
                try:
                    refused = await self._told(client, event["body"], self._endpoint)
                except (httpx.HTTPError, OSError) as error:
                    self._later(f"{type(error).__name__}: {error}")
                    return False
                await self._store.settle_lineage(event["lineage_id"], refused)
                if refused:
                    log.warning("action=lineage run_id=%s refused for good: %s", event["run_id"], refused)
        self._failures = 0
        return len(pending) == BATCH

    async def _told(self, client: httpx.AsyncClient, body: Json, endpoint: Endpoint) -> str | None:
        """None when it was taken, why it is refused for good. Raises what may pass."""
        answer = await client.post(endpoint.url, json=body, headers=endpoint.headers())
        if answer.is_success:
            return None
        told = f"{answer.status_code}: {answer.text[:500]}"
        if answer.status_code in PASSING or answer.is_server_error:
            raise httpx.HTTPError(told)
        return told

    def _later(self, reason: str) -> None:
        self._failures += 1
        pause = pause_after_failures(self._failures, 1.0, LONGEST_PAUSE)
        self._not_before = self._clock.monotonic() + pause
        log.warning("action=lineage not sent, next try in %.0f s: %s", pause, reason)
