"""A forked child is as one that was started: what it sees of itself, what it is given, and who ends it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from executors.runtime import sandbox
from executors.runtime.caps import Caps
from executors.runtime.forks import ForkServer, ForkSpawner, can_fork, server_environment, start_server
from executors.runtime.journal import Journal
from executors.runtime.kinds import load_kind
from executors.runtime.process import MARKER, Spawner
from executors.runtime.supervise import ChildEnd, Supervision
from tests.executors.children import MODULE, Bench
from tests.executors.room import wait_for

pytestmark = pytest.mark.skipif(not can_fork(), reason="this system has no pidfd_open: children are not forked")

PORTRAIT = """
import ctypes, os, resource, signal, stat, sys, tempfile, threading

DEATH_SIGNAL, DUMPABLE = 2, 3

def status():
    kept = ("SigBlk", "SigIgn", "SigCgt", "SigPnd", "NoNewPrivs", "CapBnd", "CapEff", "Threads", "Uid", "Umask")
    with open("/proc/self/status") as file:
        return {name: value.split() for name, _, value in (line.partition(":") for line in file) if name in kept}

def prctl(option):
    value, libc = ctypes.c_int(-1), ctypes.CDLL(None)
    told = libc.prctl(option, ctypes.byref(value), 0, 0, 0)
    return value.value if option == DEATH_SIGNAL else told

def descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = stat.S_IFMT(os.fstat(int(name)).st_mode), os.get_inheritable(int(name))
        except OSError:
            continue
    return found

def environ():
    with open("/proc/self/environ") as file:
        return dict(text.partition("=")[::2] for text in file.read().split(chr(0)) if text)

def command():
    with open("/proc/self/cmdline") as file:
        return file.read().strip(chr(0)).split(chr(0))

def main(context):
    me = os.getpid()
    work, home = str(context.work_dir), os.environ["HOME"]
    return {
        "status": status(), "fds": descriptors(), "dumpable": prctl(DUMPABLE), "death": prctl(DEATH_SIGNAL),
        "stdin": os.readlink("/proc/self/fd/0"),
        "leads": [os.getsid(0) == me, os.getpgid(0) == me], "cwd": os.getcwd() == work,
        "limits": {n: resource.getrlimit(n) for n in range(16)}, "nice": os.nice(0),
        "environment": {n: v.replace(work, "WORK").replace(home, "HOME") for n, v in os.environ.items()},
        "shown": environ()["MARKER_NAME"], "same": environ() == dict(os.environ),
        "argv": sys.argv, "command": command(), "path": sys.path[1:], "flags": str(sys.flags),
        "bytecode": sys.dont_write_bytecode,
        "prefix": sys.prefix, "executable": sys.executable, "hooks": [str(type(h)) for h in sys.meta_path],
        "streams": [[s.encoding, s.errors, s.line_buffering, s.fileno()] for s in (sys.stdout, sys.stderr)],
        "temporary": tempfile.gettempdir() == os.path.join(work, ".tmp"), "threads": threading.active_count(),
        "handlers": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD, signal.SIGHUP)],
        "wakeup": signal.set_wakeup_fd(-1), "main thread": threading.current_thread() is threading.main_thread(),
    }
""".replace("MARKER_NAME", MARKER)
WAITS = """
import os, time
def main(context, until):
    context.log(f"pid {os.getpid()}")
    while not os.path.exists(until):
        time.sleep(0.01)
    return "done"
