"""A memory cgroup for each attempt, where a cgroup is delegated to the executor: the kernel itself holds the cap.

Delegated is cgroup v2, the executor's own (systemd's ``Delegate=yes``, a container's of its own) or a folder that the
operator names; or a folder of the memory controller of v1 that the operator names. The groups lie below it. On v2 the
kernel ends all processes of a group that has no memory left (memory.oom.group); on v1 it ends one.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from executors.runtime.settings import SettingsError

ROOT = Path("/sys/fs/cgroup")
# v2 gives controllers only to the children of a group without processes of its own.
OWN_LEAF = "executor"
# What was just killed is in its group until somebody has collected it.
REMOVE_SECONDS = 2.0


@dataclass(frozen=True)
class Group:
    """The memory cgroup of one attempt."""

    path: Path

    def out_of_memory(self) -> bool:
        """Whether the kernel ended something in it for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                found = re.search(r"^oom_kill (\d+)$", (self.path / name).read_text(), re.MULTILINE)
                return found is not None and int(found.group(1)) > 0
        return False


@dataclass(frozen=True)
class Delegated:
    """A folder below which this process may make memory cgroups, and the version of cgroups that it is of."""

    folder: Path
    version: int

    @property
    def mechanism(self) -> str:
        return f"cgroup v{self.version}"

    @contextmanager
    def group(self, name: str, memory_bytes: int) -> Iterator[Group]:
        """Make a group for the time of an attempt. OSError when that cannot be."""
        path = self.folder / f"run-{name}"
        path.mkdir(exist_ok=True)
        try:
            for file, value in self._limits(memory_bytes).items():
                (path / file).write_text(value)
            with suppress(OSError):  # a kernel that does not count swap
                (path / self._swap).write_text("0" if self.version == 2 else str(memory_bytes))
            yield Group(path)
        finally:
            remove(path)

    def _limits(self, memory_bytes: int) -> dict[str, str]:
        if self.version == 2:
            return {"memory.max": str(memory_bytes), "memory.oom.group": "1"}
        return {"memory.limit_in_bytes": str(memory_bytes)}

    @property
    def _swap(self) -> str:
        return "memory.swap.max" if self.version == 2 else "memory.memsw.limit_in_bytes"


def remove(path: Path) -> None:
    """Remove an empty group; one that is not empty in time is left to whoever cleans the machine."""
    end = time.monotonic() + REMOVE_SECONDS
    while time.monotonic() < end:
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return


def delegated(named: Path | None) -> Delegated | None:
    """The folder that the operator names, else this process's own group of v2 if it may make groups there.

    SettingsError for a folder that does not serve. To be called before anything is started that would stay behind.
    """
    if named is None:
        return own()
    version = 2 if (named / "cgroup.controllers").is_file() else 1
    needed = "cgroup.subtree_control" if version == 2 else "memory.limit_in_bytes"
    if not (named / needed).is_file() or not os.access(named, os.W_OK):
        raise SettingsError(f"OPS_CGROUP: {named} is no memory cgroup in which this process may make others")
    try:
        if version == 2 and "memory" not in words(named / "cgroup.subtree_control"):
            (named / "cgroup.subtree_control").write_text("+memory")
    except OSError as error:
        raise SettingsError(f"OPS_CGROUP: {named} does not give its memory to others: {error.strerror}") from None
    return Delegated(named, version)


def own() -> Delegated | None:
    """This process's own group of v2, when it was given to it whole."""
    try:
        found = re.search(r"^0::(/.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
        folder = ROOT / found.group(1).lstrip("/") if found else ROOT / "none"
        if "memory" not in words(folder / "cgroup.controllers") or not os.access(folder / "cgroup.procs", os.W_OK):
            return None
        leaf = folder / OWN_LEAF
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(str(os.getpid()))
        (folder / "cgroup.subtree_control").write_text("+memory")
    except OSError:  # others are in it, or it is not ours: sampling holds the cap
        return None
    return Delegated(folder, 2)


def words(path: Path) -> list[str]:
    return path.read_text().split()
