"""Which Java an engine gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_room.engines import java
from control_room.engines.catalogue import JavaRange
from control_room.engines.java import Java

TRINO, SPARK = JavaRange(24), JavaRange(17, 21)


def a_java(version: str, source: str = "PATH", modules: str = "") -> Java:
    return Java(Path(f"/java/{source}/{version}"), version, source, frozenset(modules.split()))


def make_home(folder: Path, release: str | None = None, says: str = "") -> Path:
    """A folder that looks like a Java: its program prints `says`, as the real one does, on standard error."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{says}\nEND\n")
    program.chmod(0o755)
    if release is not None:
        (folder / "release").write_text(release)
    return folder


@pytest.mark.parametrize(
    ("version", "major"),
    [("25.0.3", 25), ("17.0.15", 17), ("1.8.0_412", 8), ("26-ea", 26), ("21", 21), ("24.0.1+9", 24), ("", 0), ("x", 0)],
)
def test_the_major_version_is_read_from_every_way_of_writing_it(version: str, major: int) -> None:
    assert java.major_of(version) == major


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment (build 17)', "17.0.15"),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\njava version "1.8.0_412"', "1.8.0_412"),
        ('openjdk version "26-ea" 2026-03-17', "26-ea"),
        ("Error: could not find or load main class", ""),
        ("", ""),
    ],
)
def test_what_a_java_says_of_itself_is_understood(output: str, version: str) -> None:
    assert java.version_told(output) == version


def test_the_first_java_that_fits_is_taken() -> None:
    found = [a_java("17.0.15"), a_java("24.0.2"), a_java("25.0.3")]
    assert java.choose(found, TRINO) == found[1]
    assert java.choose(found, SPARK) == found[0]


def test_too_old_and_too_new_fit_nothing() -> None:
    assert java.choose([a_java("17.0.15"), a_java("23.0.1")], TRINO) is None
    assert java.choose([a_java("11.0.2"), a_java("25.0.3")], SPARK) is None
    assert java.choose([], TRINO) is None


def test_a_runtime_without_a_module_that_is_needed_is_passed_over_and_one_that_does_not_tell_is_not() -> None:
    without, silent = a_java("21.0.1", modules="java.base java.sql"), a_java("17.0.15")
    assert java.choose([without], SPARK, [java.VECTOR]) is None
    assert java.choose([without, silent], SPARK, [java.VECTOR]) == silent
    having = a_java("21.0.1", modules=f"java.base {java.VECTOR}")
    assert java.choose([having], SPARK, [java.VECTOR]) == having


def test_the_user_s_own_choice_comes_first_and_no_java_comes_twice(tmp_path: Path) -> None:
    own = make_home(tmp_path / "own", 'JAVA_VERSION="24.0.1"\nMODULES="java.base"\n')
    system = tmp_path / "jvm"
    make_home(system / "java-17", 'JAVA_VERSION="17.0.15"\n')
    make_home(system / "java-25", 'JAVA_VERSION="25.0.3"\n')
    (system / "java-1.17.0").symlink_to(system / "java-17")
    found = java.find({"JAVA_HOME": str(own), "PATH": str(system / "java-17" / "bin")}, system)
    told = [(each.source, each.major) for each in found if each.source != java.PACKAGE]
    assert told == [("JAVA_HOME", 24), ("PATH", 17), ("/usr/lib/jvm", 25)]
    assert found[0].modules == {"java.base"}


def test_a_java_without_a_release_file_is_asked(tmp_path: Path) -> None:
    told = java.inspect(make_home(tmp_path / "j", says='openjdk version "21.0.4" 2024-07-16'), "PATH")
    assert told is not None
    assert told.version == "21.0.4"
    assert java.inspect(make_home(tmp_path / "k", says="no idea"), "PATH") is None


def test_a_setting_that_names_no_java_finds_none(tmp_path: Path) -> None:
    found = java.find({"JAVA_HOME": str(tmp_path), "PATH": ""}, tmp_path / "none")
    assert [each for each in found if each.source != java.PACKAGE] == []
