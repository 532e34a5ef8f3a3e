"""Lists and pages of the operator plane."""

import pytest

from contract.versions import BY_NAME
from tests.support.ops import refused
from tests.support.work import artifact, start


def numbers(answer):
    return [item["number"] for item in answer["items"]]


@pytest.fixture
def operator(ops18):
    token = ops18.token("operator")
    ops18.template(token)
    ops18.template(token, "other")
    return token


def test_runs_come_newest_first_in_pages_that_new_runs_do_not_shift(ops):
    operator = ops.token("operator")
    ops.template(operator)
    old = [ops.submit(operator)["number"] for _ in range(5)]
    first = ops.call("list_runs", operator, {"limit": 2})
    ops.submit(operator)
    second = ops.call("list_runs", operator, {"limit": 2, "cursor": first["next_cursor"]})
    third = ops.call("list_runs", operator, {"limit": 2, "cursor": second["next_cursor"]})
    assert numbers(first) + numbers(second) + numbers(third) == old[::-1]
    assert third["next_cursor"] is None


def test_runs_are_filtered_by_each_field(ops18, operator):
    one = ops18.submit(operator, labels={"team": "grid"})
    two = ops18.submit(operator, "other")
    ops18.call("cancel_run", operator, two["run_id"], {"reason": "no"})

    def found(**filters):
        return numbers(ops18.call("list_runs", operator, filters))

    assert found(state=["cancelled"]) == [two["number"]]
    assert found(state=["cancelled", "queued"]) == [two["number"], one["number"]]
    assert found(state=[]) == [two["number"], one["number"]]
    assert found(template="job") == [one["number"]]
    assert found(kind="dbt") == []
    assert found(q="grid") == [one["number"]]
    assert found(q=f"#{two['number']}") == [two["number"]]
    assert found(q=one["run_id"][:23]) in ([one["number"]], [two["number"], one["number"]])
    assert found(q="OTHER") == [two["number"]]
    assert found(q="%") == []


def test_an_unknown_state_is_refused_with_the_known_ones(ops18, operator):
    refused("OPV04", ops18.call, "list_runs", operator, {"state": ["done"]})


@pytest.mark.parametrize("filters", [{"limit": 0}, {"limit": 501}, {"cursor": "x"}, {"state": "queued"}])
def test_a_wrong_filter_is_refused(ops18, operator, filters):
    refused("OPV01", ops18.call, "list_runs", operator, filters)


def test_people_see_the_runs_of_their_workspaces_alone(ops18, operator):
    run = ops18.submit(operator)
    ops18.admin.execute("insert into ops.workspaces (workspace) values ('other')")
    stranger = ops18.token("viewer", workspaces=["other"])
    assert numbers(ops18.call("list_runs", stranger, {})) == []
    for verb in ("get_run", "run_artifacts"):
        refused("OPN01", ops18.call, verb, stranger, run["run_id"])
    refused("OPN01", ops18.call, "run_events", stranger, str(run["number"]), {})
    assert [w["name"] for w in ops18.call("list_workspaces", stranger)["items"]] == ["other"]


def test_executors_read_no_lists(ops18):
    token = ops18.token("executor")
    for verb in ("list_runs",):
        refused("OPU02", ops18.call, verb, token, {})
    for verb in ("list_templates", "list_executors", "list_caps"):
        refused("OPU02", ops18.call, verb, token)


def test_a_run_is_found_by_number_and_by_id_and_shows_all_of_itself(ops):
    work = start(ops)
    number = ops.value("select number from ops.runs")
    by_number, by_id = (ops.call("get_run", work.operator, ref) for ref in (str(number), work.run_id))
    assert by_number == by_id
    assert by_id["state"] == "running"
    assert by_id["executor_name"] == "worker-1"
    assert by_id["lease_deadline"].endswith("Z")
    assert [a["outcome"] for a in by_id["attempts"]] == ["running"]
    work.record(work.begin()["artifact_id"])
    work.report(result={"answer": 42})
    done = ops.call("get_run", work.operator, work.run_id)
    assert (done["state"], done["result"], done["artifact_count"]) == ("succeeded", {"answer": 42}, 1)
    assert done["attempts"][0]["outcome"] == "succeeded"
    assert done["counts"]["events"] == len(ops.call("run_events", work.operator, work.run_id, {})["items"])


