"""Budgets: reserved at claims, settled at ends, whichever end it is; nothing goes beyond, nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.core import Json, Queue, Worker, refused


def budget(queue: Queue, unit: str = "runs", limit: float | None = 2, **more: Any) -> Json:
    body = {"scope": "workspace", "scope_ref": "default", "unit": unit, "period": "day", "limit": limit} | more
    if body["scope"] == "platform":
        body.pop("scope_ref")
    found: Json = queue.ops.call("put_budget", queue.operator, body)
    return found


def balance(queue: Queue, made: Json) -> tuple[float, float]:
    """(reserved, used) of its present period."""
    items = queue.ops.call("list_budgets", queue.operator)["items"]
    (found,) = [item for item in items if item["budget_id"] == made["budget_id"]]
    return float(found["reserved"]), float(found["used"])


def sound(queue: Queue) -> bool:
    checked = queue.ops.call("check_budgets", queue.operator)
    assert (checked["wrong"], checked["leases"]) == ([], [])
    return int(checked["balances"]) > 0


def test_a_claim_reserves_and_a_report_settles(queue: Queue) -> None:
    queue.template(estimate={"cpu_seconds": 10})
    made = budget(queue, "cpu_seconds", 25)
    runs = [queue.submit() for _ in range(3)]
    worker = Worker(queue)
    first, second = worker.claim(10)
    assert balance(queue, made) == (20, 0)
    assert queue.get(runs[2])["state_reason"] == "budget_exhausted"
    worker.report(first, usage={"cpu_seconds": 4})
    assert balance(queue, made) == (10, 4)
    assert sound(queue)
    worker.report(second, "failed", usage={"cpu_seconds": 1})
    assert balance(queue, made) == (0, 5)
    assert sound(queue)
    assert queue.promote()["promoted"] == 1
    assert [run["run_id"] for run in worker.claim(10)] == [runs[2]["run_id"]]


def test_a_run_without_room_says_which_budget_and_the_ledger_too(queue: Queue) -> None:
    queue.template(estimate={"cpu_seconds": 10})
    budget(queue, "cpu_seconds", 5)
    run = queue.submit()
    assert Worker(queue).claim() == []
    (why,) = queue.ops.call("why_run", queue.operator, run["run_id"])["reasons"]
    assert why["code"] == "budget_exhausted"
    found = {
        reason: queue.ops.call("list_runs", queue.operator, {"state": ["waiting"], "reason": reason})["items"]
        for reason in ("budget_exhausted", "not_before")
    }
    assert [item["run_id"] for item in found["budget_exhausted"]] == [run["run_id"]]
    assert found["not_before"] == []
    assert why["message"].startswith(
        "workspace default has 5 of 5 cpu_seconds a day left, this run is expected to take 10; the next day begins at "
    )
    assert queue.event_types(run) == ["run.submitted", "run.waiting"]
    row = queue.ops.admin.execute('select layer, cap, "limit", observed, action from ops.cap_ledger').fetchone()
    assert row == ("admission", "cpu_seconds", 5, 10, "held")
    assert queue.promote()["promoted"] == 0
    budget(queue, "cpu_seconds", 10)
    assert queue.promote()["promoted"] == 1
    assert len(Worker(queue).claim()) == 1


def test_what_stands_behind_a_run_without_room_is_claimed(queue: Queue) -> None:
    queue.template("large", estimate={"cpu_seconds": 10})
    queue.template("small", estimate={"cpu_seconds": 1})
    budget(queue, "cpu_seconds", 5)
    large, small = queue.submit("large"), queue.submit("small")
    assert [run["run_id"] for run in Worker(queue).claim(2)] == [small["run_id"]]
    assert queue.state(large) == "waiting"


def test_the_tightest_of_three_levels_holds_and_all_are_counted(queue: Queue) -> None:
    queue.template()
    levels = [
        budget(queue, scope="platform", limit=5),
        budget(queue, limit=3),
        budget(queue, scope="template", scope_ref="default/job", limit=2),
    ]
    for _ in range(4):
        queue.submit()
    worker = Worker(queue)
    claimed = worker.claim(10)
    assert len(claimed) == 2
    assert [balance(queue, level) for level in levels] == [(2, 0)] * 3
    for run in claimed:
        worker.report(run)
    assert [balance(queue, level) for level in levels] == [(0, 2)] * 3
    assert sound(queue)


def test_other_templates_and_workspaces_are_not_counted(queue: Queue) -> None:
    queue.template()
    queue.template("other")
    made = budget(queue, scope="template", scope_ref="default/other", limit=0)
    queue.submit()
    held = queue.submit("other")
    assert len(Worker(queue).claim(10)) == 1
    assert balance(queue, made) == (0, 0)
    assert queue.get(held)["state_reason"] == "budget_exhausted"


def test_a_run_that_is_expected_to_use_nothing_is_held_once_by_a_budget_that_others_overran(queue: Queue) -> None:
    queue.template()
    queue.template("other")
    made = budget(queue, "scanned_bytes", 10)
    queue.submit()
    worker = Worker(queue)
    worker.report(worker.claim_one(), usage={"scanned_bytes": 12})
    held = queue.submit("other")
    assert worker.claim(10) == []
    events = queue.get(held)["counts"]["events"]
    assert queue.promote()["promoted"] == 0, "there is no more room than at the claim"
    assert worker.claim(10) == []
    assert queue.get(held)["state_reason"] == "budget_exhausted"
    assert queue.get(held)["counts"]["events"] == events
    assert len(queue.get(held)["cap_ledger"]) == 1
    budget(queue, "scanned_bytes", 12)
    assert queue.promote()["promoted"] == 1
    assert len(worker.claim(10)) == 1
    assert balance(queue, made) == (0, 12)


@pytest.mark.parametrize("end", ["expire", "force", "leave", "requeue", "cancel"])
def test_every_end_of_a_lease_releases(queue: Queue, end: str) -> None:
    queue.template(estimate={"cpu_seconds": 10})
    made = budget(queue, "cpu_seconds", 100)
    run = queue.submit()
    worker = Worker(queue)
    claimed = worker.claim_one()
    worker.heartbeat(claimed, usage={"cpu_seconds": 3})
    assert balance(queue, made) == (10, 0)
    match end:
        case "expire":
            assert len(queue.expire()) == 1
        case "force":
            queue.cancel(run, force=True)
        case "leave":
            queue.ops.call("leave_executor", worker.token, worker.id)
        case "requeue":
            queue.ops.call("requeue_run", queue.operator, run["run_id"], {"force": True, "epoch": claimed["epoch"]})
        case _:
            queue.cancel(run)
            worker.report(claimed, "cancelled")
    assert balance(queue, made) == (0, 3), "what heartbeats told was used"
    entries = queue.ops.admin.execute("select entry from ops.budget_ledger order by entry_id").fetchall()
    assert [entry for (entry,) in entries] == ["reserved", "settled" if end == "cancel" else "released"]
    assert sound(queue)


def test_concurrency_is_what_runs_at_a_moment(queue: Queue) -> None:
    queue.template()
    made = budget(queue, "concurrency", 2, period="total")
    for _ in range(5):
        queue.submit()
    worker, done = Worker(queue), 0
    while done < 5:
        claimed = worker.claim(10)
        assert 0 < len(claimed) <= 2
        assert balance(queue, made) == (len(claimed), 0)
        for run in claimed:
            worker.report(run)
            done += 1
        queue.promote()
    assert balance(queue, made) == (0, 0)
    assert sound(queue)


def test_a_period_ends_and_what_began_in_it_is_settled_there(queue: Queue) -> None:
    queue.template()
    made = budget(queue, "runs", 1, period="hour")
    first, second = queue.submit(lease_seconds=3600), queue.submit(lease_seconds=3600)
    worker = Worker(queue)
    claimed = worker.claim_one()
    assert worker.claim() == []
    queue.forward(3600)
    worker.heartbeat(claimed)
    assert balance(queue, made) == (0, 0)
    assert queue.promote()["promoted"] == 1
    again = worker.claim_one()
    assert {claimed["run_id"], again["run_id"]} == {first["run_id"], second["run_id"]}
    worker.report(claimed)
    assert balance(queue, made) == (1, 0), "the hour that it began in has it"
    assert sound(queue)


@pytest.mark.parametrize(
    ("period", "timezone", "at", "start", "end"),
    [
        ("day", "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("day", "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        ("month", "America/New_York", "2026-03-01T04:59:00Z", "2026-02-01T05:00:00Z", "2026-03-01T05:00:00Z"),
        ("month", "UTC", "2028-02-29T23:59:59Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ("hour", "Asia/Kolkata", "2026-01-01T00:10:00Z", "2025-12-31T23:30:00Z", "2026-01-01T00:30:00Z"),
    ],
)
def test_periods_are_those_of_the_timezone(
    queue: Queue, period: str, timezone: str, at: str, start: str, end: str
) -> None:
    row = queue.ops.admin.execute(
        "select s = %s::timestamptz, ops.period_end(%s, %s, s) = %s::timestamptz"
        " from (select ops.period_start(%s, %s, %s::timestamptz) as s) x",
        (start, period, timezone, end, period, timezone, at),
    ).fetchone()
    assert row == (True, True)


def test_a_budget_that_refuses_refuses_the_submit_and_ends_what_was_accepted(queue: Queue) -> None:
    queue.template()
    budget(queue, limit=1, policy="refuse")
    run, other = queue.submit(), queue.submit()
    worker = Worker(queue)
    worker.claim(2)
    with refused("OPX02") as found:
        queue.submit()
    assert found.members["unit"] == "runs"
    queue.promote()
    assert {queue.state(run), queue.state(other)} == {"running", "failed"}
    failed = run if queue.state(run) == "failed" else other
    assert queue.get(failed)["error"]["code"] == "budget_exhausted"
    assert queue.get(failed)["error"]["class"] == "resources"


def test_the_estimate_is_the_median_and_half_the_spread_of_the_last_runs(queue: Queue) -> None:
    queue.template(estimate={"cpu_seconds": 100})
    made = budget(queue, "cpu_seconds", 1000)
    worker = Worker(queue)
    for used in (10, 12, 14, 16, 18):
        queue.submit()
        claimed = worker.claim_one()
        assert balance(queue, made)[0] == 100
        worker.report(claimed, usage={"cpu_seconds": used})
    queue.submit()
    worker.claim_one()
    assert balance(queue, made)[0] == 14 + (16 - 12) / 2


def test_cost_is_price_times_use_by_the_list_in_force_at_the_end(queue: Queue) -> None:
    queue.template(estimate={"cost": 1})
    prices = {"*": {"cpu_seconds": 0.5, "scanned_bytes": 0.001}, "python": {"cpu_seconds": 2}}
    queue.ops.call("put_prices", queue.operator, {"currency": "EUR", "prices": prices})
    made = budget(queue, "cost", 100)
    queue.submit()
    worker = Worker(queue)
    worker.report(worker.claim_one(), usage={"cpu_seconds": 3, "scanned_bytes": 1000, "odd": "x"})
    assert balance(queue, made) == (0, 3 * 2 + 1000 * 0.001)
    assert sound(queue)


def test_thresholds_are_warned_of_once(queue: Queue) -> None:
    queue.template()
    budget(queue, "runs", 4)
    worker = Worker(queue)
    told = []
    for _ in range(4):
        queue.submit()
        worker.report(worker.claim_one())
        told.append([w["threshold"] for w in queue.ops.call("list_budgets", queue.operator)["warnings"]])
    assert told == [[], [50], [50], [100, 80, 50]]


def test_a_budget_that_was_removed_holds_nobody_and_is_settled(queue: Queue) -> None:
    queue.template()
    made = budget(queue, limit=1)
    run, held = queue.submit(), queue.submit()
    worker = Worker(queue)
    claimed = worker.claim_one()
    assert claimed["run_id"] == run["run_id"]
    assert worker.claim() == []
    budget(queue, limit=None)
    assert queue.promote()["promoted"] == 1
    worker.report(claimed)
    assert len(worker.claim()) == 1
    assert queue.state(held) == "running"
    used = queue.ops.value("select used from ops.budget_balances where budget_id = %s", made["budget_id"])
    assert used == 1
    assert sound(queue)
    with refused("OPN08"):
        budget(queue, limit=None)


def test_without_budgets_nothing_is_reserved_or_entered(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue)
    worker.report(worker.claim_one())
    assert queue.ops.value("select count(*) from ops.budget_ledger") == 0
    assert queue.ops.value("select count(*) from ops.budget_dues") == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit": "gold"},
        {"period": "year"},
        {"limit": -1},
        {"limit": "many"},
        {"policy": "ask"},
        {"timezone": "Mars/Olympus"},
        {"thresholds": [0]},
        {"thresholds": "half"},
        {"unit": "concurrency", "period": "day"},
        {"scope": "galaxy"},
        {"scope_ref": None},
    ],
    ids=str,
)
def test_a_wrong_budget_is_refused(queue: Queue, wrong: Json) -> None:
    with refused("OPV01"):
        budget(queue, **wrong)


def test_only_an_operator_of_all_workspaces_sets_what_concerns_all(queue: Queue) -> None:
    guest = queue.ops.token("operator", workspaces=["default"])
    for body in ({"scope": "platform", "unit": "runs", "period": "day", "limit": 1},):
        with refused("OPU02"):
            queue.ops.call("put_budget", guest, body)
    with refused("OPU02"):
        queue.ops.call("put_prices", guest, {"currency": "EUR", "prices": {}})
    with refused("OPU02"):
        queue.ops.call("check_budgets", guest)
