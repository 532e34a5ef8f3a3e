"""Ending asyncio tasks, for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN = 5.0  # seconds: longer than any clean-up of ours, shorter than the patience of whoever waits for the process


async def end(tasks: Iterable[asyncio.Task[Any]], again: float = AGAIN) -> None:
    """Cancel the tasks and return when all of them have ended; what they raised is left to the loop, which logs it.

    again: seconds after which those that go on are cancelled once more. Until Python 3.12, asyncio.wait_for (psycopg
    waits by it too) loses a cancellation that comes just when what it waited for is there: the task would go on for
    good, and whoever waits for its end with it.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again)
