"""What SeaweedFS leaves in /tmp: one Unix socket per gRPC port, at a path fixed in the program, whatever TMPDIR says.

It does not remove them when it ends, and it does not start where one of another user is in its way.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path("/tmp")  # noqa: S108 - the program's choice, not ours


def of(port: int) -> list[Path]:
    """The sockets in /tmp that belong to a port."""
    return list(FOLDER.glob(f"seaweedfs-*-{port}.sock"))


def foreign(port: int, us: int | None = None) -> Path | None:
    """A socket of another user that a store on this port would stumble over. us: user id, ours by default."""
    return next((path for path in of(port) if _owner(path) not in (None, os.geteuid() if us is None else us)), None)


def remove_own(ports: Iterable[int]) -> None:
    """Delete what our store left; call it when the store does not run."""
    for path in [path for port in ports for path in of(port) if _owner(path) == os.geteuid()]:
        with contextlib.suppress(OSError):
            path.unlink()


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None
