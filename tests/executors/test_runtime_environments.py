"""Environments of bundles, built by the real pip from wheels of the tests' own, without a network."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from executors.runtime.caps import Caps
from executors.runtime.environments import NoEnvironmentError, find_pip
from executors.runtime.failures import TaskError
from executors.runtime.process import Spawner
from executors.runtime.supervise import Supervision
from tests.executors.children import Bench
from tests.executors.shop import TASK, Shop, make_project
from tests.executors.wheels import make_sdist, make_wheel

pytestmark = pytest.mark.skipif(not find_pip(), reason="this Python has no pip")


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
