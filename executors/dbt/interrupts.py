"""A cancelled run: from SIGTERM to dbt's own winding down, and no query that goes on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from executors.dbt.warehouse import Warehouse
from executors.runtime.child import Cancelled, Context


@contextmanager
def interrupted_by_sigterm(context: Context, warehouse: Warehouse) -> Iterator[None]:
    """dbt winds down on KeyboardInterrupt; the context still learns of the signal first."""
    context.is_cancelled()  # from now on this process asks: Cancelled must not be raised somewhere inside dbt
    inner, noticed, ended = signal.getsignal(signal.SIGTERM), threading.Event(), threading.Event()

    def interrupt(number: int, frame: Any) -> None:
        if noticed.is_set():
            return
        noticed.set()
        if callable(inner):
            inner(number, frame)
        raise KeyboardInterrupt

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    told = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, interrupt)
    helper = (reading, threading.get_ident(), noticed, ended, warehouse)
    threading.Thread(target=see_interrupt_through, args=helper, daemon=True).start()
    try:
        yield
    except KeyboardInterrupt:
        raise Cancelled("dbt was interrupted") from None
    finally:
        ended.set()
        signal.set_wakeup_fd(told)
        signal.signal(signal.SIGTERM, inner)
        os.close(writing)


def see_interrupt_through(
    reading: int, main: int, noticed: threading.Event, ended: threading.Event, warehouse: Warehouse
) -> None:
    """Wait for SIGTERM on the pipe, then see to it that the main thread notices and that no query goes on.

    A signal that comes just before the main thread waits for a lock, as dbt's does most of the time, does not end that
    wait: only another signal does. Queries are interrupted again and again: dbt does it once, and one that starts a
    moment later would run to its end.
    """
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while signal.SIGTERM not in (numbers := pipe.read(64)):
            if not numbers:
                return
    while not ended.wait(0.2):
        if not noticed.is_set():
            signal.pthread_kill(main, signal.SIGTERM)
        warehouse.interrupt()
