"""Environments of bundles: built once from a hashed requirements.txt, found by digest, given to runs to read.

Below ``folder``: ``<digest>.json`` names the environment's folder and was put there whole, when that was complete;
``<digest>.lock`` is held shared by who runs in it and exclusively by who builds or removes it, of all executors that
share the folder. A builder that is killed leaves a folder that no file names; the next look removes it.

Any file of an environment may be its packages'. This process, which nothing confines, makes it, measures and removes
it, and never runs or reads what is in it: not its interpreter, not its pyvenv.cfg.
"""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import json
import os
import platform
import re
import secrets
import shutil
import stat
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from executors.runtime.failures import TaskError
from executors.runtime.journal import Journal
from executors.runtime.process import BASE_PYTHON, ChildProcess, ChildSpec, Spawner
from executors.runtime.requirements import FILE, MOST_BYTES, environment_digest, parse_requirements, requirements_text
from executors.runtime.supervise import ChildEnd, Stop

BUILDER = "executors.runtime.environment_child"
LOCK_PAUSE_SECONDS = 0.1
# Of the executor's environment, what tells pip where packages are and how to get there.
PIP_VARIABLES = ("PIP_", "XDG_CONFIG_")
# What would send the packages elsewhere.
PIP_PLACES = frozenset({"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON"})
DAY = 86400.0
# Of pip's cache what holds files as an index gave them, which pip checks by their hashes each time. Not "wheels": those
# pip takes for good by a note that lies beside them, so whoever writes there gives other builds their packages.
HTTP_CACHES = ("http", "http-v2")
CONFIG = "pyvenv.cfg"
FOLDER_NAME = re.compile(r"[0-9a-f]{64}-[0-9a-f]{8}")


@dataclass(frozen=True)
class EnvironmentPolicy:
    """Where packages come from, how long a build may take, how much is kept (seconds, bytes, days)."""

    wheelhouse: Path | None = None
    build_seconds: float = 900.0
    most_bytes: int = 20 * 1024**3
    most_days: float = 30.0


class NoEnvironmentError(Exception):
    """The environment's build was ended, or failed: how."""

    def __init__(self, end: ChildEnd) -> None:
        super().__init__("the environment was not built")
        self.end = end


Watch = Callable[[ChildProcess, float], ChildEnd]
Stopped = Callable[[], Stop | None]
Fitted = Callable[[ChildSpec, Watch, Stopped], AbstractContextManager[ChildSpec]]


def as_it_is(spec: ChildSpec, watch: Watch, stopped: Stopped) -> AbstractContextManager[ChildSpec]:
    """For kinds whose children run in the executor's own environment."""
    return nullcontext(spec)


