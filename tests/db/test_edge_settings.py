"""What an operator sets for the platform: settings, workspaces, caps."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.support.ops import Ops, members, refused

CAP = {"scope": "platform", "scope_ref": None, "cap": "wall_seconds", "limit": 60}


def path(found: psycopg.Error) -> str:
    where: str = members(found)["errors"][0]["path"]
    return where


@pytest.mark.parametrize("root", ["s3://other", "s3://my-bucket/a/b", "s3://my.bucket/x/"])
def test_the_lakehouse_root_moves_the_outputs_of_later_runs(ops: Ops, root: str) -> None:
    operator = ops.token("operator")
    ops.template(operator, outputs=[{"name": "t", "format": "delta", "mode": "append", "path": "bronze/t"}])
    before = ops.submit(operator)
    set_to = ops.call("put_setting", operator, {"key": "lakehouse_root", "value": root})
    assert (set_to["key"], set_to["value"]) == ("lakehouse_root", root)
    assert ops.submit(operator)["outputs"][0]["uri"] == f"{root.rstrip('/')}/bronze/t"
    assert ops.call("get_run", operator, before["run_id"])["outputs"] == before["outputs"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "/key"),
        ({"key": "nothing", "value": 1}, "/key"),
        ({"key": "contract_versions", "value": ["9.0"]}, "/key"),
        ({"key": "lakehouse_root"}, "/value"),
        ({"key": "lakehouse_root", "value": 5}, "/value"),
        ({"key": "lakehouse_root", "value": ""}, "/value"),
        ({"key": "lakehouse_root", "value": "lakehouse"}, "/value"),
        ({"key": "lakehouse_root", "value": "/data/lakehouse"}, "/value"),
        ({"key": "lakehouse_root", "value": "s3://lakehouse/../other"}, "/value"),
        ({"key": "lakehouse_root", "value": "s3://lakehouse\n"}, "/value"),
        ({"key": "kinds", "value": []}, "/value"),
        ({"key": "kinds", "value": ["pipeline"]}, "/value"),
        ({"key": "kinds", "value": [1]}, "/value"),
        ({"key": "lease_seconds", "value": "60"}, "/value"),
        ({"key": "lease_seconds", "value": 9}, "/value"),
        ({"key": "max_expirations", "value": 0}, "/value"),
        ({"key": "lease_seconds", "value": 1.5}, "/value"),
        ({"key": "lease_seconds", "value": 3601}, "/value"),
        ({"key": "lease_seconds", "value": None}, "/value"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(ops18: Ops, body: dict[str, Any], where: str) -> None:
    before = ops18.value("select jsonb_object_agg(key, value) from ops.settings")
    assert path(refused("OPV01", ops18.call, "put_setting", ops18.token("operator"), body)) == where
    assert ops18.value("select jsonb_object_agg(key, value) from ops.settings") == before


def test_every_setting_can_be_put_to_the_value_it_has(ops18: Ops) -> None:
    operator = ops18.token("operator")
    found = ops18.admin.execute("select key, value from ops.settings where key <> 'contract_versions'").fetchall()
    for key, value in found:
        assert ops18.call("put_setting", operator, {"key": key, "value": value})["value"] == value


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("put_setting", {"key": "lease_seconds", "value": 30}),
        ("put_workspace", {"workspace": "lab"}),
        ("put_cap", CAP),
    ],
)
def test_the_platform_is_set_by_operators_of_all_workspaces_only(ops18: Ops, verb: str, body: dict[str, Any]) -> None:
    for role in ("viewer", "executor"):
        refused("OPU02", ops18.call, verb, ops18.token(role), body)
    refused("OPU02", ops18.call, verb, ops18.token("operator", workspaces=["default"]), body)
    ops18.call(verb, ops18.token("operator"), body)


def test_a_workspace_is_made_once_and_then_described(ops: Ops) -> None:
    operator = ops.token("operator")
    made = ops.call("put_workspace", operator, {"workspace": "lab", "description": "for trials"})
    assert ops.call("put_workspace", operator, {"workspace": "lab"}) == made
    assert ops.call("put_workspace", operator, {"workspace": "lab", "description": "new"})["description"] == "new"
    assert [w["name"] for w in ops.call("list_workspaces", operator)["items"]] == ["default", "lab"]
    ops.template(operator, workspace="lab")
    assert ops.submit(operator, workspace="lab")["workspace"] == "lab"


@pytest.mark.parametrize("name", [None, "", "Lab", "a/b", "-a", "a" * 64, "a\n"])
def test_a_workspace_needs_a_name_that_fits_in_an_address(ops18: Ops, name: str | None) -> None:
    assert (
        path(refused("OPV01", ops18.call, "put_workspace", ops18.token("operator"), {"workspace": name}))
        == "/workspace"
    )


def test_caps_are_set_changed_and_removed_by_scope(ops: Ops) -> None:
    operator = ops.token("operator")
    ops.template(operator)
    for scope, ref, limit in (("platform", None, 90), ("workspace", "default", 80), ("template", "default/job", 70)):
        cap = CAP | {"scope": scope, "scope_ref": ref}
        ops.call("put_cap", operator, cap | {"limit": 1000})
        assert ops.call("put_cap", operator, cap | {"limit": limit})["limit"] == limit
        assert ops.submit(operator)["caps"] == {"wall_seconds": limit}
    assert len(ops.call("list_caps", operator)["items"]) == 3
    removed = ops.call("put_cap", operator, cap | {"limit": None})
    assert (removed["template_name"], removed["limit"]) == ("job", None)
    assert ops.submit(operator)["caps"] == {"wall_seconds": 80}


def test_an_operator_of_one_workspace_caps_that_one_alone(ops18: Ops) -> None:
    ops18.call("put_workspace", ops18.token("operator"), {"workspace": "lab"})
    lab = ops18.token("operator", workspaces=["lab"])
    ops18.call("put_cap", lab, CAP | {"scope": "workspace", "scope_ref": "lab"})
    refused("OPU02", ops18.call, "put_cap", lab, CAP | {"scope": "workspace", "scope_ref": "default"})


@pytest.mark.parametrize(
    ("change", "sqlstate", "where"),
    [
        ({"scope": "run"}, "OPV01", "/scope"),
        ({"scope": None}, "OPV01", "/scope"),
        ({"scope_ref": "default"}, "OPV01", "/scope_ref"),
        ({"scope": "workspace"}, "OPV01", "/scope_ref"),
        ({"scope": "workspace", "scope_ref": "default/job"}, "OPV01", "/scope_ref"),
        ({"scope": "workspace", "scope_ref": "ghost"}, "OPN07", None),
        ({"scope": "template", "scope_ref": "default/ghost"}, "OPN02", None),
        ({"cap": "speed"}, "OPV01", "/cap"),
        ({"limit": 0}, "OPV01", "/limit"),
        ({"limit": -1}, "OPV01", "/limit"),
        ({"limit": "60"}, "OPV01", "/limit"),
        ({"limit": [1]}, "OPV01", "/limit"),
        ({"cap": "log_bytes", "limit": 1.5}, "OPV01", "/limit"),
    ],
)
def test_a_cap_that_cannot_work_is_refused(
    ops18: Ops, change: dict[str, Any], sqlstate: str, where: str | None
) -> None:
    found = refused(sqlstate, ops18.call, "put_cap", ops18.token("operator"), CAP | change)
    assert where is None or path(found) == where
    assert ops18.value("select count(*) from ops.caps") == 0
