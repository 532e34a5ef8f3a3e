"""When to send a request again, for how long, and with what pauses. Every verb of the contract may be repeated."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from contract.errors import ContractError, InternalError, Unavailable

T = TypeVar("T")
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0


class GivenUp(Exception):  # noqa: N818 - it says what happened
    """Nobody waits for this request any more (the lease is lost, the executor goes)."""


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed later: no answer, a server out of order, a store out of reach."""
    return isinstance(error, Unavailable | InternalError)


def wait_seconds(state: RetryCallState) -> float:
    """Exponential with full jitter; a server that names its pause (Retry-After) gets it."""
    asked = None
    if state.outcome is not None and isinstance(error := state.outcome.exception(), ContractError):
        asked = error.retry_after
    own = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)(state)
    return max(own, FIRST_WAIT_SECONDS / 2) if asked is None else min(asked, LONGEST_WAIT_SECONDS * 6)


class Persistence:
    """Repeats a request until it is answered, or until ``gone`` is set.

    ``trouble(error, tries)`` hears of each failed try; the caller decides what is worth a log line.
    """

    def __init__(self, gone: threading.Event, trouble: Callable[[BaseException, int], None] | None = None) -> None:
        self._gone = gone
        self._trouble = trouble

    def __call__(self, request: Callable[[], T]) -> T:
        """The answer. Raises GivenUp, or the contract error that no repetition changes."""
        retrying = Retrying(
            retry=retry_if_exception(is_passing),
            wait=wait_seconds,
            sleep=self._sleep,
            before_sleep=self._tell,
            stop=lambda state: self._gone.is_set(),
            reraise=True,
        )
        try:
            return retrying(request)
        except (Unavailable, InternalError) as error:
            raise GivenUp(str(error)) from error

    def _sleep(self, seconds: float) -> None:
        self._gone.wait(seconds)

    def _tell(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if self._trouble and error:
            self._trouble(error, state.attempt_number)
