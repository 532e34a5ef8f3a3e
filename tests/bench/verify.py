"""`control-room verify` of a run with a large artifact against `sha256sum` of the same bytes, in turn.

The command as a user gives it: its start, the manifest, the chain and the signature are in its time, and so is bringing
the bytes from the object store; sha256sum has them in the page cache. Floor of the ratio: 0.7.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from tests.bench.executors.bench import timed
from tests.bench.executors.room import Room
from tests.support.stack import wait_until

MIB = 2**20
SIZE = 1024 * MIB
TASK = """\
import os


def main(context, size):
    path = context.work_dir / "large.bin"
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    context.artifact("large.bin", path, "file", "application/octet-stream")
"""
SCHEMA = {"type": "object", "properties": {"size": {"type": "integer"}}}


def measure(folder: Path, repeat: int, size: int = SIZE) -> dict[str, list[float]]:
    """Seconds, and the ratio (sha256sum's / ours: the more the better)."""
    with Room(folder / "stack", "python=1") as room:
        room.apply("large", {"kind": "python", "entrypoint": "task:main", "params_schema": SCHEMA}, {"task.py": TASK})
        number, copy = str(room.run("large", {"size": size})["number"]), folder / "large.bin"
        wait_until(lambda: room.client.manifest(number)["manifest"], seconds=60, what="the manifest", every=0.2)
        room.stack.run("artifacts", "get", f"{number}/large.bin", "--output", str(copy))
        ours, theirs = [], []
        for _ in range(repeat):
            ours.append(timed(lambda: verified(room, number)))
            theirs.append(timed(lambda: subprocess.run(["sha256sum", str(copy)], check=True, capture_output=True)))
    label = f"{size // MIB} MiB"
    return {
        f"verify of {label} (s)": ours,
        f"sha256sum of {label} (s)": theirs,
        f"verify of {label}: rate / sha256sum's (>= 0.7)": [b / a for a, b in zip(ours, theirs, strict=True)],
    }


def verified(room: Room, number: str) -> Any:
    """Raises when the command finds anything that does not hold."""
    return room.stack.run("verify", number)
