"""Finishes publications whose executor died after its report.

The commit itself runs in a process of its own (`python -m executors.runtime.commit`): the engine's libraries stay out
of the server, and a hang or a crash of theirs costs one attempt. The marker in the table makes a second one harmless.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from control_room.reactor.clock import Clock
from control_room.reactor.commit_process import CommitError, CommitProcess
from control_room.reactor.connections import ConnectionsError, connection_for, read_connections
from control_room.reactor.duty import pause_after_failures
from ops_schema.errors import OpsError

log = logging.getLogger("control_room.reactor")
BATCH = 20
LONGEST_RETRY_PAUSE = 300.0

Json = dict[str, Any]
Key = tuple[str, str]


class Publications(Protocol):
    """Where publications are on record."""

    async def pending_publications(self, limit: int = 10) -> list[Json]: ...
    async def commit_publication_as_reactor(self, run_id: str, output: str, body: Json) -> Json: ...


@dataclass
class RetryLater:
    """When to try again what failed; forgets what is no longer pending. Times are monotonic seconds."""

    _failures: dict[Key, int] = field(default_factory=dict)
    _not_before: dict[Key, float] = field(default_factory=dict)

    def due(self, key: Key, now: float) -> bool:
        """Whether it is time to try `key`."""
        return self._not_before.get(key, now) <= now

    def failed(self, key: Key, now: float) -> float:
        """Note a failure; returns the seconds until the next try."""
        self._failures[key] = self._failures.get(key, 0) + 1
        pause = pause_after_failures(self._failures[key], 1.0, LONGEST_RETRY_PAUSE)
        self._not_before[key] = now + pause
        return pause

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
    """The duty. connections_file: where the lakehouse's connection is, read anew for each commit."""

    def __init__(
        self, store: Publications, connections_file: Path | None, clock: Clock, process: CommitProcess | None = None
    ) -> None:
        self._store, self._file, self._clock = store, connections_file, clock
        self._process = process or CommitProcess()
        self._later = RetryLater()

    async def publish(self) -> bool:
        """Try each pending publication whose time has come; True when a full batch all went through."""
        pending = await self._store.pending_publications(BATCH)
        self._later.keep({key_of(publication) for publication in pending})
        due = [item for item in pending if self._later.due(key_of(item), self._clock.monotonic())]
        settled = [await self._try(publication) for publication in due]
        return len(settled) == BATCH and all(settled)

    async def _try(self, publication: Json) -> bool:
        key = key_of(publication)
        try:
            await self._commit(publication)
        except (CommitError, ConnectionsError, OpsError) as error:
            pause = self._later.failed(key, self._clock.monotonic())
            log.warning("action=publish run_id=%s output=%s next try in %.0f s: %s", *key, pause, error)
            return False
        return True

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
        await self._store.commit_publication_as_reactor(*key, body)
        log.info("action=publish run_id=%s output=%s state=%s", *key, body["state"])
