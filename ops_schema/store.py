"""The one Python door to the ops functions.

Bodies and answers are plain dicts in the contract's own field names; times are ISO-8601 strings in UTC. Every method
may raise ops_schema.errors.OpsError (the database refused, with its SQLSTATE) or StoreUnavailable (repeat later).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from psycopg.types.json import Jsonb

from ops_schema._store_caps import LimitQueries, Limits
from ops_schema._store_connection import Connections
from ops_schema._store_executors import Executes, ExecutorQueries
from ops_schema._store_provenance import Provenance, ProvenanceQueries
from ops_schema._store_queries import EVENT_WRITERS, READY_MAKERS
from ops_schema._store_reactor import ReactorQueries, Reacts
from ops_schema._store_steering import SteeringQueries, Steers
from ops_schema._store_values import PATIENCE_MS, Body, Id, Json, MemberAnswer, Principal, principal_of

__all__ = ["PATIENCE_MS", "Body", "Id", "Json", "MemberAnswer", "PostgresStore", "Principal", "Store"]


class Store(Executes, Steers, Limits, Reacts, Provenance, Protocol):
    """What the servers and the reactor need of the database."""

    async def authenticate(self, token_sha256: bytes) -> Principal | None: ...
    async def session(self, cookie_sha256: bytes) -> Principal | None: ...
    async def create_login_code(self, p: Principal, code_sha256: bytes) -> Json: ...
    async def redeem_login_code(self, code_sha256: bytes, cookie_sha256: bytes) -> Json: ...
    async def end_session(self, cookie_sha256: bytes) -> None: ...
    async def create_token(self, p: Principal, token_sha256: bytes, body: Body) -> Json: ...
    async def revoke_token(self, p: Principal, token_id: Id) -> None: ...

    async def submit_run(self, p: Principal, body: Body) -> Json: ...
    async def submit_each(self, members: Sequence[Body]) -> list[MemberAnswer]: ...
    async def get_run(self, p: Principal, ref: str) -> Json: ...
    async def list_runs(self, p: Principal, filters: Body) -> Json: ...
    async def cancel_run(self, p: Principal, ref: str, body: Body) -> Json: ...
    async def retry_run(self, p: Principal, ref: str, body: Body) -> Json: ...
    async def reproduce_run(self, p: Principal, ref: str, body: Body) -> Json: ...
    async def why_run(self, p: Principal, ref: str) -> Json: ...
    async def replay_each(self, p: Principal, refs: Sequence[str]) -> list[MemberAnswer]: ...
    async def run_events(self, p: Principal, ref: str, filters: Body) -> Json: ...
    async def run_logs(self, p: Principal, ref: str, filters: Body) -> Json: ...
    async def run_artifacts(self, p: Principal, ref: str) -> Json: ...
    async def get_preview(self, p: Principal, artifact_id: Id) -> Json: ...
    async def run_lineage(self, p: Principal, ref: str) -> Json: ...
    async def data_runs(self, p: Principal, filters: Body) -> Json: ...
    async def put_template(self, p: Principal, name: str, spec: Body) -> Json: ...
    async def list_templates(self, p: Principal) -> Json: ...
    async def get_template(
        self, p: Principal, name: str, version: int | None = None, workspace: str | None = None
    ) -> Json: ...
    async def put_bundle(self, p: Principal, body: Body) -> Json: ...
    async def list_executors(self, p: Principal) -> Json: ...
    async def list_workspaces(self, p: Principal) -> Json: ...
    async def put_setting(self, p: Principal, body: Body) -> Json: ...
    async def put_workspace(self, p: Principal, body: Body) -> Json: ...
    async def info(self) -> Json: ...

    def listen(self) -> AsyncIterator[tuple[str, str]]: ...
    def on_events(self, callback: Callable[[], None]) -> Callable[[], None]: ...
    def on_ready(self, callback: Callable[[str], None]) -> Callable[[], None]: ...
    async def health(self) -> Json: ...


class PostgresStore(ExecutorQueries, SteeringQueries, LimitQueries, ReactorQueries, ProvenanceQueries):
    """Store over psycopg 3. `conninfo` is a libpq string or URL; empty means the PG* variables."""

    def __init__(self, conninfo: str = "", **options: Any):
        """options: see Connections (min_size, max_size, wait_seconds, call_seconds, prepare_threshold, warm_up)."""
        self._connections = Connections(conninfo, **options)
        self._event_callbacks: list[Callable[[], None]] = []
        self._tell_ready: Callable[[str], None] | None = None

    @classmethod
    async def open(cls, conninfo: str = "", **options: Any) -> PostgresStore:
        """An opened store. A database that is down shows at the first call, as StoreUnavailable."""
        store = cls(conninfo, **options)
        await store._connections.open()
        return store

    async def close(self) -> None:
        """Close every connection of the pool; a running listen() ends with its own task."""
        await self._connections.close()

    async def __aenter__(self) -> PostgresStore:
        await self._connections.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def listen(self) -> AsyncIterator[tuple[str, str]]:
        """Notifications as (channel, payload), for ever; an empty payload after each (re)connection means: look."""
        return self._connections.listen()

    def on_events(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when a call of this store may have written events; those of other processes are for a poll to find.

        Answers what ends it.
        """
        self._event_callbacks.append(callback)
        return lambda: self._event_callbacks.remove(callback)

    def on_ready(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Tell this callback, the only one, what calls made claimable, "kind:count,…", after their commit, and leave it
        to notify others (tell_ready). Answers what ends it."""
        self._tell_ready = callback
        return lambda: setattr(self, "_tell_ready", None)

    async def health(self) -> Json:
        """The `info` answer when the database works; StoreUnavailable when it does not."""
        return await self.info()

    # Who calls -------------------------------------------------------------------------------------------------------

    async def authenticate(self, token_sha256: bytes) -> Principal | None:
        """Whom a bearer token names (sha256 of the token, 32 bytes); None when unknown, revoked or expired."""
        return principal_of(await self._value("authenticate", token_sha256))

    async def session(self, cookie_sha256: bytes) -> Principal | None:
        """Whom a session cookie names (sha256 of the cookie's value, 32 bytes); None when unknown, ended or expired."""
        return principal_of(await self._value("session_principal", cookie_sha256))

    async def create_login_code(self, p: Principal, code_sha256: bytes) -> Json:
        """Remember a one-time code by its sha256: {expires_at}, ten minutes ahead."""
        return await self._json("create_login_code", p.token_id, code_sha256)

    async def redeem_login_code(self, code_sha256: bytes, cookie_sha256: bytes) -> Json:
        """Turn a code into a session: {name, role, workspaces, expires_at}. OPU03 for a spent, late or unknown code."""
        return await self._json("redeem_login_code", code_sha256, cookie_sha256)

    async def end_session(self, cookie_sha256: bytes) -> None:
        """Log out; an unknown session is no error."""
        await self._value("end_session", cookie_sha256)

    async def create_token(self, p: Principal, token_sha256: bytes, body: Body) -> Json:
        """body {name, role, workspaces|null, expires_at|null} -> {token_id, name, role, workspaces, expires_at}."""
        return await self._json("create_token", p.token_id, token_sha256, Jsonb(body))

    async def revoke_token(self, p: Principal, token_id: Id) -> None:
        """End a token and its sessions; repeating it is no error. OPU02 for one that opens workspaces closed to `p`."""
        await self._value("revoke_token", p.token_id, token_id)

    # Operator plane --------------------------------------------------------------------------------------------------

    async def submit_run(self, p: Principal, body: Body) -> Json:
        """The new Run; with `repeated: true` when it was on record (idempotency_key, dedupe_key)."""
        return await self._json("submit_run", p.token_id, Jsonb(body))

    async def submit_each(self, members: Sequence[Body]) -> list[MemberAnswer]:
        """Submits {ordinal, token_id, body, whole?} of many callers, in one transaction; an answer for each ordinal:
        {run_id, number, state, repeated}, with `whole` the Run. A member's refusal is its own. Ordinal -3 and StoreBusy
        as of exchange_each."""
        return [MemberAnswer(*row) for row in await self._rows("submit_each", Jsonb(list(members)), PATIENCE_MS, True)]

    async def get_run(self, p: Principal, ref: str) -> Json:
        """Run with attempts, children, depends_on and publications. ref: run_id or number."""
        return await self._json("get_run", p.token_id, ref)

    async def list_runs(self, p: Principal, filters: Body) -> Json:
        """{items: [Run], next_cursor}. filters: state [..], kind, template, pipeline, q, top_level, limit, cursor."""
        return await self._json("list_runs", p.token_id, Jsonb(filters))

    async def cancel_run(self, p: Principal, ref: str, body: Body) -> Json:
        """body {reason, force?} -> Run."""
        return await self._json("cancel_run", p.token_id, ref, Jsonb(body))

    async def retry_run(self, p: Principal, ref: str, body: Body) -> Json:
        """body {idempotency_key?, failed_only?, template?: same|latest, checked?} -> a new Run with retry_of set. OPC05
        when the run has not ended, OPC12 {version, keep} when the newest version did not check it."""
        return await self._json("retry_run", p.token_id, ref, Jsonb(body))

    async def reproduce_run(self, p: Principal, ref: str, body: Body) -> Json:
        """body {idempotency_key?, write_again?} -> a new Run with reproduces set. OPC05 when the run has not ended, or
        when it would write tables again that are no outputs {tables}, and nobody said that it may."""
        return await self._json("reproduce_run", p.token_id, ref, Jsonb(body))

    async def why_run(self, p: Principal, ref: str) -> Json:
        """{run_id, state, reasons: [{code, message, detail}]}."""
        return await self._json("why_run", p.token_id, ref)

    async def replay_each(self, p: Principal, refs: Sequence[str]) -> list[MemberAnswer]:
        """A new run for each dead letter, 500 at most; detail is the new Run. A member's refusal is its own."""
        return [MemberAnswer(*row) for row in await self._rows("replay_each", p.token_id, Jsonb(list(refs)))]

    async def run_events(self, p: Principal, ref: str, filters: Body) -> Json:
        """{items: [{run_id, seq, at, type, epoch, actor, data, hash, prev_hash}]}. filters: after_seq, limit."""
        return await self._json("run_events", p.token_id, ref, Jsonb(filters))

    async def run_logs(self, p: Principal, ref: str, filters: Body) -> Json:
        """{items: [{epoch, stream, seq, offset, at, text}], next}. filters: stream, after (a former `next`), limit."""
        return await self._json("run_logs", p.token_id, ref, Jsonb(filters))

    async def run_artifacts(self, p: Principal, ref: str) -> Json:
        """{items: [Artifact]}."""
        return await self._json("run_artifacts", p.token_id, ref)

    async def get_preview(self, p: Principal, artifact_id: Id) -> Json:
        """{preview}: what its attempt told of an artifact's content, or None."""
        return await self._json("get_preview", p.token_id, artifact_id)

    async def run_lineage(self, p: Principal, ref: str) -> Json:
        """{run_id, number, inputs, outputs, events}: what it read and made, and the OpenLineage events of it."""
        return await self._json("run_lineage", p.token_id, ref)

    async def data_runs(self, p: Principal, filters: Body) -> Json:
        """{items, next_cursor}: runs that made or read data, newest first. filters: namespace, name, limit, cursor."""
        return await self._json("data_runs", p.token_id, Jsonb(filters))

    async def put_template(self, p: Principal, name: str, spec: Body) -> Json:
        """{template_id, name, version, digest, created}; an unchanged spec keeps its version."""
        return await self._json("put_template", p.token_id, name, Jsonb(spec))

    async def list_templates(self, p: Principal) -> Json:
        """{items: [Template]}: the newest version of each."""
        return await self._json("list_templates", p.token_id)

    async def get_template(
        self, p: Principal, name: str, version: int | None = None, workspace: str | None = None
    ) -> Json:
        """The Template with its spec; the newest version unless one is named, of the default workspace first."""
        return await self._json("get_template", p.token_id, name, version, workspace)

    async def put_bundle(self, p: Principal, body: Body) -> Json:
        """body {sha256, size, workspace?, stored?} -> {sha256, size, object_key, already_stored}; stored: seen."""
        return await self._json("put_bundle", p.token_id, Jsonb(body))

    async def list_executors(self, p: Principal) -> Json:
        """{items: [Executor]} state: active, draining, lost (silent for too long) or left."""
        return await self._json("list_executors", p.token_id)

    async def list_workspaces(self, p: Principal) -> Json:
        """{items: [{name, description, created_at}]}, those the caller may enter."""
        return await self._json("list_workspaces", p.token_id)

    async def put_setting(self, p: Principal, body: Body) -> Json:
        """body {key, value} -> {key, value, updated_at}; OPV01 for an unknown key or a value that cannot work."""
        return await self._json("put_setting", p.token_id, Jsonb(body))

    async def put_workspace(self, p: Principal, body: Body) -> Json:
        """body {workspace, description?} -> {name, description, created_at}; made when it is new."""
        return await self._json("put_workspace", p.token_id, Jsonb(body))

    async def info(self) -> Json:
        """{schema_version, database_version, server_time, contract_versions, kinds, lakehouse_root}."""
        return await self._json("info")

    async def _rows(self, name: str, *arguments: Any) -> list[tuple[Any, ...]]:
        tell = self._tell_ready if name in READY_MAKERS else None
        rows = await self._connections.rows(name, *arguments, keep_ready=tell is not None)
        if name in EVENT_WRITERS:
            for callback in self._event_callbacks:
                callback()
        if tell and rows and rows[0][-1]:
            tell(rows[0][-1])
        return [row[:-1] for row in rows] if tell else rows


if TYPE_CHECKING:
    # The type checker holds the class to the protocol.
    _store: Store = PostgresStore()
