"""One listener per process feeds every waiting claim; no more of them are woken than there are runs."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

from contract.server.orders import ORDERS, Orders
from contract.tasks import end

log = logging.getLogger("contract.server")
READY = "ops_ready"
LOST = ""
RESTART_SECONDS = 1.0
AGAIN_SECONDS = 0.25


class Listener(Protocol):
    """Where notifications come from: (channel, payload). An empty payload means: look, something may have been missed;
    an empty channel: the connection is lost."""

    def listen(self) -> AsyncIterator[tuple[str, str]]: ...


@dataclass(eq=False, slots=True)
class Waiter:
    """A claim that waits. kind, filter: what it can have; None for anything. deaf: it can have nothing for now, so that
    only a word to all concerns it."""

    kind: str | None
    filter: Hashable
    event: asyncio.Event = field(default_factory=asyncio.Event)
    deaf: bool = False


class ReadyBroker:
    """Fans out the notifications of the store: of runs to the claims that wait, of orders to `orders`. `running()` must
    be entered; `close()` lets all who wait go.

    name: by which this process signs what it notifies; its own word comes back to it, and was heeded before.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._waiting: dict[Waiter, None] = {}
        self._due: asyncio.TimerHandle | None = None
        self.name = uuid4().hex
        self.orders = Orders()
        self.closing = False
        self.listening = False

    @property
    def count(self) -> int:
        """How many claims wait."""
        return len(self._waiting)

    @contextmanager
    def waiting(self, kind: str | None = None, filter: Hashable = None) -> Iterator[Waiter]:
        """A waiter whose event is set when runs may have become claimable for it. Clear it before looking.

        Who leaves with a wake that was not looked after hands it on to the next of its kind.
        """
        waiter = Waiter(kind, filter)
        self._waiting[waiter] = None
        try:
            yield waiter
        finally:
            del self._waiting[waiter]
            if waiter.event.is_set() and not waiter.deaf and not self.closing:
                self._wake_some(waiter.kind, 1)

    def looked(self, waiter: Waiter, barren: bool) -> None:
        """A look found no run. barren: it could not find any, since its executor is paused, say; then the wake that it
        may have had goes on to the next, and no further one comes to it."""
        hand_on = barren and (not waiter.deaf or waiter.event.is_set())
        waiter.deaf = barren
        if hand_on and not self.closing:
            waiter.event.clear()
            self._wake_some(waiter.kind, 1)

    def close(self) -> None:
        """The process is about to stop: waiting claims answer at once, with what there is."""
        self.closing = True
        if self._due is not None:
            self._due.cancel()
        self.wake()
        self.orders.wake()

    def wake(self) -> None:
        """Let every waiting claim look."""
        for waiter in self._waiting:
            waiter.event.set()

    def wake_for(self, runs: Counter[str]) -> None:
        """So many runs of each kind became claimable: of every filter, as many waiters look, the longest waiting first.

        Of every filter, since who can have a run is for the database to say.
        """
        for kind, count in runs.items():
            self._wake_some(kind, count)

    def wake_in(self, seconds: float) -> None:
        """Let a waiting claim of each filter look then, or earlier when that was wished before.

        0 seconds: a run's time has come, but the look just made could not have it, since somebody holds its row or it
        raises. That may last, so the next look is not at once.
        """
        loop = asyncio.get_running_loop()
        when = loop.time() + (seconds if seconds > 0 else AGAIN_SECONDS)
        if self.closing or (self._due is not None and self._due.when() <= when):
            return
        if self._due is not None:
            self._due.cancel()
        self._due = loop.call_at(when, self._time_has_come)

    def _time_has_come(self) -> None:
        # One of each filter is enough: its look makes the runs ready, which is told to as many as there are.
        self._due = None
        self._wake_some(None, 1)

    def _wake_some(self, kind: str | None, count: int) -> None:
        left: dict[Hashable, int] = {}
        for waiter in self._waiting:
            if not waiter.deaf and (kind in (None, waiter.kind) or waiter.kind is None):
                rest = left.setdefault((waiter.kind, waiter.filter), count)
                if rest and not waiter.event.is_set():
                    waiter.event.set()
                    left[waiter.kind, waiter.filter] = rest - 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen while the context is open."""
        task = asyncio.create_task(self._run(), name="ready-broker")
        try:
            yield
        finally:
            self.close()
            await end([task])

    async def _run(self) -> None:
        while True:
            try:
                async for channel, payload in self._listener.listen():
                    self._notify(channel, payload)
            except Exception:
                # Claims still look for themselves; a listener that cannot be had must not end the server.
                log.exception("action=listen_failed the next try is in %.0f s", RESTART_SECONDS)
            self.listening = False
            await asyncio.sleep(RESTART_SECONDS)

    def _notify(self, channel: str, payload: str) -> None:
        self.listening = channel != LOST
        if channel == ORDERS:
            self.orders.tell(payload)
        runs_text, _, teller = payload.partition(";")
        if channel == READY and teller != self.name:
            runs = counted(runs_text)
            if runs:
                self.wake_for(runs)
            else:
                self.wake()


def counted(payload: str) -> Counter[str]:
    """How many runs of each kind a notification tells of, "kind:count,…"; empty when it does not say."""
    found: Counter[str] = Counter()
    for part in payload.split(","):
        kind, _, count = part.rpartition(":")
        if not kind or not count.isdecimal():
            return Counter()
        found[kind] += int(count)
    return found
