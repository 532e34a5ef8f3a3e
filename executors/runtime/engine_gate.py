"""Between an executor and its runs while the engine behind it is away: none is begun that could only fail.

A kind says what is wrong with its engine (``ExecutorKind.engine_trouble``). It is asked until the engine has answered
once, and again after an attempt that failed for an external reason; never on the way of runs that succeed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from executors.runtime.journal import Journal
from executors.runtime.text import Redactor, clean_text, secrets_in_addresses

PAUSE_SECONDS = 1.0
# A kind answers in a few seconds. One that does not is told of as an engine that is away.
ANSWER_SECONDS = 10.0
# A run that was given to this executor just before its engine went away waits so long for it. Then it is tried, and
# another executor may have it if it fails.
TAKEN_SECONDS = 120.0
NEXT = "no run is taken until it answers; look whether it runs"


def no_engine() -> str | None:
    """Most kinds need no engine but their own process."""
    return None


class Question:
    """The engine asked once, on a thread of its own: an answer that never ends keeps nobody from leaving."""

    def __init__(self, trouble: Callable[[], str | None], doubts: int, begun: float) -> None:
        """doubts: those that its answer settles; what is heard while it is asked is newer."""
        self.doubts, self.begun = doubts, begun
        self.said: str | None = None
        self.defect: Exception | None = None
        self._trouble = trouble
        self._thread = threading.Thread(target=self._ask, name="engine-gate", daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self.said = self._trouble()
        except Exception as error:
            self.defect = error

    def ended(self, seconds: float) -> bool:
        """Whether the answer is there, for which is waited so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


class EngineGate:
    """``wait`` before a claim and before a run; ``hear`` of each report. All may be called from any thread."""

    def __init__(
        self,
        trouble: Callable[[], str | None],
        journal: Journal,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """trouble: what keeps the engine from work, None when it answers; it takes a few seconds at most."""
        self._trouble, self._journal, self._clock, self._sleep = trouble, journal, clock, sleep
        self._asking = threading.Lock()
        self._question: Question | None = None
        # How often there was cause to doubt the engine, and up to which of these it has answered since.
        self._doubts, self._settled = int(trouble is not no_engine), 0
        self._away_since = 0.0
        # What keeps the engine from work, as it last said while somebody waited for it, for people and without secrets;
        # None: nothing that is known.
        self.away: str | None = None
        # Told when that becomes something or nothing.
        self.turned: Callable[[], None] = lambda: None
        self._again = float("-inf")  # not asked before this moment

    def hear(self, report: Mapping[str, Any]) -> None:
        """Of an attempt's report, before it is sent: the run may come back with the answer."""
        if (report.get("error") or {}).get("class") == "external" and self._trouble is not no_engine:
            self._doubts += 1

    @property
    def _doubted(self) -> bool:
        return self._doubts > self._settled

    def wait(self, ended: Callable[[], bool], seconds: float = float("inf")) -> None:
        """Until the engine answers, nobody waits any more, or the seconds are over."""
        until = self._clock() + seconds
        while self._doubted and not ended() and not self._answers() and self._clock() < until:
            self._sleep(PAUSE_SECONDS)

    def _answers(self) -> bool:
        """False also while the answer is not there: who waits looks now and then whether it still has to."""
        if not self._asking.acquire(timeout=PAUSE_SECONDS):
            return False
        try:
            if not self._doubted:  # another thread asked meanwhile
                return True
            # So it did here: a queue of questions would keep all who stop.
            return self._clock() >= self._again and self._answered()
        finally:
            self._asking.release()

    def _answered(self) -> bool:
        question = self._question = self._question or Question(self._trouble, self._doubts, self._clock())
        if not question.ended(PAUSE_SECONDS):
            if (seconds := self._clock() - question.begun) > ANSWER_SECONDS:
                self._missed(f"the engine has not said for {seconds:.0f} s whether it works")
            return False
        self._question = None
        if question.defect:  # of the kind: it must not stop the executor, its runs tell
            self._journal.error("engine.defect", f"{type(question.defect).__name__}: {question.defect}")
        elif question.said:
            self._again = self._clock() + PAUSE_SECONDS / 2
            self._missed(question.said)
            return False
        self._settled = question.doubts
        self._back()
        return True

    def _missed(self, reason: str) -> None:
        told = clean_text(Redactor(secrets_in_addresses(reason)).text(reason))
        first, self.away = self.away is None, told
        if first:
            self._away_since = self._clock()
            self._journal.warn("engine.away", f"{told}; {NEXT}")
            self.turned()

    def _back(self) -> None:
        if self.away is not None:
            self.away = None
            seconds = round(self._clock() - self._away_since, 1)
            self._journal.info("engine.answers", "runs are taken again", seconds=seconds)
            self.turned()
