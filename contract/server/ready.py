"""One listener per process feeds all claims that wait for runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Protocol

log = logging.getLogger("contract.server")
READY = "ops_ready"
RESTART_SECONDS = 1.0


class Listener(Protocol):
    """Where notifications come from."""

    def listen(self) -> AsyncIterator[tuple[str, str]]: ...


class ReadyBroker:
    """Fans out the notifications of the store. `running()` must be entered; `close()` lets every waiting claim go."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._waiting: set[asyncio.Event] = set()
        self.closing = False

    @property
    def count(self) -> int:
        """How many claims wait."""
        return len(self._waiting)

    @contextmanager
    def waiting(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever runs may have become claimable. Clear it before looking."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)

    def close(self) -> None:
        """The process is about to stop: waiting claims answer at once, with what there is."""
        self.closing = True
        self.wake()

    def wake(self) -> None:
        """Let every waiting claim look."""
        for event in self._waiting:
            event.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen while the context is open."""
        task = asyncio.create_task(self._run(), name="ready-broker")
        try:
            yield
        finally:
            self.close()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            try:
                async for channel, _ in self._listener.listen():
                    if channel == READY:
                        self.wake()
            except Exception:
                # Claims still look for themselves; a listener that cannot be had must not end the server.
                log.exception("action=listen_failed the next try is in %.0f s", RESTART_SECONDS)
            await asyncio.sleep(RESTART_SECONDS)
