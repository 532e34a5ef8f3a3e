"""Unpacking a distribution's archive, and keeping of it what is wanted."""

from __future__ import annotations

import contextlib
import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from control_room.engines.catalogue import Tarball


def is_kept(path: PurePosixPath, tarball: Tarball) -> bool:
    """Whether what lies at this path, below the archive's top folder, is wanted: the longest match decides."""
    kept = _longest(path, tarball.keep)
    return kept > 0 and kept > _longest(path, tarball.drop)


def unpack(archive: Path, tarball: Tarball, home: Path, on_bytes: Callable[[int], None]) -> None:
    """Unpack into `home` (made new; its parent must be on the same disk). on_bytes: of the archive, so far.

    The whole archive is unpacked beside it first: entries that are kept are hard links to some that are not.
    """
    whole = home.with_name(f"{home.name}.whole")
    with archive.open("rb") as file, tarfile.open(fileobj=_Watched(file, on_bytes), mode="r:gz") as tar:
        # What filters there are since Python 3.11.4; the archive is the very one that is pinned.
        options: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(whole, **options)  # noqa: S202
    top = _only_folder(whole)
    _prune(top, tarball)
    top.rename(home)
    shutil.rmtree(whole)


def _prune(top: Path, tarball: Tarball) -> None:
    """Delete what is not kept, and folders that nothing is left in."""
    for path in sorted(top.rglob("*"), reverse=True):  # what lies in a folder comes before the folder
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # it is not empty
                path.rmdir()
        elif not is_kept(PurePosixPath(path.relative_to(top)), tarball):
            path.unlink()


def _longest(path: PurePosixPath, rules: tuple[str, ...]) -> int:
    return max((len(PurePosixPath(rule).parts) for rule in rules if _covers(rule, path)), default=0)


def _covers(rule: str, path: PurePosixPath) -> bool:
    return path.is_relative_to(PurePosixPath(rule))


def _only_folder(whole: Path) -> Path:
    [top] = whole.iterdir()
    return top


class _Watched(io.RawIOBase):
    """A file that tells how far it has been read."""

    def __init__(self, file: io.BufferedReader, on_bytes: Callable[[int], None]):
        self._file = file
        self._on_bytes = on_bytes

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._on_bytes(self._file.tell())
        return chunk

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