class Environments:
    """The cache of one work folder. ``fitted`` may be called from any thread."""

    def __init__(self, folder: Path, policy: EnvironmentPolicy, journal: Journal, spawn: Spawner) -> None:
        self._folder, self._policy, self._journal, self._spawn = folder, policy, journal, spawn

    @contextmanager
    def fitted(self, spec: ChildSpec, watch: Watch, stopped: Stopped) -> Iterator[ChildSpec]:
        """The spec, in the environment that its bundle asks for; it stays while this is held.

        ``watch(child, seconds)`` follows a build to its end, within so many seconds. TaskError when the requirements
        cannot be read, NoEnvironmentError when the build failed or was ended, or ``stopped`` says that the run is.
        """
        wanted = requirements_of(spec.job)
        if not wanted:
            yield spec
            return
        sdists = (spec.job.get("config") or {}).get("build_sdists") is True
        digest = environment_digest(wanted, this_python(), sdists=sdists)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with opened(self._folder / f"{digest}.lock") as lock:
            while (home := self._home(digest, lock, stopped)) is None:
                take(lock, fcntl.LOCK_EX, stopped)
                if self._built(digest) is None:
                    self._build(digest, self._builder(spec, digest, wanted, sdists=sdists), watch)
                    self.prune()
            yield inside(spec, home)

    def _home(self, digest: str, lock: int, stopped: Stopped) -> Path | None:
        """The environment's folder, kept by the shared lock; None, and no lock, when it is to be built."""
        take(lock, fcntl.LOCK_SH, stopped)
        home = self._built(digest)
        if home is None:
            fcntl.flock(lock, fcntl.LOCK_UN)
        return home

    def _built(self, digest: str) -> Path | None:
        note = self._folder / f"{digest}.json"
        home = self._named(note)
        if home is None or not home.is_dir():
            return None
        with suppress(OSError):
            os.utime(note)  # when it was used last
        return home

    def _named(self, note: Path) -> Path | None:
        """The folder that a note names, None for a note that is gone or names none of this cache."""
        name = str(record_of(note).get("folder"))
        return self._folder / name if FOLDER_NAME.fullmatch(name) else None

    def _build(self, digest: str, builder: ChildSpec, watch: Watch) -> None:
        """Build it in a folder of its own, then name that. Called with the exclusive lock."""
        home, wanted = Path(builder.job["target"]), builder.job["requirements"]
        for left in self._folder.glob(f"{digest}-*"):  # of a builder that was killed
            shutil.rmtree(left, ignore_errors=True)
        home.mkdir(mode=0o700)
        self._journal.info("environment.building", digest=digest, packages=len(wanted))
        started = time.monotonic()
        try:
            frame = make_frame(home)
            check_built(watch(self._spawn(builder), self._policy.build_seconds), self._policy.build_seconds)
            check_frame(home, frame)
            size = tree_bytes(home)
            write_whole(self._folder / f"{digest}.json", {"folder": home.name, "bytes": size, "requirements": wanted})
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        self._journal.info("environment.built", digest=digest, bytes=size, seconds=round(time.monotonic() - started, 3))

    def _builder(self, spec: ChildSpec, digest: str, wanted: Sequence[str], *, sdists: bool) -> ChildSpec:
        """The run's child, but for its job, where it may write, and what it knows of packages."""
        home, wheelhouse = self._folder / f"{digest}-{secrets.token_hex(4)}", self._policy.wheelhouse
        cache = Path(os.environ.get("PIP_CACHE_DIR") or self._folder / "pip-cache")
        caches = [str(made_folder(cache / name)) for name in HTTP_CACHES]
        job = {name: spec.job[name] for name in ("run_id", "epoch", "work_dir")}
        job |= {"target": str(home), "requirements": list(wanted), "pip": known_pip(), "build_sdists": sdists}
        job |= {"wheelhouse": str(wheelhouse) if wheelhouse else None}
        # What a package's own code could write to a cache, other builds would read.
        places = [str(home)] if sdists else [str(home), *caches]
        return replace(
            spec,
            module=BUILDER,
            job=job,
            environment=build_environment(spec.environment, os.environ, cache),
            visible=[*spec.visible, *places, *([str(wheelhouse)] if wheelhouse else [])],
            writable=places,
        )

    def prune(self) -> None:
        """Remove what killed builders left, what was not used for long, and the oldest of what is too much."""
        notes = sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        total, limit = 0, time.time() - self._policy.most_days * DAY
        for note in notes:
            total += record_of(note).get("bytes", 0)
            if note.stat().st_mtime < limit or total > self._policy.most_bytes:
                self._remove(note)
        for folder in self._folder.glob(f"{'?' * 64}-{'?' * 8}"):
            self._remove_left(folder)

    def _remove(self, note: Path) -> None:
        """Remove an environment, if nobody runs in it."""
        with opened(note.with_suffix(".lock")) as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder = self._named(note)
            note.unlink(missing_ok=True)
            if folder:
                shutil.rmtree(folder, ignore_errors=True)
                self._journal.info("environment.removed", folder=folder.name)

    def _remove_left(self, folder: Path) -> None:
        """Remove a folder that no note names, if nobody builds it."""
        digest = folder.name.partition("-")[0]
        with opened(self._folder / f"{digest}.lock") as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if record_of(self._folder / f"{digest}.json").get("folder") != folder.name:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor to lock, which ends with its closing."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def take(lock: int, how: int, stopped: Stopped) -> None:
    """Wait for a lock; NoEnvironmentError when the run is to end before."""
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(lock, how | fcntl.LOCK_NB)
            return
        if stop := stopped():
            raise NoEnvironmentError(ChildEnd(stop=stop))
        time.sleep(LOCK_PAUSE_SECONDS)


