"""Templates of SQL and of commands, which need no entrypoint: what is wrong with them is named."""

from __future__ import annotations

from typing import Any

import pytest

from control_room.api.template_spec import template_issues
from tests.unit.test_api_templates import SHA, issues

SQL: dict[str, Any] = {
    "name": "report",
    "kind": "trino",
    "config": {"sql": "select :day", "types": {"day": "date"}},
    "params_schema": {"type": "object", "additionalProperties": False, "properties": {"day": {"type": "string"}}},
}


def test_an_sql_template_needs_no_entrypoint_and_may_cap_its_engine() -> None:
    assert template_issues({**SQL, "caps": {"rows_out": 10, "scanned_bytes": 1, "cpu_seconds": 1.5}}, {}) == []
    in_bundle = {**SQL, "config": {}, "entrypoint": "sql/report.sql", "bundle": {"sha256": SHA, "size": 10}}
    assert template_issues(in_bundle, {}) == []


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"config": {}}, "/config/sql", "a bundle and an 'entrypoint'"),
        ({"kind": "python"}, "", "'entrypoint' is missing"),
        ({"entrypoint": "report.sql"}, "/config/sql", "beside an entrypoint"),
        ({"config": {}, "entrypoint": "report.py"}, "/entrypoint", "no .sql file"),
        ({"config": {"sql": "select 1", "shcema": "x"}}, "/config/shcema", "schema"),
        ({"config": {"sql": 5}}, "/config/sql", "must be a text"),
        ({"config": {"sql": "select 1", "plan": 1}}, "/config/plan", "must be true or false"),
        ({"config": {"sql": "select 1", "types": {"dya": "date"}}}, "/config/types/dya", "day"),
        ({"config": {"sql": "select ?", "parameters": ["x"]}}, "/config/parameters/0", "no parameter"),
        ({"config": {"sql": "select 1", "connection": "w"}}, "/config/connection", "not among"),
    ],
)
def test_what_is_wrong_with_an_sql_template_is_named(change: dict[str, Any], path: str, words: str) -> None:
    (issue,) = template_issues({**SQL, **change}, {})
    assert issue.path == path
    assert words in issue.message


def test_a_misspelt_key_of_an_sql_template_is_named_beside_what_is_missing_for_it() -> None:
    missing, strange = template_issues({"name": "r", "kind": "duckdb", "config": {"sqll": "select 1"}}, {})
    assert (missing.path, strange.path) == ("/config/sql", "/config/sqll")
    assert "is missing" in missing.message
    assert strange.message == "is unknown; did you mean 'sql'?"
    for odd in ({"kind": ["trino"]}, {"config": "select 1"}, {"config": [1]}):
        assert template_issues({**SQL, **odd, "entrypoint": 5}, {})


COMMAND = {
    "name": "sync",
    "kind": "command",
    "config": {"argv": ["/usr/bin/rsync", "{params.day}"], "env": {"DAY": "{params.day}"}, "exit_codes": [0, 24]},
    "params_schema": {"type": "object", "properties": {"day": {"type": "string"}}},
}


def test_a_command_needs_no_entrypoint_and_no_bundle() -> None:
    assert issues(COMMAND) == {}


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"config": {}}, "/config/argv", "is required"),
        ({"config": {"argv": []}}, "/config/argv", "is required"),
        ({"config": {"argv": "rsync -a"}}, "/config/argv", "must be a list"),
        ({"config": {"argv": ["x", 1]}}, "/config/argv/1", "must be a text"),
        ({"config": {"argv": ["{params.day}"]}}, "/config/argv/0", "must name the program itself"),
        ({"config": {"argv": ["x", "{params.dey}"]}}, "/config/argv/1", "did you mean 'day'"),
        ({"config": {"argv": ["x"], "env": {"D": "{params.dey}"}}}, "/config/env/D", "did you mean 'day'"),
        ({"config": {"argv": ["x"], "cpu": 1}}, "/config/cpu", "did you mean 'cpus'"),
        ({"config": {"argv": ["x"], "cpus": True}}, "/config/cpus", "must be a number"),
        ({"entrypoint": "x.sh"}, "/entrypoint", "config.argv"),
        ({"outputs": [{"name": "t", "format": "delta", "mode": "append", "path": "t"}]}, "/outputs", "artifacts"),
    ],
)
def test_what_is_wrong_with_a_command_is_named(change: dict[str, Any], path: str, words: str) -> None:
    found = issues({**COMMAND, **change})
    assert words in found[path], found
