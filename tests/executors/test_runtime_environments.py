"""Environments of bundles, built by the real pip from wheels of the tests' own, without a network."""

from __future__ import annotations

import json
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
from executors.runtime.environments import EnvironmentPolicy, Environments, NoEnvironmentError, find_pip
from executors.runtime.failures import TaskError
from executors.runtime.journal import Journal
from executors.runtime.process import ChildProcess, Spawner
from executors.runtime.supervise import ChildEnd, Stop, Supervision
from tests.executors.children import Bench
from tests.executors.room import Room, wait_for
from tests.executors.wheels import make_sdist, make_wheel

pytestmark = pytest.mark.skipif(not find_pip(), reason="this Python has no pip")
TASK = "import gift\ndef main():\n    return gift.WHAT\n"


class Shop:
    """A cache of environments that takes its packages from ``wheels``; ``builds`` counts what was built."""

    def __init__(self, bench: Bench, wheels: Path, **policy: Any) -> None:
        self.bench, self.wheels = bench, wheels
        self.folder = bench.folder / "environments"
        self.stop: Stop | None = None
        self.builders: list[ChildProcess] = []
        self.policy = EnvironmentPolicy(**{"wheelhouse": wheels, **policy})

    @property
    def cache(self) -> Environments:
        return Environments(self.folder, self.policy, Journal(self.bench.told), Spawner())

    def run(self, task: str, requirements: str, config: dict[str, Any] | None = None, spawner: Any = None) -> ChildEnd:
        """A run in the environment that it asks for, as the executor does it."""
        spec = self.bench.spec({"task.py": task, "requirements.txt": requirements})
        spec = replace(spec, job={**spec.job, "config": config or {}}, hide=[str(self.folder)])
        book = self.bench.books[spec.work_dir]

        def watch(child: ChildProcess, seconds: float) -> ChildEnd:
            self.builders.append(child)
            return Supervision(child, book, Caps(wall_seconds=seconds), lambda message: None).run()

        with self.cache.fitted(spec, watch, lambda: self.stop) as fitted:
            child = (spawner or self.bench.forks)(fitted)
            return Supervision(child, book, Caps(), lambda message: None).run()

    def log(self) -> str:
        for book in self.bench.books.values():
            book.flush()
        return (self.bench.folder / str(len(self.bench.books)) / "logs.jsonl").read_text()


@pytest.fixture
def shop(bench: Bench, tmp_path: Path) -> Shop:
    return Shop(bench, tmp_path / "wheels")


@pytest.fixture
def gift(shop: Shop) -> str:
    return make_wheel(shop.wheels, "gift", {"gift.py": "WHAT = 'a book'\n"})


@pytest.mark.parametrize("how", ["forked", "started"])
def test_a_run_imports_what_its_bundle_asks_for_and_the_second_run_finds_it_built(
    shop: Shop, gift: str, how: str
) -> None:
    spawner = Spawner() if how == "started" else None
    assert [shop.run(TASK, gift, spawner=spawner).result for _ in range(2)] == [{"value": "a book"}] * 2
    assert len(shop.builders) == 1
    assert shop.bench.actions == ["environment.building", "environment.built"]


INSIDE = """
import importlib.util, os, subprocess, sys
def main():
    program = "import sys; print(sys.prefix)"
    return {
        "found": sorted(n for n in ("gift", "pyarrow", "pydantic", "psutil", "pip") if importlib.util.find_spec(n)),
        "prefix": sys.prefix, "first on PATH": os.environ["PATH"].split(":")[0],
        "PYTHONPATH": os.environ.get("PYTHONPATH"),
        "python": subprocess.run(["python", "-c", program], capture_output=True, text=True).stdout.strip(),
        "writes": writes(sys.prefix), "utf8": sys.flags.utf8_mode,
    }
def writes(folder):
    try:
        open(os.path.join(folder, "x"), "w")
    except OSError:
        return False
    return True
"""


@pytest.mark.parametrize("how", ["forked", "started"])
def test_a_run_has_its_own_packages_and_none_of_the_executors(shop: Shop, gift: str, how: str) -> None:
    found = shop.run(INSIDE, gift, spawner=Spawner() if how == "started" else None).result
    assert found is not None
    home = next(shop.folder.glob("*-????????"))
    assert found == {
        "found": ["gift"],
        "prefix": str(home),
        "first on PATH": f"{home}/bin",
        "PYTHONPATH": None,
        "python": str(home),
        "writes": False,
        "utf8": 1,
    }


