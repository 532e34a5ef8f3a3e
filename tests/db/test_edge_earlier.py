"""What earlier attempts at the same work left is found by the attempt that goes on, and by nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.ops import Ops, refused
from tests.support.work import Work, start

ERROR = {"class": "external", "code": "gone", "message": "gone", "trace": None, "position": None}


def earlier(work: Work, of: str = "attempts", *names: str) -> list[dict[str, Any]]:
    body = {"epoch": work.epoch, "of": of, "names": list(names or ("state.db",))}
    found: list[dict[str, Any]] = work.ops.call("find_earlier", work.token, work.run_id, body)["attempts"]
    return found


def left(work: Work, name: str = "state.db", outcome: str = "failed") -> None:
    """The attempt leaves a file and ends."""
    work.record(work.begin(name)["artifact_id"])
    work.report(outcome, **({"error": ERROR} if outcome == "failed" else {}))


def claimed(work: Work) -> Work:
    """The next run, in the hands of the same executor."""
    work.ops.call("promote_due", 100)
    (run,) = work.ops.claim(work.token, work.executor_id)
    return replace(work, run_id=run["run_id"], epoch=run["epoch"])


def test_the_next_attempt_of_a_run_finds_what_the_last_one_left(ops: Ops) -> None:
    first = start(ops, retry={"backoff_seconds": 0})
    assert earlier(first) == []
    left(first)
    second = claimed(first)
    assert (second.run_id, second.epoch) == (first.run_id, first.epoch + 1)
    (found,) = earlier(second)
    assert (found["run_id"], found["epoch"], found["attempt"], found["outcome"]) == (first.run_id, 1, 1, "failed")
    assert [file["name"] for file in found["artifacts"]] == ["state.db"]
    assert earlier(second, "attempts", "another.db") == []
    assert earlier(second, "success") == []


def test_a_retry_finds_the_runs_it_retries_nearest_first(ops: Ops) -> None:
    work = start(ops, max_attempts=1)
    numbers = []
    for _ in range(3):
        left(work)
        again = ops.call("retry_run", work.operator, work.run_id, {})
        work = claimed(work)
        assert work.run_id == again["run_id"]
        numbers.insert(0, again["number"] - 1)
    assert [found["number"] for found in earlier(work)] == numbers


def test_a_run_finds_the_last_success_of_its_template(ops: Ops) -> None:
    work = start(ops)
    for outcome in ("succeeded", "succeeded", "failed"):
        left(work, outcome=outcome)
        ops.submit(work.operator, max_attempts=1)
        work = claimed(work)
    (found,) = earlier(work, "success")
    assert (found["outcome"], found["epoch"]) == ("succeeded", 1)
    assert found["number"] == ops.call("get_run", work.operator, work.run_id)["number"] - 2
    assert earlier(work) == []


def test_what_a_lost_attempt_left_is_not_found(ops: Ops) -> None:
    work = start(ops)
    work.record(work.begin("state.db")["artifact_id"])
    ops.call("requeue_run", work.operator, work.run_id, {"reason": "test", "epoch": work.epoch, "force": True})
    assert earlier(claimed(work)) == []


def test_only_who_holds_the_run_may_ask(ops: Ops) -> None:
    work = start(ops)
    refused("OPU02", ops.call, "find_earlier", ops.token("executor"), work.run_id, {"epoch": 1, "of": "attempts"})
    refused("OPC01", ops.call, "find_earlier", work.token, work.run_id, {"epoch": 9, "of": "attempts"})
    work.report()
    refused("OPC01", ops.call, "find_earlier", work.token, work.run_id, {"epoch": 1, "of": "attempts"})
