"""Pause, resume and drain: what an operator does to a queue or an executor."""

from __future__ import annotations

from typing import Any

from tests.support.core import Queue, Worker, refused

Json = dict[str, Any]


def pause_queue(queue: Queue, name: str = "default", **body: Any) -> Json:
    answer: Json = queue.ops.call("pause_queue", queue.operator, name, body)
    return answer


def executor(queue: Queue, verb: str, worker: Worker, **body: Any) -> Json:
    """ops.<verb>_executor by the operator."""
    answer: Json = queue.ops.call(f"{verb}_executor", queue.operator, str(worker.id), body)
    return answer


# A queue -------------------------------------------------------------------------------------------------------------


def test_claims_skip_a_paused_queue_and_find_it_again_when_it_is_resumed(queue: Queue) -> None:
    queue.template()
    first, other = queue.submit(), queue.submit(queue="night")
    paused = pause_queue(queue, reason="maintenance")
    assert (paused["paused"], paused["paused_by"], paused["paused_reason"]) == (True, "olga", "maintenance")
    assert (paused["queued"], paused["running"], paused["used"]) == (1, 0, True)
    worker = Worker(queue)
    assert [r["run_id"] for r in worker.claim(5)] == [other["run_id"]]
    again = pause_queue(queue, reason="another reason")
    assert again == paused, "who paused it first stays"
    for _ in range(2):
        assert queue.ops.call("resume_queue", queue.operator, "default")["paused"] is False
    assert worker.claim_one()["run_id"] == first["run_id"]


def test_what_runs_in_a_paused_queue_goes_on_and_waits_there_for_its_retry(queue: Queue) -> None:
    queue.template(retry={"backoff_seconds": 0})
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    pause_queue(queue)
    assert worker.directive(run) == "continue"
    worker.report(run, "failed")
    assert queue.why(run)[0] == "queue_paused"
    assert worker.claim() == []


def test_keyed_runs_of_a_paused_queue_are_passed_over(queue: Queue) -> None:
    queue.template("keyed", concurrency={"key": "k", "limit": 1})
    queue.submit("keyed")
    night = queue.submit("keyed", queue="night")
    pause_queue(queue)
    assert Worker(queue).claim_one()["run_id"] == night["run_id"]


def test_queues_are_listed_with_what_is_in_them(queue: Queue) -> None:
    queue.template()
    queue.submit()
    queue.submit()
    queue.submit(queue="night")
    Worker(queue).claim(1)
    pause_queue(queue, "never-used")
    viewer = queue.ops.token("viewer", workspaces=["default"])
    items = queue.ops.call("list_queues", viewer)["items"]
    found = [(q["queue"], q["paused"], q["queued"], q["running"], q["used"]) for q in items]
    assert found == [("default", False, 1, 1, True), ("never-used", True, 0, 0, False), ("night", False, 1, 0, True)]


def test_a_queue_is_paused_by_operators_of_all_workspaces_only(queue: Queue) -> None:
    for token in (queue.ops.token("operator", workspaces=["default"]), queue.ops.token("viewer")):
        with refused("OPU02"):
            queue.ops.call("pause_queue", token, "default", {})
        with refused("OPU02"):
            queue.ops.call("resume_queue", token, "default")
    with refused("OPV01"):
        pause_queue(queue, "x" * 64)


# An executor ---------------------------------------------------------------------------------------------------------


def test_a_paused_executor_keeps_its_runs_and_gets_no_new_ones(queue: Queue) -> None:
    queue.template()
    queue.submit()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    paused = executor(queue, "pause", worker, reason="new disk")
    assert (paused["state"], paused["state_by"], paused["state_reason"]) == ("paused", "olga", "new disk")
    beat = worker.heartbeat(run)
    assert (beat["directive"], beat["runs"][0]["directive"]) == ("continue", "continue")
    assert worker.claim() == []
    worker.report(run)
    assert worker.claim() == []
    assert executor(queue, "pause", worker, reason="again") == paused | {
        "running": [],
        "last_seen_at": queue.ops.call("list_executors", queue.operator)["items"][0]["last_seen_at"],
    }
    for _ in range(2):
        assert executor(queue, "resume", worker)["state"] == "active"
    worker.claim_one()


def test_a_paused_executor_that_drains_by_itself_is_draining(queue: Queue) -> None:
    worker = Worker(queue)
    executor(queue, "pause", worker)
    assert worker.heartbeat(state="draining")["directive"] == "drain"
    (item,) = queue.ops.call("list_executors", queue.operator)["items"]
    assert (item["state"], item["state_by"]) == ("draining", None)
    with refused("OPC05") as refusal:
        executor(queue, "resume", worker)
    assert refusal.members == {"state": "draining"}


def test_a_drained_executor_is_told_so_finishes_and_leaves(queue: Queue) -> None:
    queue.template()
    queue.submit()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    for _ in range(2):
        assert executor(queue, "drain", worker)["state"] == "draining"
    beat = worker.heartbeat(run)
    assert (beat["directive"], beat["runs"][0]["directive"]) == ("drain", "drain")
    assert worker.claim() == []
    worker.report(run)
    for verb in ("pause", "resume"):
        with refused("OPC05"):
            executor(queue, verb, worker)
    queue.ops.call("leave_executor", worker.token, worker.id)
    for verb in ("pause", "resume", "drain"):
        with refused("OPC09"):
            executor(queue, verb, worker)


def test_an_executor_is_steered_by_those_who_may_enter_all_its_workspaces(queue: Queue) -> None:
    everywhere, here = Worker(queue), Worker(queue, workspaces=["default"])
    home = queue.ops.token("operator", workspaces=["default"])
    number = queue.ops.value("select number from ops.executors where executor_id = %s", here.id)
    assert queue.ops.call("pause_executor", home, str(number), {})["state"] == "paused"
    with refused("OPU02"):
        queue.ops.call("pause_executor", home, str(everywhere.id), {})
    with refused("OPU02"):
        queue.ops.call("drain_executor", queue.ops.token("viewer"), str(here.id), {})
    for ref in ("77", "nobody", "01234567-0123-0123-0123-0123456789ab"):
        with refused("OPN03"):
            queue.ops.call("drain_executor", queue.operator, ref, {})
