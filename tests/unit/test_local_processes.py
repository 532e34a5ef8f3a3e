"""Processes are named by pid and start time; ends are noticed, and made when they do not come."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from control_room.local import processes
from control_room.local.processes import Identity

Start = Callable[[str], subprocess.Popen[bytes]]
STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def launch(code: str) -> subprocess.Popen[bytes]:
        started.append(processes.launch([sys.executable, "-c", code], {"A": "b"}, tmp_path, tmp_path / "log"))
        return started[-1]

    yield launch
    for process in started:
        process.kill()
        process.wait()


def identity_of(process: subprocess.Popen[bytes]) -> Identity:
    found = Identity.of(process.pid)
    assert found is not None
    return found


def test_a_process_is_alive_under_its_pid_and_start_time_only(start: Start) -> None:
    identity = identity_of(start("import time; time.sleep(60)"))
    assert identity.alive()
    assert not Identity(identity.pid, identity.create_time - 3600).alive()


def test_a_recycled_pid_is_never_signalled(start: Start) -> None:
    process = start("import time; time.sleep(60)")
    stranger = Identity(process.pid, identity_of(process).create_time - 3600)
    stranger.send(signal.SIGKILL)
    stranger.kill_session()
    assert process.poll() is None


def test_a_zombie_is_not_alive(start: Start) -> None:
    process = start("pass")
    identity = identity_of(process)
    assert processes.wait_gone(identity, 10)
    assert process.wait() == 0


def test_the_output_is_appended_to_the_log_and_the_environment_is_only_what_was_given(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text("before\n")
    start("import os; print(sorted(k for k in os.environ if not k.startswith('LC_')))").wait()
    assert processes.tail(tmp_path / "log") == "before\n['A']"


def test_a_process_that_ignores_the_polite_signal_is_killed_after_its_time(start: Start, tmp_path: Path) -> None:
    process = start(STUBBORN)
    while processes.tail(tmp_path / "log") != "on":
        assert process.poll() is None
    processes.stop_blocking(identity_of(process), signal.SIGTERM, 0.2)
    assert process.wait() == -signal.SIGKILL


def test_the_end_of_a_process_is_noticed_without_polling(start: Start) -> None:
    process = start("import sys; sys.stdin.read()")

    async def watch() -> None:
        identity = identity_of(process)
        watching = asyncio.ensure_future(processes.until_gone(identity, process))
        await asyncio.sleep(0)
        identity.send(signal.SIGKILL)
        await asyncio.wait_for(watching, 10)

    asyncio.run(watch())
    assert process.returncode is not None


def test_marked_processes_of_a_stack_are_found_by_their_environment(tmp_path: Path) -> None:
    env = {processes.MARKER: "abc123:postgres"}
    process = processes.launch([sys.executable, "-c", "import time; time.sleep(60)"], env, tmp_path, tmp_path / "log")
    try:
        assert list(processes.marked("abc123")) == [("postgres", identity_of(process))]
        assert list(processes.marked("other")) == []
    finally:
        process.kill()
        process.wait()


def test_a_log_rotates_when_it_is_large_and_the_oldest_goes(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    for round_number in range(processes.KEPT_LOGS + 2):
        with log.open("wb") as file:
            file.write(b"%d" % round_number)
            file.truncate(processes.ROTATE_BYTES)
        processes.rotate(log)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["x.log.1", "x.log.2", "x.log.3"]
    assert (tmp_path / "x.log.1").read_bytes()[:1] == b"4"


def test_a_small_log_stays(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("few")
    processes.rotate(tmp_path / "x.log")
    assert (tmp_path / "x.log").read_text() == "few"
