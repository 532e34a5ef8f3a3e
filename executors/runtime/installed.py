"""What the executor's Python has installed, by digest: what a run's manifest names as its environment."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SUFFIX = ".dist-info"


def environment(image: str = "") -> dict[str, Any]:
    """{python, packages, packages_sha256, image?}: how many packages there are, and the digest of which they are."""
    found = packages(sys.path)
    known = {"python": platform.python_version(), "packages": len(found), "packages_sha256": digest(found)}
    return known | ({"image": image} if image else {})


def packages(paths: Iterable[str]) -> list[str]:
    """``name-version`` of each installed package, as its metadata folder is called, sorted.

    By the names of folders alone: reading 230 files of metadata takes a hundred times as long, at each start.
    """
    folders = (Path(path) for path in paths if path)
    return sorted({entry.name.removesuffix(SUFFIX) for folder in folders for entry in folder.glob(f"*{SUFFIX}")})


def digest(names: Iterable[str]) -> str:
    """sha256 of the names, each with a newline: what `sha256sum` says of them as a file."""
    return hashlib.sha256("".join(f"{name}\n" for name in names).encode()).hexdigest()
