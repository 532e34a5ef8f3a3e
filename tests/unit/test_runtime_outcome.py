"""What is reported for each way a child can end. Pure."""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from contract import models
from executors.runtime.caps import Breach, Caps, Rule
from executors.runtime.measures import memory_breach, stop_timings
from executors.runtime.outcome import Facts, conclude
from executors.runtime.supervise import ChildEnd, Stop

FACTS = Facts("0197a3c4-7000-7000-8000-000000000042", 7, datetime(2026, 11, 21, tzinfo=UTC), {"wall_seconds": 1.5})
REPORT: TypeAdapter[Any] = TypeAdapter(models.Report)
DONE = ChildEnd(status=0, result={"rows": 3})
ERROR = {"class": "user", "code": "zero_division_error", "message": "division by zero", "trace": None, "position": None}


def report_of(end: ChildEnd, facts: Facts = FACTS) -> dict[str, Any]:
    body = conclude(end, facts)
    assert body is not None
    REPORT.validate_python(body)
    return body


def test_a_result_and_exit_code_zero_are_success() -> None:
    body = report_of(DONE)
    assert (body["outcome"], body["result"]) == ("succeeded", {"rows": 3})
    assert body["idempotency_key"] == f"{FACTS.run_id}/7"


def test_an_error_message_is_failure_with_the_childs_own_words() -> None:
    body = report_of(ChildEnd(status=256, error=ERROR))
    assert (body["outcome"], body["error"]["code"]) == ("failed", "zero_division_error")


def test_an_error_message_that_breaks_the_contract_is_made_to_fit() -> None:
    odd = {"class": "wizard", "code": "x" * 500, "message": None, "trace": 17, "position": "here"}
    error = report_of(ChildEnd(status=256, error=odd))["error"]
    assert error["class"] == "user"
    assert len(error["code"]) == 100


def test_an_error_message_that_no_store_can_hold_is_made_to_fit() -> None:
    position = {"line": 3, "file": "a\x00\ud800", "deep": [[[]]], "far": float("inf")}
    odd = {"class": "user", "code": "\ud800", "message": "\x00", "trace": "\udfff", "position": position}
    error = report_of(ChildEnd(status=256, error=odd))["error"]
    assert (error["code"], error["message"], error["trace"]) == ("?", "\\x00", "?")
    assert error["position"] == {"line": 3, "file": "a\\x00?"}


@pytest.mark.parametrize(
    ("status", "failure_class", "code"),
    [
        (3 << 8, "user", "exit_code"),
        (0, "user", "result_missing"),
        (int(signal.SIGKILL), "internal", "child_killed"),
        (int(signal.SIGSEGV), "user", "crashed"),
        (None, "internal", "child_lost"),
    ],
)
def test_each_silent_end_has_its_class_and_code(status: int | None, failure_class: str, code: str) -> None:
    error = report_of(ChildEnd(status=status, stderr_tail="last words"))["error"]
    assert (error["class"], error["code"]) == (failure_class, code)


@pytest.mark.parametrize("status", [None, int(signal.SIGKILL)])
def test_a_child_that_was_killed_while_its_engine_may_have_written_leaves_an_unknown_outcome(
    status: int | None,
) -> None:
    assert report_of(ChildEnd(status=status, unsure=True))["error"]["code"] == "outcome_unknown"


def test_a_kill_by_the_system_for_want_of_memory_is_a_matter_of_resources() -> None:
    error = report_of(ChildEnd(status=9), replace(FACTS, oom_killed=True))["error"]
    assert (error["class"], error["code"]) == ("resources", "out_of_memory")


def test_a_cancelled_child_is_cancelled_with_the_reason() -> None:
    body = report_of(ChildEnd(status=15, stop=Stop("cancel", "no longer needed", 5)))
    assert (body["outcome"], body["reason"]) == ("cancelled", "no longer needed")


def test_a_cancel_that_came_after_the_result_leaves_the_success() -> None:
    assert report_of(replace(DONE, stop=Stop("cancel", "too late")))["outcome"] == "succeeded"


