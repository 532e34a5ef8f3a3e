"""The store's part for the reactor: what nobody asked for and has to happen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from psycopg.types.json import Jsonb

from ops_schema._store_calls import Calls
from ops_schema._store_values import Body, Id, Json

Key = tuple[str, str]


class Reacts(Protocol):
    """What the reactor needs of the database."""

    async def expire_leases(self, limit: int = 100) -> Json: ...
    async def promote_due(self, limit: int = 1000) -> Json: ...
    async def pending_publications(self, limit: int = 10, skip: Iterable[Key] = ()) -> list[Json]: ...
    async def commit_publication_as_reactor(self, run_id: Id, output: str, body: Body) -> Json: ...
    async def ensure_partitions(self) -> Json: ...
    async def drop_partitions(self) -> Json: ...
    async def lead(self, name: str, holder: str, seconds: float) -> bool: ...
    async def events_since(self, cursor: str | None, limit: int = 500) -> Json: ...
    async def expire_artifacts(self, limit: int = 500) -> int: ...
    async def condemn_objects(self, limit: int = 500) -> int: ...
    async def take_condemned(self) -> Json | None: ...
    async def removed_object(self, object_key: str, again: bool) -> None: ...
    async def stale_uploads(self, limit: int = 100) -> list[Json]: ...
    async def unknown_uploads(self, uploads: Iterable[Body]) -> list[str]: ...
    async def close_upload(self, upload_id: Id) -> None: ...
    async def lineage_facts(self, limit: int = 200) -> Json: ...
    async def record_lineage(self, body: Body) -> bool: ...
    async def pending_lineage(self, limit: int = 100) -> list[Json]: ...
    async def settle_lineage(self, lineage_id: int, error: str | None) -> None: ...


class ReactorQueries(Calls):
    """Those duties, over the calls of a store."""

    async def expire_leases(self, limit: int = 100) -> Json:
        """Revoke leases past their deadline, at most `limit`."""
        return await self._json("expire_leases", limit)

    async def promote_due(self, limit: int = 1000) -> Json:
        """Move runs whose time has come into the ready index, at most `limit`."""
        return await self._json("promote_due", limit)

    async def pending_publications(self, limit: int = 10, skip: Iterable[Key] = ()) -> list[Json]:
        """Publications of accepted reports that nobody has committed for a while, at most `limit`, the oldest first.

        skip: (run_id, output) of those that are not asked for.
        """
        found: list[Json] = await self._value("pending_publications", limit, Jsonb([*skip])) or []
        return found

    async def commit_publication_as_reactor(self, run_id: Id, output: str, body: Body) -> Json:
        """commitPublication by the reactor, for an executor that died after its report."""
        return await self._json("commit_publication_as_reactor", run_id, output, Jsonb(body))

    async def ensure_partitions(self) -> Json:
        """Make the partitions of the coming weeks: {created: [name]}."""
        return await self._json("ensure_partitions")

    async def drop_partitions(self) -> Json:
        """Drop the oldest partition that is over its time: {dropped: [name], skipped: [name]}; one a call."""
        return await self._json("drop_partitions")

    async def lead(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew the duty `name` for `seconds`; False while another holds it."""
        return bool(await self._value("lead", name, holder, seconds))

    async def events_since(self, cursor: str | None, limit: int = 500) -> Json:
        """{items: [event with cursor], cursor}; a None cursor starts at the present. No event is ever skipped."""
        return await self._json("events_since", cursor, limit)

    async def expire_artifacts(self, limit: int = 500) -> int:
        """Expire artifacts that are over their retention; how many."""
        return int(await self._value("expire_artifacts", limit) or 0)

    async def condemn_objects(self, limit: int = 500) -> int:
        """Condemn the bytes of lost and expired artifacts that nobody else needs; how many artifacts were looked at."""
        return int(await self._value("condemn_objects", limit) or 0)

    async def take_condemned(self) -> Json | None:
        """{object_key, again} of an object to remove from the store now; None when there is none."""
        found: Json | None = await self._value("take_condemned")
        return found

    async def removed_object(self, object_key: str, again: bool) -> None:
        """The store has removed it; again: for the second time."""
        await self._value("removed_object", object_key, again)

    async def stale_uploads(self, limit: int = 100) -> list[Json]:
        """[{upload_id, object_key, store_id, run_number, used_at}] of uploads in parts that nobody goes on with."""
        found: list[Json] = await self._value("stale_uploads", limit) or []
        return found

    async def unknown_uploads(self, uploads: Iterable[Body]) -> list[str]:
        """The store_id of those of the store's open uploads [{store_id, begun_at}] that are on no record, and old."""
        return list(await self._value("unknown_uploads", Jsonb(list(uploads))) or [])

    async def lineage_facts(self, limit: int = 200) -> Json:
        """{cursor, next, items: [fact]}: what happened to runs since the last look, of `limit` events."""
        return await self._json("lineage_facts", limit)

    async def record_lineage(self, body: Body) -> bool:
        """body {cursor, next, events, keep}: store them and move on; False when another process has moved on."""
        return bool(await self._value("record_lineage", Jsonb(body)))

    async def pending_lineage(self, limit: int = 100) -> list[Json]:
        """[{lineage_id, run_id, body}] to be sent, in their order."""
        found: list[Json] = await self._value("pending_lineage", limit) or []
        return found

    async def settle_lineage(self, lineage_id: int, error: str | None) -> None:
        """It was sent, or refused with that error."""
        await self._value("settle_lineage", lineage_id, error)
