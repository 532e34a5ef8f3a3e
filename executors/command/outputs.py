"""What a program leaves in the folder ``outputs``: artifacts by their paths, and ``result.json``, the run's result.

This process reads the host's files, which a program in a container does not: whatever that put into the work folder, no
link is followed. It has ended by now.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from executors.runtime.child import Context
from executors.runtime.failures import TaskError
from executors.runtime.result import RESULT_LIMIT_BYTES

RESULT = "result.json"
# Where Context.artifact copies files to before they travel.
STAGING = ".artifacts"
MOST_FILES = 1000


def keep(context: Context, folder: Path) -> None:
    """Upload every file. TaskError (user): ``too_many_outputs`` beyond :data:`MOST_FILES`, which are kept all the same;
    ``outputs_linked`` where a link took the folder's place."""
    if folder.is_symlink():
        text = f"the program put a link in the place of its folder {folder.name}; write files into the folder itself"
        raise TaskError("user", "outputs_linked", text)
    make_anew(context.work_dir / STAGING)
    files = found(context, folder)
    for path in files[:MOST_FILES]:
        context.artifact(path.relative_to(folder).as_posix(), path)
    if len(files) > MOST_FILES:
        text = f"the program left {len(files):,} files in outputs, over {MOST_FILES:,}; pack them into one"
        raise TaskError("user", "too_many_outputs", text)


def make_anew(folder: Path) -> None:
    """An empty folder, which is none that a program made."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
    folder.mkdir()


def found(context: Context, folder: Path) -> list[Path]:
    """Plain files in the order of their names. A link may lead anywhere, so none is followed."""
    files = []
    for parent, folders, names in os.walk(folder):
        paths = [Path(parent, name) for name in (*folders, *names)]
        for link in sorted(path for path in paths if path.is_symlink()):
            context.log(f"outputs/{link.relative_to(folder)} is a link, and left out", "system")
        files += [path for path in paths if path.is_file() and not path.is_symlink()]
    return sorted(path for path in files if path != folder / RESULT)


def result_of(folder: Path) -> Any:
    """What result.json holds; None when there is none. TaskError (user) when it cannot be a result."""
    path = folder / RESULT
    if folder.is_symlink() or path.is_symlink() or not path.is_file():
        return None
    if path.stat().st_size > RESULT_LIMIT_BYTES:
        text = f"outputs/{RESULT} has {path.stat().st_size:,} bytes, over {RESULT_LIMIT_BYTES:,}; give it another name"
        raise TaskError("user", "result_too_large", text)
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise TaskError("user", "result_not_json", f"outputs/{RESULT} is no JSON in UTF-8: {error}") from None
