"""Code bundles: fetched by digest, verified each time, unpacked afresh for each run.

Only the archive is cached. A run could change an unpacked copy that it shares with the next one; a copy of its own
it may spoil, and an archive that was changed no longer has its digest.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from contract.client import NO_RETRY, ExecutorClient
from contract.errors import DigestMismatch
from executors.runtime.failures import FULL_ERRNOS, TaskError
from executors.runtime.policy import Persistence

KEPT_ARCHIVES = 100
MAX_MEMBERS = 100_000
MAX_UNPACKED_BYTES = 4 * 1024**3
# tarfile reads a long header whole, and searches it with patterns that take quadratic time: 0.2 s for this size.
MAX_HEADER_BYTES = 16 * 1024
MAX_ALL_HEADERS_BYTES = 8 * 1024**2
LONG_HEADERS = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)
# What reading an archive of a stranger raises beside OSError.
BROKEN = (tarfile.TarError, EOFError, ValueError, RecursionError, OverflowError, zlib.error, lzma.LZMAError)


class Unfit(tarfile.TarError):
    """An archive that goes beyond what a bundle may be."""


class BoundedInfo(tarfile.TarInfo):
    """A header that is judged before tarfile reads what belongs to it."""

    def _proc_member(self, tar: Any) -> Any:
        if self.type in LONG_HEADERS:
            tar.header_bytes += self.size
        if (self.type in LONG_HEADERS and self.size > MAX_HEADER_BYTES) or tar.header_bytes > MAX_ALL_HEADERS_BYTES:
            text = f"over {MAX_HEADER_BYTES} bytes in one header, or {MAX_ALL_HEADERS_BYTES} in all"
            raise Unfit(f"{text}; use shorter names and no extended attributes")
        if self.size < 0 or self.type == tarfile.GNUTYPE_SPARSE:
            self._refuse_sparse()
        return super()._proc_member(tar)  # type: ignore[misc]

    def _refuse_sparse(self, *_: object) -> None:
        raise Unfit("it holds a sparse file or a negative size; pack plain files")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


class BoundedTar(tarfile.TarFile):
    tarinfo = BoundedInfo
    header_bytes = 0


class BundleStore:
    """Archives by digest below ``folder``; missing ones come from the store, by a URL of the control room."""

    def __init__(self, folder: Path, client: ExecutorClient) -> None:
        self._folder = folder
        self._client = client

    def prune(self, keep: int = KEPT_ARCHIVES) -> None:
        """Remove the archives used longest ago."""
        archives = sorted(self._folder.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in archives[keep:]:
            path.unlink(missing_ok=True)

    def unpack(self, sha256: str, target: Path, persist: Persistence) -> Path:
        """Unpack the bundle into the new folder ``target``. TaskError when the archive is broken or unsafe."""
        archive = self._folder / f"{sha256}.tar.gz"
        if not archive.is_file() or file_sha256(archive) != sha256:
            self._fetch(sha256, archive, persist)
        archive.touch()
        unpack_safely(archive, target)
        return target

    def _fetch(self, sha256: str, archive: Path, persist: Persistence) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

        def fetch() -> None:
            self._client.download(self._client.get_bundle(sha256, retry=NO_RETRY), archive, retry=NO_RETRY)

        try:
            persist(fetch)
        except DigestMismatch as error:
            raise TaskError("external", "bundle_corrupt", f"bundle {sha256[:12]}: {error.detail}") from error


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack_safely(archive: Path, target: Path) -> None:
    """Extract plain files and folders; TaskError (user, bundle_invalid) for any other member, before a byte is written.

    By hand, not by tarfile's extraction filters: Debian 12's Python 3.11.2 has none yet.
    """
    target.mkdir(parents=True)
    try:
        with BoundedTar.open(archive, "r:*") as tar:
            members = checked_members(tar)
            check_room(sum(member.size for member in members), target)
            for member in members:
                extract(tar, member, target / member.name)
    except (*BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL_ERRNOS:
            raise  # the executor's trouble, not the bundle's
        raise TaskError("user", "bundle_invalid", f"the code bundle cannot be unpacked: {error}") from error


def check_room(size: int, folder: Path) -> None:
    """TaskError (resources, disk_full) when the disk has no room for ``size`` bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        text = f"the code bundle has {size:,} bytes unpacked, the executor's work folder {free:,} free"
        raise TaskError("resources", "disk_full", f"{text}; make room, or pack less")


def checked_members(tar: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """All members, none of which leads outside or is anything but a file or a folder, within the limits."""
    members: list[tarfile.TarInfo] = []
    total = 0
    for member in tar:
        path = PurePosixPath(member.name)
        if member.size < 0:
            raise Unfit(f"member {member.name!r} has a negative size")
        if path.is_absolute() or ".." in path.parts or "\x00" in member.name:
            raise tarfile.TarError(f"member {member.name!r} leads outside the bundle")
        if not (member.isreg() or member.isdir()):
            raise tarfile.TarError(f"member {member.name!r} is a link or a device; a bundle holds files and folders")
        members.append(member)
        total += member.size
        if len(members) > MAX_MEMBERS or total > MAX_UNPACKED_BYTES:
            raise Unfit(f"over {MAX_MEMBERS} members or {MAX_UNPACKED_BYTES} bytes unpacked")
    return members


def extract(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    if source is None:
        raise tarfile.TarError(f"member {member.name!r} has no content")
    with source, path.open("xb") as file:
        shutil.copyfileobj(source, file)
    path.chmod(0o755 if member.mode & 0o100 else 0o644)


def check_entrypoint(entrypoint: str, bundle_dir: Path | None) -> Path:
    """The file or folder an entrypoint names, which must lie in the bundle. ``module:function`` names a module's file.

    TaskError (user, entrypoint_outside_bundle or entrypoint_missing) when it does not.
    """
    if bundle_dir is None:
        raise TaskError(
            "user", "bundle_missing", f"entrypoint {entrypoint!r} needs a code bundle; the template has none"
        )
    name = entrypoint.partition(":")[0]
    path = PurePosixPath(name)
    odd = "\x00" in name or path.is_absolute() or ".." in path.parts
    if odd or not (bundle_dir / path).resolve().is_relative_to(bundle_dir.resolve()):
        text = f"entrypoint {entrypoint!r} points outside the bundle; name a file or module inside it"
        raise TaskError("user", "entrypoint_outside_bundle", text)
    return bundle_dir / path
