"""Templates on disk: read, put in order, and packed into archives whose bytes depend on the content alone."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from control_room.commands import yaml12
from control_room.errors import MISUSE, ControlRoomError

SKIPPED_NAMES = frozenset({"__pycache__", ".git", ".DS_Store", ".ipynb_checkpoints"})
SKIPPED_SUFFIXES = frozenset({".pyc", ".pyo"})
Json = dict[str, Any]


def template_files(paths: Iterable[Path]) -> list[Path]:
    """The YAML files named, and those directly in the folders named."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ControlRoomError("there is no such file or folder", where=str(path), exit_code=MISUSE)
        found += sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
    if not found:
        raise ControlRoomError("there is no template (*.yaml) here", where=", ".join(map(str, paths)), exit_code=MISUSE)
    return found


def read_template(path: Path) -> Json:
    import yaml

    try:
        spec = yaml12.load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ControlRoomError(f"this is no YAML: {error.problem}", where=place, exit_code=MISUSE) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ControlRoomError(f"the template cannot be read: {error}", where=str(path), exit_code=MISUSE) from error
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
        raise ControlRoomError(
            "a template is a mapping with at least `name` and `kind`", where=str(path), exit_code=MISUSE
        )
    return spec


def bundle_folder(template: Path, bundle: str) -> Path:
    """The folder that `bundle:` names; it must lie below the template's own folder."""
    home = template.parent.resolve()
    folder = (home / bundle).resolve()
    if not folder.is_relative_to(home) or folder == home:
        raise _refused(template, f"bundle {bundle!r} leaves the template's folder", "name a folder beside the template")
    if not folder.is_dir():
        raise _refused(template, f"bundle {bundle!r} is no folder", "name a folder beside the template")
    return folder


def pack(folder: Path) -> bytes:
    """tar.gz of the folder: sorted, no times, no owners, only the executable bit of modes."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in _members(folder):
            _add(archive, path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def _members(folder: Path) -> Iterator[Path]:
    root = folder.resolve()
    for path in sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).as_posix()):
        parts = path.relative_to(folder).parts
        if SKIPPED_NAMES.intersection(parts) or path.suffix in SKIPPED_SUFFIXES:
            continue
        if not path.resolve().is_relative_to(root):
            name = path.relative_to(folder).as_posix()
            what = f"{name} leads out of the bundle: it is a link to {path.resolve()}, or lies below one"
            raise _refused(path, what, f"copy what is meant to {name}, in the place of the link")
        if path.is_file():
            yield path


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    content = path.read_bytes()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    archive.addfile(member, io.BytesIO(content))


def _refused(where: Path, what: str, next_step: str) -> ControlRoomError:
    return ControlRoomError(what, where=str(where), next_step=next_step, exit_code=MISUSE)
