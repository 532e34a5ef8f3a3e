"""Submits of all requests, carried together: what arrives while a statement runs goes into the next one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contract.errors import ContractError
from contract.server.problems import from_ops_error
from ops_schema.errors import OpsError, StoreUnavailable
from ops_schema.store import MemberAnswer, Principal, Store

Json = dict[str, Any]
Found = Json | ContractError
log = logging.getLogger("control_room.api")
IN_FLIGHT = 2
MOST_MEMBERS = 1000
# These may wait for a lock of somebody else's, and so go alone: nobody shall wait with them.
MAY_WAIT = frozenset({"depends_on", "dedupe_key", "concurrency_key", "concurrency_limit"})


@dataclass(slots=True)
class _Request:
    members: list[Json]
    done: asyncio.Future[list[Found]] = field(repr=False)


class Submitter:
    """Carries submits to the store, at most `in_flight` statements at a time.

    A request stays whole. When a statement fails for a reason that is no member's refusal, it has changed nothing, and
    its members go again one by one, so that a bad one takes nobody with it.
    """

    def __init__(self, store: Store, in_flight: int = IN_FLIGHT, most_members: int = MOST_MEMBERS) -> None:
        self._store = store
        self._free = in_flight
        self._most = most_members
        self._waiting: deque[_Request] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, caller: Principal, body: Mapping[str, Any]) -> Json:
        """The Run, with `repeated` when it was on record. Raises ContractError, StoreUnavailable, OpsError."""
        if body.keys() & MAY_WAIT:
            return await self._store.submit_run(caller, body)
        (found,) = await self._carry([_member(caller, body) | {"whole": True}])
        if isinstance(found, ContractError):
            raise found
        return found

    async def submit_each(self, caller: Principal, bodies: Sequence[Mapping[str, Any]]) -> list[Found]:
        """For each body {run_id, number, state, repeated}, or what refused it. Raises StoreUnavailable: then nothing
        is known, and the same bodies with their idempotency keys find out."""
        return await self._carry([_member(caller, body) for body in bodies]) if bodies else []

    async def _carry(self, members: list[Json]) -> list[Found]:
        request = _Request(members, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if len(self._waiting) == 1:
            # At the end of this round of the loop, so that what came with it goes with it.
            asyncio.get_running_loop().call_soon(self._start)
        return await request.done

    def _start(self) -> None:
        while self._free and self._waiting:
            batch = self._take()
            if not batch:
                return
            self._free -= 1
            task = asyncio.create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take(self) -> list[_Request]:
        batch: list[_Request] = []
        room = self._most
        while self._waiting and (not batch or len(self._waiting[0].members) <= room):
            request = self._waiting.popleft()
            if not request.done.done():  # the caller has not gone meanwhile
                batch.append(request)
                room -= len(request.members)
        return batch

    async def _run(self, batch: list[_Request]) -> None:
        try:
            await self._send(batch)
        except Exception as error:
            for request in batch:
                if not request.done.done():
                    request.done.set_exception(error)
        finally:
            self._free += 1
            self._start()

    async def _send(self, batch: list[_Request]) -> None:
        members = [member for request in batch for member in request.members]
        found = iter(await self._found(members))
        for request in batch:
            answers = [next(found) for _ in request.members]
            if not request.done.done():
                request.done.set_result(answers)

    async def _found(self, members: Sequence[Json]) -> list[Found]:
        try:
            return await self._statement(members)
        except StoreUnavailable:
            raise
        except Exception as error:
            if len(members) == 1:
                raise
            log.warning("action=batch_failed members=%d the submits go one by one: %s", len(members), error)
        return [found for member in members for found in await self._found([member])]

    async def _statement(self, members: Sequence[Json]) -> list[Found]:
        sent = [member | {"ordinal": ordinal} for ordinal, member in enumerate(members)]
        rows = {row.ordinal: row for row in await self._store.submit_each(sent)}
        return [_found(rows[ordinal]) for ordinal in range(len(members))]


def _member(caller: Principal, body: Mapping[str, Any]) -> Json:
    return {"token_id": str(caller.token_id), "body": body}


def _found(row: MemberAnswer) -> Found:
    detail: Json = json.loads(row.detail)
    if row.code is None:
        return detail
    return from_ops_error(OpsError(row.code, detail["message"], detail["members"], detail["hint"]))
