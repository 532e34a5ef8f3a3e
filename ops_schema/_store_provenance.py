"""The store's part for provenance: manifests of ended runs, who signed them, and what they are verified against."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from psycopg.types.json import Jsonb

from ops_schema._store_calls import Calls
from ops_schema._store_values import Body, Id, Json, Principal


class Provenance(Protocol):
    """What the operator plane and the reactor need of the database for it."""

    async def get_manifest(self, p: Principal, ref: str) -> Json: ...
    async def run_chain(self, p: Principal, ref: str, filters: Body) -> Json: ...
    async def list_signing_keys(self, p: Principal) -> Json: ...
    async def without_manifest(self, limit: int, skip: Iterable[Id] = ()) -> Json: ...
    async def manifest_parts(self, run_id: Id) -> Json | None: ...
    async def put_manifest(self, run_id: Id, body: Body) -> Json: ...
    async def put_signing_key(self, public_key: str) -> Json: ...


class ProvenanceQueries(Calls):
    """Those verbs, over the calls of a store."""

    async def get_manifest(self, p: Principal, ref: str) -> Json:
        """{run_id, number, state, manifest_root, manifest|null, on_record|null}."""
        return await self._json("get_manifest", p.token_id, ref)

    async def run_chain(self, p: Principal, ref: str, filters: Body) -> Json:
        """{run_id, head, cut|null, items: [event as stored, with its hashes]}. filters: after_seq, limit."""
        return await self._json("run_chain", p.token_id, ref, Jsonb(filters))

    async def list_signing_keys(self, p: Principal) -> Json:
        """{items: [{key_id, algorithm, public_key, valid_from, retired_at}]}, the newest first."""
        return await self._json("list_signing_keys", p.token_id)

    async def without_manifest(self, limit: int, skip: Iterable[Id] = ()) -> Json:
        """{run_ids, now}: at most `limit` ended runs without a manifest, the first to end first; none of `skip`."""
        return await self._json("without_manifest", limit, Jsonb([str(run_id) for run_id in skip]))

    async def manifest_parts(self, run_id: Id) -> Json | None:
        """What a manifest of the run says now; None while the run has not ended."""
        found: Json | None = await self._value("manifest_parts", run_id)
        return found

    async def put_manifest(self, run_id: Id, body: Body) -> Json:
        """body {text, root, made_at, key_id|null, envelope|null} -> {run_id, sha256, root} of what is on record."""
        return await self._json("put_manifest", run_id, Jsonb(body))

    async def put_signing_key(self, public_key: str) -> Json:
        """The key that signs from now on (raw, hex); the one before is retired: {key_id, retired_at|null}."""
        return await self._json("put_signing_key", public_key)
