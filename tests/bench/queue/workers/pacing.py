"""How a load generator is led: it says it is ready, starts at "go", answers "sample", ends at "stop".

Lines of JSON on stdout: {"ready": true}, {"t": seconds, "n": finished so far}, and at the end {"done": finished, …}.
Workers are scripts of their own, since each runs with the packages of what it measures.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any


class Pacer:
    """Reads the words and answers them; `n` is what the worker counts."""

    def __init__(self) -> None:
        self.n = 0
        self.going = asyncio.Event()
        self.stopping = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    def say(self, **facts: Any) -> None:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()

    async def ready(self) -> None:
        """Say so, and wait for "go"."""
        self._reading = asyncio.create_task(self._read())
        self.say(ready=True)
        await self.going.wait()

    async def _read(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            match line.strip():
                case b"go":
                    self.going.set()
                case b"sample":
                    self.say(t=time.perf_counter(), n=self.n)
                case b"stop":
                    break
        self.going.set()
        self.stopping.set()
