"""The one table of errors, and reading problems back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from contract import errors
from contract.errors import BY_CODE, BY_SQLSTATE, TABLE, ContractError

SQL = Path(__file__).parents[2] / "ops_schema"
SQLSTATE = re.compile(r"\bOP[A-Z][0-9]{2}\b")


def codes_in(folder: Path) -> set[str]:
    """Every private SQLSTATE that the SQL sources name."""
    files = [path for path in folder.rglob("*.sql") if path.is_file()]
    assert files, f"no SQL under {folder}"
    return {code for path in files for code in SQLSTATE.findall(path.read_text(encoding="utf-8"))}


def test_every_sqlstate_that_the_schema_can_raise_is_in_the_table() -> None:
    assert codes_in(SQL / "sql") - set(BY_SQLSTATE) == set()


def test_every_sqlstate_in_the_table_is_raised_by_the_schema() -> None:
    raised = {
        code
        for path in (SQL / "sql").rglob("*.sql")
        for code in re.findall(r"'(OP[A-Z][0-9]{2})'", path.read_text(encoding="utf-8"))
    }
    assert set(BY_SQLSTATE) - raised == set()


def test_codes_and_sqlstates_are_unique() -> None:
    assert len(BY_CODE) == len(TABLE)
    states = [row.sqlstate for row in TABLE if row.sqlstate]
    assert len(set(states)) == len(states)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_an_error_survives_the_way_through_a_problem_body(row: errors.Row) -> None:
    sent = errors.make(row.code, "what and where", hint="what to do", epoch_current=9)
    received = errors.from_response(sent.status, json.dumps(sent.problem()).encode(), 2.0)
    assert type(received) is type(sent) is row.exception
    assert (received.code, received.status, received.detail) == (row.code, row.status, "what and where")
    assert (received.hint, received.members, received.retry_after) == ("what to do", {"epoch_current": 9}, 2.0)
    assert sent.problem()["title"] == row.title


def test_the_family_of_an_exception_goes_with_its_status() -> None:
    families = {
        errors.Unauthenticated: {401},
        errors.Forbidden: {403},
        errors.NotFound: {404, 405, 410},
        errors.Conflict: {409},
        errors.Invalid: {400, 413, 415, 422},
        errors.Unavailable: {503},
        errors.InternalError: {500},
    }
    for row in TABLE:
        (family,) = [kind for kind in families if issubclass(row.exception, kind)]
        assert row.status in families[family], row.code


def test_members_cannot_overwrite_what_a_problem_always_has() -> None:
    problem = errors.make("run_not_found", "there is no run", title="x", run_id=1).problem()
    assert problem["title"] == "Run not found"
    assert problem["run_id"] == 1


def test_a_code_of_a_newer_server_still_gives_the_nearest_exception() -> None:
    body = json.dumps({"code": "brand_new", "detail": "something", "status": 409}).encode()
    error = errors.from_response(409, body)
    assert type(error) is errors.Conflict
    assert error.code == "brand_new"


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"[1]", b'{"error": 1}', b"[" * 100_000])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (502, errors.Unavailable),
        (401, errors.Unauthenticated),
        (404, errors.NotFound),
        (500, errors.InternalError),
        (418, errors.Invalid),
    ],
)
def test_an_answer_that_is_no_problem_is_told_as_such(status: int, kind: type[ContractError], body: bytes) -> None:
    error = errors.from_response(status, body)
    assert type(error) is kind
    assert error.code == "unexpected_response"
    assert error.status == status
    assert "URL" in str(error)


def test_an_unknown_sqlstate_has_no_exception() -> None:
    assert errors.from_sqlstate("OPZ99", "what") is None


def test_a_sqlstate_keeps_members_and_hint() -> None:
    error = errors.from_sqlstate("OPC01", "stale", {"epoch_current": 9, "reason": "expired"}, "stop")
    assert isinstance(error, errors.LeaseLost)
    assert (error.reason, error.hint, error.status) == ("expired", "stop", 409)