def test_code_that_a_package_has_run_at_the_interpreters_start_runs_in_the_confined_child_alone(shop: Shop) -> None:
    """A .pth file is code: outside of a child it would meet nothing that confines it."""
    trace = shop.bench.folder / "trace"
    trace.mkdir()
    start = f"import os; os.path.isdir({str(trace)!r}) and __import__('spy').look()"
    spy = (
        "import os, sys\ndef look():\n    try:\n"
        f"        open(os.path.join({str(trace)!r}, str(os.getpid())), 'w').write(' '.join(sys.orig_argv))\n"
        "    except OSError:\n        global REFUSED\n        REFUSED = True\n"
    )
    line = make_wheel(shop.wheels, "spy", {"spy.py": spy, "spy.pth": f"{start}\n"})
    assert shop.run("import spy\ndef main():\n    return spy.REFUSED\n", line).result == {"value": True}
    assert list(trace.iterdir()) == []


REPLACED = ["scripts/python", "scripts/python3", "data/bin/python", "data/pyvenv.cfg"]


@pytest.mark.parametrize("place", REPLACED)
def test_a_package_that_replaces_the_environments_interpreter_or_settings_is_refused(
    shop: Shop, tmp_path: Path, place: str
) -> None:
    proof = tmp_path / "proof"
    evil = f'#!/bin/sh\nid > {proof}\nexec {sys.executable} "$@"\n'
    line = make_wheel(shop.wheels, "gift", {"gift.py": "WHAT = 1\n", f"gift-1.0.data/{place}": evil})
    with pytest.raises(TaskError) as caught:
        shop.run(TASK, line)
    assert (caught.value.failure_class, caught.value.code) == ("user", "environment_replaced")
    assert not proof.exists()
    assert not list(shop.folder.glob("*-????????"))
    assert not list(shop.folder.glob("*.json"))


@pytest.mark.parametrize("how", ["forked", "started"])
def test_no_file_of_an_environment_is_run_outside_of_the_confined_child(shop: Shop, gift: str, how: str) -> None:
    """Whatever a package could have put there: each file would leave a trace where a child cannot write."""
    assert shop.run(TASK, gift).result == {"value": "a book"}
    shop.bench.forks.end()
    trace = shop.bench.folder / "trace"
    trace.mkdir()
    (home,) = shop.folder.glob("*-????????")
    for program in (home / "bin").glob("python*"):
        program.unlink()
        program.write_text(f'#!/bin/sh\ntouch {trace}/interpreter\nexec {sys.executable} "$@"\n')
        program.chmod(0o755)
    (home / "pyvenv.cfg").write_text(f"home = {trace}\n")
    spy = "import contextlib, pathlib\nwith contextlib.suppress(OSError):\n"
    spy += f"    pathlib.Path({str(trace)!r}, 'site').touch()\n"
    (packages,) = home.glob("lib/python*/site-packages")
    for name in ("sitecustomize", "usercustomize", "spy", "site", "encodings"):
        (packages / f"{name}.py").write_text(spy)
    (packages / "spy.pth").write_text("import spy\n")
    end = shop.run(TASK, gift, spawner=Spawner() if how == "started" else None)
    assert list(trace.iterdir()) == []
    assert end.result == {"value": "a book"}


def test_a_note_that_names_a_folder_of_others_makes_nobody_use_or_remove_it(shop: Shop, gift: str) -> None:
    assert shop.run(TASK, gift).result == {"value": "a book"}
    (note,) = shop.folder.glob("*.json")
    other = shop.bench.folder / "other"
    other.mkdir()
    note.write_text(json.dumps({"folder": "../other", "bytes": 1}))
    os.utime(note, (1, 1))
    shop.cache.prune()
    assert other.exists()
    assert shop.run(TASK, gift).result == {"value": "a book"}


def failed(shop: Shop, requirements: str, config: dict[str, Any] | None = None) -> dict[str, Any]:
    with pytest.raises(NoEnvironmentError) as caught:
        shop.run(TASK, requirements, config)
    assert caught.value.end.error is not None, caught.value.end
    assert not list(shop.folder.glob("*-????????")), "nothing half is left"
    assert not list(shop.folder.glob("*.json"))
    return caught.value.end.error


def test_a_package_that_is_nowhere_and_a_hash_that_is_anothers_are_the_users_and_the_log_tells(
    shop: Shop, gift: str
) -> None:
    error = failed(shop, gift.replace("gift==1.0", "gift==2.0"))
    assert (error["class"], error["code"]) == ("user", "requirements_not_found")
    assert "No matching distribution found for gift==2.0" in shop.log()
    error = failed(shop, gift.replace("sha256:", "sha256:0").strip()[:-1])
    assert (error["class"], error["code"]) == ("user", "requirements_hash_mismatch")


