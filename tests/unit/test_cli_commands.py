"""The command line without a server: help, misuse, and the small words it is made of."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from control_room.commands import words
from control_room.commands.params import collect, pairs
from control_room.commands.stack import parse_executors
from control_room.errors import EXIT_CODES, MISUSE, ControlRoomError

COMMANDS = (
    "up", "down", "status", "demo", "demo-lakehouse", "submit", "login", "doctor", "server", "executor", "runs ls",
    "runs show",
    "runs logs", "runs cancel", "runs retry", "runs why", "artifacts ls", "artifacts show", "artifacts get",
    "artifacts verify", "artifacts hold",
    "artifacts release", "artifacts gc",
    "templates ls", "templates show", "templates apply", "executors ls", "migrate plan",
    "runs pause", "runs resume", "runs priority", "runs start-after", "runs requeue", "runs dead", "runs replay",
    "runs lineage",
    "queues ls", "queues pause", "queues resume", "executors pause", "executors resume", "executors drain",
    "migrate apply", "migrate status", "migrate token", "migrate revoke", "workspaces ls",
    "caps ls", "caps set", "caps rm", "caps explain", "budgets ls", "budgets set", "budgets rm", "budgets check",
    "prices ls", "prices set", "conformance server", "conformance executor", "engines install", "engines ls",
    "engines doctor", "verify", "export", "signing-keys", "reproduce", "diff",
)  # fmt: skip
WITHOUT_JSON = ("server", "executor")
GROUPS = {
    "",
    "conformance",
    "runs",
    "queues",
    "caps",
    "budgets",
    "prices",
    "artifacts",
    "templates",
    "executors",
    "engines",
    "workspaces",
    "migrate",
}
ROOT = Path(__file__).parents[2]


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_", "PG"))}
    return subprocess.run(
        [sys.executable, "-m", "control_room.cli", *arguments],
        env={**environment, "COLUMNS": "120", "NO_COLOR": "1"}, cwd=folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_every_command_has_help_and_all_that_answer_know_json(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from control_room.cli import app

    for command in COMMANDS:
        shown = CliRunner().invoke(app, [*command.split(), "--help"])
        assert shown.exit_code == 0, command
        assert ("--json" in shown.output) == (command not in WITHOUT_JSON), command


def all_commands() -> set[str]:
    """Every command that does something, and each group of them."""
    import typer.main

    from control_room.cli import app

    def below(command: Any, words: tuple[str, ...]) -> set[str]:
        found = {" ".join(words)}
        return found.union(*(below(c, (*words, name)) for name, c in getattr(command, "commands", {}).items()))

    return below(typer.main.get_command(app), ())


def test_every_command_is_in_the_list_above() -> None:
    assert all_commands() - GROUPS == set(COMMANDS)


def test_every_command_that_a_hint_names_exists() -> None:
    known = all_commands()
    for folder in ("control_room", "ops_schema", "contract", "executors"):
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.sql")]:
            for named in re.findall(r"`control-room ([a-z]+(?: [a-z]+)?)", path.read_text(encoding="utf-8")):
                assert named in known or named.split()[0] in known - GROUPS, f"{path.name}: {named}"


def test_hints_name_a_program_that_can_be_run_where_control_room_is_not_on_the_path(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("control-room")
    for command in (["runs", "ls"], ["migrate", "status"], ["doctor"]):
        told = subprocess.run(
            [program, *command], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
        )
        assert f"{program} up" in told.stdout + told.stderr, command
        assert "`control-room" not in told.stdout + told.stderr, command


def test_no_command_prints_the_bare_name_of_the_program() -> None:
    """In backticks, `complain` writes the name that runs; everywhere else commands ask `program()`."""
    first_words = "|".join({name.split()[0] for name in COMMANDS})
    for path in (ROOT / "control_room" / "commands").glob("*.py"):
        texts = [n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)]
        bare = [t for t in texts if isinstance(t, str) and re.search(rf"(?<!`)\bcontrol-room (?:{first_words})\b", t)]
        assert not bare, path.name


def test_help_names_every_exit_code_and_comes_quickly(tmp_path: Path) -> None:
    before = time.perf_counter()
    shown = run("--help", folder=tmp_path)
    took = time.perf_counter() - before
    text = " ".join(shown.stdout.split())
    assert all(f"{code} {meaning}" in text for code, meaning in EXIT_CODES.items())
    assert took < 3  # 0.1 s on an idle machine; imports of servers or engines would take many seconds on a busy one


def test_help_imports_no_server_no_driver_and_no_engine(tmp_path: Path) -> None:
    heavy = ["fastapi", "psycopg", "boto3", "pyarrow", "httpx", "pydantic", "rich"]
    code = f"import sys, control_room.cli; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "No such command"),
        (("runs", "show"), "RUN"),
        (("runs", "ls", "--limit", "0"), "limit"),
        (("up", "--executors", "python=many"), "'python=many' is no KIND=SLOTS"),
        (("up", "--executors", "cobol=1"), "unknown executor kind 'cobol'"),
        (("up", "--port", "70000"), "port"),
        (("up", "--port", "8080", "--s3-port", "8080"), "cannot share one port"),
        (("demo", "--input", "missing.csv"), "no such file"),
        (("--url", "http://127.0.0.1:1", "runs", "ls"), "there is no token"),
    ],
)
def test_misuse_is_told_in_words_with_exit_code_2(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    refused = run(*arguments, folder=tmp_path)
    assert refused.returncode == MISUSE
    assert said in refused.stderr
    assert refused.stderr.startswith("error: ")
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize("words", [(), ("runs",)])
def test_a_group_without_a_command_shows_its_help_and_no_error(words: tuple[str, ...], tmp_path: Path) -> None:
    shown = run(*words, folder=tmp_path)
    assert shown.returncode == MISUSE
    assert shown.stderr.startswith("Usage: control-room")
    assert "error:" not in shown.stderr


def test_a_control_room_that_does_not_answer_is_exit_code_4(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    refused = run("--url", "http://127.0.0.1:9", "--token-file", "token", "runs", "ls", folder=tmp_path)
    assert refused.returncode == 4
    assert "http://127.0.0.1:9" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("runs", "ls"), "unavailable"),
        (("runs", "show"), "usage"),
        (("nothing",), "usage"),
        (("--url", "http://127.0.0.1:9", "--token-file", "missing", "runs", "ls"), "usage"),
        (("demo", "--input", "missing.csv"), "usage"),
    ],
)
def test_with_json_a_failure_is_a_problem_on_stdout_with_the_same_exit_code(
    arguments: tuple[str, ...], code: str, tmp_path: Path
) -> None:
    plain, refused = run(*arguments, folder=tmp_path), run(*arguments, "--json", folder=tmp_path)
    problem = json.loads(refused.stdout)
    assert refused.returncode == plain.returncode == problem["exit_code"]
    assert problem["code"] == code
    assert problem["detail"] in refused.stderr
    assert refused.stderr == plain.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    piped = f"{sys.executable} -m control_room.cli --help | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr == ""


SCHEMA = {"properties": {"n": {"type": "integer"}, "s": {"type": "string"}, "o": {}, "m": {"type": ["string", "null"]}}}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("n=5", 5),
        ("n=five", "five"),
        ("s=5", "5"),
        ("s=a=b", "a=b"),
        ('o={"a":1}', {"a": 1}),
        ("m=null", "null"),
        ("x=1", 1),
    ],
)
def test_a_parameter_is_read_as_its_schema_asks(word: str, value: Any) -> None:
    assert list(collect([word], None, SCHEMA).values()) == [value]


def test_words_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("n: 1\ns: file\n")
    assert collect(["s=word"], tmp_path / "p.yaml", SCHEMA) == {"n": 1, "s": "word"}


@pytest.mark.parametrize("word", ["novalue", "=x"])
def test_a_word_without_a_name_is_refused(word: str) -> None:
    with pytest.raises(ControlRoomError, match="no NAME=VALUE"):
        pairs([word], "-p")


def test_executors_are_read_as_kinds_and_slots() -> None:
    assert parse_executors("python=2, dbt") == {"python": 2, "dbt": 1}
    assert parse_executors(None) == {}


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (0.24, "0.2s"), (12.9, "12s"), (90, "1m 30s"), (7322, "2h 2m")]
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert words.seconds_text(seconds) == text


def test_a_stack_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    found = run("--data-dir", "nowhere", "status", folder=tmp_path)
    assert (found.returncode, f"there is no stack in {tmp_path}/nowhere" in found.stdout) == (1, True), found.stdout
    assert "--data-dir or OPS_DATA_DIR" in found.stdout
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("given", "written"), [(True, "true"), ("a b", "a b"), (None, "null"), ({"x": 1.5}, '{"x": 1.5}')]
)
def test_a_parameter_is_shown_as_the_command_line_takes_it(given: Any, written: str) -> None:
    assert words.value_text(given) == written
    assert collect([f"p={written}"], None, {"properties": {"p": {}}}) == {"p": given}


def test_times_in_a_sentence_become_local_ones() -> None:
    text = words.local_times("until 2026-11-21T06:00:07.123456Z, not 2026-11-21")
    moment = words.time_text("2026-11-21T06:00:07Z")
    assert text == f"until {moment}, not 2026-11-21"


def test_text_of_a_run_cannot_steer_the_terminal() -> None:
    assert words.printable("a\x1b[2Jb\r\x07\x9b1mc\n\td") == "a[2Jb1mc\n\td"


@pytest.mark.parametrize(("width", "headings"), [("60", "run state executor"), ("18", "run state")])
def test_in_a_narrow_window_a_table_leaves_out_what_it_can_spare(width: str, headings: str) -> None:
    columns = {"run": "right", "state": "left", "executor": "left"}
    rows = [[1, "succeeded", "python-local"]]
    code = f"from control_room.commands.context import print_table; print_table({columns}, {rows}, spare=['executor'])"
    environment = {**os.environ, "COLUMNS": width, "NO_COLOR": "1"}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    lines = [line.split() for line in shown.stdout.splitlines() if line.strip()]
    assert lines[0] == headings.split()
    assert lines[2][:2] == ["1", "succeeded"]
