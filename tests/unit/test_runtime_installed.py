"""What an executor says of the packages it has: the same digest for the same packages, another for any other."""

from __future__ import annotations

import hashlib
import platform
from importlib import metadata
from pathlib import Path

from executors.runtime.installed import digest, environment, packages


def installed(folder: Path, *names: str) -> str:
    for name in names:
        (folder / f"{name}.dist-info").mkdir(parents=True)
    return str(folder)


def test_packages_are_those_of_all_folders_in_order_and_each_once(tmp_path: Path) -> None:
    one = installed(tmp_path / "one", "b-2.0", "a-1.0")
    other = installed(tmp_path / "other", "a-1.0", "c-0.1")
    (tmp_path / "one" / "b").mkdir()
    assert packages([one, other, "", str(tmp_path / "none")]) == ["a-1.0", "b-2.0", "c-0.1"]


def test_the_digest_is_that_of_a_file_with_a_name_on_each_line() -> None:
    assert digest(["a-1.0", "b-2.0"]) == hashlib.sha256(b"a-1.0\nb-2.0\n").hexdigest()
    assert digest(["a-1.0", "b-2.0"]) != digest(["a-1.0", "b-2.1"])


def test_this_environment_is_told_with_its_image_when_it_has_one() -> None:
    found = environment()
    assert set(found) == {"python", "packages", "packages_sha256"}
    assert found["python"] == platform.python_version()
    assert found["packages"] >= len({each.metadata["Name"] for each in metadata.distributions()}) / 2
    assert environment("executor-python:1@abc")["image"] == "executor-python:1@abc"
