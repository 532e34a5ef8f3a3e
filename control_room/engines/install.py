"""Installing a distribution: fetched, checked, unpacked beside its place, and moved there in one step."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from control_room.engines import fetch, sources, unpack
from control_room.engines.catalogue import (
    INSTALLED_FILE,
    Distribution,
    cache_folder,
    checksums,
    distributions,
    installed_at,
)
from control_room.engines.fetch import OnProgress
from control_room.errors import FAILED, REFUSED, ControlRoomError

FETCHED = ".fetched"  # artifacts on their way, so that an interrupted install goes on with what it has
DRAFT = ".new"
ROOM = 3.0  # times what is fetched: the archive, all of it unpacked, some slack


@dataclass(frozen=True)
class Installed:
    """One distribution in the cache. bytes: on the disk; current: the one that this version of Control Room uses."""

    engine: str
    version: str
    home: Path
    bytes: int
    installed_at: str
    current: bool


def install(
    distribution: Distribution,
    on_progress: OnProgress,
    repository: str | None = None,
    folder: Path | None = None,
) -> Path:
    """Install it unless it is there; answers its folder. repository: see sources.choose.

    An interrupted install leaves what was fetched, and nothing that looks installed.
    """
    cache = folder or cache_folder()
    _make(cache)
    with _alone(cache, distribution.engine):
        home = installed_at(distribution, cache)
        return home or _install(distribution, cache, repository, on_progress)


def ls(folder: Path | None = None) -> list[Installed]:
    """What is installed, of any version, by name."""
    cache = folder or cache_folder()
    homes = sorted(path.parent for path in cache.glob(f"[!.]*/{INSTALLED_FILE}"))
    return [found for home in homes if (found := _described(home, cache)) is not None]


def _install(distribution: Distribution, cache: Path, repository: str | None, on_progress: OnProgress) -> Path:
    fetched, draft = cache / FETCHED, cache / f"{DRAFT}-{distribution.folder_name}"
    fetched.mkdir(exist_ok=True)
    _discard(draft, draft.with_name(f"{draft.name}.whole"), *fetched.glob(f"{fetch.SCRATCH}{distribution.engine}-*"))
    missing = [artifact for artifact in distribution.artifacts if not (fetched / artifact.file_name).exists()]
    _ensure_room(distribution, cache)
    try:
        source = sources.find(repository) if missing else _NOWHERE
        fetch.fetch(source, distribution.artifacts, fetched, on_progress, distribution.engine)
        _build(distribution, fetched, draft, on_progress)
    except OSError as error:
        raise _disk_trouble(error, cache) from error
    return _put_in_place(distribution, draft, cache)


_NOWHERE = sources.Source("folder", "", "")


def _build(distribution: Distribution, fetched: Path, draft: Path, on_progress: OnProgress) -> None:
    if distribution.tarball is None:
        (draft / "jars").mkdir(parents=True)
        for artifact in distribution.artifacts:
            (fetched / artifact.file_name).rename(draft / "jars" / artifact.file_name)
    else:
        [artifact] = distribution.artifacts
        archive = fetched / artifact.file_name
        told = f"unpacking {archive.name}"
        unpack.unpack(archive, distribution.tarball, draft, lambda done: on_progress(told, done, artifact.bytes))
        archive.unlink()
    record = {
        "engine": distribution.engine,
        "version": distribution.version,
        "artifacts": checksums(distribution),
        "installed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "bytes": _size(draft),
    }
    (draft / INSTALLED_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _put_in_place(distribution: Distribution, draft: Path, cache: Path) -> Path:
    home = cache / distribution.folder_name
    old = cache / f".old-{distribution.folder_name}"
    _discard(old)
    if home.exists():  # of other artifacts than are pinned now, or somebody's own
        home.rename(old)
    draft.rename(home)
    _discard(old)
    return home


@contextlib.contextmanager
def _alone(cache: Path, engine: str) -> Iterator[None]:
    """One install of an engine at a time; the kernel lets go of the lock when the process ends."""
    with (cache / f".{engine}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ControlRoomError(
                f"another command installs {engine} right now",
                where=str(cache),
                next_step="wait for it, then see `control-room engines ls`",
                exit_code=REFUSED,
            ) from error
        yield


def _make(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _disk_trouble(error, cache) from error


def _ensure_room(distribution: Distribution, cache: Path) -> None:
    needed = int(distribution.bytes * (ROOM if distribution.tarball else 1.5))
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise ControlRoomError(
            f"{distribution.engine} needs {needed // 2**20} MiB to be installed, and {free // 2**20} MiB are free",
            where=str(cache),
            next_step="free some space, or name another folder with OPS_ENGINES_DIR",
            exit_code=FAILED,
        )


def _disk_trouble(error: OSError, cache: Path) -> ControlRoomError:
    return ControlRoomError(
        f"the folder of engines cannot be written: {error.strerror or error}",
        where=str(error.filename or cache),
        next_step="check its owner and free space, or name another folder with OPS_ENGINES_DIR",
        exit_code=FAILED,
    )


def _described(home: Path, cache: Path) -> Installed | None:
    try:
        told = json.loads((home / INSTALLED_FILE).read_text(encoding="utf-8"))
        pinned = distributions().get(told["engine"])
        current = pinned is not None and installed_at(pinned, cache) == home
        return Installed(told["engine"], told["version"], home, told["bytes"], told["installed_at"], current)
    except (OSError, ValueError, KeyError):
        return None


def _size(folder: Path) -> int:
    """Bytes of its files, each counted once however many names it has."""
    stats = (path.lstat() for path in folder.rglob("*") if path.is_file())
    return sum({(stat.st_dev, stat.st_ino): stat.st_size for stat in stats}.values())


def _discard(*folders: Path) -> None:
    for folder in folders:
        if os.path.lexists(folder):
            shutil.rmtree(folder)
