"""Starts that go wrong: each ends in a clear message and a state from which the next `up` recovers."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from control_room.local import sockets
from tests.support.stack import BIN, ROOT, Stack, kill, wait_until

ONE = ("--executors", "python=1")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / ".control-room")
    try:
        yield stack
    finally:
        stack.run("down", "--drain", "1", check=False)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken


def state_of(stack: Stack) -> dict[str, object]:
    found: dict[str, object] = json.loads((stack.data_dir / "stack.json").read_text())
    return found


def test_a_pinned_port_that_is_taken_is_named_with_its_holder_and_nothing_is_left_running(
    stack: Stack, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    refused = stack.run("up", "--port", str(port), *ONE, check=False)
    assert refused.returncode == 1
    assert f"port {port} for server is taken by pid {os.getpid()}" in refused.stderr
    assert "next:" in refused.stderr
    assert stack.run("status", "--json", check=False).returncode == 1
    assert not [s for s in json.loads(stack.run("status", "--json", check=False).stdout)["services"] if s["pid"]]


def test_an_interrupted_start_goes_on_and_a_remembered_port_that_was_taken_is_replaced(stack: Stack) -> None:
    """Three ends of one young stack: Ctrl-C during the first up, kill -9 of the supervisor, a port taken meanwhile."""
    process = stack.start("up", *ONE)
    wait_until((stack.data_dir / "stack.json").exists, seconds=30, what="the start to begin")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in output
    stack.run("up", *ONE)
    stack.run("down", "--drain", "1")
    port = state_of(stack)["ports"]["s3"]  # type: ignore[index]
    with socket.create_server(("127.0.0.1", port)):
        moved = stack.run("up")
        assert f"port {port} (s3) was taken by pid {os.getpid()}" in moved.stdout
    assert stack.connection()["endpoint"] != f"http://127.0.0.1:{port}"


def test_a_supervisor_killed_in_the_middle_of_the_first_start_is_no_harm(stack: Stack) -> None:
    process = stack.start("up", *ONE)
    wait_until((stack.data_dir / "pg.new").exists, seconds=30, what="initdb to begin")
    kill(int(state_of(stack)["supervisor"]["pid"]))  # type: ignore[index]
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "the supervisor ended before the stack was ready" in output
    stack.run("up", *ONE)
    assert json.loads(stack.run("status", "--json").stdout)["phase"] == "ready"


def test_the_store_leaves_nothing_in_tmp_and_steps_aside_for_what_another_user_left(stack: Stack) -> None:
    stack.run("up", *ONE)
    ports: dict[str, int] = state_of(stack)["ports"]  # type: ignore[assignment]
    assert [path for port in ports.values() for path in sockets.of(port)]
    stack.run("down", "--drain", "1")
    assert [path for port in ports.values() for path in sockets.of(port)] == []
    if os.geteuid() != 0:
        return  # only root can leave a file in another user's name
    strangers = sockets.FOLDER / f"seaweedfs-filer-grpc-{ports['s3_filer_grpc']}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(strangers))
    os.chown(strangers, pwd.getpwnam("nobody").pw_uid, -1)
    try:
        moved = stack.run("up", *ONE)
        assert f"(s3_filer_grpc) was taken by another user's {strangers}" in moved.stdout
        assert strangers.exists()
    finally:
        strangers.unlink(missing_ok=True)


def test_a_data_folder_that_cannot_be_made_is_refused_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = Stack(tmp_path / ".control-room").run("--data-dir", str(tmp_path / "file" / "x"), "up", check=False)
    assert refused.returncode == 2
    assert str(tmp_path / "file") in refused.stderr
    assert "Traceback" not in refused.stderr


def test_commands_without_a_stack_say_how_to_start_one(tmp_path: Path) -> None:
    stack = Stack(tmp_path / ".control-room")
    for words in (("runs", "ls"), ("login",), ("submit", "hello"), ("migrate", "status")):
        refused = stack.run(*words, check=False)
        assert refused.returncode == 4, words
        assert "control-room up" in refused.stderr
    assert json.loads(stack.run("status", "--json", check=False).stdout)["phase"] == "stopped"
    assert stack.run("down").stdout.startswith("nothing runs")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; an ordinary user is one already")
def test_the_stack_runs_as_an_ordinary_user_too() -> None:
    nobody = pwd.getpwnam("nobody")
    home = Path(tempfile.mkdtemp(prefix="ordinary-", dir="/tmp"))
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}
    python = reachable_python(as_nobody)
    packages = f"{ROOT}:{sysconfig.get_path('purelib')}"
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(home), "NO_COLOR": "1", "PYTHONPATH": packages}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-m", "control_room.cli", *words],
            env=environment, cwd=home, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
            **as_nobody,
        )  # fmt: skip

    try:
        up = run("up", *ONE)
        assert up.returncode == 0, up.stdout + up.stderr
        services = json.loads(run("status", "--json").stdout)["services"]
        assert {psutil.Process(service["pid"]).uids().real for service in services} == {nobody.pw_uid}
    finally:
        run("down", "--drain", "1")
        shutil.rmtree(home)


def reachable_python(identity: dict[str, Any]) -> str:
    """A Python of our version that the user may start and that sees the project: ours may live in root's home."""
    check = f"import sys; open({str(ROOT / 'pyproject.toml')!r}); assert sys.version_info[:2] == {sys.version_info[:2]}"
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    system = [f"{folder}/{name}" for folder in ("/usr/bin", "/usr/local/bin") for name in ("python3", version)]
    for candidate in (sys.executable, *system):
        try:
            subprocess.run([candidate, "-c", check], check=True, capture_output=True, cwd="/", **identity)
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    reason = f"no {version} here can be used by an ordinary user: tried {', '.join((sys.executable, *system))}"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; install one in /usr, or run the tests as an ordinary user")
    pytest.skip(reason)
