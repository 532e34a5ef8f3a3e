"""Bytes that nobody needs: after a safety window, by retention, never against a hold or who begins with them."""

from __future__ import annotations

from typing import Any

from tests.support.core import Json, Queue, Worker, refused
from tests.support.race import Session

DAY = 86_400.0


def lost(queue: Queue, worker: Worker, sha256: str = "a" * 64, **more: Any) -> Json:
    """A run whose attempt recorded an artifact and was lost."""
    run = queue.submit(**more)
    claimed = worker.claim_one()
    worker.artifact(claimed, sha256=sha256)
    queue.cancel(run, force=True)
    return run


def collect(queue: Queue) -> list[str]:
    """A round of the collector; the keys it would remove."""
    queue.ops.call("expire_artifacts", 100)
    queue.ops.call("condemn_objects", 100)
    keys = []
    while taken := queue.ops.call("take_condemned"):
        keys.append(taken["object_key"])
        queue.ops.call("removed_object", taken["object_key"], taken["again"])
    return keys


def key(sha256: str = "a" * 64) -> str:
    return f"default/sha256/{sha256[:2]}/{sha256}"


def test_what_a_lost_attempt_left_is_taken_after_the_safety_window_and_once_more(queue: Queue) -> None:
    queue.template()
    lost(queue, Worker(queue))
    queue.forward(DAY - 60)
    assert collect(queue) == []
    shown = queue.ops.call("list_collection", queue.operator)
    assert (shown["lost"], shown["collectable"]["objects"]) == ({"artifacts": 1, "bytes": 7}, 0)
    queue.forward(DAY + 60)
    shown = queue.ops.call("list_collection", queue.operator)
    assert [item["object_key"] for item in shown["items"]] == [key()]
    assert collect(queue) == [key()]
    assert collect(queue) == []
    queue.forward(DAY + 60 + 1801)
    assert collect(queue) == [key()], "an upload address of then may have brought it back"
    queue.forward(2 * DAY)
    assert collect(queue) == []
    assert queue.ops.value("select count(*) from ops.condemned_objects") == 0


def test_bytes_that_somebody_else_has_stay(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    lost(queue, worker)
    queue.submit()
    other = worker.claim_one()
    worker.artifact(other)
    worker.report(other)
    queue.forward(2 * DAY)
    assert collect(queue) == []


def test_bytes_that_are_begun_again_are_spared(queue: Queue) -> None:
    queue.template(lease_seconds=3600)
    worker = Worker(queue)
    lost(queue, worker)
    queue.forward(2 * DAY)
    queue.ops.call("condemn_objects", 100)
    queue.submit()
    again = worker.claim_one()
    worker.artifact(again, record=False)
    assert queue.ops.call("take_condemned") is None


def test_who_begins_while_they_are_being_removed_is_asked_to_come_again(queue: Queue) -> None:
    queue.template(lease_seconds=3600)
    worker = Worker(queue)
    lost(queue, worker)
    queue.forward(2 * DAY)
    queue.ops.call("condemn_objects", 100)
    taken = queue.ops.call("take_condemned")
    queue.submit()
    again = worker.claim_one()
    with refused("OPR01"):
        worker.artifact(again, record=False)
    queue.ops.call("removed_object", taken["object_key"], taken["again"])
    begun = worker.artifact(again, record=False)
    assert not begun["already_stored"], "they have to be uploaded anew"
    queue.forward(2 * DAY + 1801)
    assert queue.ops.call("take_condemned") is None


def test_the_collector_sees_who_has_just_begun(queue: Queue) -> None:
    queue.template(lease_seconds=3600)
    worker = Worker(queue)
    lost(queue, worker)
    queue.forward(2 * DAY)
    queue.ops.call("condemn_objects", 100)
    queue.submit()
    again = worker.claim_one()
    one, two = Session(queue), Session(queue)
    body = {"epoch": again["epoch"], "name": "x", "kind": "file", "media_type": "a/b", "size": 7, "sha256": "a" * 64}
    one.call("begin_artifact", worker.token, again["run_id"], body | {"metadata": {}})
    taking = two.start("take_condemned")
    two.blocked(taking)
    one.commit()
    assert taking.result(timeout=30) is None
    one.close()
    two.close()


def test_one_that_a_dead_collector_took_is_taken_again(queue: Queue) -> None:
    queue.template()
    lost(queue, Worker(queue))
    queue.forward(2 * DAY)
    queue.ops.call("condemn_objects", 100)
    assert queue.ops.call("take_condemned")["object_key"] == key()
    assert queue.ops.call("take_condemned") is None
    queue.forward(2 * DAY + 301)
    assert queue.ops.call("take_condemned")["object_key"] == key()


def test_retention_expires_what_runs_left_but_for_what_is_held_or_waited_for(queue: Queue) -> None:
    queue.template(retention={"artifact_days": 3})
    queue.template("kept")
    worker = Worker(queue)
    runs = []
    for template, sha256 in (("job", "1" * 64), ("job", "2" * 64), ("job", "3" * 64), ("kept", "4" * 64)):
        run = queue.submit(template)
        claimed = worker.claim_one()
        worker.artifact(claimed, sha256=sha256)
        worker.report(claimed)
        runs.append(run)
    queue.ops.call("hold_run", queue.operator, runs[1]["run_id"], {"reason": "an audit"})
    waits = queue.submit(depends_on=[{"run": runs[2]["run_id"]}], not_before="2099-01-01T00:00:00Z")
    queue.forward(3 * DAY - 60)
    assert queue.ops.call("expire_artifacts", 100) == 0
    assert queue.ops.call("list_collection", queue.operator)["expiring"]["artifacts"] == 3
    queue.forward(3 * DAY + 60)
    assert queue.ops.call("expire_artifacts", 100) == 1
    states = [queue.ops.call("run_artifacts", queue.operator, run["run_id"])["items"][0]["state"] for run in runs]
    assert states == ["expired", "visible", "visible", "visible"]
    assert queue.get(runs[1])["legal_hold"]["reason"] == "an audit"
    assert collect(queue) == [], "the safety window begins with the expiry"
    queue.forward(5 * DAY)
    assert collect(queue) == [key("1" * 64)]
    queue.ops.call("release_run", queue.operator, runs[1]["run_id"])
    queue.cancel(waits)
    assert queue.ops.call("expire_artifacts", 100) == 2
    assert queue.get(runs[1])["legal_hold"] is None


def test_a_hold_of_a_pipeline_holds_what_its_tasks_left_and_needs_a_reason(queue: Queue) -> None:
    queue.template(retention={"artifact_days": 1})
    queue.template("all", kind="pipeline", tasks={"one": {"template": "job"}})
    pipeline = queue.submit("all")
    worker = Worker(queue)
    claimed = worker.claim_one()
    worker.artifact(claimed)
    worker.report(claimed)
    with refused("OPV01"):
        queue.ops.call("hold_run", queue.operator, pipeline["run_id"], {})
    for _ in range(2):
        held = queue.ops.call("hold_run", queue.operator, pipeline["run_id"], {"reason": "an audit"})
    assert held["legal_hold"]["placed_by"] == "olga"
    assert queue.child(pipeline, "one")["legal_hold"]["reason"] == "an audit"
    queue.forward(2 * DAY)
    assert queue.ops.call("expire_artifacts", 100) == 0
