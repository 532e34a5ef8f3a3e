"""Publications: a success is running until all of them are committed."""

from __future__ import annotations

import pytest

from tests.support.core import USER, Queue, Worker, publication, refused

OUTPUTS = [{"name": "flights", "format": "delta", "mode": "overwrite", "path": "bronze/flights"}]


def test_a_success_with_publications_is_running_until_all_are_committed(queue: Queue) -> None:
    outputs = [*OUTPUTS, {"name": "planes", "format": "delta", "mode": "append", "path": "bronze/{params.name}"}]
    queue.template(outputs=outputs)
    queue.submit(params={"name": "planes"})
    worker = Worker(queue)
    run = worker.claim_one()
    assert run["outputs"][1]["uri"] == "s3://lakehouse/bronze/planes"
    answer = worker.report(run, publications=[publication(run), publication(run, "planes")])
    assert (answer["run_state"], answer["route"]["decision"]) == ("running", "publish")
    marker = {"output": "flights", "state": "recorded", "app_id": f"{run['run_id']}/flights", "app_version": 1}
    recorded_at = queue.get(run)["publications"][0]["recorded_at"]
    assert answer["publications"][0] == marker | {"recorded_at": recorded_at}
    assert (queue.get(run)["state_reason"], queue.why(run)) == ("publishing", ["publishing"])
    assert worker.directive(run) == "continue"

    assert worker.commit(run, "flights", 0)["run_state"] == "running"
    assert worker.commit(run, "flights", 0)["run_state"] == "running"
    with refused("OPC07") as conflict:
        worker.commit(run, "flights", 1)
    assert conflict.members == {"state": "committed", "table_version": 0}
    with refused("OPN05"):
        worker.commit(run, "trains")
    assert worker.commit(run, "planes", 4) == {
        "run_id": run["run_id"],
        "output": "planes",
        "state": "committed",
        "table_version": 4,
        "run_state": "succeeded",
    }
    assert worker.commit(run, "planes", 4)["run_state"] == "succeeded"
    assert queue.get(run)["rows"] == 6


def test_a_publication_that_fails_fails_the_run(queue: Queue) -> None:
    queue.template(outputs=OUTPUTS)
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.report(run, publications=[publication(run)])
    failed = {"epoch": 1, "state": "failed", "error": USER}
    answer = queue.ops.call("commit_publication", worker.token, run["run_id"], "flights", failed)
    assert (answer["state"], answer["run_state"]) == ("failed", "failed")
    assert queue.ops.call("commit_publication", worker.token, run["run_id"], "flights", failed) == answer
    with refused("OPC07"):
        worker.commit(run, "flights", 1)
    assert queue.get(run)["error"] == USER


def test_the_reactor_commits_for_an_executor_that_died_after_its_report(queue: Queue) -> None:
    queue.template(outputs=OUTPUTS, connections=["lakehouse"])
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    worker.report(run, publications=[publication(run)])
    assert queue.pending() == []
    assert queue.expire(100) == []  # an accepted report is never taken back
    (left,) = queue.pending()
    assert queue.ops.call("pending_publications", 10, [[run["run_id"], "flights"]]) == []
    assert queue.ops.call("pending_publications", 10, [[run["run_id"], "others"]]) == [left]
    assert (left["run_id"], left["app_id"], left["app_version"]) == (run["run_id"], f"{run['run_id']}/flights", 1)
    assert (left["connections"], left["files"][0]["rows"]) == (["lakehouse"], 3)
    body = {"epoch": 1, "state": "committed", "table_version": 7, "rows": 3}
    answer = queue.ops.call("commit_publication_as_reactor", run["run_id"], "flights", body)
    assert answer["run_state"] == "succeeded"
    assert queue.pending() == []
    assert worker.commit(run, "flights", 7)["run_state"] == "succeeded"  # the dead one was only slow


@pytest.mark.parametrize(
    "change",
    [{"output": "planes"}, {"uri": "s3://elsewhere/x"}, {"mode": "append"}, {"files": None}],
)
def test_only_declared_outputs_are_published_where_the_submit_put_them(queue: Queue, change: dict) -> None:
    queue.template(outputs=OUTPUTS)
    queue.submit()
    worker = Worker(queue)
    run = worker.claim_one()
    with refused("OPV01"):
        worker.report(run, publications=[publication(run) | change])
    with refused("OPV01"):
        worker.report(run, publications=[publication(run), publication(run)])
    with refused("OPV01"):
        worker.report(run, "failed", publications=[publication(run)])
    assert worker.report(run, publications=[publication(run)])["run_state"] == "running"
