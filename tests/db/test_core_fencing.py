"""Who may speak for a run: the holder of its epoch, with the token that registered it."""

from __future__ import annotations

import uuid

import pytest

from tests.support.core import Queue, Worker, refused

EARLIER = {"of": "attempts", "names": ["x"]}
OUTPUTS = [{"name": "flights", "format": "delta", "mode": "overwrite", "path": "bronze/flights"}]


def test_every_verb_refuses_a_stale_epoch_with_the_holders_epoch_and_the_reason(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 3, "backoff_seconds": 0}, outputs=OUTPUTS)
    queue.submit()
    worker = Worker(queue)
    old = worker.claim_one()
    worker.artifact(old, "half.html")
    assert [e["run_id"] for e in queue.expire()] == [old["run_id"]]

    verbs = {
        "report": lambda: worker.report(old),
        "logs": lambda: queue.ops.call("append_logs", worker.token, old["run_id"], {"epoch": 1, "chunks": []}),
        "artifact": lambda: worker.artifact(old, "late.html"),
        "commit": lambda: worker.commit(old, "flights"),
        "earlier": lambda: queue.ops.call("find_earlier", worker.token, old["run_id"], EARLIER | {"epoch": 1}),
    }
    for verb in verbs.values():
        with refused("OPC01") as lost:
            verb()
        assert lost.members == {
            "run_id": old["run_id"],
            "epoch_sent": 1,
            "epoch_current": 2,
            "reason": "expired",
            "run_state": "queued",
        }
    new = worker.claim_one()
    assert (new["run_id"], new["epoch"], new["attempt"]) == (old["run_id"], 3, 2)
    for verb in verbs.values():
        with refused("OPC01") as lost:
            verb()
        assert (lost.members["epoch_current"], lost.members["reason"]) == (3, "superseded")
    answer = worker.heartbeat(old, new)["runs"]
    assert [a["directive"] for a in answer] == ["superseded", "continue"]
    worker.report(new)
    with refused("OPC01") as lost:
        worker.artifact(new, "late.html")
    assert lost.members["reason"] == "terminal"
    rows = queue.ops.admin.execute("select epoch, state from ops.artifacts").fetchall()
    assert rows == [(1, "orphaned")]


def test_of_a_run_of_a_foreign_workspace_nothing_is_told(queue: Queue) -> None:
    queue.template(outputs=OUTPUTS)
    queue.submit()
    run = Worker(queue).claim_one()
    queue.ops.call("put_workspace", queue.operator, {"workspace": "b"})
    stranger = Worker(queue)
    token = queue.ops.token("executor", workspaces=["b"])
    stranger.token, stranger.id = token, queue.ops.executor(token)
    for epoch in (run["epoch"], run["epoch"] + 7):
        sent = run | {"epoch": epoch}
        verbs = {
            "report": lambda sent=sent: stranger.report(sent),
            "logs": lambda sent=sent: queue.ops.call(
                "append_logs", token, sent["run_id"], {"epoch": sent["epoch"], "chunks": []}
            ),
            "artifact": lambda sent=sent: stranger.artifact(sent, "x.html"),
            "commit": lambda sent=sent: stranger.commit(sent, "flights"),
            "earlier": lambda sent=sent: queue.ops.call(
                "find_earlier", token, sent["run_id"], EARLIER | {"epoch": sent["epoch"]}
            ),
        }
        for verb in verbs.values():
            with refused("OPN01") as unknown:
                verb()
            assert unknown.message == f"there is no run {run['run_id']}"
        (told,) = stranger.heartbeat(sent)["runs"]
        assert (told["directive"], told["reason"]) == ("superseded", "unknown run")


def test_a_lease_past_its_deadline_that_nobody_revoked_is_still_current(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    queue.forward(600)
    assert worker.directive(run) == "continue"
    queue.forward(600)
    assert worker.report(run)["run_state"] == "succeeded"


@pytest.mark.parametrize("strange", [[2], [0, 2], [10**17]], ids=str)
def test_a_heartbeat_renews_what_it_holds_whatever_else_it_says_of_the_run(queue: Queue, strange: list[int]) -> None:
    """Each (run, epoch) is answered for itself: `continue` is said of a lease that was renewed."""
    queue.template()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    (before,) = worker.heartbeat(run)["runs"]
    queue.forward(10)
    found = worker.heartbeat(*(run | {"epoch": epoch} for epoch in [*strange, run["epoch"], *strange]))["runs"]
    held = found.pop(len(strange))
    assert (held["directive"], held["epoch"]) == ("continue", run["epoch"])
    assert held["lease_deadline"] > before["lease_deadline"]
    assert {one["directive"] for one in found} == {"superseded"}


def test_a_heartbeat_that_names_a_run_twice_keeps_what_it_said_last(queue: Queue) -> None:
    queue.template()
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    sent = [{"run_id": run["run_id"], "epoch": run["epoch"], "usage": {"rows": n}} for n in (3, 1, 2)]
    queue.ops.call("heartbeat", worker.token, worker.id, {"state": "active", "runs": sent})
    assert queue.ops.admin.execute("select usage from ops.leases").fetchone() == ({"rows": 2},)


def test_another_executors_token_cannot_speak_for_the_holder(queue: Queue) -> None:
    queue.template(outputs=OUTPUTS)
    queue.submit()
    run, thief = Worker(queue).claim_one(), Worker(queue)
    for verb in (
        lambda: thief.report(run),
        lambda: thief.artifact(run),
        lambda: thief.commit(run, "flights"),
        lambda: queue.ops.call("append_logs", thief.token, run["run_id"], {"epoch": 1, "chunks": []}),
    ):
        with refused("OPU02"):
            verb()
    assert thief.directive(run) == "superseded"
    assert queue.state(run) == "running"


def test_an_executor_cannot_submit_and_an_operator_cannot_claim(queue: Queue) -> None:
    queue.template()
    worker = Worker(queue)
    with refused("OPU02"):
        queue.ops.submit(worker.token)
    with refused("OPU02"):
        queue.ops.call("claim_runs", queue.operator, worker.id, {"request_id": str(uuid.uuid4()), "max_runs": 1})
    with refused("OPU01"):
        queue.ops.submit(uuid.uuid4())