"""


def servers() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "executors.runtime.fork_main" in p.cmdline()]


def test_a_forked_child_sees_of_itself_what_a_started_one_sees(bench: Bench) -> None:
    forked, started = (bench.run({"task.py": PORTRAIT}, spawner) for spawner in (bench.forks, Spawner()))
    assert forked.result is not None, forked
    assert started.result is not None, started
    names = ("shown", "environment")
    mine = [{name: value for name, value in end.result.items() if name not in names} for end in (forked, started)]
    assert mine[0]["status"] == mine[1]["status"]
    assert mine[0] == mine[1]
    assert [end.result["shown"] for end in (forked, started)] == ["run-1/1", "run-2/1"]
    for end in (forked, started):
        end.result["environment"].pop(MARKER)
    assert forked.result["environment"] == started.result["environment"]
    assert set(forked.result["fds"]) == {"0", "1", "2", "3", "4"} or set(forked.result["fds"]) == {"0", "1", "2", "4"}
    assert (forked.status, forked.sandbox, forked.leftovers) == (0, started.sandbox, 0)
    assert forked.cpu_seconds > 0
    assert forked.memory_peak > 5_000_000
    assert bench.actions == []


def test_a_child_holds_no_descriptor_of_a_run_beside_it(bench: Bench, tmp_path: Path) -> None:
    task = "import os\ndef main():\n    return [os.readlink(f'/proc/self/fd/{n}') for n in (1, 2, 4)]\n"
    with running(bench, tmp_path / "until") as (pid, _):
        beside = {str(Path(f"/proc/{pid}/fd/{name}").readlink()) for name in ("1", "2", "4")}
        assert len(beside) == 3
        assert beside.isdisjoint(bench.result(task)["value"])


@contextmanager
def running(bench: Bench, until: Path) -> Iterator[tuple[int, list[ChildEnd]]]:
    """A run that works until this is left: its pid, and how it ended once it has."""
    pids: list[int] = []
    ends: list[ChildEnd] = []
    spec = bench.spec({"task.py": WAITS}, until=str(until))
    child, book = bench.forks(spec), bench.books[spec.work_dir]
    hear = Supervision(child, book, Caps(), lambda message: pids.append(int(message["text"].split()[1])))
    thread = threading.Thread(target=lambda: ends.append(hear.run()))
    thread.start()
    try:
        yield wait_for("the run to work", lambda: pids)[0], ends
    finally:
        until.touch()
        thread.join(30)


def test_a_lost_server_is_started_again_and_what_it_forked_works_on(bench: Bench, tmp_path: Path) -> None:
    with running(bench, tmp_path / "until") as (pid, ends):
        (server,) = servers()
        server.kill()
        server.wait(10)
        assert bench.result("def main():\n    return 7\n") == {"value": 7}
        assert psutil.pid_exists(pid)
        assert not ends
        assert [each.pid for each in servers()] != [server.pid]
    assert ends[0].result == {"value": "done"}
    assert bench.actions == ["forks.lost"]


HALF_FORKED = """
import os, signal, socket, sys
desk = socket.socket(fileno=int(sys.argv[1]))
desk.recv(4096)
server = os.getpid()
if os.fork() == 0:
    while os.getppid() == server:
        pass
    os._exit(0)
