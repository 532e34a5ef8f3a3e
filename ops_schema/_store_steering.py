"""What an operator does to runs, queues and executors: the part of the store that steers."""

from __future__ import annotations

from typing import Protocol

from psycopg.types.json import Jsonb

from ops_schema._store_calls import Calls
from ops_schema._store_values import Body, Json, Principal


class Steers(Protocol):
    """The verbs, as servers see them. Repeating one is no error."""

    async def pause_run(self, p: Principal, ref: str, body: Body) -> Json: ...
    async def resume_run(self, p: Principal, ref: str, body: Body) -> Json: ...
    async def reschedule_run(self, p: Principal, ref: str, body: Body) -> Json: ...
    async def requeue_run(self, p: Principal, ref: str, body: Body) -> Json: ...
    async def pause_queue(self, p: Principal, queue: str, body: Body) -> Json: ...
    async def pause_executor(self, p: Principal, ref: str, body: Body) -> Json: ...
    async def resume_executor(self, p: Principal, ref: str, body: Body) -> Json: ...
    async def drain_executor(self, p: Principal, ref: str, body: Body) -> Json: ...
    async def hold_run(self, p: Principal, ref: str, body: Body) -> Json: ...
    async def release_run(self, p: Principal, ref: str) -> Json: ...
    async def list_collection(self, p: Principal) -> Json: ...
    async def list_queues(self, p: Principal) -> Json: ...
    async def resume_queue(self, p: Principal, queue: str) -> Json: ...
    async def list_dead_letters(self, p: Principal, filters: Body) -> Json: ...


class SteeringQueries(Calls):
    """The verbs, over the calls of a store."""

    async def pause_run(self, p: Principal, ref: str, body: Body) -> Json:
        """body {reason?} -> Run: it is claimed no more until resumed; of a pipeline all tasks."""
        return await self._json("pause_run", p.token_id, ref, Jsonb(body))

    async def resume_run(self, p: Principal, ref: str, body: Body) -> Json:
        """body {reason?} -> Run: a queued one goes to the end of its priority."""
        return await self._json("resume_run", p.token_id, ref, Jsonb(body))

    async def reschedule_run(self, p: Principal, ref: str, body: Body) -> Json:
        """body {priority?, not_before?, reason?} -> Run; not_before None: now. OPC05 when it runs or has ended."""
        return await self._json("reschedule_run", p.token_id, ref, Jsonb(body))

    async def requeue_run(self, p: Principal, ref: str, body: Body) -> Json:
        """body {force: true, epoch?, reason?} -> Run: its lease is revoked, the run goes back to the queue."""
        return await self._json("requeue_run", p.token_id, ref, Jsonb(body))

    async def pause_queue(self, p: Principal, queue: str, body: Body) -> Json:
        """body {reason?} -> Queue: nothing of it starts once this has answered."""
        return await self._json("pause_queue", p.token_id, queue, Jsonb(body))

    async def pause_executor(self, p: Principal, ref: str, body: Body) -> Json:
        """body {reason?} -> Executor: no new runs, those it has go on. ref: executor_id or number."""
        return await self._json("pause_executor", p.token_id, ref, Jsonb(body))

    async def resume_executor(self, p: Principal, ref: str, body: Body) -> Json:
        """body {reason?} -> Executor; OPC05 when it drains."""
        return await self._json("resume_executor", p.token_id, ref, Jsonb(body))

    async def drain_executor(self, p: Principal, ref: str, body: Body) -> Json:
        """body {reason?} -> Executor: told by its next heartbeat to finish what it has, and leave."""
        return await self._json("drain_executor", p.token_id, ref, Jsonb(body))

    async def hold_run(self, p: Principal, ref: str, body: Body) -> Json:
        """body {reason} -> Run: no retention removes its artifacts until it is released."""
        return await self._json("hold_run", p.token_id, ref, Jsonb(body))

    async def release_run(self, p: Principal, ref: str) -> Json:
        """Run: its legal hold is over."""
        return await self._json("release_run", p.token_id, ref)

    async def list_collection(self, p: Principal) -> Json:
        """What the collector would take: {safety_hours, lost, collectable, expiring, held, items}."""
        return await self._json("list_collection", p.token_id)

    async def list_queues(self, p: Principal) -> Json:
        """{items: [Queue]} by name: queue, paused, paused_at, paused_by, paused_reason, used, queued, running."""
        return await self._json("list_queues", p.token_id)

    async def resume_queue(self, p: Principal, queue: str) -> Json:
        """The Queue; its runs stand where they stood."""
        return await self._json("resume_queue", p.token_id, queue)

    async def list_dead_letters(self, p: Principal, filters: Body) -> Json:
        """{items: [DeadLetter], next_cursor}. filters: workspace, template, kind, queue, error_class, state_reason,
        finished_after, finished_before, limit, cursor."""
        return await self._json("list_dead_letters", p.token_id, Jsonb(filters))