def test_a_requirement_that_another_needs_and_nobody_locked_is_named(shop: Shop) -> None:
    make_wheel(shop.wheels, "paper", {"paper.py": ""})
    error = failed(shop, make_wheel(shop.wheels, "gift", {"gift.py": ""}, requires=["paper"]))
    assert (error["class"], error["code"]) == ("user", "requirements_incomplete")


def test_an_index_that_cannot_be_reached_is_external(bench: Bench, gift: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("INDEX_URL", "http://127.0.0.1:1/simple"), ("RETRIES", "0"), ("FIND_LINKS", "")):
        monkeypatch.setenv(f"PIP_{name}", value)
    error = failed(Shop(bench, bench.folder / "wheels", wheelhouse=None), gift)
    assert (error["class"], error["code"]) == ("external", "package_index_unreachable")


def test_code_of_a_source_distribution_runs_only_where_the_template_allows_it(shop: Shop) -> None:
    setup = "from setuptools import setup\nsetup(name='gift', version='1.0', py_modules=['gift'])\n"
    line = make_sdist(shop.wheels, "gift", {"setup.py": setup, "gift.py": "WHAT = 'made'\n"})
    error = failed(shop, line)
    assert (error["class"], error["code"]) == ("user", "requirements_not_found")
    assert "config.build_sdists" in error["message"]
    assert "--only-binary" not in failed(shop, line, {"build_sdists": True})["message"]
    assert "setuptools" in shop.log(), "it was tried: what it is built with is not in the wheelhouse"


BACKEND = """
import pathlib
def build_wheel(*given, **more):
    {}
    raise SystemExit("no wheel")
"""


def make_project(shop: Shop, name: str, body: str) -> str:
    """A source distribution whose build runs this statement; its line."""
    project = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    return make_sdist(shop.wheels, name, {"pyproject.toml": project, "backend.py": BACKEND.format(body)})


def test_no_marker_takes_an_option_to_pip_that_would_run_code(shop: Shop) -> None:
    name, hashed = make_project(shop, "hog", "print('the build ran')").split(" ", 1)
    with pytest.raises(TaskError) as caught:
        shop.run(TASK, f'{name} ; python_version > "3" --global-option=x {hashed}')
    assert (caught.value.failure_class, caught.value.code) == ("user", "requirements_invalid")
    assert not shop.builders


WRITES = """
import os, pathlib
def main(context):
    return {name: tried(pathlib.Path(os.environ["PIP_CACHE_DIR"], name)) for name in ("wheels", "http", "http-v2")}
def tried(folder):
    try:
        (folder / "a").mkdir(parents=True)
        (folder / "a" / "x").write_text("")
    except OSError:
        return False
    return True
"""


@pytest.mark.parametrize("sdists", [False, True])
def test_a_build_can_put_nothing_where_pip_takes_wheels_for_good_without_their_hashes(shop: Shop, sdists: bool) -> None:
    spec = shop.bench.spec({"task.py": WRITES})
    spec = replace(spec, hide=[str(shop.folder)])
    builder = shop.cache._builder(spec, "0" * 64, (), sdists=sdists)
    Path(builder.job["target"]).mkdir()
    child = Spawner()(replace(builder, module=spec.module, job=spec.job))
    end = Supervision(child, shop.bench.books[spec.work_dir], Caps(), lambda message: None).run()
    assert end.result == {"wheels": False, "http": not sdists, "http-v2": not sdists}


def test_the_builder_knows_no_secret_of_the_executors_and_reads_no_hidden_file(
    shop: Shop, gift: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_SOMETHING", "hidden-from-children")
    seen: list[dict[str, str]] = []
    original = Supervision._from_warden

    def look(self: Supervision, message: dict[str, Any]) -> None:
        if "pid" in message:
            seen.append(psutil.Process(message["pid"]).environ())
        original(self, message)

    monkeypatch.setattr(Supervision, "_from_warden", look)
    shop.run(TASK, gift)
    assert len(seen) == 2
    assert "hidden-from-children" not in str(seen)
    told = {name for name in seen[0] if name not in seen[1]}
    assert all(name.startswith(("PIP_", "XDG_CONFIG_", "PYTHON")) for name in told), (
        "a child's, and how to get packages"
    )


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
from tests.executors import test_runtime_environments as here
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
