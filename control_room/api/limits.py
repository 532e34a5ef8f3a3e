"""What may be used, and what it costs: caps, budgets, prices."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from control_room.api import models
from control_room.api.access import Operator, Reader
from control_room.api.context import Context, context
from control_room.api.documented import reading, writing
from control_room.api.runs import Ref
from control_room.api.strict_route import StrictRouter

router = StrictRouter(tags=["limits"])
Ctx = Annotated[Context, Depends(context)]


@router.get("/caps", operation_id="listCaps", responses=reading())
async def list_caps(ctx: Ctx, caller: Reader) -> models.Caps:
    """Ceilings in force, and the newest enforcements."""
    return models.Caps.model_validate(await ctx.store.list_caps(caller.principal))


@router.put("/caps", operation_id="putCap", responses=writing(404))
async def put_cap(ctx: Ctx, caller: Operator, body: models.PutCap) -> models.Cap:
    """Set a ceiling, or remove it. That of the platform needs a token for all workspaces."""
    return models.Cap.model_validate(await ctx.store.put_cap(caller.principal, body.model_dump(mode="json")))


@router.get("/runs/{ref}/caps", operation_id="explainCaps", responses=reading(404))
async def explain_caps(ctx: Ctx, caller: Reader, ref: Ref) -> models.CapsExplained:
    """Which ceilings and budgets hold for a run, where each comes from, and what was enforced."""
    return models.CapsExplained.model_validate(await ctx.store.explain_caps(caller.principal, ref))


@router.get("/budgets", operation_id="listBudgets", responses=reading())
async def list_budgets(ctx: Ctx, caller: Reader) -> models.Budgets:
    """Budgets in force with their balances, and the newest warnings."""
    return models.Budgets.model_validate(await ctx.store.list_budgets(caller.principal))


@router.put("/budgets", operation_id="putBudget", responses=writing(404))
async def put_budget(ctx: Ctx, caller: Operator, body: models.PutBudget) -> models.Budget:
    """Set a budget, or remove it. That of the platform needs a token for all workspaces."""
    sent = body.model_dump(mode="json", exclude_none=True) | {"limit": body.limit}
    return models.Budget.model_validate(await ctx.store.put_budget(caller.principal, sent))


@router.get("/budgets/check", operation_id="checkBudgets", responses=reading())
async def check_budgets(ctx: Ctx, caller: Reader) -> models.BudgetCheck:
    """Recompute every balance from the ledger. Needs a token for all workspaces."""
    return models.BudgetCheck.model_validate(await ctx.store.check_budgets(caller.principal))


@router.get("/prices", operation_id="listPrices", responses=reading())
async def list_prices(ctx: Ctx, caller: Reader) -> models.PriceLists:
    """The price lists: what a unit of usage costs, by executor kind."""
    return models.PriceLists.model_validate(await ctx.store.list_prices(caller.principal))


@router.post("/prices", operation_id="putPrices", responses=writing())
async def put_prices(ctx: Ctx, caller: Operator, body: models.PutPrices) -> models.PriceList:
    """Give a new price list. Needs a token for all workspaces."""
    sent = body.model_dump(mode="json", exclude_none=True)
    return models.PriceList.model_validate(await ctx.store.put_prices(caller.principal, sent))
