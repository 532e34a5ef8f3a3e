"""What may be used, and what it costs: caps, budgets, prices."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from control_room.api.models.base import Answer, Request, Text
from control_room.api.models.runs import CapEntry

ScopeName = Literal["platform", "workspace", "template"]
ScopeRef = Annotated[
    Text | None,
    Field(max_length=200, description="The workspace, or workspace/template; null for the platform."),
]
CapName = Literal[
    "wall_seconds", "queue_seconds", "cpu_seconds", "memory_bytes", "scanned_bytes", "written_bytes", "rows_out",
    "log_bytes", "artifact_bytes", "artifact_count", "cost",
]  # fmt: skip
Action = Annotated[
    Literal["warn", "cancel", "kill", "cut"] | None,
    Field(description="At the limit; null leaves it to other scopes, else cancel. cut: of log_bytes alone."),
]
Grace = Annotated[
    float | None, Field(ge=0, le=3600, strict=True, description="Seconds between the order to stop and the kill.")
]
MeasuredUnit = Literal[
    "wall_seconds", "cpu_seconds", "scanned_bytes", "written_bytes", "rows_out", "log_bytes", "artifact_bytes",
    "artifact_count",
]  # fmt: skip
BudgetUnit = Literal[
    "cost", "runs", "concurrency", "wall_seconds", "cpu_seconds", "scanned_bytes", "written_bytes", "rows_out",
    "log_bytes", "artifact_bytes", "artifact_count",
]  # fmt: skip
Period = Literal["hour", "day", "month", "total"]
Policy = Literal["queue", "refuse"]
Amount = Annotated[float, Field(ge=0, le=1e18, strict=True)]


class Cap(Answer):
    """A hard ceiling of a scope."""

    scope: ScopeName
    workspace: str | None = None
    template_name: str | None = None
    cap: str
    limit: float | None = Field(description="Null in the answer that removed it.")
    action: str | None = None
    grace_seconds: float | None = None
    updated_at: datetime


class Enforcement(CapEntry):
    """One enforcement of a cap, and whose."""

    number: int = Field(description="Of the run.")
    template_name: str


class Caps(Answer):
    """Ceilings in force and the newest enforcements."""

    items: list[Cap]
    ledger: list[Enforcement]


class PutCap(Request):
    """A ceiling to set; limit null removes it. It holds for new runs, and where it is tighter for those at work.

    A scope may have one that warns beside one that ends: each is set, and removed, for itself.
    """

    scope: ScopeName
    scope_ref: ScopeRef = None
    cap: CapName
    limit: Annotated[float, Field(gt=0, le=1e18, strict=True)] | None
    action: Action = None
    grace_seconds: Grace = None


class Budget(Answer):
    """How much of a unit the runs of a scope may use together in a period, and how that stands."""

    budget_id: int
    scope: ScopeName
    workspace: str | None = None
    template_name: str | None = None
    unit: BudgetUnit
    period: Period
    timezone: str = Field(description="In which its days and months begin.")
    limit: float
    policy: Policy = Field(description="queue: a run without room waits. refuse: it is refused.")
    thresholds: list[int] = Field(description="Percent of the limit at which is warned.")
    period_start: datetime | None = Field(None, description="Null of a budget in all.")
    period_end: datetime | None = None
    reserved: float = Field(description="By runs under way, as they were expected to be.")
    used: float = Field(description="By runs that have ended.")
    left: float
    warned: int = Field(description="The highest threshold that was warned of in this period; 0 for none.")
    updated_at: datetime
    updated_by: str
    removed_at: datetime | None = None


class BudgetWarning(Answer):
    """A budget reached a threshold."""

    budget_id: int
    scope: ScopeName
    workspace: str | None = None
    template_name: str | None = None
    unit: BudgetUnit
    period: Period
    threshold: int = Field(description="Percent.")
    used: float
    limit: float
    at: datetime


class Budgets(Answer):
    """The budgets in force, and the newest warnings."""

    items: list[Budget]
    warnings: list[BudgetWarning]


class PutBudget(Request):
    """A budget to set; limit null removes it. One for each scope, unit and period; it holds for claims from now on."""

    scope: ScopeName
    scope_ref: ScopeRef = None
    unit: BudgetUnit
    period: Period | None = Field(None, description="Of concurrency none is needed: it is what runs at a moment.")
    limit: Amount | None
    policy: Policy = "queue"
    timezone: Text = Field("UTC", min_length=1, max_length=64, description="A name such as Europe/Berlin.")
    thresholds: list[Annotated[int, Field(ge=1, le=1000, strict=True)]] | None = Field(
        None, max_length=10, description="Percent of the limit at which is warned; 50, 80 and 100 when left out."
    )


class WrongBalance(Answer):
    """A balance that its ledger does not give."""

    budget_id: int
    period_start: str
    reserved: float
    used: float
    ledger_reserved: float
    ledger_used: float


class AttemptRef(Answer):
    """An attempt, by its identity."""

    run_id: UUID
    epoch: int


class BudgetCheck(Answer):
    """Every balance, recomputed from the ledger. Sound when both lists are empty."""

    balances: int
    wrong: list[WrongBalance]
    leases: list[AttemptRef] = Field(description="Leases without an open entry, and open entries without a lease.")


class PriceList(Answer):
    """Prices per unit, by executor kind; "*" is any. In force from its time to that of the next."""

    version: int
    valid_from: datetime
    currency: str
    prices: dict[str, dict[str, float]]
    created_by: str


class PriceLists(Answer):
    """The price lists, the newest first."""

    items: list[PriceList]


class PutPrices(Request):
    """A new price list. What has ended keeps what it cost."""

    currency: Text = Field(min_length=1, max_length=16, pattern="^[A-Za-z][A-Za-z0-9 ]*$")
    prices: dict[Text, dict[MeasuredUnit, Annotated[float, Field(ge=0, le=1e12, strict=True)]]]
    valid_from: datetime | None = Field(None, description="Now when left out; never in the past.")


class CapValue(Answer):
    """A limit that somebody gave."""

    given_by: str
    limit: float
    action: str | None = None
    grace_seconds: float | None = None


class ExplainedCap(Answer):
    """A ceiling of a run, who gave it, and what others gave."""

    cap: str
    limit: float | None = Field(description="Null of one that only warns.")
    action: str | None = Field(None, description="At the limit: cut, cancel or kill.")
    grace_seconds: float | None = Field(None, description="Null: the executor's own for this cap.")
    warn: float | None = Field(None, description="A limit that only warns.")
    given_by: str = Field(description="platform cap, workspace cap, template cap, template or run.")
    values: list[CapValue]


class CountedBudget(Budget):
    """A budget that a run counts against."""

    estimate: float = Field(description="What its next attempt would reserve.")


class CapsExplained(Answer):
    """Which ceilings and budgets hold for a run, and what was enforced."""

    run_id: UUID
    number: int
    caps: list[ExplainedCap]
    budgets: list[CountedBudget]
    ledger: list[CapEntry]
