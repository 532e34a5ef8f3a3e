"""Record a released client at work: its own code, against the server of this tree.

    git worktree add --detach ../older 336800c
    python -m tests.contract.recordings.record ../older 1.0
    git worktree remove ../older

It starts a database, an object store and the server, runs `older_client.py` with the code of the worktree, and writes
`VERSION.jsonl` beside itself. Record a version once, when it stops to be the newest: later servers are held against
what it got, so a recording is never made anew to make a test pass.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

from tests.contract.plane import EXECUTOR, Plane, plane_over, server_settings
from tests.contract.recordings.operating import act
from tests.contract.recordings.recording import FOLDER, Json, named
from tests.contract.served import served
from tests.support import postgres, seaweed
from tests.support.ops import Ops

PLAYER = FOLDER / "older_client.py"
LINE_BYTES = 1 << 22


async def play(plane: Plane, url: str, worktree: Path, version: str, token_file: Path) -> AsyncIterator[Json]:
    """The lines that the older client tells, its wishes to the operator fulfilled."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(worktree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(PLAYER), url, str(token_file), version, version]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, env=environment, limit=LINE_BYTES, stdin=pipe, stdout=pipe)
    assert child.stdout is not None
    assert child.stdin is not None
    async for raw in child.stdout:
        line = json.loads(raw)
        if "do" in line:
            await act(plane, line)
            child.stdin.write(b"done\n")
        yield line
    if await child.wait():
        raise SystemExit("the older client did not get to its end; nothing is written")


async def record(worktree: Path, version: str, stack: ExitStack) -> list[Json]:
    """The recording of a client, by a server of this tree."""
    home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    store = stack.enter_context(seaweed.running())
    stack.callback(postgres.stop_clusters)
    database = stack.enter_context(postgres.database())
    ops = Ops(database)
    stack.callback(ops.close)
    token_file = home / "token"
    token_file.write_text(EXECUTOR)
    async with plane_over(ops, server_settings(home, store)) as plane, served(plane.app) as url:
        return [line async for line in play(plane, url, worktree, version, token_file)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Record a released client against the server of this tree.")
    parser.add_argument("worktree", type=Path, help="a checkout of the commit whose client is recorded")
    parser.add_argument("version", help="the contract version that it speaks, for instance 1.0")
    given = parser.parse_args()
    with ExitStack() as stack:
        lines = asyncio.run(record(given.worktree.resolve(strict=True), given.version, stack))
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in named(lines))
    (FOLDER / f"{given.version}.jsonl").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
