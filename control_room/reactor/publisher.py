"""Finishes publications whose executor died after its report.

The commit itself runs in a process of its own (`python -m executors.runtime.commit`): the engine's libraries stay out
of the server, and a hang or a crash of theirs costs one attempt. The marker in the table makes a second one harmless.

Several are committed side by side, and new ones begun while one takes long. What only an operator can mend (a
connection that is not complete, a package that is not there) is tried again, with a line in the log each time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from contract.tasks import end
from control_room.reactor.clock import Clock
from control_room.reactor.commit_process import CommitError, CommitProcess
from control_room.reactor.connections import ConnectionsError, connection_for, read_connections
from control_room.reactor.duty import pause_after_failures
from ops_schema.errors import OpsError, StoreUnavailable

log = logging.getLogger("control_room.reactor")
BATCH = 20
AT_ONCE = 4
LOOK_SECONDS = 2.0
LONGEST_RETRY_PAUSE = 300.0

Json = dict[str, Any]
Key = tuple[str, str]


class Publications(Protocol):
    """Where publications are on record."""

    async def pending_publications(self, limit: int = 10, skip: Iterable[Key] = ()) -> list[Json]: ...
    async def commit_publication_as_reactor(self, run_id: str, output: str, body: Json) -> Json: ...


@dataclass
class RetryLater:
    """When to try again what failed; forgets what is no longer pending. Times are monotonic seconds."""

    _failures: dict[Key, int] = field(default_factory=dict)
    _not_before: dict[Key, float] = field(default_factory=dict)

    def failed(self, key: Key, now: float) -> float:
        """Note a failure; returns the seconds until the next try."""
        self._failures[key] = self._failures.get(key, 0) + 1
        pause = pause_after_failures(self._failures[key], 1.0, LONGEST_RETRY_PAUSE)
        self._not_before[key] = now + pause
        return pause

    def held(self, now: float) -> set[Key]:
        """Those that are not due yet."""
        return {key for key, moment in self._not_before.items() if moment > now}

    def keep(self, keys: set[Key]) -> None:
        """Forget every key but these."""
        for key in set(self._failures) - keys:
            del self._failures[key], self._not_before[key]


def key_of(publication: Mapping[str, Any]) -> Key:
    """What names a publication: its run and its output."""
    return str(publication["run_id"]), str(publication["output"])


def settlement(publication: Mapping[str, Any], answer: Mapping[str, Any]) -> Json:
    """The body that records a commit that went through; `location`: where an Iceberg table's files lie."""
    body = {
        "epoch": publication["epoch"],
        "state": "committed",
        "table_version": answer["table_version"],
        "rows": publication.get("rows") or 0,
    }
    return body | ({"location": answer["location"]} if answer.get("location") else {})


def refusal(publication: Mapping[str, Any], error: CommitError) -> Json:
    """The body that records a commit that can never go through."""
    told = {"class": error.error_class, "code": error.code, "message": str(error)}
    return {"epoch": publication["epoch"], "state": "failed", "error": told}


class Publisher:
    """The duty. connections_file: where the lakehouse's connection is, read anew for each commit; at_once: how many
    are committed side by side."""

    def __init__(
        self,
        store: Publications,
        connections_file: Path | None,
        clock: Clock,
        process: CommitProcess | None = None,
        at_once: int = AT_ONCE,
    ) -> None:
        self._store, self._file, self._clock = store, connections_file, clock
        self._process = process or CommitProcess()
        self._at_once = at_once
        self._later = RetryLater()

    async def publish(self) -> bool:
        """Try each pending publication whose time has come, and those that come meanwhile. False: no more at once."""
        running: dict[Key, asyncio.Task[None]] = {}
        try:
            await self._begin(running)
            while running:
                await asyncio.wait(running.values(), timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                for key in [key for key, task in running.items() if task.done()]:
                    running.pop(key).result()
                await self._begin_more(running)
        finally:
            await end(running.values())
        return False

    async def _begin_more(self, running: dict[Key, asyncio.Task[None]]) -> None:
        """A database that is away ends no commit that is under way."""
        try:
            await self._begin(running)
        except StoreUnavailable as error:
            log.warning("action=publish the database is away: %s", error)

    async def _begin(self, running: dict[Key, asyncio.Task[None]]) -> None:
        """Begin the oldest that are due, as far as there is room. Those that wait or run hide no later ones."""
        if len(running) >= self._at_once:
            return
        known = self._later.held(self._clock.monotonic()) | running.keys()
        pending = {key_of(each): each for each in await self._store.pending_publications(BATCH, known)}
        if len(pending) < BATCH:
            self._later.keep(known | pending.keys())
        for key in list(pending)[: self._at_once - len(running)]:
            running[key] = asyncio.create_task(self._try(pending[key]), name=f"publish-{key[0]}")

    async def _try(self, publication: Json) -> None:
        key = key_of(publication)
        try:
            await self._commit(publication)
        except Exception as error:  # one that fails ends no other that is under way
            pause = self._later.failed(key, self._clock.monotonic())
            expected = isinstance(error, CommitError | ConnectionsError | OpsError | StoreUnavailable)
            log.warning(
                "action=publish run_id=%s output=%s next try in %.0f s: %s",
                *(*key, pause, error),
                exc_info=None if expected else error,
            )

    async def _commit(self, publication: Json) -> None:
        connection = connection_for(publication["uri"], read_connections(self._file))
        try:
            answer = await self._process.commit(publication, connection)
            body = settlement(publication, answer)
        except CommitError as error:
            if error.transient:
                raise
            body = refusal(publication, error)
        key = key_of(publication)
        told = await self._store.commit_publication_as_reactor(*key, body)
        log.info("action=publish run_id=%s output=%s state=%s", *key, told["state"])