def test_a_result_that_came_after_the_order_to_stop_is_not_a_success() -> None:
    assert report_of(replace(DONE, stop=Stop("cancel", "stop"), stopped_first=True))["outcome"] == "cancelled"


@pytest.mark.parametrize("kind", ["superseded", "lapsed"])
def test_nothing_is_reported_once_the_lease_is_lost_not_even_a_breach(kind: Any) -> None:
    breach = Breach("wall_seconds", 1, 2, 1)
    assert conclude(ChildEnd(status=9, stop=Stop(kind, ""), breaches=[breach]), FACTS) is None


def test_nothing_is_reported_of_a_shutdown_the_run_is_given_back() -> None:
    assert conclude(ChildEnd(status=15, stop=Stop("shutdown", "asked to stop")), FACTS) is None
    late = replace(DONE, stop=Stop("shutdown", "asked to stop"), stopped_first=True)
    assert conclude(late, FACTS) is None


def test_a_result_that_was_there_before_a_shutdown_is_reported() -> None:
    assert report_of(replace(DONE, stop=Stop("shutdown", "asked to stop")))["outcome"] == "succeeded"


def test_a_breach_is_capped_and_goes_to_the_ledger_with_overshoot_and_time_to_stop() -> None:
    breach = Breach("wall_seconds", 10, 10.5, at=110.0).stopped(111.25, 11.25)
    body = report_of(ChildEnd(status=9, stop=Stop("breach", ""), breaches=[breach]))
    assert (body["outcome"], body["cap"], body["error"]["class"]) == ("capped", "wall_seconds", "resources")
    entry = body["cap_ledger"][0]
    assert (entry["layer"], entry["observed"], entry["overshoot"], entry["overshoot_ms"]) == (
        "watchdog",
        11.25,
        1.25,
        1250,
    )


def test_a_failed_upload_turns_success_into_failure_and_nothing_else() -> None:
    upload = {"class": "user", "code": "artifact_name_invalid", "message": "bad", "trace": None, "position": None}
    assert report_of(DONE, replace(FACTS, upload_error=upload))["error"]["code"] == "artifact_name_invalid"
    failed = report_of(ChildEnd(status=256, error=ERROR), replace(FACTS, upload_error=upload))
    assert failed["error"]["code"] == "zero_division_error"


def test_a_directive_tightens_caps_and_never_loosens_them() -> None:
    caps = Caps(wall_seconds=10, memory_bytes=None, log_bytes=100)
    assert caps.tightened({"wall_seconds": 20, "memory_bytes": 5, "log_bytes": 50}) == Caps(10, 5, 50)


def test_caps_fire_only_above_the_limit_and_the_wall_clock_breach_dates_from_the_limit() -> None:
    caps = Caps(wall_seconds=10, memory_bytes=100, log_bytes=50, artifact_bytes=7)
    assert caps.check_wall(100.0, 110.0) is None
    wall = caps.check_wall(100.0, 110.5)
    assert wall is not None
    assert (wall.at, wall.observed) == (110.0, 10.5)
    assert caps.check("memory_bytes", 100, 0.0) is None
    for cap, observed in (("memory_bytes", 101), ("log_bytes", 51), ("artifact_bytes", 8)):
        assert caps.check(cap, observed, 0.0) is not None
    assert Caps().check_wall(0.0, 1e9) is None


# Actions, grace, warnings ---------------------------------------------------------------------------------------------


def test_what_is_done_at_a_limit_is_as_the_rule_says() -> None:
    rules = {
        "wall_seconds": {"action": "cancel", "grace_seconds": 7},
        "cpu_seconds": {"action": "kill", "grace_seconds": None},
        "log_bytes": {"action": "cut"},
        "memory_bytes": {"action": "a word of a later contract"},
        "rows_out": {"action": None, "warn": 5},
    }
    caps = Caps.of({"wall_seconds": 10, "cpu_seconds": 1, "log_bytes": 100, "memory_bytes": 9, "rows_out": 8}, rules)
    done = {cap: breach.action for cap in rules if (breach := caps.check(cap, 1000, 0.0))}
    assert done == {
        "wall_seconds": "cancelled",
        "cpu_seconds": "killed",
        "log_bytes": "cut",
        "memory_bytes": "killed",
        "rows_out": "cancelled",
    }
    assert [caps.grace(cap) for cap in ("wall_seconds", "cpu_seconds", "memory_bytes", "rows_out")] == [7, 0, 0, 2]
    warned = caps.check("rows_out", 6, 0.0)
    assert warned is not None
    assert (warned.action, warned.limit, warned.goes_on) == ("warned", 5, True)
    assert caps.check("rows_out", 5, 0.0) is None


