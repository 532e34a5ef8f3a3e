"""Publications of Iceberg tables and of objects beside Delta tables: addresses, capability, commit."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.support.core import USER, Queue, Worker, publication, refused

Json = dict[str, Any]
BAD_PATHS = [
    *("delay", "gold/delay/x", "Gold/delay", "gold/1delay", "gold/de-lay", "gold/", "/delay", "gold.delay", "g old/x"),
    *("ws_a__gold/delay", "ws_/delay", "_gold/delay", f"{'g' * 64}/delay", f"gold/{'d' * 64}", "gold/delay\n", "../x"),
]
ALL = ["delta", "iceberg", "object"]
FILE = {"path": "part-0", "size": 10, "sha256": "c" * 64, "rows": 0}
SNAPSHOT = 9223372036854775807  # the largest there can be
LOCATION = "s3://warehouse/gold/delay"


def output(format: str = "iceberg", **more: Any) -> Json:
    path = {"iceberg": "gold/delay", "object": "models/delay.onnx", "delta": "gold/delay"}[format]
    return {"name": "out", "format": format, "mode": "overwrite", "path": path} | more


def claimed(queue: Queue, declared: Json, **more: Any) -> tuple[Worker, Json]:
    queue.template(outputs=[declared], **more)
    queue.submit()
    worker = Worker(queue, capabilities={"publish": ALL})
    return worker, worker.claim_one()


def published(run: Json, **more: Any) -> Json:
    """What a good report says of the output, whatever its format."""
    of_object = {"files": [FILE], "rows": 0, "schema": {}} if run["outputs"][0]["format"] == "object" else {}
    return publication(run, "out", **(of_object | more))


# -- addresses


def uri_in(queue: Queue, workspace: str, declared: Json) -> str:
    queue.ops.call("put_workspace", queue.operator, {"workspace": workspace})
    queue.ops.template(queue.operator, "out", outputs=[declared], workspace=workspace)
    uri: str = queue.ops.submit(queue.operator, "out", workspace=workspace)["outputs"][0]["uri"]
    return uri


def test_each_format_has_its_place_in_each_workspace(queue: Queue) -> None:
    found = [uri_in(queue, workspace, output(format)) for workspace in ("default", "a-b_c") for format in ALL]
    assert found == [
        "s3://lakehouse/gold/delay",
        "iceberg://lakehouse/gold/delay",
        "s3://lakehouse/models/delay.onnx",
        "s3://lakehouse/_ws/a-b_c/gold/delay",
        "iceberg://lakehouse/ws_a_hb_uc__gold/delay",
        "s3://lakehouse/_ws/a-b_c/models/delay.onnx",
    ]


def test_the_setting_moves_the_iceberg_tables_of_later_runs(queue: Queue) -> None:
    queue.ops.call("put_setting", queue.operator, {"key": "iceberg_root", "value": "iceberg://other"})
    assert uri_in(queue, "default", output()) == "iceberg://other/gold/delay"


# Names built to meet, were _ and - not both written out or the end of the workspace not to be seen.
MEETING = [
    "a",
    "a_",
    "a-",
    "a_u",
    "a-u",
    "a_h",
    "a--",
    "a__",
    "a_-",
    "au",
    "ah",
    "a__b",
    "a_b",
    "a_u_ub",
    "a-b",
    "a-hb",
]
NAMESPACES = ["x", "u", "h", "b__x", "b", "u__x", "x__", "ub__x"]


def test_no_two_workspaces_share_a_namespace(queue: Queue) -> None:
    places = [(workspace, namespace) for workspace in ["default", *MEETING] for namespace in NAMESPACES]
    with queue.database.connect() as connection:
        asked = "select ops.workspace_namespace(%s::text, %s::text)"
        found = [connection.execute(asked, place).fetchone()[0] for place in places]
    assert len(set(found)) == len(places)
    assert not [name for name in found[: len(NAMESPACES)] if name.startswith("ws_")]


@pytest.mark.parametrize("more", [{}, {"concurrency_key": "k"}], ids=["plain", "one by one"])
def test_a_path_that_is_no_namespace_and_table_is_refused(queue: Queue, more: Json) -> None:
    for path in BAD_PATHS:
        queue.template(outputs=[output(path=path)])
        with refused("OPV02") as error:
            queue.submit(**more)
        assert error.members["errors"][0]["path"] == "/outputs/out", path


@pytest.mark.parametrize("name", ["ws_b__gold/t", "x/y/z", "a/../b"])
def test_a_parameter_leads_no_iceberg_path_elsewhere(queue: Queue, name: str) -> None:
    queue.template(outputs=[output(path="{params.name}")])
    with refused("OPV02"):
        queue.submit(params={"name": name})
    assert queue.submit(params={"name": "gold/y2013"})["outputs"][0]["uri"] == "iceberg://lakehouse/gold/y2013"


@pytest.mark.parametrize("format", ["delta", "object"])
def test_an_object_lies_where_a_delta_table_may(queue: Queue, format: str) -> None:
    for path in ("models/", "../x", "_ws/a/x", "a/_delta_log/x", "a.staged/x", "a/b.staged", "/x"):
        queue.template(outputs=[output(format, path=path)])
        with refused("OPV02"):
            queue.submit()


@pytest.mark.parametrize("more", [{}, {"concurrency_key": "k"}], ids=["plain", "one by one"])
@pytest.mark.parametrize("path", ["gold/delay", "gold/{params.name}"], ids=["as it stands", "by a parameter"])
@pytest.mark.parametrize("format", ["delta", "object"])
def test_two_outputs_at_one_address_are_refused(queue: Queue, format: str, path: str, more: Json) -> None:
    queue.template(outputs=[output("delta"), output(format, name="two", path=path)])
    with refused("OPV02") as error:
        queue.submit(params={"name": "delay"}, **more)
    (told,) = error.members["errors"]
    assert told["path"] == "/outputs/two"
    assert "s3://lakehouse/gold/delay, where output out lies" in told["message"]
    queue.template(outputs=[output("delta"), output("iceberg", name="two", path=path)])
    assert queue.submit(params={"name": "delay"}, **more)["state"] == "queued"


@pytest.mark.parametrize(
    ("format", "mode"), [("delta", "create"), ("iceberg", "create"), ("object", "append"), ("csv", "overwrite")]
)
def test_a_mode_that_is_none_of_the_format_is_refused(queue: Queue, format: str, mode: str) -> None:
    queue.template(outputs=[{**output("delta"), "format": format, "mode": mode}])
    with refused("OPV02"):
        queue.submit()


# -- who gets such a run


@pytest.mark.parametrize("more", [{}, {"concurrency_key": "k"}], ids=["plain", "one by one"])
@pytest.mark.parametrize("format", ["iceberg", "object"])
def test_only_an_executor_that_publishes_the_format_gets_the_run(queue: Queue, format: str, more: Json) -> None:
    queue.template(outputs=[output(format), output("delta", name="d", path="gold/d")])
    run = queue.submit(**more)
    others = {"publish": [f for f in ALL if f != format]}
    assert Worker(queue, capabilities=others).claim() == []
    assert Worker(queue, capabilities={"publish": {"delta": "full"}}).claim() == []
    assert Worker(queue).claim() == []
    reason = queue.ops.call("why_run", queue.operator, run["run_id"])["reasons"][0]
    assert reason["code"] == "no_executor_with_capability"
    assert f'publish = ["{format}"]' in reason["message"]
    assert reason["detail"] == {"requires": {"capabilities": {"publish": [format]}}}
    assert Worker(queue, capabilities={"publish": ALL}).claim_one()["run_id"] == run["run_id"]


def test_what_the_template_requires_stays_required(queue: Queue) -> None:
    asked = {"labels": {"zone": "a"}, "capabilities": {"gpu": True, "publish": ["delta"]}}
    queue.template(outputs=[output("object"), output(name="i")], requires=asked)
    queue.submit()
    assert Worker(queue, capabilities={"publish": ALL, "gpu": True}).claim() == []
    assert Worker(queue, capabilities={"publish": ALL}, labels={"zone": "a"}).claim() == []
    assert (
        Worker(queue, capabilities={"publish": ["iceberg", "object"], "gpu": True}, labels={"zone": "a"}).claim() == []
    )
    assert Worker(queue, capabilities={"publish": ALL, "gpu": True}, labels={"zone": "a"}).claim_one()


def test_delta_alone_requires_nothing(queue: Queue) -> None:
    queue.template(outputs=[output("delta")])
    queue.submit()
    assert Worker(queue).claim_one()


# -- commit


@pytest.mark.parametrize("format", ALL)
def test_a_publication_of_each_format_is_committed_once_and_told_again(queue: Queue, format: str) -> None:
    worker, run = claimed(queue, output(format))
    assert worker.report(run, publications=[published(run)])["run_state"] == "running"
    location = {"location": LOCATION} if format == "iceberg" else {}
    answer = worker.commit(run, "out", SNAPSHOT, **location)
    assert (answer["table_version"], answer["run_state"]) == (SNAPSHOT, "succeeded")
    assert worker.commit(run, "out", SNAPSHOT, **location) == answer
    with refused("OPC07") as conflict:
        worker.commit(run, "out", SNAPSHOT - 1, **location)
    assert conflict.members == {"state": "committed", "table_version": SNAPSHOT}
    if location:
        with refused("OPC07"):
            worker.commit(run, "out", SNAPSHOT, location=f"{LOCATION}/elsewhere")
    (seen,) = queue.get(run)["publications"]
    assert (seen["format"], seen["table_version"], seen["location"]) == (format, SNAPSHOT, location.get("location"))


@pytest.mark.parametrize("format", ALL)
def test_a_publication_of_each_format_that_fails_fails_the_run(queue: Queue, format: str) -> None:
    worker, run = claimed(queue, output(format))
    worker.report(run, publications=[published(run)])
    failed = {"epoch": 1, "state": "failed", "error": USER}
    answer = queue.ops.call("commit_publication", worker.token, run["run_id"], "out", failed)
    assert (answer["state"], answer["run_state"]) == ("failed", "failed")
    with refused("OPC07"):
        worker.commit(run, "out", 1, location=LOCATION)


@pytest.mark.parametrize("format", ALL)
def test_the_reactor_gets_all_that_a_commit_of_the_format_needs(queue: Queue, format: str) -> None:
    worker, run = claimed(queue, output(format))
    worker.report(run, publications=[published(run)])
    queue.expire(100)
    (left,) = queue.pending()
    declared = run["outputs"][0]
    assert (left["format"], left["mode"], left["uri"]) == (format, declared["mode"], declared["uri"])
    body = {"epoch": 1, "state": "committed", "table_version": 7, "rows": 3, "location": LOCATION}
    assert queue.ops.call("commit_publication_as_reactor", run["run_id"], "out", body)["run_state"] == "succeeded"


@pytest.mark.parametrize(
    ("format", "change"),
    [
        ("iceberg", {"format": "delta"}),
        ("iceberg", {"format": "object"}),
        ("iceberg", {"format": None}),
        ("iceberg", {"uri": "iceberg://lakehouse/ws_b__gold/delay"}),
        ("delta", {"format": "iceberg"}),
        ("object", {"mode": "create"}),
        ("object", {"files": []}),
        ("object", {"files": [FILE, FILE | {"path": "part-1"}]}),
        ("object", {"rows": 1}),
    ],
)
def test_a_publication_is_of_the_format_that_its_output_declares(queue: Queue, format: str, change: Json) -> None:
    worker, run = claimed(queue, output(format))
    with refused("OPV01") as error:
        worker.report(run, publications=[published(run, **change)])
    assert error.members["errors"][0]["path"] == "/publications"
    assert worker.report(run, publications=[published(run)])["run_state"] == "running"


@pytest.mark.parametrize("version", [SNAPSHOT + 1, 10**19, -1, 1.5, "1", None])
def test_a_version_fits_63_bits(queue: Queue, version: Any) -> None:
    worker, run = claimed(queue, output("delta"))
    worker.report(run, publications=[published(run)])
    if version == "1":
        assert worker.commit(run, "out", version)["table_version"] == 1
        return
    with refused("OPV01") as error:
        worker.commit(run, "out", version)
    assert error.members["errors"][0]["path"] == "/table_version"


@pytest.mark.parametrize("location", [None, "", 5, "gold/delay", "x" * 2049])
def test_an_iceberg_table_says_where_its_files_lie(queue: Queue, location: Any) -> None:
    worker, run = claimed(queue, output())
    worker.report(run, publications=[published(run)])
    with refused("OPV01") as error:
        worker.commit(run, "out", 1, location=location)
    assert error.members["errors"][0]["path"] == "/location"
    assert worker.commit(run, "out", 1, location=LOCATION)["run_state"] == "succeeded"
    told = "select canonical::jsonb -> 'data' ->> 'location' from ops.events where type = 'publication.committed'"
    assert queue.ops.value(told) == LOCATION


@pytest.mark.parametrize("format", ["delta", "iceberg"])
def test_a_table_that_lies_in_another_workspaces_place_fails_its_run(queue: Queue, format: str) -> None:
    worker, run = claimed(queue, output(format))
    worker.report(run, publications=[published(run)])
    answer = worker.commit(run, "out", 1, location="s3://lakehouse/_ws/b/t")
    assert (answer["state"], answer["run_state"]) == ("failed", "failed")
    found = queue.get(run)
    assert (found["error"]["code"], found["publications"][0]["location"]) == ("location_foreign", None)
    assert "no place of workspace default" in found["error"]["message"]


def test_a_commit_that_was_refused_is_told_again_with_the_answer_on_record(queue: Queue) -> None:
    worker, run = claimed(queue, output())
    worker.report(run, publications=[published(run)])
    told = {"epoch": 1, "state": "committed", "table_version": 1, "rows": 3, "location": "s3://lakehouse/_ws/b/t"}
    answer = queue.ops.call("commit_publication_as_reactor", run["run_id"], "out", told)
    assert answer["state"] == "failed"
    try:  # the executor was only slow
        assert queue.ops.call("commit_publication", worker.token, run["run_id"], "out", told) == answer
    except psycopg.Error as error:
        pytest.fail(f"the same word again is refused: {error}")
    for other in ({"table_version": 2}, {"location": LOCATION}):
        with refused("OPC07") as conflict:
            queue.ops.call("commit_publication", worker.token, run["run_id"], "out", told | other)
        assert conflict.members == {"state": "failed", "table_version": None}


@pytest.mark.parametrize(
    ("workspace", "place", "good"),
    [
        ("default", "s3://warehouse/gold/t", True),
        ("default", "s3://warehouse/ws_a__gold/t", False),
        ("a", "s3://warehouse/ws_a__gold/t", True),
        ("a", "s3://warehouse/x/ws_a__gold/t", True),
        ("a", "s3://warehouse/ws_ab__gold/t", False),
        ("a", "s3://warehouse/ws_b__x/ws_a__gold/t", False),
        ("a", "s3://warehouse/ws_a__x/ws_b__gold/t", False),
        ("default", "s3://warehouse/gold/ws_x__y", True),
        ("a_b", "s3://warehouse/ws_a_ub__gold/t", True),
        ("a_b", "s3://warehouse/ws_a__ub__gold/t", False),
        ("default", "s3://lakehouse/ws_a__gold/t", True),
    ],
)
def test_a_namespace_of_a_workspace_is_read_by_its_runs_alone(
    queue: Queue, workspace: str, place: str, *, good: bool
) -> None:
    with queue.database.connect() as connection:
        row = connection.execute("select ops.is_table_for(%s::text, %s::text)", (workspace, place)).fetchone()
    assert row == (good,)
