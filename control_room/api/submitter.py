"""Submits of all requests, carried together (:mod:`contract.server.lanes`)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contract.errors import ContractError
from contract.server.exchanger import MADE_READY, NEXT_DUE
from contract.server.lanes import Lanes, Limits, patiently
from contract.server.problems import from_ops_error, from_store_unavailable, internal
from ops_schema.errors import OpsError, StoreBusy, StoreUnavailable
from ops_schema.store import MemberAnswer, Principal, Store

Json = dict[str, Any]
Found = Json | ContractError
log = logging.getLogger("control_room.api")
LIMITS = Limits(most=1000)
# These may wait for a lock of somebody else's, and so go alone: nobody shall wait with them.
MAY_WAIT = frozenset({"depends_on", "dedupe_key", "concurrency_key", "concurrency_limit"})


class Submitter:
    """Carries submits to the store. tell_ready: told what a statement made claimable, "kind:count,…"; when_due: after
    how many seconds a claim is worth another look."""

    def __init__(
        self,
        store: Store,
        tell_ready: Callable[[str], None] = lambda _: None,
        when_due: Callable[[float], None] = lambda _: None,
        limits: Limits = LIMITS,
    ) -> None:
        self._store = store
        self._tell_ready = tell_ready
        self._when_due = when_due
        self._lanes: Lanes[list[Json], list[Found]] = Lanes(self._statement, len, limits)

    async def submit(self, caller: Principal, body: Mapping[str, Any]) -> Json:
        """The Run, with `repeated` when it was on record. Raises ContractError, StoreUnavailable, OpsError."""
        if body.keys() & MAY_WAIT:
            return await self._store.submit_run(caller, body)
        (found,) = await self._lanes.carry([_member(caller, body) | {"whole": True}])
        if isinstance(found, ContractError):
            raise found
        return found

    async def submit_each(self, caller: Principal, bodies: Sequence[Mapping[str, Any]]) -> list[Found]:
        """For each body {run_id, number, state, repeated}, or what refused it: also `internal` for one that met a
        defect, and `database_unavailable` for one that somebody's lock kept out. Raises StoreUnavailable: then nothing
        is known, and the same bodies with their idempotency keys find out."""
        return await self._lanes.carry([_member(caller, body) for body in bodies]) if bodies else []

    async def recorded(self, caller: Principal, bodies: Sequence[Mapping[str, Any]]) -> list[Json | None]:
        """For each of the bodies, as they came, the Run that its idempotency key made, with `repeated`; None for what
        is not on record. Nothing is submitted. Raises StoreUnavailable."""
        asked = {"whole": True, "recorded_only": True}
        members = [_member(caller, body) | asked | {"ordinal": ordinal} for ordinal, body in enumerate(bodies)]
        rows = {row.ordinal: row for row in await self._store.submit_each(members)} if members else {}
        return [json.loads(rows[ordinal].detail) if ordinal in rows else None for ordinal in range(len(members))]

    async def _statement(self, batch: Sequence[list[Json]]) -> list[list[Found]]:
        found = iter(await self._found([member for members in batch for member in members], whole=len(batch) > 1))
        return [[next(found) for _ in members] for members in batch]

    async def _found(self, members: Sequence[Json], whole: bool) -> list[Found]:
        """whole: a failure is everybody's. Else, of one request, the members go one by one after it."""
        try:
            return await self._submitted(members)
        except Exception as error:
            away = isinstance(error, StoreUnavailable) and not isinstance(error, StoreBusy)
            if whole or away or len(members) == 1:
                raise
            log.warning("action=bulk_failed members=%d the submits go one by one: %s", len(members), error)
        return [await self._alone(member) for member in members]

    async def _alone(self, member: Json) -> Found:
        # Those before it are committed: what fails here is told as its own answer, or the lanes would send all again.
        try:
            (found,) = await patiently(lambda: self._submitted([member]))
        except StoreBusy as error:
            return from_store_unavailable(error)
        except StoreUnavailable:
            raise
        except OpsError as error:
            return from_ops_error(error)
        except Exception as error:
            return internal(error, "action=submit_failed")
        return found

    async def _submitted(self, members: Sequence[Json]) -> list[Found]:
        sent = [member | {"ordinal": ordinal} for ordinal, member in enumerate(members)]
        rows = {row.ordinal: row for row in await self._store.submit_each(sent)}
        if MADE_READY in rows:
            self._tell_ready(rows[MADE_READY].detail)
        if NEXT_DUE in rows:
            self._when_due(float(rows[NEXT_DUE].detail))
        return [_found(rows[ordinal]) for ordinal in range(len(members))]


def _member(caller: Principal, body: Mapping[str, Any]) -> Json:
    return {"token_id": str(caller.token_id), "body": body}


def _found(row: MemberAnswer) -> Found:
    detail: Json = json.loads(row.detail)
    if row.code is None:
        return detail
    return from_ops_error(OpsError(row.code, detail["message"], detail["members"], detail["hint"]))
