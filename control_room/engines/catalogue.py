"""Which distributions there are: pinned coordinates and checksums (distributions.json), and where they are kept."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_room.errors import MISUSE, ControlRoomError

PINNED = Path(__file__).with_name("distributions.json")
FOLDER_SETTING = "OPS_ENGINES_DIR"
INSTALLED_FILE = "installed.json"


@dataclass(frozen=True)
class Artifact:
    """One file of a Maven repository. bytes: its size; sha256: of its content, in hexadecimal."""

    group: str
    name: str
    packaging: str
    version: str
    bytes: int
    sha256: str

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.name}:{self.packaging}:{self.version}"

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}.{self.packaging}"

    @property
    def path(self) -> str:
        """Below the root of a repository, with slashes."""
        return f"{self.group.replace('.', '/')}/{self.name}/{self.version}/{self.file_name}"


@dataclass(frozen=True)
class JavaRange:
    """Major versions of Java that an engine starts on, both ends included; most None: no upper end is known."""

    least: int
    most: int | None = None

    def fits(self, major: int) -> bool:
        return self.least <= major and (self.most is None or major <= self.most)

    def __str__(self) -> str:
        return f"Java {self.least} or newer" if self.most is None else f"Java {self.least} to {self.most}"


@dataclass(frozen=True)
class Tarball:
    """What of an archive with one folder at its top is kept: paths below that folder, less those in `drop`."""

    keep: tuple[str, ...]
    drop: tuple[str, ...]


@dataclass(frozen=True)
class Distribution:
    """One engine at one version. tarball: how its only artifact is unpacked; None: its artifacts are jars."""

    engine: str
    version: str
    about: str
    java: JavaRange
    artifacts: tuple[Artifact, ...]
    tarball: Tarball | None = None

    @property
    def folder_name(self) -> str:
        return f"{self.engine}-{self.version}"

    @property
    def bytes(self) -> int:
        """How much is fetched."""
        return sum(artifact.bytes for artifact in self.artifacts)


def distributions(pinned: Path = PINNED) -> dict[str, Distribution]:
    """Engine -> its distribution, in the order of the file."""
    document = json.loads(pinned.read_text(encoding="utf-8"))
    return {engine: _distribution(engine, entry) for engine, entry in document.items()}


def chosen(engines: Sequence[str]) -> list[Distribution]:
    """The named distributions; all of them when none is named. Raises ControlRoomError for an unknown name."""
    known = distributions()
    for engine in engines:
        if engine not in known:
            raise ControlRoomError(
                f"unknown engine {engine!r}", next_step=f"known engines: {', '.join(known)}", exit_code=MISUSE
            )
    return [known[engine] for engine in (engines or known)]


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where engines are kept: OPS_ENGINES_DIR, else control-room/engines in the user's cache (XDG_CACHE_HOME)."""
    named = environment.get(FOLDER_SETTING)
    if named:
        return Path(named).expanduser().absolute()
    base = environment.get("XDG_CACHE_HOME", "")
    # The XDG specification: what is not an absolute path is to be ignored.
    cache = Path(base) if base.startswith("/") else Path(environment.get("HOME") or Path.home()) / ".cache"
    return cache / "control-room" / "engines"


def installed_at(distribution: Distribution, folder: Path | None = None) -> Path | None:
    """The folder of an installed distribution; None when there is none, or it was made of others than are pinned."""
    home = (folder or cache_folder()) / distribution.folder_name
    try:
        recorded = json.loads((home / INSTALLED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return home if recorded.get("artifacts") == checksums(distribution) else None


def checksums(distribution: Distribution) -> dict[str, str]:
    """Coordinates -> sha256."""
    return {artifact.coordinates: artifact.sha256 for artifact in distribution.artifacts}


def _distribution(engine: str, entry: dict[str, Any]) -> Distribution:
    tarball = entry.get("tarball")
    return Distribution(
        engine=engine,
        version=entry["version"],
        about=entry["about"],
        java=JavaRange(**entry["java"]),
        artifacts=tuple(_artifact(each) for each in entry["artifacts"]),
        tarball=Tarball(tuple(tarball["keep"]), tuple(tarball["drop"])) if tarball else None,
    )


def _artifact(entry: dict[str, Any]) -> Artifact:
    group, name, packaging, version = entry["coordinates"].split(":")
    return Artifact(group, name, packaging, version, entry["bytes"], entry["sha256"])
