"""The store's part for executors, through the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from psycopg.types.json import Jsonb

from ops_schema._store_calls import Calls
from ops_schema._store_values import PATIENCE_MS, Body, Id, Json, MemberAnswer, Principal


class Executes(Protocol):
    """What the executor plane needs of the database."""

    async def register_executor(self, p: Principal, body: Body) -> Json: ...
    async def leave_executor(self, p: Principal, executor_id: Id) -> None: ...
    async def heartbeat(self, p: Principal, executor_id: Id, body: Body) -> Json: ...
    async def append_logs(self, p: Principal, run_id: Id, body: Body) -> Json: ...
    async def begin_artifact(self, p: Principal, run_id: Id, body: Body) -> Json: ...
    async def record_artifact(self, p: Principal, run_id: Id, artifact_id: Id, body: Body) -> Json: ...
    async def artifacts_each(self, p: Principal, run_id: Id, body: Body) -> list[MemberAnswer]: ...
    async def announced_artifacts(self, p: Principal, run_id: Id, artifact_ids: Sequence[Id]) -> list[Json]: ...
    async def open_upload(self, p: Principal, run_id: Id, artifact_id: Id, body: Body) -> Json | None: ...
    async def declare_parts(self, p: Principal, run_id: Id, artifact_id: Id, body: Body) -> Json | None: ...
    async def close_upload(self, upload_id: Id) -> None: ...
    async def refuse_object(self, object_key: str) -> bool: ...
    async def get_artifact(self, p: Principal, artifact_id: Id) -> Json: ...
    async def find_earlier(self, p: Principal, run_id: Id, body: Body) -> Json: ...
    async def get_bundle(self, p: Principal, sha256: str) -> Json: ...
    async def exchange_each(self, reports: Sequence[Body], claims: Sequence[Body]) -> list[MemberAnswer]: ...
    async def tell_ready(self, ready: str, teller: str) -> None: ...
    async def claim_profile(self, p: Principal, executor_id: Id) -> Json | None: ...
    async def commit_publication(self, p: Principal, run_id: Id, output: str, body: Body) -> Json: ...


class ExecutorQueries(Calls):
    """Those verbs, over the calls of a store."""

    async def register_executor(self, p: Principal, body: Body) -> Json:
        """registerExecutor of the contract; the same instance_id again gets the same executor."""
        return await self._json("register_executor", p.token_id, Jsonb(body))

    async def leave_executor(self, p: Principal, executor_id: Id) -> None:
        """leaveExecutor: drained and gone; the runs that it still holds are given back."""
        await self._value("leave_executor", p.token_id, executor_id)

    async def heartbeat(self, p: Principal, executor_id: Id, body: Body) -> Json:
        """heartbeat: renews the named leases and answers a directive for each."""
        return await self._json("heartbeat", p.token_id, executor_id, Jsonb(body))

    async def append_logs(self, p: Principal, run_id: Id, body: Body) -> Json:
        """appendLogs: stores chunks up to the log_bytes cap, then OPX01."""
        return await self._json("append_logs", p.token_id, run_id, Jsonb(body))

    async def begin_artifact(self, p: Principal, run_id: Id, body: Body) -> Json:
        """beginArtifact: {artifact_id, state, object_key|null, already_stored}; the server makes `upload` of it."""
        return await self._json("begin_artifact", p.token_id, run_id, Jsonb(body))

    async def record_artifact(self, p: Principal, run_id: Id, artifact_id: Id, body: Body) -> Json:
        """recordArtifact, once the server has seen the bytes in the store: the Artifact, with its object_key."""
        return await self._json("record_artifact", p.token_id, run_id, artifact_id, Jsonb(body))

    async def artifacts_each(self, p: Principal, run_id: Id, body: Body) -> list[MemberAnswer]:
        """body {record: [{artifact_id, epoch, verify_ms?}], begin: [body of begin_artifact]}: many at once, in one
        transaction; an answer for each, those to record first. A member's refusal is its own."""
        rows = await self._rows("artifacts_each", p.token_id, run_id, Jsonb(body))
        return sorted((MemberAnswer(*row) for row in rows), key=lambda answer: answer.ordinal)

    async def announced_artifacts(self, p: Principal, run_id: Id, artifact_ids: Sequence[Id]) -> list[Json]:
        """Those of the artifacts that the caller has announced under a lease that it holds, with their object_key."""
        found: list[Json] = await self._value("announced_artifacts", p.token_id, run_id, list(artifact_ids)) or []
        return found

    async def open_upload(self, p: Principal, run_id: Id, artifact_id: Id, body: Body) -> Json | None:
        """The upload in parts of a begun artifact: {upload_id, object_key, store_id, size, part_size, parts: {number:
        sha256}}; None when none is open. body {epoch}, and {store_id, part_size} of one that the store has opened: the
        answer is the one on record, which may be another."""
        found: Json | None = await self._value("open_upload", p.token_id, run_id, artifact_id, Jsonb(body))
        return found

    async def declare_parts(self, p: Principal, run_id: Id, artifact_id: Id, body: Body) -> Json | None:
        """body {epoch, parts: [{number, sha256}]}: fix the digests of parts. Answers as open_upload, with `conflict`:
        the numbers that were declared before with other digests."""
        found: Json | None = await self._value("declare_parts", p.token_id, run_id, artifact_id, Jsonb(body))
        return found

    async def close_upload(self, upload_id: Id) -> None:
        """The store has completed an upload in parts, or given it up."""
        await self._value("close_upload", upload_id)

    async def refuse_object(self, object_key: str) -> bool:
        """An object is not what its key says: whether to remove it now, and then tell by removed_object."""
        return bool(await self._value("refuse_object", object_key))

    async def get_artifact(self, p: Principal, artifact_id: Id) -> Json:
        """The Artifact with its object_key (null for tables)."""
        return await self._json("get_artifact", p.token_id, artifact_id)

    async def find_earlier(self, p: Principal, run_id: Id, body: Body) -> Json:
        """findEarlier: {attempts: [..]}, whose Artifacts have their object_key."""
        return await self._json("find_earlier", p.token_id, run_id, Jsonb(body))

    async def get_bundle(self, p: Principal, sha256: str) -> Json:
        """{sha256, size, object_key}; sha256 in lowercase hex. An executor needs a lease of a run that uses it."""
        return await self._json("get_bundle", p.token_id, sha256)

    async def exchange_each(self, reports: Sequence[Body], claims: Sequence[Body]) -> list[MemberAnswer]:
        """Reports {ordinal, token_id, run_id, body} and claims {ordinal, token_id, executor_id, body} of many callers,
        in one transaction; an answer for each ordinal. A member's refusal is its own. Ordinal -1: the seconds after
        which runs that wait for their time make another look worth while; -2: the server's time; -3: what became
        claimable, "kind:count,…", for the caller to tell (tell_ready). StoreBusy when a lock was not to be had within
        a second."""
        rows = await self._rows("exchange_each", Jsonb(list(reports)), Jsonb(list(claims)), PATIENCE_MS, True)
        return [MemberAnswer(*row) for row in rows]

    async def tell_ready(self, ready: str, teller: str) -> None:
        """Notify every listener that runs became claimable: "kind:count,…", with who tells it."""
        await self._value("tell_ready", ready, teller)

    async def claim_profile(self, p: Principal, executor_id: Id) -> Json | None:
        """{kind, filter} of an executor's claims; None when the caller registered no such executor."""
        found: Json | None = await self._value("claim_profile", p.token_id, executor_id)
        return found

    async def commit_publication(self, p: Principal, run_id: Id, output: str, body: Body) -> Json:
        """commitPublication by the executor that reported."""
        return await self._json("commit_publication", p.token_id, run_id, output, Jsonb(body))
