"""Submits of all requests, carried together (:mod:`contract.server.lanes`)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
# A statement takes as many members as `most` says, fewer when they are larger than this: a member counts once and once
# more for each so many characters. With a thousand that makes 4 MiB, as much as the body of a request.
SIZE_OF_ONE = 4096
# These may wait for a lock of somebody else's, and so go alone: nobody shall wait with them.
MAY_WAIT = frozenset({"depends_on", "dedupe_key", "concurrency_key", "concurrency_limit"})


@dataclass(frozen=True, slots=True)
class Checked:
    """A submit that may go to the database. size: characters of its parameters as JSON, with all defaults, also those
    that the database will fill in."""

    body: Json
    size: int


@dataclass(slots=True)
class _Load:
    """Members of one request that go into one statement, and as how many they count."""

    members: list[Json]
    weight: int


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
        self._most = limits.most
        self._lanes: Lanes[_Load, list[Found]] = Lanes(self._statement, lambda load: load.weight, limits)

    async def submit(self, caller: Principal, checked: Checked) -> Json:
        """The Run, with `repeated` when it was on record. Raises ContractError, StoreUnavailable, OpsError."""
        if checked.body.keys() & MAY_WAIT:
            return await self._store.submit_run(caller, checked.body)
        member = _member(caller, checked.body) | {"whole": True}
        (found,) = await self._lanes.carry(_Load([member], _weight(checked)))
        if isinstance(found, ContractError):
            raise found
        return found

    async def submit_each(self, caller: Principal, submits: Sequence[Checked]) -> list[Found]:
        """For each of them {run_id, number, state, repeated}, or what refused it: also `internal` for one that met a
        defect, and `database_unavailable` for one that somebody's lock kept out. Large ones go in several statements,
        in their order. Raises StoreUnavailable: then nothing is known, and the same with their idempotency keys find
        out."""
        found: list[Found] = []
        for load in _loads(caller, submits, self._most):
            found += await self._carried(load)
        return found

    async def recorded(
        self, caller: Principal, bodies: Sequence[Mapping[str, Any]], *, whole: bool = False
    ) -> list[Json | None]:
        """For each of the bodies, as they came, {run_id, number, state, repeated} of what its idempotency key made (the
        Run, with `whole`); None for what is not on record. Nothing is submitted. Raises StoreUnavailable."""
        asked = {"whole": whole, "recorded_only": True}
        members = [_member(caller, body) | asked | {"ordinal": ordinal} for ordinal, body in enumerate(bodies)]
        rows = {row.ordinal: row for row in await self._store.submit_each(members)} if members else {}
        return [json.loads(rows[ordinal].detail) if ordinal in rows else None for ordinal in range(len(members))]

    async def _carried(self, load: _Load) -> list[Found]:
        try:
            return await self._lanes.carry(load)
        except Exception as error:
            # It is of one member, or they would have gone one by one; those of the loads before it are committed.
            return [_told(error)] * len(load.members)

    async def _statement(self, batch: Sequence[_Load]) -> list[list[Found]]:
        sent = [member for load in batch for member in load.members]
        found = iter(await self._found(sent, whole=len(batch) > 1))
        return [[next(found) for _ in load.members] for load in batch]

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
        except Exception as error:
            return _told(error)
        return found

    async def _submitted(self, members: Sequence[Json]) -> list[Found]:
        sent = [member | {"ordinal": ordinal} for ordinal, member in enumerate(members)]
        rows = {row.ordinal: row for row in await self._store.submit_each(sent)}
        if MADE_READY in rows:
            self._tell_ready(rows[MADE_READY].detail)
        if NEXT_DUE in rows:
            self._when_due(float(rows[NEXT_DUE].detail))
        return [_found(rows[ordinal]) for ordinal in range(len(members))]


def _loads(caller: Principal, submits: Sequence[Checked], most: int) -> list[_Load]:
    """In their order, each of a weight of at most `most` or of one member."""
    loads: list[_Load] = []
    for checked in submits:
        member, weight = _member(caller, checked.body), _weight(checked)
        if loads and loads[-1].weight + weight <= most:
            loads[-1].members.append(member)
            loads[-1].weight += weight
        else:
            loads.append(_Load([member], weight))
    return loads


def _weight(checked: Checked) -> int:
    return 1 + checked.size // SIZE_OF_ONE


def _told(error: Exception) -> ContractError:
    """What a member is answered that met this. An outage is raised: nothing is known then."""
    if isinstance(error, StoreBusy):
        return from_store_unavailable(error)
    if isinstance(error, StoreUnavailable):
        raise error
    return from_ops_error(error) if isinstance(error, OpsError) else internal(error, "action=submit_failed")


def _member(caller: Principal, body: Mapping[str, Any]) -> Json:
    return {"token_id": str(caller.token_id), "body": body}


def _found(row: MemberAnswer) -> Found:
    detail: Json = json.loads(row.detail)
    if row.code is None:
        return detail
    return from_ops_error(OpsError(row.code, detail["message"], detail["members"], detail["hint"]))
