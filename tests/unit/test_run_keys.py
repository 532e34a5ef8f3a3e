"""The policy of a run's keys, and what becomes of a connection."""

from __future__ import annotations

import json

import pytest

from contract.errors import Unavailable
from contract.models import RunInput
from executors.runtime.failures import TaskError
from executors.runtime.run_keys import _places, assume, policy, wide_iceberg_policy, wide_policy

STAGED = "part-r-1-*"


def test_inputs_may_be_read_and_listed_and_outputs_get_files_of_this_attempt_alone() -> None:
    found = json.loads(policy(["s3://lake/in/a", "s3://lake/in/b"], ["s3://lake/out"], STAGED))
    out = "arn:aws:s3:::lake/out/part-r-1-*"
    reading, writing, listing = found["Statement"]
    assert reading["Resource"] == ["arn:aws:s3:::lake/in/a/*", "arn:aws:s3:::lake/in/b/*", out]
    assert (writing["Action"], writing["Resource"]) == (["s3:PutObject"], [out])
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["in/a/*", "in/b/*"]}}


def test_a_run_without_tables_gets_keys_that_open_nothing() -> None:
    (only,) = json.loads(policy([], [], STAGED))["Statement"]
    assert (only["Effect"], only["Resource"]) == ("Deny", ["*"])


def test_a_table_at_the_root_of_a_bucket_has_no_empty_part_in_its_name() -> None:
    found = json.loads(policy(["s3://lake"], ["s3://lake"], "*"))
    assert [statement["Resource"] for statement in found["Statement"]] == [
        ["arn:aws:s3:::lake/*", "arn:aws:s3:::lake/*"],
        ["arn:aws:s3:::lake/*"],
        ["arn:aws:s3:::lake"],
    ]


def test_keys_for_many_tables_stay_in_the_workspace_of_the_run() -> None:
    tables = ["s3://lake/house/_ws/a/t", "s3://lake/house/_ws/a/u", "s3://lake/house/_ws/ab/u", "s3://lake/x"]
    reading, writing, listing = json.loads(wide_policy("s3://lake/house", "a", tables, "*part"))["Statement"]
    assert reading["Resource"] == ["arn:aws:s3:::lake/house/_ws/a/*", "arn:aws:s3:::lake/house/_ws/a/*part"]
    assert writing["Resource"] == ["arn:aws:s3:::lake/house/_ws/a/*part"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["house/_ws/a/*"]}}


def test_keys_of_the_default_workspace_for_many_tables_open_no_table_of_another() -> None:
    *_, last = json.loads(wide_policy("s3://lake/house", "default", [], "*part"))["Statement"]
    assert (last["Effect"], last["Action"]) == ("Deny", ["s3:GetObject", "s3:PutObject"])
    assert last["Resource"] == ["arn:aws:s3:::lake/house/_ws/*", "arn:aws:s3:::lake/house/*/_ws/*"]


def test_an_object_input_may_be_read_and_nothing_beside_it() -> None:
    (reading,) = json.loads(policy([], [], STAGED, ["s3://lake/report.pdf"]))["Statement"]
    assert (reading["Action"], reading["Resource"]) == (["s3:GetObject"], ["arn:aws:s3:::lake/report.pdf"])


ICEBERG = {"root": "iceberg://x", "storage_root": "s3://lake/_ws/_iceberg", "warehouse_root": "s3://warehouse"}


def test_keys_for_many_iceberg_tables_stay_in_the_namespaces_of_the_workspace() -> None:
    reading, writing, *listing = json.loads(wide_iceberg_policy(ICEBERG, "a-b_c", f"*/data/{STAGED}"))["Statement"]
    names = ["lake/_ws/_iceberg/ws_a_hb_uc__*", "warehouse/ws_a_hb_uc__*"]
    assert reading["Resource"] == [f"arn:aws:s3:::{name}" for name in names]
    assert writing["Resource"] == ["arn:aws:s3:::lake/_ws/_iceberg/ws_a_hb_uc__*/data/part-r-1-*"]
    found = [statement["Condition"]["StringLike"]["s3:prefix"] for statement in listing]
    assert found == [["_ws/_iceberg/ws_a_hb_uc__*"], ["ws_a_hb_uc__*"]]


def test_keys_of_the_default_workspace_for_many_iceberg_tables_open_none_of_another() -> None:
    *_, last = json.loads(wide_iceberg_policy(ICEBERG, "default", f"*/data/{STAGED}"))["Statement"]
    assert (last["Effect"], last["Action"]) == ("Deny", ["s3:GetObject", "s3:PutObject"])
    assert last["Resource"] == ["arn:aws:s3:::lake/_ws/_iceberg/ws_*", "arn:aws:s3:::warehouse/ws_*"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"role_arn": "run"},
        {"session_seconds": 60},
        {"session_seconds": "1h"},
        {"session_seconds": 100_000},
        {"endpoint": "not a URL"},
    ],
    ids=str,
)
def test_a_connection_that_cannot_work_fails_the_run_instead_of_being_tried_for_ever(wrong: dict[str, object]) -> None:
    connection = {
        "role_arn": "arn:aws:iam::123456789012:role/run",
        "endpoint": "http://127.0.0.1:9",
        "access_key": "a",
        "secret_key": "b",
    }
    with pytest.raises(TaskError) as failure:
        assume(connection | wrong, policy([], [], STAGED), "run-1")
    assert (failure.value.failure_class, failure.value.code) == ("external", "run_keys_refused")


def test_a_store_that_does_not_answer_is_asked_again() -> None:
    connection = {"role_arn": "arn:aws:iam::123456789012:role/run", "endpoint": "http://127.0.0.1:9"}
    with pytest.raises(Unavailable):
        assume(connection | {"access_key": "a", "secret_key": "b"}, policy([], [], STAGED), "run-1")


@pytest.mark.parametrize(
    ("workspace", "location", "opened"),
    [
        ("default", "gold/t", "gold/t"),
        ("default", "ws_a__gold/t", None),
        ("a", "ws_a__gold/t", "ws_a__gold/t"),
        ("a", "ws_a__x/ws_b__gold/t", None),
        ("a", "gold/t", None),
        ("a_b", "ws_a_ub__gold/t", "ws_a_ub__gold/t"),
    ],
)
def test_files_that_runs_published_are_opened_to_their_own_workspace(
    workspace: str, location: str, opened: str | None
) -> None:
    """A location may name any namespace: it comes from a table's metadata, or from a report."""
    nothing = {"artifact_id": None, "sha256": None, "size": None, "from_run_id": None}
    uri = f"s3://warehouse/{location}"
    item = RunInput(name="t", kind="table", format="iceberg", uri=uri, version=1, **nothing)
    found = _places(item, {"storage_root": "s3://lake/_ws/_iceberg"}, workspace)
    assert found == [uri, *([f"s3://lake/_ws/_iceberg/{opened}/data"] if opened else [])]
