"""Where artifacts come from: a repository the user names, mvn, or the mirror in the user's Maven settings.

No address of a registry stands here: mvn knows its own, and whoever has no mvn names one.
"""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from control_room.engines.catalogue import Artifact
from control_room.errors import MISUSE, ControlRoomError

SETTING = "OPS_MAVEN_URL"
HOW_TO_GET = (
    f"install Maven (Debian: apt install maven), or name a Maven repository with --repository or {SETTING}: "
    "an https:// address or a folder"
)
# What a mirror in settings.xml may say that it stands for, so that it serves what Maven Central has.
ALL = ("*", "external:*", "central")


@dataclass(frozen=True)
class Source:
    """kind: http (address: base URL), folder (address: path) or mvn (address: the program)."""

    kind: str
    address: str
    told_by: str

    def url_of(self, artifact: Artifact) -> str:
        return f"{self.address.rstrip('/')}/{artifact.path}"


def choose(named: str | None, mvn: str | None, mirror: str | None) -> Source:
    """The named repository first, then mvn (which knows the user's settings and passwords), then the mirror."""
    if named:
        return of_address(named, f"--repository or {SETTING}")
    if mvn:
        return Source("mvn", mvn, "mvn on PATH")
    if mirror:
        return of_address(mirror, "the mirror in Maven's settings.xml")
    raise ControlRoomError(
        "there is nothing to fetch with: no mvn on PATH, and no Maven repository is named", next_step=HOW_TO_GET,
        exit_code=MISUSE,
    )  # fmt: skip


def of_address(address: str, told_by: str) -> Source:
    """http(s)://, file:// or a path."""
    parts = urlsplit(address)
    if parts.scheme in ("http", "https") and parts.netloc:
        return Source("http", address, told_by)
    if parts.scheme == "file" or not parts.scheme:
        return Source("folder", str(Path(unquote(parts.path)).expanduser()), told_by)
    raise ControlRoomError(
        f"{address!r} is no address of a Maven repository", where=told_by,
        next_step="write an https:// address or a folder in the layout of a Maven repository", exit_code=MISUSE,
    )  # fmt: skip


def find(named: str | None, environment: Mapping[str, str] = os.environ) -> Source:
    """The source on this machine. Raises ControlRoomError when there is none."""
    settings = Path(environment.get("HOME") or Path.home()) / ".m2" / "settings.xml"
    return choose(
        named or environment.get(SETTING), shutil.which("mvn", path=environment.get("PATH")), mirror_in(settings)
    )


def mirror_in(settings: Path) -> str | None:
    """The URL of the mirror that stands for Maven Central, if the settings name one."""
    try:
        root = ElementTree.parse(settings).getroot()  # noqa: S314 - the user's own file
    except (OSError, ElementTree.ParseError):
        return None
    for mirror in (element for element in root.iter() if _tag(element) == "mirror"):
        told = {_tag(child): (child.text or "").strip() for child in mirror}
        if told.get("url") and stands_for_central(told.get("mirrorOf", "")):
            return told["url"]
    return None


def stands_for_central(mirror_of: str) -> bool:
    """Maven's rule: a list of repository ids, * for all, external:* for all elsewhere, !id for all but that one."""
    told = [part.strip() for part in mirror_of.split(",")]
    return "!central" not in told and any(part in ALL for part in told)


def _tag(element: ElementTree.Element) -> str:
    """Without the namespace, which settings files have or have not."""
    return element.tag.rpartition("}")[2]