def test_without_rules_memory_and_log_are_killed_at_once_and_the_wall_clock_leaves_half_a_second() -> None:
    caps = Caps(wall_seconds=1, memory_bytes=1, log_bytes=1, artifact_bytes=1)
    found = {cap: caps.check(cap, 2, 0.0) for cap in ("wall_seconds", "memory_bytes", "log_bytes", "artifact_bytes")}
    assert {cap: breach.action for cap, breach in found.items() if breach} == {
        "wall_seconds": "cancelled",
        "memory_bytes": "killed",
        "log_bytes": "killed",
        "artifact_bytes": "cancelled",
    }
    assert (caps.grace("wall_seconds"), caps.grace("wall_seconds", engine=True)) == (0.5, 2.0)


def test_a_directive_tightens_rules_and_never_loosens_them() -> None:
    caps = Caps.of({"wall_seconds": 9}, {"wall_seconds": {"action": "kill", "grace_seconds": 3, "warn": 5}})
    later = {"wall_seconds": {"action": "cancel", "grace_seconds": 9, "warn": 7}, "rows_out": {"warn": 2}}
    caps = caps.tightened({}, later)
    assert caps.rules == {"wall_seconds": Rule("kill", 3, 5), "rows_out": Rule(None, None, 2)}
    assert caps.tightened({}, {"wall_seconds": {"grace_seconds": 1}}).rule("wall_seconds") == Rule("kill", 1, 5)


def test_what_was_only_warned_of_or_cut_is_told_with_every_outcome() -> None:
    notice = Breach("log_bytes", 10, 50, 1.0, "cut")
    body = report_of(replace(DONE, notices=[notice]))
    assert body["outcome"] == "succeeded"
    assert [(e["cap"], e["action"], e["overshoot"]) for e in body["cap_ledger"]] == [("log_bytes", "cut", 40)]


OUT_OF_MEMORY = {"class": "resources", "code": "out_of_memory", "message": "MemoryError"}


@pytest.mark.parametrize(
    ("end", "oom_killed", "action"),
    [
        (ChildEnd(status=256, error=OUT_OF_MEMORY), False, "refused"),
        (ChildEnd(status=9), True, "killed"),
        (ChildEnd(status=9), False, None),
        (ChildEnd(status=256, error=ERROR), True, None),
        (ChildEnd(status=9, stop=Stop("cancel", "")), True, None),
    ],
)
def test_memory_that_the_system_refused_or_took_is_a_breach_of_its_cap(
    end: ChildEnd, oom_killed: bool, action: str | None
) -> None:
    found = memory_breach(replace(end, memory_peak=900), Caps(memory_bytes=1000), oom_killed=oom_killed, now=5.0)
    assert (found.action if found else None) == action
    assert memory_breach(end, Caps(), oom_killed=oom_killed, now=5.0) is None
    if found:
        assert (found.layer, found.observed, found.ledger_entry()["overshoot"]) == ("engine", 1000, 0)


def test_the_times_of_a_stop_are_told_as_times_of_day() -> None:
    day = datetime(2026, 11, 22, 12, 0, 10, tzinfo=UTC)
    end = ChildEnd(stop=Stop("cancel", "x"), ordered_at=100.0, exited_at=101.5, released_at=102.0)
    assert stop_timings(end, 105.0, day) == {
        "cause": "cancel",
        "delivered_at": "2026-11-22T12:00:05+00:00",
        "engine_stopped_at": "2026-11-22T12:00:06.500000+00:00",
        "released_at": "2026-11-22T12:00:07+00:00",
    }
    assert stop_timings(ChildEnd(), 105.0, day) is None
