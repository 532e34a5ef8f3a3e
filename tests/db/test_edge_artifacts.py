"""Artifacts: named safely, written once, capped, visible with the accepted report."""

import hashlib
import uuid

import pytest

from tests.support.ops import members, refused
from tests.support.work import Work, start

TABLE = {"kind": "table", "table": {"format": "delta", "uri": "s3://lakehouse/t", "version": 0}}


@pytest.fixture
def work(ops):
    return start(ops)


@pytest.fixture
def work18(ops18):
    return start(ops18)


def test_an_artifact_is_begun_recorded_and_visible_with_the_report(work):
    begun = work.begin("report/out.txt", b"hello")
    digest = hashlib.sha256(b"hello").hexdigest()
    assert begun["object_key"] == f"default/sha256/{digest[:2]}/{digest}"
    assert (begun["state"], begun["already_stored"]) == ("begun", False)
    recorded = work.record(begun["artifact_id"])
    assert recorded["state"] == "recorded"
    assert work.ops.call("get_artifact", work.token, begun["artifact_id"])["state"] == "recorded", "it is its own"
    another = work.ops.token("executor")
    refused("OPN04", work.ops.call, "get_artifact", another, begun["artifact_id"])
    work.report()
    found = work.ops.call("get_artifact", another, begun["artifact_id"])
    assert (found["state"], found["name"], found["size"], found["sha256"]) == ("visible", "report/out.txt", 5, digest)


def test_what_was_begun_but_never_recorded_is_orphaned_by_the_report(work18):
    begun = work18.begin()
    work18.report()
    (item,) = work18.ops.call("run_artifacts", work18.operator, work18.run_id)["items"]
    assert (item["artifact_id"], item["state"]) == (begun["artifact_id"], "orphaned")


def test_the_same_artifact_again_is_the_same_row(work):
    assert work.begin() == work.begin()
    begun = work.begin()
    assert work.record(begun["artifact_id"]) == work.record(begun["artifact_id"])
    events = work.ops.call("run_events", work.operator, work.run_id, {})["items"]
    assert [e["type"] for e in events].count("artifact.recorded") == 1


def test_the_same_name_with_other_bytes_is_a_conflict_that_says_what_is_on_record(work):
    begun = work.begin(content=b"one")
    error = refused("OPC04", work.begin, content=b"two")
    assert members(error)["artifact_id"] == begun["artifact_id"]
    assert members(error)["sha256"] == hashlib.sha256(b"one").hexdigest()
    refused("OPC04", work.begin, content=b"one", kind="report")


def test_bytes_that_the_workspace_has_stored_need_no_upload(work18):
    first = work18.begin("a", b"same")
    work18.record(first["artifact_id"])
    assert work18.begin("b", b"same")["already_stored"]


def test_bytes_of_another_workspace_must_be_uploaded_all_the_same(ops18):
    one, two = start(ops18), start(ops18)
    one.record(one.begin("a", b"secret")["artifact_id"])
    assert two.begin("a", b"secret")["already_stored"]
    ops18.call("put_workspace", one.operator, {"workspace": "elsewhere"})
    ops18.template(one.operator, workspace="elsewhere")
    ops18.submit(one.operator, workspace="elsewhere")
    (run,) = ops18.claim(one.token, one.executor_id)
    stranger = Work(ops18, one.operator, one.token, one.executor_id, run["run_id"], run["epoch"])
    begun = stranger.begin("b", b"secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    assert (begun["already_stored"], begun["object_key"]) == (False, f"elsewhere/sha256/{digest[:2]}/{digest}")


def test_a_table_is_an_artifact_without_bytes(work18):
    begun = work18.begin("table", sha256=None, size=None, media_type=None, **TABLE)
    assert (begun["object_key"], begun["already_stored"]) == (None, True)
    recorded = work18.record(begun["artifact_id"])
    assert recorded["table"] == TABLE["table"]
    assert recorded["sha256"] is None
    changed = TABLE | {"table": TABLE["table"] | {"version": 1}}
    refused("OPC04", work18.begin, "table", sha256=None, size=None, media_type=None, **changed)


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "a\nb", "a\x7fb", "a\u0085b", "a\\b", "x" * 1025],
)
def test_a_name_that_could_leave_its_folder_is_refused(work18, name):
    refused("OPV06", work18.begin, name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("report\u202efdp.exe", "U+202E"),
        ("a\u2066b", "U+2066"),
        ("a\u200bb", "U+200B"),
        ("a\u200db", "U+200D"),
        ("\ufeffa", "U+FEFF"),
        ("a\u00adb", "U+00AD"),
        ("a\u2028b", "U+2028"),
        ("a\x07b", "U+0007"),
        ("a\u009bb", "U+009B"),
        ("a\U000e0041b", "U+E0041"),
        ("a\uffff", "U+FFFF"),
        (" a", "begins with a space"),
        ("a/\u00a0b", "begins with a space"),
        ("a ", "ends with a space"),
        ("a\u3000/b", "ends with a space"),
        ("a.", "ends with a dot"),
        ("a./b", "ends with a dot"),
        ("cafe\u0301.txt", "NFC"),
    ],
)
def test_a_name_that_could_pass_for_another_is_refused_with_what_to_do(work, name, said):
    error = refused("OPV06", work.begin, name)
    assert said in error.diag.message_primary
    assert error.diag.message_hint
    assert not set("\u202e\u2066\u200b\ufeff\u0007") & set(error.diag.message_primary), "the refusal itself is readable"


