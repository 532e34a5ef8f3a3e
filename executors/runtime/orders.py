"""Hears at once that a heartbeat would tell something: a run is cancelled, a cap tighter, the executor shall drain.

A thread and a request of its own that waits at the control room while there are runs; nothing depends on it. Without
it, or while it cannot be had, the same is heard by the next heartbeat.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from contract import models
from contract.client import NO_RETRY, ExecutorClient
from contract.errors import ContractError
from executors.runtime.editions import FIRST
from executors.runtime.journal import Journal

WAIT_SECONDS = 20.0
# After an answer that something came: who answers so for ever must not keep both sides busy.
LEAST_SECONDS = 0.05
AFTER_FAILURE_SECONDS = 3.0


class Office(Protocol):
    """The worker as this sees it."""

    @property
    def executor_id(self) -> str: ...

    @property
    def contract_version(self) -> str: ...

    def attempts(self) -> Sequence[object]: ...


class Orders:
    """The thread. ``heed``: told when something came; ``recount``: a run was taken."""

    def __init__(self, client: ExecutorClient, office: Office, journal: Journal, heed: Callable[[], None]) -> None:
        self._client, self._office, self._journal, self._heed = client, office, journal, heed
        self._taken = threading.Event()
        self._ended = threading.Event()
        self._failing = False
        self._after: tuple[str, str] | None = None  # (executor, place)

    def start(self) -> None:
        threading.Thread(target=self._run, name="orders", daemon=True).start()

    def recount(self) -> None:
        self._taken.set()

    def end(self) -> None:
        """Ask no more. The request under way is left to itself."""
        self._ended.set()
        self._taken.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            if not self._office.attempts() or self._office.contract_version == FIRST:
                self._taken.wait()
                self._taken.clear()
                continue
            self._ended.wait(self._ask())

    def _ask(self) -> float:
        """Wait once for something to hear; how long to rest after that."""
        executor_id = self._office.executor_id
        known = self._after if self._after and self._after[0] == executor_id else None
        body = models.OrdersRequest(wait_seconds=WAIT_SECONDS, **({"after": known[1]} if known else {}))
        try:
            answer = self._client.await_orders(executor_id, body, retry=NO_RETRY)
        except ContractError as error:
            return self._failed(str(error))
        except Exception as error:  # a defect here must cost no more than what heartbeats then hear later
            return self._failed(f"{type(error).__name__}: {error}")
        self._failing, self._after = False, (executor_id, answer.place)
        if answer.heard:
            self._heed()
        return LEAST_SECONDS if answer.heard else 0.0

    def _failed(self, why: str) -> float:
        if not self._failing:
            self._journal.warn("orders.failed", f"{why}; orders are heard by heartbeats meanwhile")
        self._failing = True
        return AFTER_FAILURE_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, keeps no secret
