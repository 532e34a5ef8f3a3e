"""Which programs a template may start. Decided in the executor, before a process of the run exists."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from executors.runtime.failures import TaskError
from executors.runtime.settings import SettingsError

BUNDLE, IMAGE = "bundle", "image:"
HOW = (
    "set OPS_COMMAND_ALLOW to what templates may start, divided by commas: absolute paths of programs, "
    "`bundle` for files of a run's bundle, image:PATTERN for container images; "
    "for instance OPS_COMMAND_ALLOW=/usr/bin/rsync,bundle"
)


@dataclass(frozen=True)
class AllowList:
    """``programs``: path, with the links of its folder resolved -> the file that it led to when the executor started.

    Both must match: many names may lead to one file that does what its name says (busybox), and a link may be turned.
    """

    programs: Mapping[str, str]
    bundle: bool = False
    images: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> AllowList:
        """Read OPS_COMMAND_ALLOW. SettingsError for an empty one, and for a program that cannot be started."""
        found = entries(text)
        if not found:
            raise SettingsError(f"a command executor starts nothing that is not allowed: {HOW}")
        paths = [entry for entry in found if entry != BUNDLE and not entry.startswith(IMAGE)]
        images = tuple(entry.removeprefix(IMAGE) for entry in found if entry.startswith(IMAGE))
        return cls(dict(map(allowed, paths)), BUNDLE in found, images)

    def shown(self) -> str:
        """What may be started, for a message."""
        words = [*self.programs, *(["files of the bundle"] if self.bundle else [])]
        return ", ".join([*words, *(f"image {image}" for image in self.images)])

    def resolve(self, program: str, bundle_dir: Path | None) -> str:
        """The path to execute. TaskError (user) when it is not allowed, not there, or no program."""
        if not program.startswith("/"):
            return self._of_bundle(program, bundle_dir)
        path = canonical(program)
        if path not in self.programs:
            raise self._refused(f"program {program!r} is not on it")
        if not Path(path).is_file():
            text = f"program {program!r} is not on the executor's machine any more; install it there"
            raise TaskError("external", "program_missing", text)
        if os.path.realpath(path) != self.programs[path]:
            text = f"program {program!r} leads to another file than when the executor started; start it again"
            raise TaskError("external", "program_changed", text)
        return path

    def _of_bundle(self, program: str, bundle_dir: Path | None) -> str:
        if not self.bundle:
            raise self._refused(f"{program!r} is no absolute path, and files of the bundle are not on it")
        if bundle_dir is None:
            text = f"program {program!r} needs a code bundle, and the template has none; or give an absolute path"
            raise TaskError("user", "bundle_missing", text)
        if ".." in PurePosixPath(program).parts:
            raise self._refused(f"{program!r} leads outside the bundle")
        path = bundle_dir / program
        if not path.is_file():
            raise TaskError("user", "program_missing", f"the bundle has no file {program!r}")
        if not os.access(path, os.X_OK):
            text = f"{program!r} of the bundle may not be executed; chmod +x it and apply the template again"
            raise TaskError("user", "program_not_executable", text)
        return str(path)

    def check_image(self, image: str) -> None:
        """TaskError (user) when the image is not allowed."""
        if not any(matches(image, pattern) for pattern in self.images):
            raise self._refused(f"image {image!r} is not on it")

    def _refused(self, why: str) -> TaskError:
        text = f"the executor's allow-list does not have it: {why}; allowed: {self.shown()}"
        return TaskError("user", "program_not_allowed", text)


def entries(text: str) -> list[str]:
    """What a setting names, divided by commas."""
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def matches(image: str, pattern: str) -> bool:
    """Part by part, so that no `*` reaches over a `/`: python:* is no word for python:5000/tool, of a registry."""
    parts, wanted = image.split("/"), pattern.split("/")
    if len(parts) != len(wanted) or (is_registry(parts) and not is_registry(wanted) and wanted[0] != "*"):
        return False
    return all(fnmatchcase(part, each) for part, each in zip(parts, wanted, strict=True))


def is_registry(parts: list[str]) -> bool:
    """Whether the first part is a host, by the rule of container engines, and not a folder of the usual registry."""
    return len(parts) > 1 and (parts[0] == "localhost" or bool(set(parts[0]) & set(".:")))


def allowed(entry: str) -> tuple[str, str]:
    """One program of the list, as :class:`AllowList` holds it."""
    if not entry.startswith("/"):
        raise SettingsError(f"OPS_COMMAND_ALLOW: {entry!r} is no absolute path, nor `bundle` nor image:PATTERN")
    path = canonical(entry)
    if not Path(path).is_file() or not os.access(path, os.X_OK):
        raise SettingsError(f"OPS_COMMAND_ALLOW: {entry} is no program that can be executed here; correct the path")
    return path, os.path.realpath(path)


def canonical(path: str) -> str:
    """The path with the links of its folder resolved, the last part as it is."""
    folder, name = os.path.split(path)
    return os.path.normpath(os.path.join(os.path.realpath(folder), name))  # noqa: PTH118 - a last part may be `..`
