"""Registration, leaving, and how executors are shown."""

import pytest

from contract.versions import choose
from tests.support.ops import members, refused, registration


def test_the_same_instance_again_is_the_same_executor(ops):
    token, body = ops.token("executor"), registration()
    first = ops.call("register_executor", token, body)
    again = ops.call("register_executor", token, body)
    assert again | {"server_time": ""} == first | {"server_time": ""}
    assert first["contract_version"] == "1.1"
    assert first["workspaces"] == ["default"]
    assert first["heartbeat_seconds"] == 20
    assert first["server_time"].endswith("Z")
    assert ops.value("select count(*) from ops.executors") == 1


@pytest.mark.parametrize(
    ("low", "high", "chosen"),
    [
        *(("1.0", "1.0", "1.0"), ("0.9", "1.0", "1.0"), ("1.0", "1.1", "1.1")),
        *(("1.1", "1.1", "1.1"), ("0.9", "1.10", "1.1"), ("1.0", "2.0", "1.1")),
    ],
)
def test_a_contract_range_is_answered_with_the_newest_version_both_speak(ops18, low, high, chosen):
    body = registration(contract={"min": low, "max": high})
    assert ops18.call("register_executor", ops18.token("executor"), body)["contract_version"] == chosen
    assert choose(low, high) == chosen


@pytest.mark.parametrize(
    ("low", "high", "due"),
    [
        ("1.2", "1.9", "control room"),
        ("2.0", "2.0", "control room"),
        ("0.1", "0.9", "executor"),
        ("0.0", "0.9", "executor"),
    ],
)
def test_a_contract_range_without_ours_is_refused_with_what_is_spoken_and_who_is_to_be_upgraded(ops18, low, high, due):
    body = registration(contract={"min": low, "max": high})
    error = refused("OPC08", ops18.call, "register_executor", ops18.token("executor"), body)
    assert members(error) == {"supported": ["1.0", "1.1"], "min": low, "max": high}
    assert f"to {high}" in error.diag.message_primary
    assert error.diag.message_hint.startswith(f"Upgrade the {due}")
    assert choose(low, high) is None


@pytest.mark.parametrize(
    ("change", "sqlstate"),
    [
        ({"kind": "cobol"}, "OPV03"),
        ({"kind": "pipeline"}, "OPV03"),
        ({"kind": None}, "OPV03"),
        ({"contract": {}}, "OPV01"),
        ({"workspaces": ["nowhere"]}, "OPN07"),
    ],
)
def test_a_registration_with_a_wrong_field_is_refused(ops18, change, sqlstate):
    refused(sqlstate, ops18.call, "register_executor", ops18.token("executor"), registration(**change))


def test_an_operator_is_no_executor(ops18):
    refused("OPU02", ops18.call, "register_executor", ops18.token("operator"), registration())


def test_an_instance_belongs_to_the_token_that_registered_it(ops18):
    body = registration()
    ops18.call("register_executor", ops18.token("executor"), body)
    refused("OPU02", ops18.call, "register_executor", ops18.token("executor"), body)


def test_an_executor_serves_no_more_workspaces_than_its_token_opens(ops18):
    ops18.admin.execute("insert into ops.workspaces (workspace) values ('other')")
    token = ops18.token("executor", workspaces=["other"])
    assert ops18.call("register_executor", token, registration())["workspaces"] == ["other"]
    refused("OPU02", ops18.call, "register_executor", token, registration(workspaces=["default"]))


def test_an_executor_that_left_is_gone(ops18):
    token, body = ops18.token("executor"), registration()
    executor_id = ops18.call("register_executor", token, body)["executor_id"]
    ops18.call("leave_executor", token, executor_id)
    ops18.call("leave_executor", token, executor_id)
    refused("OPC09", ops18.call, "register_executor", token, body)
    refused("OPN03", ops18.call, "leave_executor", ops18.token("executor"), executor_id)


def test_executors_are_shown_active_then_lost_or_left(ops):
    token = ops.token("executor")
    executor_id = ops.executor(token)
    viewer = ops.token("viewer")

    def state() -> str:
        (item,) = ops.call("list_executors", viewer)["items"]
        return item["state"]

    assert state() == "active"
    ops.move_clock(61)
    assert state() == "lost"
    ops.call("leave_executor", token, executor_id)
    assert state() == "left"
