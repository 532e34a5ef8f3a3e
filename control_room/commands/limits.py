"""caps, budgets, prices: what may be used, by whom, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from control_room.commands.context import AsJson, connect, print_json, print_table, say
from control_room.commands.runs_steering import answer
from control_room.commands.words import amount_text, time_text
from control_room.errors import FAILED, MISUSE, ControlRoomError

caps_app = typer.Typer(no_args_is_help=True, help="Ceilings of single runs: what stops them.")
budgets_app = typer.Typer(no_args_is_help=True, help="How much the runs of a scope may use together in a period.")
prices_app = typer.Typer(no_args_is_help=True, help="What a unit of usage costs, by executor kind.")
Scope = Annotated[
    str,
    typer.Argument(metavar="SCOPE", help="platform, a workspace, or workspace/template.", show_default=False),
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Number or run_id.")]


def scope_of(text: str) -> dict[str, str | None]:
    """The API's scope and scope_ref."""
    if text == "platform":
        return {"scope": "platform", "scope_ref": None}
    return {"scope": "template" if "/" in text else "workspace", "scope_ref": text}


def scope_text(thing: Mapping[str, Any]) -> str:
    """As `scope_of` reads it."""
    return "/".join(filter(None, (thing["workspace"], thing["template_name"]))) or "platform"


@caps_app.command("ls")
def caps_ls(context: typer.Context, as_json: AsJson = False) -> None:
    """Ceilings by scope. Templates and submits have their own besides: `caps explain RUN`."""
    with connect(context) as client:
        found = client.caps()
    if as_json:
        print_json(found)
        return
    rows = [[scope_text(c), c["cap"], amount_text(c["limit"], c["cap"]), rule_text(c)] for c in found["items"]]
    print_table({"scope": "left", "cap": "left", "limit": "right", "action": "left"}, rows)


def rule_text(rule: Mapping[str, Any]) -> str | None:
    """What is done at a limit, as far as it was said."""
    grace = None if rule["grace_seconds"] is None else f"after {amount_text(rule['grace_seconds'], 'grace_seconds')}"
    return " ".join(filter(None, (rule["action"], grace))) or None


@caps_app.command("set")
def caps_set(
    context: typer.Context,
    scope: Scope,
    cap: Annotated[str, typer.Argument(metavar="CAP", help="wall_seconds, memory_bytes, rows_out, …")],
    limit: Annotated[float, typer.Argument(metavar="LIMIT", min=0)],
    action: Annotated[
        str | None,
        typer.Option(help="At the limit: warn, cancel, kill, or cut for a log; other scopes' when not said."),
    ] = None,
    grace: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Of cancel: between the order to stop and the kill.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set a ceiling. It holds for new runs, and where it is tighter for those at work. One that warns stands beside."""
    with connect(context) as client:
        found = client.put_cap(**scope_of(scope), cap=cap, limit=limit, action=action, grace_seconds=grace)
    answer(found, as_json, f"{cap} of {scope} is at most {amount_text(found['limit'], cap)}")


@caps_app.command("rm")
def caps_rm(
    context: typer.Context,
    scope: Scope,
    cap: Annotated[str, typer.Argument(metavar="CAP")],
    warning: Annotated[bool, typer.Option("--warning", help="The one that warns, not the one that ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a ceiling. Runs that were submitted under it keep it."""
    with connect(context) as client:
        found = client.put_cap(**scope_of(scope), cap=cap, limit=None, action="warn" if warning else None)
    answer(found, as_json, f"{scope} has no ceiling of its own for {cap} any more")


@caps_app.command("explain")
def caps_explain(context: typer.Context, run: Run, as_json: AsJson = False) -> None:
    """Which ceilings and budgets hold for a run, where each comes from, and what was enforced."""
    with connect(context) as client:
        found = client.explain_caps(run)
    if as_json:
        print_json(found)
        return
    rows = [
        [
            c["cap"],
            *(None if c[name] is None else amount_text(c[name], c["cap"]) for name in ("limit", "warn")),
            rule_text(c),
            c["given_by"],
            ", ".join(f"{v['given_by']} {amount_text(v['limit'], c['cap'])}" for v in c["values"][1:]) or None,
        ]
        for c in found["caps"]
    ]
    columns = {"cap": "left", "limit": "right", "warns at": "right", "action": "left", "from": "left", "and": "left"}
    print_table(columns, rows)
    if found["budgets"]:
        say()
        print_table(*_budgets(found["budgets"], estimate=True))
    for e in found["ledger"]:
        say(
            f"attempt with epoch {e['epoch']}: {e['cap']} reached {amount_text(e['observed'], e['cap'])} of "
            f"{amount_text(e['limit'], e['cap'])}; {e['action']} by the {e['layer'].replace('_', ' ')}"
        )


@budgets_app.command("ls")
def budgets_ls(context: typer.Context, as_json: AsJson = False) -> None:
    """Budgets and how they stand."""
    with connect(context) as client:
        found = client.budgets()
    if as_json:
        print_json(found)
        return
    print_table(*_budgets(found["items"]))


def _budgets(items: list[dict[str, Any]], *, estimate: bool = False) -> tuple[dict[str, str], list[list[Any]]]:
    columns = {"scope": "left", "unit": "left", "per": "left", "used": "right", "reserved": "right", "limit": "right"}
    rows = [
        [
            scope_text(b),
            b["unit"],
            b["period"],
            *(amount_text(b[name], b["unit"]) for name in ("used", "reserved", "limit")),
            b["policy"],
            time_text(b["period_end"]) if b["period_end"] else None,
            *([amount_text(b["estimate"], b["unit"])] if estimate else []),
        ]
        for b in items
    ]
    more = {"expected": "right"} if estimate else {}
    return {**columns, "when full": "left", "until": "left", **more}, rows


@budgets_app.command("set")
def budgets_set(
    context: typer.Context,
    scope: Scope,
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="cost, runs, concurrency, cpu_seconds, scanned_bytes, …")],
    limit: Annotated[float, typer.Argument(metavar="LIMIT", min=0)],
    per: Annotated[str | None, typer.Option("--per", help="hour, day, month or total.")] = None,
    policy: Annotated[str, typer.Option(help="queue: a run without room waits; refuse: it is refused.")] = "queue",
    timezone: Annotated[str, typer.Option(help="In which days and months begin.")] = "UTC",
    warn: Annotated[list[int] | None, typer.Option("--warn", help="Percent at which is warned.")] = None,
    as_json: AsJson = False,
) -> None:
    """Set a budget: `budgets set default cost 500 --per month`."""
    if per is None and unit != "concurrency":
        raise ControlRoomError(
            f"a budget of {unit} is for a period", next_step="add --per hour, day, month or total", exit_code=MISUSE
        )
    more = {"period": per, "policy": policy, "timezone": timezone, "thresholds": warn or None}
    with connect(context) as client:
        found = client.put_budget(**scope_of(scope), unit=unit, limit=limit, **more)
    used = amount_text(found["used"] + found["reserved"], unit)
    answer(found, as_json, f"{scope} may use {amount_text(found['limit'], unit)} of {unit}; {used} is used or reserved")


