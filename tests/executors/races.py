"""Committers side by side, and one that is overtaken between its check and its commit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from executors.runtime.commit import publish


class Gate:
    """Holds a writer between its check and its commit until it is opened; later passes go through."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.opened.wait(60)


def overtaken(
    pool: ThreadPoolExecutor, connection: dict[str, Any], slow: dict[str, Any], fast: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answers to the one that came first, and to the one that had checked before it and commits after it."""
    gate = Gate()
    waiting = pool.submit(publish, slow, connection, before_commit=gate)
    assert gate.reached.wait(60)
    first = publish(fast, connection)
    gate.opened.set()
    return first, waiting.result(60)