os.kill(server, signal.SIGKILL)
"""


@pytest.fixture
def adopting() -> Iterator[None]:
    """As an executor, this process adopts orphans."""
    sandbox.adopt_orphans()
    yield
    sandbox.prctl(sandbox.PR_SET_CHILD_SUBREAPER, 0)


def zombies() -> list[int]:
    return [each.pid for each in psutil.Process().children() if each.status() == psutil.STATUS_ZOMBIE]


@pytest.mark.usefixtures("adopting")
def test_what_a_killed_server_had_half_forked_is_collected(bench: Bench) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-c", HALF_FORKED, str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), start_new_session=True)
    ours.settimeout(20)
    bench.forks._servers[""] = ForkServer(process, ours)
    assert bench.result("def main():\n    return 7\n") == {"value": 7}
    assert bench.actions == ["forks.lost"]
    wait_for("the orphan to be collected", lambda: bench.result("def main():\n    return 7\n") and not zombies())


@pytest.mark.usefixtures("adopting")
def test_a_warden_that_a_killed_server_could_not_tell_of_is_collected() -> None:
    server = start_server("", MODULE, server_environment(os.environ, ""))
    life, theirs = socket.socketpair()
    reading, writing = os.pipe()
    lost = server.fork([theirs.fileno(), reading, writing, writing, writing])
    os.close(lost.fd)
    server.process.kill()
    server.end()
    assert not server.collect(), "it waits for the executor's first word"
    for each in (life, theirs):
        each.close()
    wait_for("the warden to be collected", server.collect)
    assert lost.pid not in [each.pid for each in psutil.Process().children()]
    for fd in (reading, writing):
        os.close(fd)


def test_a_server_that_stops_answering_is_replaced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("executors.runtime.forks.ANSWER_SECONDS", 0.3)
    monkeypatch.setattr("executors.runtime.forks.WARDEN_SECONDS", 0.3)
    bench.forks.warm_up()
    (server,) = wait_for("the server's program", servers)
    server.send_signal(signal.SIGSTOP)
    monkeypatch.setattr("executors.runtime.forks.ANSWER_SECONDS", 20.0)
    assert bench.result("def main():\n    return 7\n") == {"value": 7}
    assert bench.actions == ["forks.lost"]
    assert not server.is_running()


def test_a_server_with_a_second_thread_forks_nothing_and_the_run_has_a_process_of_its_own(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    task = "import os\ndef main():\n    return open('/proc/self/cmdline').read().split(chr(0))\n"
    assert "-P" in bench.result(task)["value"]
    assert bench.actions == ["forks.fell_back"]
    assert "2 threads" in bench.told.getvalue()


def test_a_server_that_rests_comes_with_a_run_and_goes_when_none_has_come_for_long(bench: Bench) -> None:
    bench.forks.end()
    bench.forks = ForkSpawner(MODULE, Journal(bench.told), preloaded=("colorsys",), rest_seconds=1.0)
    assert not servers()
    task = "import sys\ndef main():\n    return 'colorsys' in sys.modules\n"
    assert bench.result(task) == {"value": True}
    (first,) = servers()
    wait_for("the server to end", lambda: not psutil.pid_exists(first.pid))
    assert bench.result(task) == {"value": True}
    (second,) = servers()
    assert second != first
    assert bench.actions == []


def test_a_server_rests_from_the_end_of_its_last_run_not_from_its_start(bench: Bench) -> None:
    bench.forks.end()
    bench.forks = ForkSpawner(MODULE, Journal(bench.told), rest_seconds=1.5)
    assert bench.result("import time\ndef main():\n    time.sleep(3)\n    return 1\n") == {"value": 1}
    (first,) = servers()
    assert bench.result("def main():\n    return 2\n") == {"value": 2}
    assert servers() == [first]
    wait_for("the server to end", lambda: not psutil.pid_exists(first.pid))


def test_without_room_for_the_thread_that_ends_servers_runs_go_on_and_it_is_begun_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.forks.end()
    bench.forks = ForkSpawner(MODULE, Journal(bench.told), rest_seconds=1.5)

    def no_room(timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Timer, "start", no_room)
        assert bench.result("def main():\n    return 1\n") == {"value": 1}
    assert bench.result("def main():\n    return 2\n") == {"value": 2}
    (server,) = servers()
    wait_for("the server to end", lambda: not psutil.pid_exists(server.pid))
    assert bench.actions == []


@pytest.mark.parametrize("kind", ["python", "dbt", "notebook"])
def test_what_a_kind_has_loaded_before_a_fork_starts_no_thread(kind: str) -> None:
    known = load_kind(kind)
    assert known.forked
    server = start_server("", known.child_module, server_environment(os.environ, ""), known.preloaded)
    try:
        life, theirs = socket.socketpair()
        with life, theirs, Path(os.devnull).open("r+b") as null:
            warden = server.fork([theirs.fileno(), *[null.fileno()] * 4])  # CannotForkError when there are threads
            assert psutil.Process(server.process.pid).num_threads() == 1
        warden.wait(20)
    finally:
        server.end()


def test_children_draw_different_random_numbers(bench: Bench) -> None:
    task = "import random, uuid, tempfile\ndef main():\n"
    task += "    return [random.random(), str(uuid.uuid4()), tempfile.mktemp()[-8:]]\n"
    first, second = (bench.result(task)["value"] for _ in range(2))
    assert all(a != b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["uuid", "logging", "socket"])
def test_a_module_of_the_bundle_stands_before_one_that_only_the_server_loaded(bench: Bench, name: str) -> None:
    files = {f"{name}.py": "MINE = 1\n", "task.py": f"import {name}\ndef main():\n    return {name}.MINE\n"}
    assert [bench.run(files, spawner).result for spawner in (bench.forks, Spawner())] == [{"value": 1}, {"value": 1}]


def test_what_a_child_does_to_its_interpreter_meets_no_other(bench: Bench) -> None:
    task = (
        "import json, os, sys\ndef main():\n"
        "    found = [getattr(json, 'spoiled', 0), 'EXTRA' in os.environ, len(sys.path)]\n"
        "    json.spoiled = 1\n    os.environ['EXTRA'] = '1'\n    sys.path.append('/x')\n    return found\n"
    )
    assert bench.result(task) == bench.result(task)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works_by_each_method(bench: Bench, method: str) -> None:
    task = (
        "import multiprocessing\ndef square(n):\n    return n * n\n"
        "def main(method):\n    with multiprocessing.get_context(method).Pool(1) as pool:\n"
        "        return pool.map(square, [3])\n"
    )
    end = bench.run({"task.py": task}, method=method)
    assert end.result == {"value": [9]}, end


def test_the_server_runs_before_the_token_is_read_and_goes_with_the_executor(tmp_path: Path) -> None:
    token = tmp_path / "token"
    os.mkfifo(token)
    with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        given = {"OPS_URL": url, "OPS_TOKEN_FILE": str(token), "OPS_WORK_DIR": str(tmp_path / "work")}
        command = [sys.executable, "-m", "executors.runtime.main", "python"]
        executor = subprocess.Popen(command, env=kept | given, stdout=subprocess.DEVNULL)
        below: Callable[[], list[psutil.Process]] = psutil.Process(executor.pid).children
        (server,) = wait_for("a server, while the executor waits for its token", below)
        token.write_text("exec-token")
        assert not [name for name in server.environ() if name.startswith("OPS_")]
        executor.kill()
        executor.wait(10)
        wait_for("the server to be gone", lambda: not server.is_running())
