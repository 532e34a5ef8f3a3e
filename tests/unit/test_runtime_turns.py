"""A child's turns between its pipes, on real pipes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from executors.runtime.turns import CREDIT_SECONDS, LONGEST_SECONDS, Turns, line_writer, unread


@dataclass
class Clock:
    """A millisecond passes with each look at it; ``then`` is what others do meanwhile, from the fourth look on."""

    then: Callable[[], object] = lambda: None
    now: float = 0.0
    looks: int = 0

    def __call__(self) -> float:
        self.looks, self.now = self.looks + 1, self.now + 0.001
        if self.looks >= 4:
            self.then()
        return self.now


@pytest.fixture
def pipes() -> Iterator[tuple[int, int, int, int]]:
    """Read and write end of two pipes."""
    ends = (*os.pipe(), *os.pipe())
    for fd in (ends[0], ends[2]):
        os.set_blocking(fd, False)
    yield ends
    for fd in ends:
        os.close(fd)


def test_a_writer_waits_until_what_was_written_elsewhere_before_is_read(pipes: tuple[int, int, int, int]) -> None:
    first_r, first_w, _, second_w = pipes
    clock = Clock(lambda: unread(first_w) and os.read(first_r, 100))
    turns = Turns(clock)
    with line_writer(first_w, turns) as out, line_writer(second_w, turns) as err:
        print("one", file=out)
        assert unread(first_w) == 4
        print("two", file=err)
        assert (unread(first_w), unread(second_w)) == (0, 4)
    assert clock.looks < 10, "and no longer than that"


def test_a_writer_that_stays_with_its_pipe_waits_for_nobody(pipes: tuple[int, int, int, int]) -> None:
    _, first_w, _, _ = pipes
    clock = Clock()
    with line_writer(first_w, Turns(clock)) as out:
        looks = clock.looks
        for _ in range(100):
            print("line", file=out)
    assert unread(first_w) == 500
    assert clock.looks == looks


def test_a_reader_that_never_comes_holds_a_writer_once_for_half_a_second_and_then_a_tenth(
    pipes: tuple[int, int, int, int],
) -> None:
    _, first_w, _, second_w = pipes
    clock = Clock()
    turns = Turns(clock)
    os.write(first_w, b"x")
    os.write(second_w, b"x")
    turns.take(first_w)
    started = clock.now
    turns.take(second_w)
    assert clock.now - started <= LONGEST_SECONDS + 0.005
    for _ in range(50):
        turns.take(first_w)
        turns.take(second_w)
    assert clock.now - started <= 1.25 * CREDIT_SECONDS + 101 * 0.001  # a look each that finds no credit
    before, clock.now = clock.now + 1.0, clock.now + 1.0
    turns.take(first_w)
    assert 0.05 <= clock.now - before <= LONGEST_SECONDS + 0.005


def test_what_is_no_pipe_or_is_closed_is_never_waited_for(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        file.write(b"text")
        file.seek(0)
        assert unread(file.fileno()) == 0
        fd = os.dup(file.fileno())
    os.close(fd)
    assert unread(fd) == 0
