"""What a duty is, and how it is repeated for ever without taking the others down."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from control_room.reactor.clock import Clock
from ops_schema.errors import StoreUnavailable

log = logging.getLogger("control_room.reactor")

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class Duty:
    """work: does one round, and says whether there is more to do at once. interval: seconds between rounds."""

    name: str
    interval: float
    work: Callable[[], Awaitable[bool]]


def pause_after_failures(failures: int, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE) -> float:
    """Seconds to wait after so many failures in a row: doubling, up to a longest pause."""
    return min(longest, first * 2.0 ** min(failures - 1, 30))


async def repeat(duty: Duty, clock: Clock) -> None:
    """Run the duty until cancelled. An error is logged and waited out."""
    failures = 0
    while True:
        try:
            pause = 0.0 if await duty.work() else duty.interval
            failures = 0
        except StoreUnavailable as error:
            failures += 1
            pause = pause_after_failures(failures)
            log.warning("action=%s the database is away, next try in %.1f s: %s", duty.name, pause, error)
        except Exception:
            failures += 1
            pause = pause_after_failures(failures)
            log.exception("action=%s failed, next try in %.1f s", duty.name, pause)
        await clock.sleep(pause)
