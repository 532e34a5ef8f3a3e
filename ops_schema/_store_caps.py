"""What may be used: caps, budgets and prices. The part of the store for them."""

from __future__ import annotations

from typing import Protocol

from psycopg.types.json import Jsonb

from ops_schema._store_calls import Calls
from ops_schema._store_values import Body, Json, Principal


class Limits(Protocol):
    """The verbs, as servers see them."""

    async def list_caps(self, p: Principal) -> Json: ...
    async def put_cap(self, p: Principal, body: Body) -> Json: ...
    async def explain_caps(self, p: Principal, ref: str) -> Json: ...
    async def list_budgets(self, p: Principal) -> Json: ...
    async def put_budget(self, p: Principal, body: Body) -> Json: ...
    async def check_budgets(self, p: Principal) -> Json: ...
    async def list_prices(self, p: Principal) -> Json: ...
    async def put_prices(self, p: Principal, body: Body) -> Json: ...


class LimitQueries(Calls):
    """The verbs, over the calls of a store."""

    async def list_caps(self, p: Principal) -> Json:
        """{items: [Cap], ledger: [entry]}, newest ledger entries first."""
        return await self._json("list_caps", p.token_id)

    async def put_cap(self, p: Principal, body: Body) -> Json:
        """body {scope, scope_ref, cap, limit|null} -> Cap. scope_ref: null, a workspace, or workspace/template."""
        return await self._json("put_cap", p.token_id, Jsonb(body))

    async def explain_caps(self, p: Principal, ref: str) -> Json:
        """{run_id, number, caps: [{cap, limit, from, values}], budgets: [Budget + estimate], ledger: [entry]}."""
        return await self._json("explain_caps", p.token_id, ref)

    async def list_budgets(self, p: Principal) -> Json:
        """{items: [Budget with its balance], warnings: [...]}, newest warnings first."""
        return await self._json("list_budgets", p.token_id)

    async def put_budget(self, p: Principal, body: Body) -> Json:
        """body {scope, scope_ref, unit, period, limit|null, policy?, timezone?, thresholds?} -> Budget."""
        return await self._json("put_budget", p.token_id, Jsonb(body))

    async def check_budgets(self, p: Principal) -> Json:
        """{balances, wrong: [...], leases: [...]}: every balance, recomputed from the ledger."""
        return await self._json("check_budgets", p.token_id)

    async def list_prices(self, p: Principal) -> Json:
        """{items: [PriceList]}, the newest first."""
        return await self._json("list_prices", p.token_id)

    async def put_prices(self, p: Principal, body: Body) -> Json:
        """body {currency, prices: {kind or "*": {unit: price}}, valid_from?} -> PriceList."""
        return await self._json("put_prices", p.token_id, Jsonb(body))
