"""Runs that wait for other runs: conditions, refusals, pipelines, retries, and ends that come at the same moment."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement
from typing import Any

import pytest

from tests.db.test_race_core import Session, reporting
from tests.support.core import USER, Queue, Worker, publication, refused
from tests.support.postgres import Database

Json = dict[str, Any]
ENDS = ("succeeded", "failed", "cancelled", "skipped")
HOLDS: dict[str, Callable[[tuple[str, ...]], bool]] = {
    "all_success": lambda ends: all(end == "succeeded" for end in ends),
    "all_done": lambda ends: True,
    "at_least_one_success": lambda ends: "succeeded" in ends,
    "none_failed": lambda ends: not {"failed", "cancelled"} & set(ends),
    "at_least_one_failed": lambda ends: bool({"failed", "cancelled"} & set(ends)),
    "all_failed": lambda ends: set(ends) <= {"failed", "cancelled"},
}


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    made.template(retry={"on": []}, queue="parents")
    made.template("child", inputs=[{"name": "raw", "kind": "table"}, {"name": "more", "kind": "table"}])
    made.template("flow", kind="pipeline", tasks={"a": {"template": "job"}, "z": {"template": "job", **after("a")}})
    yield made
    made.ops.close()


def after(*tasks: str) -> Json:
    return {"depends_on": list(tasks)}


def child(queue: Queue, *parents: Json, template: str = "child", **more: Any) -> Json:
    return queue.submit(template, depends_on=[{"run": p["run_id"]} for p in parents], **more)


def end(queue: Queue, worker: Worker, run: Json, how: str) -> None:
    """End a queued parent; `skipped` by a run of its own that it waits for."""
    if how == "cancelled":
        queue.cancel(run)
    elif how != "skipped":
        (claimed,) = worker.claim(1, queues=[run["queue"]])
        assert claimed["run_id"] == run["run_id"]
        worker.report(claimed, how, **({"error": USER} if how == "failed" else {}))
    assert queue.state(run) == how


def parent(queue: Queue, worker: Worker, how: str) -> tuple[Json, Callable[[], None]]:
    """A run in a queue of its own, and what makes it end so."""
    name = f"q{uuid.uuid4().hex}"
    if how != "skipped":
        run = queue.submit(queue=name)
        return run, lambda: end(queue, worker, run, how)
    before = queue.submit(queue=name)
    run = child(queue, before, template="job")
    return run, lambda: (queue.cancel(before), end(queue, worker, run, how))[-1]


@pytest.mark.parametrize("condition", HOLDS)
def test_a_condition_says_the_same_before_and_after_its_parents_have_ended(queue: Queue, condition: str) -> None:
    worker = Worker(queue)
    for ends in (*((end,) for end in ENDS), *combinations_with_replacement(ENDS, 2)):
        parents = [parent(queue, worker, how) for how in ends]
        early = child(queue, *(run for run, _ in parents), condition=condition)
        assert (early["state"], early["state_reason"]) == ("waiting", "waiting_on_dependency")
        for _, finish in parents:
            finish()
        late = child(queue, *(run for run, _ in parents), condition=condition)
        expected = "queued" if HOLDS[condition](ends) else "skipped"
        assert (queue.state(early), late["state"]) == (expected, expected), ends


@pytest.mark.parametrize(
    ("condition", "first", "state"),
    [
        ("all_success", "failed", "skipped"),
        ("all_success", "succeeded", "waiting"),
        ("none_failed", "cancelled", "skipped"),
        ("all_failed", "succeeded", "skipped"),
        ("at_least_one_success", "failed", "waiting"),
        ("at_least_one_failed", "failed", "waiting"),
        ("all_done", "failed", "waiting"),
    ],
)
def test_a_run_is_skipped_as_soon_as_its_condition_can_no_longer_hold(
    queue: Queue, condition: str, first: str, state: str
) -> None:
    worker = Worker(queue)
    (one, finish), (other, _) = parent(queue, worker, first), parent(queue, worker, "failed")
    waits = child(queue, one, other, condition=condition)
    finish()
    assert queue.state(waits) == state


def test_a_run_that_waits_says_for_what_and_runs_with_exactly_what_its_parents_left(queue: Queue) -> None:
    outputs = [{"name": "flights", "format": "delta", "mode": "append", "path": "x"}]
    queue.template("out", outputs=outputs)
    worker, first = Worker(queue), queue.submit("out")
    run = queue.submit("child", depends_on=[{"run": str(first["number"]), "inputs": {"raw": "flights"}}])
    assert queue.why(run) == ["waiting_on_dependency"]
    (named,) = queue.get(run)["depends_on"]
    assert (named["run_id"], named["inputs"]) == (first["run_id"], {"raw": "flights"})
    claimed = worker.claim_one()
    worker.report(claimed, publications=[publication(claimed)])
    assert queue.state(run) == "waiting", "what it reads is not out yet"
    worker.commit(claimed, "flights", 7)
    (read,) = worker.claim_one()["inputs"]
    assert (read["name"], read["version"], read["from_run_id"]) == ("raw", 7, first["run_id"])
    late = queue.submit("child", depends_on=[{"run": first["number"], "inputs": {"raw": "flights"}}])
    assert (late["state"], late["inputs"][0]["version"]) == ("queued", 7)
    missing = queue.submit("child", depends_on=[{"run": first["number"], "inputs": {"raw": "ghost"}}])
    assert (missing["state"], missing["error"]["code"]) == ("failed", "input_missing")


def test_a_table_that_an_engine_wrote_is_an_input_by_its_name_at_the_last_version_that_the_run_made(
    queue: Queue,
) -> None:
    worker, first = Worker(queue), queue.submit()
    claimed = worker.claim_one()
    # The second snapshot has the smaller number: numbers of snapshots are in no order.
    for name, version in (("cat.sch.t", 2**62), ("cat.sch.t", 5), ("cat.sch.t2", 9)):
        uri = f"s3://warehouse/{name}"
        worker.table(claimed, f"{name}@{version}", {"format": "iceberg", "uri": uri, "version": version})
    worker.report(claimed)

    def read(name: str) -> Json:
        return queue.submit("child", depends_on=[{"run": first["number"], "inputs": {"raw": name}}])

    (found,) = read("cat.sch.t")["inputs"]
    assert (found["kind"], found["format"], found["version"]) == ("table", "iceberg", 5)
    assert (found["uri"], found["from_run_id"]) == ("s3://warehouse/cat.sch.t", first["run_id"])
    assert read(f"cat.sch.t@{2**62}")["inputs"][0]["version"] == 2**62
    assert read("cat.sch")["error"]["code"] == "input_missing"


def test_what_cannot_be_depended_on_is_refused_with_its_place(queue: Queue) -> None:
    queue.ops.admin.execute("insert into ops.workspaces (workspace) values ('other')")
    queue.ops.template(queue.operator, "far", workspace="other")
    far, job, flow = queue.submit("far", workspace="other"), queue.submit(), queue.submit("flow")
    inside = queue.ops.token("operator", workspaces=["default"])
    ref, raw = job["run_id"], {"raw": "x"}
    cases: list[tuple[Json, str, str]] = [
        ({"depends_on": [{"run": 999}]}, "/depends_on/0/run", "there is no run 999"),
        ({"depends_on": [{"run": ref}, {"run": "x; drop"}]}, "/depends_on/1/run", "there is no run x; drop"),
        ({"depends_on": [{}]}, "/depends_on/0/run", "there is no run"),
        ({"depends_on": [{"run": far["run_id"]}]}, "/depends_on/0/run", "is of workspace other"),
        ({"depends_on": [{"run": ref}, {"run": str(job["number"])}]}, "/depends_on/1/run", "is named twice"),
        ({"depends_on": [{"run": ref, "inputs": {"ghost": "x"}}]}, "/depends_on/0/inputs/ghost", "has no input ghost"),
        ({"depends_on": [{"run": ref, "inputs": {"raw": 5}}]}, "/depends_on/0/inputs/raw", "name of an output"),
        ({"depends_on": [{"run": ref, "inputs": []}]}, "/depends_on/0/inputs", "must be an object"),
        ({"depends_on": [{"run": flow["run_id"], "inputs": raw}]}, "/depends_on/0/inputs", "is a pipeline"),
        ({"depends_on": []}, "/depends_on", "1 to 100"),
        ({"depends_on": {"run": ref}}, "/depends_on", "1 to 100"),
        ({"depends_on": [{"run": ref}] * 101}, "/depends_on", "1 to 100"),
        ({"condition": "all_done"}, "/condition", "without depends_on"),
    ]
    for body, path, said in cases:
        with refused("OPV05") as wrong:
            queue.submit("child", **body)
        (issue,) = wrong.members["errors"]
        assert issue["path"] == path
        assert said in issue["message"]
    with refused("OPV05") as unseen:
        queue.ops.submit(inside, "child", depends_on=[{"run": far["run_id"]}])
    assert "there is no run" in unseen.message, "a run of a workspace that the token does not open is as good as none"
    with refused("OPV05"):
        child(queue, job, condition="sometimes")
    assert queue.ops.value("select count(*) from ops.runs where template_name = 'child'") == 0


def test_inputs_of_one_name_come_from_one_run(queue: Queue) -> None:
    one, two = queue.submit(), queue.submit()
    given = [{"run": run["run_id"], "inputs": {"raw": "x"}} for run in (one, two)]
    with refused("OPV05") as wrong:
        queue.submit("child", depends_on=given)
    assert "comes from two runs" in wrong.message


def test_a_run_goes_on_waiting_for_its_time_after_its_parents(queue: Queue) -> None:
    worker, first = Worker(queue), queue.submit()
    far = "2999-01-01T00:00:00Z"
    run = child(queue, first, not_before=far)
    worker.report(worker.claim_one())
    assert queue.get(run)["state_reason"] == "not_before"
    assert child(queue, first, not_before=far)["state_reason"] == "not_before"


# Pipelines ------------------------------------------------------------------------------------------------------------


def test_a_pipeline_waits_with_all_its_tasks_and_then_starts_with_the_first(queue: Queue) -> None:
    worker, first = Worker(queue), queue.submit(queue="early")
    whole = child(queue, first, template="flow")
    assert (whole["state_reason"], queue.states(whole)) == ("waiting_on_dependency", {"a": "waiting", "z": "waiting"})
    assert queue.get(queue.child(whole, "a"))["state_reason"] == "waiting_on_pipeline"
    assert (queue.why(whole), queue.why(queue.child(whole, "a"))) == (
        ["waiting_on_dependency"],
        ["waiting_on_pipeline"],
    )
    (claimed,) = worker.claim(5)
    worker.report(claimed)
    assert (queue.get(whole)["state_reason"], queue.states(whole)) == (
        "waiting_on_tasks",
        {"a": "queued", "z": "waiting"},
    )
    for _ in range(2):
        worker.report(worker.claim_one())
    assert queue.state(whole) == "succeeded"


def test_a_pipeline_whose_condition_can_no_longer_hold_is_skipped_with_its_tasks_and_what_waits_for_it(
    queue: Queue,
) -> None:
    tasks = {"a": {"template": "job"}, "tidy": {"template": "job", "condition": "all_done", **after("a")}}
    queue.template("flow", kind="pipeline", tasks=tasks)
    first = queue.submit()
    whole = child(queue, first, template="flow")
    last, tidy = child(queue, whole), child(queue, queue.child(whole, "tidy"), condition="all_done")
    queue.cancel(first)
    assert (queue.state(whole), queue.states(whole)) == ("skipped", {"a": "skipped", "tidy": "skipped"})
    assert (queue.state(last), queue.state(tidy)) == ("skipped", "queued")
    again = child(queue, first, template="flow")
    assert (again["state"], queue.states(again)) == ("skipped", {"a": "skipped", "tidy": "skipped"})


def test_a_run_waits_for_a_whole_pipeline(queue: Queue) -> None:
    worker, whole = Worker(queue), queue.submit("flow")
    run = child(queue, whole)
    worker.report(worker.claim_one())
    assert queue.state(run) == "waiting"
    worker.report(worker.claim_one())
    assert (queue.state(whole), queue.state(run)) == ("succeeded", "queued")


def test_a_pipeline_that_waits_is_cancelled_with_its_tasks(queue: Queue) -> None:
    whole = child(queue, queue.submit(), template="flow")
    assert queue.cancel(whole)["state"] == "cancelled"
    assert queue.states(whole) == {"a": "cancelled", "z": "cancelled"}


# Retry ----------------------------------------------------------------------------------------------------------------


def test_a_retry_of_a_parent_moves_none_of_the_runs_that_waited_for_the_first(queue: Queue) -> None:
    worker, first = Worker(queue), queue.submit()
    waits = child(queue, first)
    worker.report(worker.claim_one(), "failed", error=USER)
    assert queue.state(waits) == "skipped"
    second = queue.retry(first)
    worker.report(worker.claim_one())
    assert (queue.state(second), queue.state(waits)) == ("succeeded", "skipped")
    assert queue.retry(waits)["state"] == "skipped", "it waits for the same runs again, which stay as they ended"
    assert child(queue, second)["state"] == "queued"


def test_a_retry_finds_the_inputs_of_the_first(queue: Queue) -> None:
    outputs = [{"name": "flights", "format": "delta", "mode": "append", "path": "x"}]
    queue.template("out", outputs=outputs)
    worker, first = Worker(queue), queue.submit("out")
    run = queue.submit("child", depends_on=[{"run": first["run_id"], "inputs": {"raw": "flights"}}], max_attempts=1)
    queue.cancel(run)
    waiting = queue.retry(run)
    assert (waiting["state"], waiting["state_reason"]) == ("waiting", "waiting_on_dependency")
    claimed = worker.claim_one()
    worker.report(claimed, publications=[publication(claimed)])
    worker.commit(claimed, "flights", 7)
    read = worker.claim_one()
    assert read["run_id"] == waiting["run_id"]
    worker.report(read, "failed", error=USER)
    assert queue.retry(waiting)["inputs"] == read["inputs"]


# At the same moment ---------------------------------------------------------------------------------------------------


@pytest.fixture
def one(queue: Queue) -> Iterator[Session]:
    session = Session(queue)
    yield session
    session.close()


@pytest.fixture
def two(queue: Queue) -> Iterator[Session]:
    session = Session(queue)
    yield session
    session.close()


def submitting(queue: Queue, *parents: Json, template: str = "child", **more: Any) -> tuple[Any, ...]:
    named = {"depends_on": [{"run": p["run_id"]} for p in parents]}
    return "submit_run", queue.operator, {"template": template, "params": {}} | named | more


@pytest.mark.parametrize("template", ["child", "flow"])
def test_a_parent_that_ends_while_its_child_is_submitted_is_seen(
    queue: Queue, one: Session, two: Session, template: str
) -> None:
    worker, first = Worker(queue), queue.submit()
    claimed = worker.claim_one()
    one.call(*reporting(worker, claimed))
    made = two.start(*submitting(queue, first, template=template))
    two.blocked(made)
    one.commit()
    run = made.result(timeout=30)
    two.commit()
    assert run["state_reason"] == (None if template == "child" else "waiting_on_tasks")
    assert len(worker.claim(5)) == 1


@pytest.mark.parametrize("template", ["child", "flow"])
def test_a_child_that_is_being_submitted_when_its_parent_ends_is_seen(
    queue: Queue, one: Session, two: Session, template: str
) -> None:
    worker, first = Worker(queue), queue.submit()
    claimed = worker.claim_one()
    assert one.call(*submitting(queue, first, template=template))["state"] == "waiting"
    report = two.start(*reporting(worker, claimed))
    two.blocked(report)
    one.commit()
    report.result(timeout=30)
    two.commit()
    assert len(worker.claim(5)) == 1


def test_a_child_submitted_below_a_run_that_is_being_skipped_is_skipped_too(
    queue: Queue, one: Session, two: Session
) -> None:
    first = queue.submit()
    middle = child(queue, first)
    assert one.call(*submitting(queue, middle))["state"] == "waiting"
    cancel = two.start("cancel_run", queue.operator, first["run_id"], {})
    two.blocked(cancel)
    one.commit()
    cancel.result(timeout=30)
    two.commit()
    states = queue.ops.admin.execute("select state from ops.runs order by number").fetchall()
    assert [state for (state,) in states] == ["cancelled", "skipped", "skipped"]


def test_two_children_of_the_same_parents_are_submitted_side_by_side(queue: Queue, one: Session, two: Session) -> None:
    parents = [queue.submit(), queue.submit()]
    one.call(*submitting(queue, *parents))
    two.call(*submitting(queue, *reversed(parents)))
    one.commit()
    two.commit()
    assert queue.ops.value("select count(*) from ops.run_dependencies") == 4
