"""Tokens, login codes and sessions."""

import uuid

import pytest

from tests.support.ops import members, refused, sha256


def test_a_token_authenticates_by_its_hash_and_no_other(ops):
    token = ops.token("operator", "anna")
    assert ops.call("authenticate", sha256("anna")) == {
        "token_id": str(token),
        "role": "operator",
        "name": "anna",
        "workspaces": None,
    }
    assert ops.call("authenticate", sha256("Anna")) is None


def test_a_revoked_or_expired_token_opens_nothing(ops18):
    operator = ops18.token("operator")
    made = ops18.call(
        "create_token",
        operator,
        sha256("soon"),
        {"name": "soon", "role": "viewer", "workspaces": None, "expires_at": "2000-01-01T00:00:00Z"},
    )
    assert made["expires_at"] == "2000-01-01T00:00:00.000000Z"
    assert ops18.call("authenticate", sha256("soon")) is None
    other = ops18.token("viewer", "other")
    ops18.call("revoke_token", operator, other)
    ops18.call("revoke_token", operator, other)
    assert ops18.call("authenticate", sha256("other")) is None
    refused("OPU01", ops18.call, "list_runs", other, {})


def test_an_operator_of_some_workspaces_revokes_no_token_that_opens_others(ops):
    ops.admin.execute("insert into ops.workspaces (workspace) values ('lab')")
    bound = ops.token("operator", workspaces=["default"])
    for workspaces in (None, ["lab"], ["default", "lab"]):
        other = ops.token("executor", f"other-{workspaces}", workspaces)
        error = refused("OPU02", ops.call, "revoke_token", bound, other)
        assert members(error) == {"workspaces": ["default"]}
        assert ops.call("authenticate", sha256(f"other-{workspaces}")) is not None
    own = ops.token("viewer", "own", ["default"])
    ops.call("revoke_token", bound, own)
    assert ops.call("authenticate", sha256("own")) is None
    ops.call("revoke_token", bound, uuid.uuid4())
    ops.call("revoke_token", bound, bound)
    refused("OPU01", ops.call, "revoke_token", bound, own)


def test_only_an_operator_makes_tokens_and_not_beyond_their_own_workspaces(ops18):
    body = {"name": "x", "role": "operator", "workspaces": None}
    refused("OPU02", ops18.call, "create_token", ops18.token("viewer"), sha256("x"), body)
    refused("OPU02", ops18.call, "create_token", ops18.token("executor"), sha256("x"), body)
    refused("OPU01", ops18.call, "create_token", uuid.uuid4(), sha256("x"), body)
    bound = ops18.token("operator", workspaces=["default"])
    refused("OPU02", ops18.call, "create_token", bound, sha256("x"), body)
    assert ops18.call("create_token", bound, sha256("x"), body | {"workspaces": ["default"]})["workspaces"] == [
        "default"
    ]


@pytest.mark.parametrize(
    ("change", "sqlstate"),
    [
        ({"role": "root"}, "OPV01"),
        ({"name": " "}, "OPV01"),
        ({"workspaces": "default"}, "OPV01"),
        ({"workspaces": [1]}, "OPV01"),
        ({"workspaces": ["nowhere"]}, "OPN07"),
    ],
)
def test_a_token_with_a_wrong_field_is_refused(ops18, change, sqlstate):
    body = {"name": "x", "role": "viewer", "workspaces": None} | change
    refused(sqlstate, ops18.call, "create_token", ops18.token("operator"), sha256("x"), body)


def test_the_same_token_again_keeps_its_rights(ops18):
    first = ops18.token("executor", "worker")
    assert ops18.token("executor", "worker") == first
    operator = ops18.token("operator")
    refused("OPV01", ops18.call, "create_token", operator, sha256("worker"), {"name": "worker", "role": "operator"})


def test_a_server_cannot_make_the_first_token(ops):
    refused("42501", ops.call, "bootstrap_token", sha256("x"), {"name": "x", "role": "operator"})


def test_a_login_code_opens_one_session_once(ops):
    operator = ops.token("operator", "anna")
    ops.call("create_login_code", operator, sha256("code"))
    opened = ops.call("redeem_login_code", sha256("code"), sha256("cookie"))
    assert (opened["name"], opened["role"]) == ("anna", "operator")
    assert ops.call("session_principal", sha256("cookie"))["token_id"] == str(operator)
    refused("OPU03", ops.call, "redeem_login_code", sha256("code"), sha256("cookie2"))
    assert ops.call("session_principal", sha256("cookie2")) is None


def test_a_login_code_lasts_ten_minutes(ops18):
    ops18.call("create_login_code", ops18.token("operator"), sha256("code"))
    ops18.move_clock(601)
    refused("OPU03", ops18.call, "redeem_login_code", sha256("code"), sha256("cookie"))


def test_an_executor_cannot_log_in(ops18):
    refused("OPU02", ops18.call, "create_login_code", ops18.token("executor"), sha256("code"))


def test_a_session_ends_by_logout_by_time_and_with_its_token(ops18):
    operator = ops18.token("operator")

    def session(name: str) -> bytes:
        ops18.call("create_login_code", operator, sha256(f"code {name}"))
        ops18.call("redeem_login_code", sha256(f"code {name}"), sha256(name))
        return sha256(name)

    ended, kept = session("a"), session("b")
    ops18.call("end_session", ended)
    assert ops18.call("session_principal", ended) is None
    assert ops18.call("session_principal", kept) is not None
    ops18.move_clock(43201)
    assert ops18.call("session_principal", kept) is None
    ops18.move_clock(0)
    ops18.call("revoke_token", ops18.token("operator"), operator)
    assert ops18.call("session_principal", kept) is None


def test_using_a_token_is_noted_without_a_write_per_use(ops18):
    ops18.token("viewer", "busy")
    ops18.call("authenticate", sha256("busy"))
    first = ops18.value("select xmin::text from ops.tokens where name = 'busy'")
    ops18.call("authenticate", sha256("busy"))
    assert ops18.value("select xmin::text from ops.tokens where name = 'busy'") == first
    assert ops18.value("select last_used_at is not null from ops.tokens where name = 'busy'")


def test_refusals_carry_members_and_a_hint(ops18):
    error = refused("OPU02", ops18.call, "create_token", ops18.token("viewer"), sha256("x"), {})
    assert members(error)["role"] == "viewer"
    assert error.diag.message_hint
