"""What is reported for each way a child can end. Pure."""

from __future__ import annotations

import signal
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from contract import models
from executors.runtime.caps import Breach, Caps
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
    assert caps.check_memory(100, 0.0) is None
    assert caps.check_memory(101, 0.0) is not None
    assert caps.check_logs(51, 0.0) is not None
    assert caps.check_artifacts(8, 0.0) is not None
    assert Caps().check_wall(0.0, 1e9) is None
