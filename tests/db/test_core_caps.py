"""Caps in the schema: what may be given, which is in force, what SQL itself enforces, what the ledger says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.core import Json, Queue, Worker, refused
from tests.support.invariants import violations
from tests.support.postgres import Database

PRICES = {"currency": "EUR", "prices": {"*": {"cpu_seconds": 2}}}


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template()
    yield made
    made.ops.close()


def put(queue: Queue, cap: str, limit: float | None, scope: str = "platform", **more: Any) -> Json:
    ref = {"platform": None, "workspace": "default", "template": "default/job"}[scope]
    found: Json = queue.ops.call(
        "put_cap", queue.operator, {"scope": scope, "scope_ref": ref, "cap": cap, "limit": limit} | more
    )
    return found


def ledger(queue: Queue, run: Json) -> list[Json]:
    found: list[Json] = queue.get(run)["cap_ledger"]
    return found


def explained(queue: Queue, run: Json) -> dict[str, Json]:
    found = queue.ops.call("explain_caps", queue.operator, run["run_id"])
    return {cap["cap"]: cap for cap in found["caps"]}


# Actions and grace ----------------------------------------------------------------------------------------------------


def test_a_cap_may_say_what_is_done_and_executors_are_told(queue: Queue) -> None:
    queue.template(caps={"wall_seconds": 60, "log_bytes": {"limit": 1000, "action": "cut"}})
    put(queue, "wall_seconds", 50, grace_seconds=3)
    queue.submit()
    run = Worker(queue).claim_one()
    assert run["caps"] == {"wall_seconds": 50, "log_bytes": 1000}
    assert run["cap_rules"] == {
        "wall_seconds": {"limit": 50, "action": "cancel", "grace_seconds": 3, "warn": None},
        "log_bytes": {"limit": 1000, "action": "cut", "grace_seconds": None, "warn": None},
    }


def test_caps_that_say_no_more_than_a_limit_have_no_rules(queue: Queue) -> None:
    queue.template(caps={"wall_seconds": 60})
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    assert "cap_rules" not in run
    assert "cap_rules" not in worker.heartbeat(run)["runs"][0]


def test_the_strongest_action_and_the_least_grace_hold(queue: Queue) -> None:
    queue.template(caps={"wall_seconds": {"limit": 60, "action": "cancel", "grace_seconds": 10}})
    put(queue, "wall_seconds", 90, "workspace", action="cancel", grace_seconds=4)
    run = queue.submit()
    (found,) = explained(queue, run).values()
    assert (found["limit"], found["action"], found["grace_seconds"]) == (60, "cancel", 4)
    put(queue, "wall_seconds", 100, action="kill")
    (found,) = explained(queue, run).values()
    assert (found["limit"], found["action"]) == (60, "kill")


def test_a_limit_that_warns_stands_beside_one_that_ends(queue: Queue) -> None:
    queue.template(caps={"wall_seconds": 60})
    put(queue, "wall_seconds", 40, "workspace", action="warn")
    put(queue, "wall_seconds", 55, "workspace")
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    assert run["caps"] == {"wall_seconds": 55}
    assert run["cap_rules"]["wall_seconds"]["warn"] == 40
    put(queue, "wall_seconds", None, "workspace", action="warn")
    assert "cap_rules" not in worker.heartbeat(run)["runs"][0]
    assert len(queue.ops.call("list_caps", queue.operator)["items"]) == 1


def test_a_cap_that_only_warns_ends_nothing(queue: Queue) -> None:
    queue.template(caps={"rows_out": {"limit": 10, "action": "warn"}})
    run = queue.submit()
    assert run["caps"] == {}
    claimed = Worker(queue).claim_one()
    assert claimed["cap_rules"] == {"rows_out": {"limit": None, "action": None, "grace_seconds": None, "warn": 10}}
    (found,) = explained(queue, run).values()
    assert (found["limit"], found["action"], found["warn"]) == (None, None, 10)


def test_an_action_that_is_tightened_reaches_the_run_under_way(queue: Queue) -> None:
    queue.submit(caps={"wall_seconds": 60})
    worker = Worker(queue)
    run = worker.claim_one()
    put(queue, "wall_seconds", 70, action="kill")
    (told,) = worker.heartbeat(run)["runs"]
    assert told["caps"] == {"wall_seconds": 60}
    assert told["cap_rules"]["wall_seconds"]["action"] == "kill"


@pytest.mark.parametrize(
    ("asked", "members"),
    [
        ({"limit": 70}, {"cap": "wall_seconds", "limit": 60, "observed": 70}),
        ({"limit": 50, "grace_seconds": 6}, {"cap": "wall_seconds", "limit": 5, "observed": 6}),
    ],
)
def test_a_run_loosens_neither_limit_nor_grace(queue: Queue, asked: Json, members: Json) -> None:
    queue.template(caps={"wall_seconds": {"limit": 60, "grace_seconds": 5}})
    with refused("OPX01") as above:
        queue.submit(caps={"wall_seconds": asked})
    assert above.members == members


@pytest.mark.parametrize("given", [1000, {"limit": 1000, "action": "kill"}])
def test_a_run_asks_for_no_weaker_action(queue: Queue, given: Any) -> None:
    queue.template(caps={"log_bytes": given})
    with refused("OPX01") as above:
        queue.submit(caps={"log_bytes": {"limit": 500, "action": "cut"}})
    assert above.members["observed"] == "cut"
    run = queue.submit(caps={"log_bytes": {"limit": 500, "action": "kill"}})
    assert explained(queue, run)["log_bytes"]["action"] == "kill"


@pytest.mark.parametrize(
    ("cap", "value", "where"),
    [
        ("speed", 1, "/caps/speed"),
        ("rows_out", 0, "/caps/rows_out"),
        ("rows_out", 1.5, "/caps/rows_out"),
        ("rows_out", "5", "/caps/rows_out"),
        ("rows_out", {"action": "kill"}, "/caps/rows_out/limit"),
        ("rows_out", {"limit": 1.5}, "/caps/rows_out/limit"),
        ("rows_out", {"limit": 5, "action": "cut"}, "/caps/rows_out/action"),
        ("rows_out", {"limit": 5, "action": "beg"}, "/caps/rows_out/action"),
        ("rows_out", {"limit": 5, "grace_seconds": -1}, "/caps/rows_out/grace_seconds"),
        ("rows_out", {"limit": 5, "grace_seconds": 9999}, "/caps/rows_out/grace_seconds"),
        ("rows_out", {"limit": 5, "grace_seconds": "1"}, "/caps/rows_out/grace_seconds"),
        ("rows_out", {"limit": 5, "action": "kill", "grace_seconds": 1}, "/caps/rows_out/grace_seconds"),
        ("queue_seconds", {"limit": 5, "action": "warn"}, "/caps/queue_seconds/action"),
        ("queue_seconds", {"limit": 5, "grace_seconds": 1}, "/caps/queue_seconds/action"),
    ],
)
def test_a_cap_that_cannot_work_is_refused_where_it_stands(queue: Queue, cap: str, value: Any, where: str) -> None:
    with refused("OPV01") as wrong:
        queue.submit(caps={cap: value})
    assert wrong.members["errors"][0]["path"] == where


def test_a_pipelines_actions_hold_for_its_tasks_and_a_repeated_run_keeps_its_own(queue: Queue) -> None:
    queue.template(caps={"wall_seconds": {"limit": 60, "grace_seconds": 9}})
    queue.template("pipe", kind="pipeline", tasks={"a": {"template": "job"}})
    pipeline = queue.submit("pipe", caps={"wall_seconds": {"limit": 50, "action": "kill"}})
    task = queue.child(pipeline, "a")
    assert queue.get(task)["cap_rules"] == {"wall_seconds": {"action": "kill", "grace_seconds": 9}}
    queue.cancel(pipeline)
    again = queue.retry(pipeline)
    assert queue.get(queue.child(again, "a"))["cap_rules"] == {"wall_seconds": {"action": "kill", "grace_seconds": 9}}


# None is loosened, whatever was given -------------------------------------------------------------------------------

STRENGTH = ["cut", "cancel", "kill"]


def given(dice: random.Random, cap: str) -> Json | None:
    """What somebody says of a cap: nothing, or a limit with an action and a grace."""
    if dice.random() < 0.4:
        return None
    words = [None, "warn", "cancel", "kill", *(["cut"] if cap == "log_bytes" else [])]
    action = dice.choice(words)
    grace = dice.choice([None, 0, 3, 9]) if action in (None, "cancel") else None
    return {"limit": dice.randint(1, 9) * 10, "action": action, "grace_seconds": grace}


def tightest(said: list[Json]) -> Json | None:
    """What holds of all that was said and ends something; None when nothing does."""
    if not (ends := [each for each in said if each["action"] != "warn"]):
        return None
    actions = [each["action"] for each in ends if each["action"]]
    graces = [each["grace_seconds"] for each in ends if each["grace_seconds"] is not None]
    return {
        "limit": min(each["limit"] for each in ends),
        "action": max(actions, key=STRENGTH.index, default="cancel"),
        "grace_seconds": min(graces, default=None),
    }


def loosens(asked: Json | None, force: Json | None) -> bool:
    if asked is None or asked["action"] == "warn" or force is None:
        return False
    weaker = asked["action"] and STRENGTH.index(asked["action"]) < STRENGTH.index(force["action"])
    longer = None not in (asked["grace_seconds"], force["grace_seconds"])
    longer = longer and asked["grace_seconds"] > force["grace_seconds"]
    return bool(asked["limit"] > force["limit"] or weaker or longer)


@pytest.mark.parametrize("seed", range(4))
def test_of_all_that_scopes_and_a_submit_say_the_tightest_holds_and_nothing_is_loosened(
    queue: Queue, seed: int
) -> None:
    dice, worker, refusals = random.Random(seed), Worker(queue), 0
    for cap in ("log_bytes", "rows_out") * 15:
        queue.ops.admin.execute("delete from ops.caps")
        said = {scope: given(dice, cap) for scope in ("platform", "workspace", "template")}
        for scope, each in said.items():
            if each:
                put(queue, cap, scope=scope, **each)
        own, asked = given(dice, cap), given(dice, cap)
        queue.template(caps={cap: own} if own else {})
        known = [each for each in (*said.values(), own) if each]
        force = tightest(known)
        caps = {cap: asked} if asked else {}
        if loosens(asked, force):
            refusals += 1
            with refused("OPX01"):
                queue.submit(caps=caps)
            continue
        queue.submit(caps=caps)
        run = worker.claim_one()
        due = tightest([*known, asked] if asked else known)
        rule = run.get("cap_rules", {}).get(cap, {})
        warns = [each["limit"] for each in (*known, *([asked] if asked else [])) if each["action"] == "warn"]
        assert run["caps"].get(cap) == (due["limit"] if due else None)
        assert rule.get("warn") == min(warns, default=None)
        if due:
            assert (rule.get("action") or "cancel") == due["action"]
            assert rule.get("grace_seconds") == due["grace_seconds"]
        worker.report(run)
    assert refusals > 0


# What SQL itself enforces ---------------------------------------------------------------------------------------------


def test_a_run_that_is_not_started_in_time_fails_and_the_ledger_says_so(queue: Queue) -> None:
    late, patient = queue.submit(caps={"queue_seconds": 60}), queue.submit()
    queue.forward(59)
    assert queue.promote()["unstarted"] == 0
    queue.forward(2.5)
    assert queue.promote()["unstarted"] == 1
    run = queue.get(late)
    assert (run["state"], run["state_reason"]) == ("failed", "queue_seconds")
    assert (run["error"]["class"], run["error"]["code"]) == ("resources", "queue_seconds")
    (entry,) = ledger(queue, late)
    assert (entry["layer"], entry["cap"], entry["limit"], entry["action"]) == (
        "admission",
        "queue_seconds",
        60,
        "failed",
    )
    assert 1 <= entry["overshoot"] <= 3
    assert entry["overshoot_ms"] == pytest.approx(entry["overshoot"] * 1000)
    assert queue.why(late) == ["queue_seconds"]
    assert queue.event_types(late)[-2:] == ["cap.enforced", "run.failed"]
    assert queue.state(patient) == "queued"
    assert violations(queue.ops.admin) == []


def test_a_platform_cap_on_waiting_holds_for_the_runs_of_all(queue: Queue) -> None:
    put(queue, "queue_seconds", 30)
    run = queue.submit()
    put(queue, "queue_seconds", 10)
    queue.forward(11)
    queue.promote()
    assert queue.get(run)["error"]["code"] == "queue_seconds"


def test_a_run_that_has_started_in_time_is_let_work(queue: Queue) -> None:
    queue.submit(caps={"queue_seconds": 5})
    worker = Worker(queue)
    run = worker.claim_one()
    queue.forward(10)
    assert queue.promote()["unstarted"] == 0
    assert worker.directive(run) == "continue"


def test_a_paused_run_waits_as_long_as_a_person_wants(queue: Queue) -> None:
    run = queue.submit(caps={"queue_seconds": 5})
    queue.ops.call("pause_run", queue.operator, run["run_id"], {})
    queue.forward(10)
    assert queue.promote()["unstarted"] == 0


def test_a_run_that_a_budget_holds_does_not_wait_for_ever(queue: Queue) -> None:
    body = {"scope": "workspace", "scope_ref": "default", "unit": "concurrency", "limit": 1}
    queue.ops.call("put_budget", queue.operator, body)
    queue.submit()
    run = queue.submit(caps={"queue_seconds": 60})
    worker = Worker(queue)
    first = worker.claim_one()
    assert worker.claim() == []
    assert queue.get(run)["state_reason"] == "budget_exhausted"
    queue.forward(50)
    worker.report(first)
    assert queue.promote()["promoted"] == 1
    queue.forward(11)
    assert queue.promote()["unstarted"] == 1, "what a budget held it counts, too"


def test_a_run_beyond_its_cost_is_told_to_stop_and_was_capped(queue: Queue) -> None:
    queue.ops.call("put_prices", queue.operator, PRICES)
    queue.submit(caps={"cost": 5}, max_attempts=1)
    worker = Worker(queue)
    run = worker.claim_one()
    assert worker.heartbeat(run, usage={"cpu_seconds": 2.5})["runs"][0]["directive"] == "continue"
    (told,) = worker.heartbeat(run, usage={"cpu_seconds": 3})["runs"]
    assert (told["directive"], told["reason"]) == ("cancel", "cost reached 6, its limit is 5")
    assert told["grace_seconds"] == 10
    assert worker.heartbeat(run, usage={"cpu_seconds": 4})["runs"][0]["directive"] == "cancel"
    (entry,) = ledger(queue, run)
    assert (entry["layer"], entry["cap"], entry["observed"], entry["action"]) == (
        "control_room",
        "cost",
        6,
        "cancelled",
    )
    assert queue.get(run)["cancel_requested_at"] is None
    worker.report(run, "cancelled", reason=told["reason"], usage={"cpu_seconds": 4})
    found = queue.get(run)
    assert (found["state"], found["error"]["class"], found["error"]["code"]) == ("failed", "resources", "cap_exceeded")
    assert found["attempts"][0]["outcome"] == "capped"
    assert queue.why(run) == ["attempt_capped", "no_retry"] or queue.why(run)[0] == "attempt_capped"
    assert violations(queue.ops.admin) == []


def test_a_run_that_a_person_cancels_was_cancelled_whatever_it_cost(queue: Queue) -> None:
    queue.ops.call("put_prices", queue.operator, PRICES)
    queue.submit(caps={"cost": 5})
    worker = Worker(queue)
    run = worker.claim_one()
    worker.heartbeat(run, usage={"cpu_seconds": 3})
    queue.cancel(run, reason="enough")
    worker.report(run, "cancelled")
    assert queue.state(run) == "cancelled"


def test_a_run_whose_cost_only_warns_goes_on(queue: Queue) -> None:
    queue.ops.call("put_prices", queue.operator, PRICES)
    queue.submit(caps={"cost": {"limit": 2, "action": "warn"}})
    worker = Worker(queue)
    run = worker.claim_one()
    for used in (1.5, 2):
        assert worker.heartbeat(run, usage={"cpu_seconds": used})["runs"][0]["directive"] == "continue"
    worker.report(run)
    assert [(e["action"], e["observed"]) for e in ledger(queue, run)] == [("warned", 3)]
    assert queue.event_types(run).count("cap.warned") == 1
    assert queue.state(run) == "succeeded"


def test_an_executor_that_goes_on_beyond_the_cost_loses_the_run(queue: Queue) -> None:
    queue.ops.call("put_prices", queue.operator, PRICES)
    queue.submit(caps={"cost": 5}, max_attempts=1)
    worker = Worker(queue)
    run = worker.claim_one()
    worker.heartbeat(run, usage={"cpu_seconds": 3})
    for _ in range(30):
        queue.forward(3)
        worker.heartbeat(run, usage={"cpu_seconds": 3})
        if queue.sweep():
            break
    found = queue.get(run)
    assert (found["state"], found["error"]["code"]) == ("failed", "cap_exceeded")
    assert worker.directive(run) == "superseded"
    assert violations(queue.ops.admin) == []


def test_without_prices_a_cap_of_cost_ends_nothing(queue: Queue) -> None:
    queue.submit(caps={"cost": 5})
    worker = Worker(queue)
    run = worker.claim_one()
    assert worker.heartbeat(run, usage={"cpu_seconds": 1000})["runs"][0]["directive"] == "continue"


def test_an_artifact_too_many_is_refused(queue: Queue) -> None:
    queue.submit(caps={"artifact_count": 2})
    worker = Worker(queue)
    run = worker.claim_one()
    worker.artifact(run, "one")
    worker.artifact(run, "two")
    worker.artifact(run, "two")
    with refused("OPX01") as above:
        worker.artifact(run, "three")
    assert above.members == {"cap": "artifact_count", "limit": 2, "observed": 3}


def test_a_warning_in_a_report_is_no_reason_for_its_end(queue: Queue) -> None:
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    entry = {"layer": "watchdog", "cap": "rows_out", "limit": 5, "observed": 9, "overshoot": 4, "action": "warned"}
    worker.report(run, cap_ledger=[entry])
    assert queue.state(run) == "succeeded"
    assert "cap.warned" in queue.event_types(run)
    assert ledger(queue, run)[0]["action"] == "warned"
