"""Signals reach a thread, whatever the main thread holds."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from executors.runtime.signals import hear


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_is_heard_while_the_main_thread_holds_the_lock_that_hearing_takes() -> None:
    lock, heard, done = threading.Lock(), list[int](), threading.Event()

    def told(number: int) -> None:
        with lock:
            heard.append(number)
        if len(heard) == 2:
            done.set()

    hear([signal.SIGUSR1, signal.SIGUSR2], told)
    with lock:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR2)
        assert heard == []
    assert done.wait(10)
    assert sorted(heard) == sorted([signal.SIGUSR1, signal.SIGUSR2])


def test_a_storm_of_signals_holds_up_nobody() -> None:
    lock, heard = threading.Lock(), threading.Event()

    def told(number: int) -> None:
        with lock:
            heard.set()

    hear([signal.SIGUSR1], told)
    with lock:
        for _ in range(70_000):  # more than a pipe holds
            signal.raise_signal(signal.SIGUSR1)
    assert heard.wait(10)