@pytest.mark.parametrize("ref", ["999", "x", "", "../1", "01a1fe37-ac63-7e93-9f82-f6eac75dda06", "9" * 40])
def test_an_unknown_run_is_not_found(ops18, operator, ref):
    refused("OPN01", ops18.call, "get_run", operator, ref)


def test_a_pipeline_shows_its_children_and_what_they_left(ops):
    operator, token = ops.token("operator"), ops.token("executor")
    ops.template(operator)
    tasks = {"first": {"template": "job"}, "second": {"template": "job", "depends_on": ["first"]}}
    ops.call("put_template", operator, "flow", {"name": "flow", "kind": "pipeline", "tasks": tasks})
    pipeline = ops.submit(operator, "flow")
    executor_id = ops.executor(token)
    (run,) = ops.claim(token, executor_id, 10)
    body = artifact("a", b"x") | {"epoch": run["epoch"]}
    begun = ops.call("begin_artifact", token, run["run_id"], body)
    ops.call("record_artifact", token, run["run_id"], begun["artifact_id"], {"epoch": run["epoch"]})
    page = ops.call("get_run", operator, pipeline["run_id"])
    assert [c["task_key"] for c in page["children"]] == ["first", "second"]
    assert page["counts"]["children"] == {"running": 1, "waiting": 1}
    assert page["artifact_count"] == 1
    assert len(ops.call("run_artifacts", operator, pipeline["run_id"])["items"]) == 1
    second = ops.call("get_run", operator, page["children"][1]["run_id"])
    assert [p["task_key"] for p in second["depends_on"]] == ["first"]
    assert numbers(ops.call("list_runs", operator, {"top_level": True})) == [pipeline["number"]]
    assert len(numbers(ops.call("list_runs", operator, {"pipeline": str(pipeline["number"])}))) == 2


def test_events_come_in_order_with_their_hashes(ops):
    work = start(ops)
    items = ops.call("run_events", work.operator, work.run_id, {})["items"]
    assert [e["seq"] for e in items] == list(range(1, len(items) + 1))
    assert items[0]["type"] == "run.submitted"
    assert items[0]["prev_hash"] == "0" * 64
    assert [e["prev_hash"] for e in items[1:]] == [e["hash"] for e in items[:-1]]
    later = ops.call("run_events", work.operator, work.run_id, {"after_seq": 1})["items"]
    assert later == items[1:]
    assert set(items[0]) == {"run_id", "seq", "at", "type", "epoch", "actor", "data", "hash", "prev_hash"}


def test_executors_show_what_they_run(ops18):
    work = start(ops18)
    (item,) = ops18.call("list_executors", work.operator)["items"]
    assert [r["run_id"] for r in item["running"]] == [work.run_id]


def test_caps_show_with_the_latest_enforcements(ops18):
    work = start(ops18)
    ops18.admin.execute("insert into ops.caps (scope, cap, \"limit\") values ('platform', 'wall_seconds', 60)")
    entry = {
        "layer": "watchdog",
        "cap": "wall_seconds",
        "limit": 60,
        "observed": 61.5,
        "overshoot": 1.5,
        "overshoot_ms": 12,
        "action": "killed",
    }
    error = {"class": "resources", "code": "cap", "message": "too long", "trace": None, "position": None}
    work.report("capped", cap="wall_seconds", error=error, cap_ledger=[entry])
    found = ops18.call("list_caps", work.operator)
    assert [(c["scope"], c["cap"], c["limit"]) for c in found["items"]] == [("platform", "wall_seconds", 60)]
    assert found["ledger"][0]["observed"] == 61.5
    run = ops18.call("get_run", work.operator, work.run_id)
    assert (found["ledger"][0]["number"], found["ledger"][0]["template_name"]) == (run["number"], run["template_name"])
    assert run["cap_ledger"][0]["layer"] == "watchdog"


def test_info_needs_no_token_and_says_what_is_spoken(ops):
    info = ops.call("info")
    assert info["contract_versions"] == list(BY_NAME)
    assert "python" in info["kinds"]
    assert info["schema_version"] >= 1
    assert info["lakehouse_root"] == "s3://lakehouse"