@budgets_app.command("rm")
def budgets_rm(
    context: typer.Context,
    scope: Scope,
    unit: Annotated[str, typer.Argument(metavar="UNIT")],
    per: Annotated[str | None, typer.Option("--per", help="hour, day, month or total.")] = None,
    as_json: AsJson = False,
) -> None:
    """Remove a budget. What runs hold of it is settled all the same."""
    with connect(context) as client:
        found = client.put_budget(**scope_of(scope), unit=unit, period=per, limit=None)
    answer(found, as_json, f"{scope} has no budget of {unit} a {found['period']} any more")


@budgets_app.command("check")
def budgets_check(context: typer.Context, as_json: AsJson = False) -> None:
    """Recompute every balance from the ledger; exit code 1 when one is wrong."""
    with connect(context) as client:
        found = client.check_budgets()
    wrong = found["wrong"] + found["leases"]
    answer(found, as_json, f"{found['balances']} balances, {len(wrong)} wrong")
    for each in [] if as_json else wrong:
        say(json.dumps(each))
    if wrong:
        raise typer.Exit(FAILED)


@prices_app.command("ls")
def prices_ls(context: typer.Context, as_json: AsJson = False) -> None:
    """Price lists, the newest first."""
    with connect(context) as client:
        items = client.prices()
    if as_json:
        print_json({"items": items})
        return
    rows = [
        [p["version"], time_text(p["valid_from"]), kind, unit, f"{price:g} {p['currency']}", p["created_by"]]
        for p in items
        for kind, units in p["prices"].items()
        for unit, price in units.items()
    ]
    columns = {"version": "right", "valid from": "left", "kind": "left", "unit": "left", "price": "right", "by": "left"}
    print_table(columns, rows)


@prices_app.command("set")
def prices_set(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON: {currency, prices: {kind or *: {unit: price}}}.")],
    as_json: AsJson = False,
) -> None:
    """Give a new price list. What has ended keeps what it cost."""
    try:
        body = json.loads(file.read_text())
        if not isinstance(body, dict):
            raise ValueError("it is no JSON object")
    except (OSError, ValueError) as error:
        raise ControlRoomError(
            f"the price list cannot be read: {error}",
            where=str(file),
            next_step='write {"currency": "EUR", "prices": {"*": {"cpu_seconds": 0.00001}}}',
            exit_code=MISUSE,
        ) from error
    with connect(context) as client:
        found = client.put_prices(**body)
    answer(found, as_json, f"price list {found['version']} holds from {time_text(found['valid_from'])} on")
