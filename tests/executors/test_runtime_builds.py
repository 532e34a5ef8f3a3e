"""Building the environment that a run asks for: once for all who want it, ended with its run, bounded, told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from executors.runtime.caps import Caps
from executors.runtime.environments import NoEnvironmentError, find_pip
from executors.runtime.failures import TaskError
from executors.runtime.process import ChildProcess
from executors.runtime.supervise import ChildEnd, Stop, Supervision
from tests.executors.children import Bench
from tests.executors.room import Room, wait_for
from tests.executors.shop import TASK, Shop, make_project
from tests.executors.wheels import make_wheel

pytestmark = pytest.mark.skipif(not find_pip(), reason="this Python has no pip")


def test_two_who_want_the_same_environment_build_it_once(shop: Shop, gift: str) -> None:
    results: list[Any] = []
    shop.bench.forks.warm_up()
    threads = [threading.Thread(target=lambda: results.append(shop.run(TASK, gift).result)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert results == [{"value": "a book"}] * 3
    assert len(shop.builders) == 1


def test_a_run_that_is_cancelled_while_another_builds_waits_no_longer(shop: Shop, gift: str) -> None:
    with ExitStack() as stack:
        spec = shop.bench.spec({"task.py": TASK, "requirements.txt": gift})

        def hold(child: ChildProcess, seconds: float) -> ChildEnd:
            other = Shop(shop.bench, shop.wheels)
            other.stop = Stop("cancel", "seen enough")
            with pytest.raises(NoEnvironmentError) as caught:
                other.run(TASK, gift)
            assert caught.value.end.stop == other.stop
            return Supervision(child, shop.bench.books[spec.work_dir], Caps(), lambda message: None).run()

        stack.enter_context(shop.cache.fitted(spec, hold, lambda: None))


def test_a_cancel_ends_the_build_and_what_it_started(shop: Shop, gift: str) -> None:
    spec = shop.bench.spec({"task.py": TASK, "requirements.txt": gift})
    below: list[psutil.Process] = []

    def watch(child: ChildProcess, seconds: float) -> ChildEnd:
        def cancel() -> None:
            wait_for("pip", lambda: pip_below(child))
            below.extend(pip_below(child))
            supervision.stop(Stop("cancel", "seen enough", 5.0))

        supervision = Supervision(child, shop.bench.books[spec.work_dir], Caps(), lambda message: None)
        threading.Thread(target=cancel).start()
        return supervision.run()

    with pytest.raises(NoEnvironmentError) as caught, shop.cache.fitted(spec, watch, lambda: None):
        pass
    assert caught.value.end.stop == Stop("cancel", "seen enough", 5.0)
    assert below
    assert not any(process.is_running() for process in below)
    assert not list(shop.folder.glob("*-????????"))


def pip_below(child: ChildProcess) -> list[psutil.Process]:
    tree = psutil.Process(child.warden.pid).children(recursive=True)
    return [process for process in tree if "--require-hashes" in process.cmdline()]


KILLED = """
import sys
from pathlib import Path
from tests.executors import test_runtime_builds as here
here.build_and_wait(Path(sys.argv[1]), sys.argv[2])
"""


def build_and_wait(folder: Path, gift: str) -> None:
    """In a process of its own: begin a build, and tell of it while it goes on."""
    from io import StringIO

    shop = Shop(Bench(folder / "other", StringIO(), None), folder / "wheels")  # type: ignore[arg-type]
    (folder / "other").mkdir()
    shop.folder = folder / "environments"

    def stall(child: ChildProcess, seconds: float) -> ChildEnd:
        child.order("stop")
        wait_for("the builder to begin", lambda: list(shop.folder.glob("*-????????/pyvenv.cfg")))
        print("building", flush=True)  # noqa: T201
        threading.Event().wait()
        raise AssertionError

    spec = shop.bench.spec({"task.py": TASK, "requirements.txt": gift})
    with shop.cache.fitted(replace(spec, hide=[str(shop.folder)]), stall, lambda: None):
        pass


def test_what_a_killed_builder_left_is_never_used_and_removed(shop: Shop, gift: str) -> None:
    command = [sys.executable, "-c", KILLED, str(shop.bench.folder), gift]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == "building\n"
        builder.send_signal(signal.SIGKILL)
    (left,) = shop.folder.glob("*-????????")
    assert shop.run(TASK, gift).result == {"value": "a book"}
    assert left not in shop.folder.glob("*-????????")
    assert len(list(shop.folder.glob("*-????????"))) == 1


def test_environments_go_when_they_are_old_or_too_much_and_not_while_a_run_is_in_them(shop: Shop, gift: str) -> None:
    other = make_wheel(shop.wheels, "other", {"other.py": ""})
    assert shop.run(TASK, gift).result is not None
    (old,) = shop.folder.glob("*.json")
    os.utime(old, (1, 1))
    spec = shop.bench.spec({"requirements.txt": gift})
    with shop.cache.fitted(spec, never, lambda: None):
        os.utime(old, (1, 1))
        shop.cache.prune()
        assert old.exists(), "somebody runs in it"
    os.utime(old, (1, 1))
    shop.cache.prune()
    assert not list(shop.folder.glob("*.json"))
    assert shop.run(TASK, gift).result is not None
    shop.policy = replace(shop.policy, most_bytes=1)
    assert shop.run("def main():\n    return 1\n", other).result is not None
    assert [path.exists() for path in (old,)] == [False], "the one used before is over the limit"


def never(child: ChildProcess, seconds: float) -> ChildEnd:
    raise AssertionError("it was there")


def test_a_build_that_takes_too_long_is_ended_and_may_be_tried_again(bench: Bench, gift: str) -> None:
    shop = Shop(bench, bench.folder / "wheels", build_seconds=0.01)
    with pytest.raises(TaskError) as caught:
        shop.run(TASK, gift)
    assert (caught.value.failure_class, caught.value.code) == ("external", "environment_timeout")


def test_an_operator_sees_the_build_in_the_runs_log_and_why_it_failed(control_room: Room) -> None:
    wheels = control_room.folder / "wheels"
    line = make_wheel(wheels, "gift", {"gift.py": "WHAT = 'a book'\n"})
    control_room.executor(python_wheelhouse=str(wheels))
    submit: Callable[[str], str] = lambda text: control_room.submit({"task.py": TASK, "requirements.txt": text})  # noqa: E731
    run_id = submit(line)
    assert control_room.ended(run_id)["result"] == {"value": "a book"}
    assert "Successfully installed gift-1.0" in control_room.logged(run_id)
    again = submit(f"# the same\n{line}")
    assert control_room.ended(again)["result"] == {"value": "a book"}
    assert control_room.logged(again) == ""
    unhashed = control_room.ended(submit("gift==1.0\n"))
    assert (unhashed["state"], unhashed["attempt"], unhashed["error"]["class"]) == ("failed", 1, "user")
    assert "uv pip compile --generate-hashes" in unhashed["error"]["message"]
    missing = control_room.ended(submit(line.replace("gift==1.0", "gift==2.0")))
    assert (missing["attempt"], missing["error"]["code"]) == (1, "requirements_not_found")


def test_a_build_has_the_runs_memory_cap_and_its_log_no_password_of_an_index(
    control_room: Room, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://bot:sup3r%21pass@packages.example/simple")
    shop = Shop(bench, control_room.folder / "wheels")
    control_room.executor(python_wheelhouse=str(shop.wheels))
    once: dict[str, Any] = {
        "config": {"build_sdists": True},
        "retry": {"max_attempts": 1},
        "caps": {"memory_bytes": 300_000_000},
    }
    tells = "import os, urllib.parse; url = os.environ['PIP_INDEX_URL']; print('INDEX', url, urllib.parse.unquote(url))"
    told = control_room.submit({"task.py": TASK, "requirements.txt": make_project(shop, "parrot", tells)}, **once)
    assert control_room.ended(told)["state"] == "failed"
    assert "INDEX https://bot:***@packages.example/simple https://bot:***@packages" in control_room.logged(told)
    eats = "import time; hoard = [b'x' * 10_000_000 for _ in range(60)]; time.sleep(1.8)"
    ate = control_room.ended(
        control_room.submit({"task.py": TASK, "requirements.txt": make_project(shop, "hog", eats)}, **once)
    )
    assert (ate["error"]["class"], ate["error"]["code"]) == ("resources", "cap_exceeded")
    assert "memory_bytes" in ate["error"]["message"]
