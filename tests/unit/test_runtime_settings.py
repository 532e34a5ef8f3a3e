"""Settings, tokens, and what children must not read."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from executors.runtime.heartbeat import interval
from executors.runtime.kinds import known_kinds, load_kind
from executors.runtime.sandbox import paths_beside
from executors.runtime.settings import (
    ExecutorSettings,
    SettingsError,
    hidden_paths,
    labels_of,
    names_of,
    read_token,
    scrub,
)


def settings(**given: object) -> ExecutorSettings:
    return ExecutorSettings(**{"url": "http://127.0.0.1:1", **given})


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}
    command = [sys.executable, "-m", "executors.runtime.main", *arguments]
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["wizard", "--url", "http://127.0.0.1:1"], {}, "unknown executor kind 'wizard'; known kinds:"),
        (["python"], {}, "set OPS_URL or --url"),
        (["python", "--url", "http://127.0.0.1:1"], {}, "set OPS_TOKEN_FILE"),
        (["python", "--url", "ftp://x", "--token-file", __file__], {}, "not a control room URL"),
        (["python", "--url", "http://127.0.0.1:1", "--token-file", "/no/such"], {}, "no token file /no/such"),
        (["python", "--slots", "none"], {}, "OPS_SLOTS"),
        (["python"], {"OPS_PYTHON_WHEELHOUSE": "/no/such"}, "OPS_PYTHON_WHEELHOUSE: there is no folder /no/such"),
        (["python"], {"OPS_PYTHON_BUILD_SECONDS": "soon"}, "OPS_PYTHON_BUILD_SECONDS"),
        (["python"], {"OPS_URL": "http://127.0.0.1:1", "OPS_TOKEN_FD": "77"}, "OPS_TOKEN_FD is 77"),
    ],
)
def test_a_wrong_setting_ends_with_code_2_and_one_plain_line(
    arguments: list[str], environment: dict[str, str], words: str
) -> None:
    done = start(*arguments, **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_token_comes_from_a_file_without_its_newline(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-token\n")
    assert read_token(settings(token_file=tmp_path / "token")) == "secret-token"


def test_a_token_comes_from_a_descriptor_which_is_closed_then() -> None:
    read_fd, write_fd = os.pipe()
    os.write(write_fd, b"secret-token\n")
    os.close(write_fd)
    assert read_token(settings(token_fd=read_fd)) == "secret-token"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read_fd)


def test_an_empty_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" \n")
    with pytest.raises(SettingsError, match="holds no token"):
        read_token(settings(token_file=tmp_path / "token"))


def test_the_environment_is_scrubbed_of_all_that_leads_to_the_control_room_or_its_stores() -> None:
    environment = {"OPS_URL": "x", "PGPASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "x", "PATH": "/bin", "LANG": "C"}
    scrub(environment)
    assert environment == {"PATH": "/bin", "LANG": "C"}


def test_labels_and_lists_are_read_and_a_broken_one_is_named() -> None:
    assert labels_of("zone=a, tier = gold") == {"zone": "a", "tier": "gold"}
    assert names_of("a, b,") == ["a", "b"]
    assert names_of("") is None
    with pytest.raises(SettingsError, match="'zone'"):
        labels_of("zone")


def test_a_private_folder_of_secrets_is_hidden_whole_and_an_open_one_file_by_file(tmp_path: Path) -> None:
    for name, mode in (("private", 0o700), ("open", 0o755)):
        (tmp_path / name).mkdir(mode=mode)
        (tmp_path / name / "token").write_text("x")
    given = settings(token_file=tmp_path / "private/token", connections_file=tmp_path / "open/token")
    assert hidden_paths(given, tmp_path / "work") == [str(tmp_path / "open/token"), str(tmp_path / "private")]


def test_a_private_folder_that_also_holds_the_work_folder_stays_readable_but_for_the_secret(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "token").write_text("x")
    given = settings(token_file=tmp_path / "token")
    assert hidden_paths(given, tmp_path / "work") == [str(tmp_path / "token")]


def test_the_paths_beside_a_hidden_one_hold_everything_else(tmp_path: Path) -> None:
    for name in ("a/secret", "a/open", "b"):
        (tmp_path / name).mkdir(parents=True)
    beside = paths_beside(frozenset({str(tmp_path / "a/secret")}))
    assert str(tmp_path / "a/open") in beside
    assert str(tmp_path / "b") in beside
    assert not [path for path in beside if str(tmp_path / "a/secret").startswith(path.rstrip("/") + "/")]


def refusal(kind: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load_kind(kind)
    return str(refused.value)


def test_every_kind_here_has_a_record_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_COMMAND_ALLOW", "/bin/sh")  # it has none without
    assert "python" in known_kinds()
    assert find_spec("pyspark") or "pip install 'lakehouse-control-room[spark]'" in refusal("spark")
    for name in known_kinds():
        if name == "spark" and not find_spec("pyspark"):  # an extra that these tests do not install
            continue
        kind = load_kind(name)
        assert kind.kind == name
        assert isinstance(kind.capabilities(), dict)


@pytest.mark.parametrize(
    ("server", "leases", "failing", "expected"),
    [
        (20.0, [], False, 20.0),
        (20.0, [60.0], False, 5.0),
        (20.0, [60.0, 6.0], False, 2.0),
        (1.0, [60.0], False, 1.0),
        (20.0, [60.0], True, 1.0),
        (20.0, [1.5], True, 0.5),
    ],
)
def test_heartbeats_come_at_a_third_of_the_shortest_lease_at_most(
    server: float, leases: list[float], failing: bool, expected: float
) -> None:
    assert interval(server, leases, failing) == expected