def record_of(note: Path) -> dict[str, Any]:
    """What a note says; {} for one that is gone or broken."""
    try:
        found = json.loads(note.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_whole(path: Path, record: Mapping[str, Any]) -> None:
    """Write a file that is there whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(record))
    fresh.replace(path)


def made_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def make_frame(home: Path) -> dict[str, str | bytes]:
    """Make an environment without packages; what :func:`check_frame` needs to know of it."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(home)
    return frame_of(home, [path.name for path in (home / "bin").iterdir() if path.is_symlink()])


def frame_of(home: Path, programs: Sequence[str]) -> dict[str, str | bytes]:
    """What makes a folder an environment of the base interpreter: where its programs' links lead, and pyvenv.cfg.

    Nothing is followed: OSError for a link or another kind of file in place of what venv makes.
    """
    folders = [home / "bin", home / "lib"]
    if not all(stat.S_ISDIR(folder.lstat().st_mode) for folder in folders):
        raise NotADirectoryError
    found: dict[str, str | bytes] = {name: str((home / "bin" / name).readlink()) for name in programs}
    fd = os.open(home / CONFIG, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        return {**found, CONFIG: file.read(MOST_BYTES)}


def check_frame(home: Path, frame: Mapping[str, str | bytes]) -> None:
    """TaskError when a package has put something of its own in place of the environment's interpreter or settings."""
    try:
        kept = frame_of(home, [name for name in frame if name != CONFIG]) == frame
    except OSError:
        kept = False
    if not kept:
        text = f"a package of {FILE} replaces the environment's own bin/python or pyvenv.cfg; do without it"
        raise TaskError("user", "environment_replaced", text)


def tree_bytes(home: Path) -> int:
    """The size of all that is in a folder; links count themselves."""
    return sum(
        os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - tens of thousands of files
        for folder, folders, files in os.walk(home)
        for name in [*folders, *files]
    )


def check_built(end: ChildEnd, seconds: float) -> None:
    """Raise what the run ends with when a build made nothing."""
    if any(breach.cap == "wall_seconds" for breach in end.breaches):
        text = f"the environment of {FILE} was not built within {seconds:g} s; see the log, or OPS_PYTHON_BUILD_SECONDS"
        raise TaskError("external", "environment_timeout", text)
    if end.status != 0 or end.error is not None or end.result is None:
        raise NoEnvironmentError(end)


def requirements_of(job: Mapping[str, Any]) -> tuple[str, ...]:
    """What the bundle asks for, () for nothing. TaskError for a file that is not as it must be."""
    path = Path(job["bundle_dir"], FILE) if job.get("bundle_dir") else None
    if path is None or not path.is_file():
        return ()
    with path.open("rb") as file:
        return parse_requirements(requirements_text(file.read(MOST_BYTES + 1)))


def this_python() -> list[str]:
    """What a wheel's fitness, and an environment's, hangs on."""
    found = [platform.python_implementation(), platform.python_version(), sysconfig.get_platform(), sys.base_prefix]
    return [*found, *platform.libc_ver()]


@functools.cache
def find_pip() -> str:
    """An interpreter of this installation that has pip: this one, or the one it is made from; "" for none."""
    if importlib.util.find_spec("pip"):
        return sys.executable
    found = subprocess.run([BASE_PYTHON, "-I", "-c", "import pip"], capture_output=True, check=False)
    return BASE_PYTHON if found.returncode == 0 else ""


def known_pip() -> str:
    """As find_pip; TaskError when there is none."""
    if not (pip := find_pip()):
        text = f"the bundle has a {FILE}, and this executor no pip to install it; give its Python pip 22.3 or newer"
        raise TaskError("internal", "environments_unsupported", text)
    return pip


def build_environment(own: Mapping[str, str], base: Mapping[str, str], cache: Path) -> dict[str, str]:
    """The builder's environment: a child's, and of the executor's what pip is set up by."""
    config = {"XDG_CONFIG_HOME": str(Path("~/.config").expanduser())}
    return {**own, **config, **pip_settings(base), "PIP_CACHE_DIR": str(cache)}


def pip_settings(base: Mapping[str, str]) -> dict[str, str]:
    """What of the executor's environment sets pip up."""
    return {name: value for name, value in base.items() if name.startswith(PIP_VARIABLES) and name not in PIP_PLACES}


def inside(spec: ChildSpec, home: Path) -> ChildSpec:
    """The spec in the environment, its programs first on PATH, and none of the executor's settings of Python."""
    kept = {name: value for name, value in spec.environment.items() if not name.startswith("PYTHON")}
    path = f"{home / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}"
    environment = {**kept, "PATH": path, "VIRTUAL_ENV": str(home), "PYTHONUTF8": "1"}
    return replace(spec, prefix=str(home), environment=environment, visible=[*spec.visible, str(home)])