@pytest.mark.parametrize(
    "name", ["a", "..a", "a..b/c", "ümläut/文件.txt", "x" * 1024, "a b", "café.txt", "🐎.png", "नाम", "اسم", ".hidden"]
)
def test_other_names_are_fine(work18, name):
    assert work18.begin(name)["state"] == "begun"


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "AB" * 32},
        {"sha256": None},
        {"size": None},
        {"size": -1},
        {"size": "big"},
        {"kind": "poem"},
        {"kind": None},
        {"kind": "table"},
        TABLE | {"table": {"format": "delta", "uri": "s3://x"}},
    ],
)
def test_an_artifact_with_a_wrong_field_is_refused(work18, change):
    refused("OPV01", work18.begin, **change)


def test_artifacts_beyond_the_cap_are_refused_with_the_numbers(ops):
    work = start(ops, caps={"artifact_bytes": 10})
    work.begin("a", b"123456")
    error = refused("OPX01", work.begin, "b", b"12345")
    assert members(error) == {"cap": "artifact_bytes", "limit": 10, "observed": 11}
    work.begin("a", b"123456")
    work.begin("c", b"1234")


def test_a_lost_lease_begins_and_records_nothing(work):
    begun = work.begin()
    work.revoke()
    refused("OPC01", work.begin, "b")
    refused("OPC01", work.record, begun["artifact_id"])


def test_an_attempt_that_has_reported_adds_nothing(ops18):
    operator = ops18.token("operator")
    ops18.template(operator, "job", outputs=[{"name": "out", "format": "delta", "mode": "append", "path": "out"}])
    ops18.submit(operator)
    token = ops18.token("executor")
    executor_id = ops18.executor(token)
    (run,) = ops18.claim(token, executor_id)
    work = Work(ops18, operator, token, executor_id, run["run_id"], run["epoch"])
    begun = work.begin()
    publication = {
        "output": "out",
        "format": "delta",
        "mode": "append",
        "uri": run["outputs"][0]["uri"],
        "files": [{"path": "part-0.parquet", "size": 1, "sha256": "ab" * 32, "rows": 1}],
        "schema": {},
        "rows": 1,
        "partition_by": [],
    }
    assert work.report(publications=[publication])["run_state"] == "running"
    error = refused("OPC01", work.record, begun["artifact_id"])
    assert members(error)["reason"] == "terminal"


def test_an_artifact_of_another_run_cannot_be_recorded(ops18):
    one, two = start(ops18), start(ops18)
    begun = one.begin()
    refused("OPN04", two.record, begun["artifact_id"])
    refused("OPN04", two.record, str(uuid.uuid4()))


def test_people_see_artifacts_on_their_way_and_viewers_too(work18):
    begun = work18.begin()
    assert work18.ops.call("get_artifact", work18.ops.token("viewer"), begun["artifact_id"])["state"] == "begun"


def test_other_workspaces_artifacts_are_not_found(work18):
    begun = work18.begin()
    work18.ops.admin.execute("insert into ops.workspaces (workspace) values ('other')")
    stranger = work18.ops.token("operator", workspaces=["other"])
    refused("OPN04", work18.ops.call, "get_artifact", stranger, begun["artifact_id"])
