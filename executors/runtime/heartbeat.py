"""Renews the leases of all active runs in one request, on a thread and a connection of its own.

User code lives in other processes, uploads and logs on other connections: nothing but the machine itself can hold this
thread up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from contract import models
from contract.client import NO_RETRY, ExecutorClient
from contract.errors import ContractError, ExecutorGone, Invalid, NotFound
from executors.runtime.journal import Journal
from executors.runtime.notes import MISFITS
from executors.runtime.supervise import Stop

DEFAULT_SECONDS = 10.0
RETRY_SECONDS = 1.0
# While runs are active: how long a cancellation may go unheard, and how old the progress shown may be.
ACTIVE_SECONDS = 5.0
DEFAULT_GRACE_SECONDS = 10.0


class Beating(Protocol):
    """An attempt as heartbeats see it."""

    run_id: str
    epoch: int
    claimed: models.ClaimedRun
    reporting: bool
    renewed_at: float

    def state(self) -> models.HeartbeatRun: ...

    def stop(self, stop: Stop) -> None: ...

    def tighten(self, caps: dict[str, object], rules: dict[str, dict[str, object]] | None) -> None: ...


class Office(Protocol):
    """The worker as heartbeats see it."""

    @property
    def executor_id(self) -> str: ...

    @property
    def draining(self) -> bool: ...

    @property
    def trouble(self) -> str | None: ...

    def attempts(self) -> Sequence[Beating]: ...

    def retire(self, reason: str) -> None: ...

    def forgotten(self, executor_id: str, error: ContractError) -> None: ...


def interval(server_seconds: float, leases: list[float], failing: bool) -> float:
    """Seconds to the next heartbeat: a third of the shortest lease at most, sooner after a failure."""
    shortest = min([server_seconds, *(min(lease / 3, ACTIVE_SECONDS) for lease in leases)])
    return min(shortest, RETRY_SECONDS) if failing else shortest


class Heartbeats:
    """The heartbeat thread. ``kick`` sends the next one now; ``recount`` after a run was taken, whose lease may ask for
    one sooner."""

    def __init__(
        self,
        client: ExecutorClient,
        office: Office,
        journal: Journal,
        clock: Callable[[], float],
        note: Callable[[bool, float], None] = lambda answered, every: None,
    ) -> None:
        """note: told after each beat whether it was answered, and how many seconds later the next one is due."""
        self._client, self._office, self._journal, self._clock = client, office, journal, clock
        self._note = note
        self._woken = threading.Event()
        self._kicked = self._ended = False
        self._server_seconds = DEFAULT_SECONDS
        self._busy_seconds = DEFAULT_SECONDS  # what the server last said when there were runs
        self._failing = False
        self._bare = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self, seconds: float) -> None:
        self._server_seconds = seconds
        self._thread.start()

    def kick(self) -> None:
        self._kicked = True
        self._woken.set()

    def recount(self) -> None:
        """Not a beat for each run: one that is over within seconds would cost one request more for nothing."""
        self._woken.set()

    def end(self) -> None:
        """Stop after the beat under way."""
        self._ended = True
        self._woken.set()
        self._thread.join()

    def _run(self) -> None:
        last = self._clock()
        while not self._ended:
            left = self._due(last) - self._clock()
            if left > 0 and not self._kicked:
                self._woken.wait(left)
                self._woken.clear()  # what was set before is looked at in the next round
                continue
            self._kicked, last = False, self._clock()
            self.beat()
            self._note(not self._failing, max(self._server_seconds, ACTIVE_SECONDS))

    def _due(self, last: float) -> float:
        """When the next beat is: counted from the last one, and for runs that were taken since then, from that."""
        attempts = self._office.attempts()
        leases = [attempt.claimed.lease_seconds for attempt in attempts]
        seconds = min(self._server_seconds, self._busy_seconds) if attempts else self._server_seconds
        since = max(last, min((attempt.renewed_at for attempt in attempts), default=last))
        return since + interval(seconds, leases, self._failing)

    def beat(self) -> None:
        """One heartbeat, its directives obeyed. Never raises: the next one must come."""
        attempts = self._office.attempts()
        executor_id, sent_at = self._office.executor_id, self._clock()
        try:
            answer = self._ask(executor_id, attempts)
        except (NotFound, ExecutorGone) as error:
            self._office.forgotten(executor_id, error)
            self._lost(attempts, error)
        except ContractError as error:
            self._lost(attempts, error)
        except Exception as error:  # a defect must not end the thread that keeps the leases
            self._journal.error("heartbeat.defect", f"{type(error).__name__}: {error}")
            self._lost(attempts, error)
        else:
            self._renewed(attempts, answer, sent_at)

    def _ask(self, executor_id: str, attempts: Sequence[Beating]) -> models.HeartbeatResponse:
        """Renew all leases; without what it tells of the work when that is refused: a lease needs no more."""
        try:
            full = self._request([attempt.state() for attempt in attempts], **self._told())
            answer = self._client.heartbeat(executor_id, full, retry=NO_RETRY)
        except (Invalid, *MISFITS) as error:
            if not self._bare:
                self._journal.error("heartbeat.bare", f"sent without progress, usage and metrics: {str(error)[:500]}")
            self._bare = True
            return self._client.heartbeat(executor_id, self._request(bare_states(attempts)), retry=NO_RETRY)
        self._bare = False
        return answer

    def _told(self) -> dict[str, str]:
        trouble = self._office.trouble
        return {} if trouble is None else {"trouble": trouble}

    def _request(self, states: list[models.HeartbeatRun], **told: str) -> models.HeartbeatRequest:
        return models.HeartbeatRequest(state="draining" if self._office.draining else "active", runs=states, **told)

    def _renewed(self, attempts: Sequence[Beating], answer: models.HeartbeatResponse, sent_at: float) -> None:
        if self._failing:
            self._journal.info("heartbeat.recovered", runs=len(attempts))
        self._failing, self._server_seconds = False, answer.heartbeat_seconds
        self._busy_seconds = answer.heartbeat_seconds if attempts else self._busy_seconds
        known = {(attempt.run_id, attempt.epoch): attempt for attempt in attempts}
        for directive in answer.runs:
            if attempt := known.get((str(directive.run_id), directive.epoch)):
                obey(directive, attempt, sent_at, self._journal)
        if answer.directive == "drain" and not self._office.draining:
            self._office.retire("the control room asks this executor to drain")

    def _lost(self, attempts: Sequence[Beating], error: Exception) -> None:
        if not self._failing:
            self._journal.warn("heartbeat.failed", str(error), runs=len(attempts))
        self._failing = True
        for attempt in attempts:
            if lapsed(attempt, self._clock()):
                text = "the lease could not be renewed in time, and the template says to stop then"
                attempt.stop(Stop("lapsed", text))


def plain_rules(rules: Mapping[str, models.CapRule] | None) -> dict[str, dict[str, object]] | None:
    """The contract's CapRules as they were sent."""
    return None if rules is None else {name: rule.model_dump() for name, rule in rules.items()}


def bare_states(attempts: Sequence[Beating]) -> list[models.HeartbeatRun]:
    return [models.HeartbeatRun(run_id=attempt.claimed.run_id, epoch=attempt.epoch) for attempt in attempts]


def lapsed(attempt: Beating, now: float) -> bool:
    """Whether a run that must stop without a lease has lost it. Counted from when the last renewal was sent."""
    if attempt.claimed.on_lapse != "stop" or attempt.reporting:
        return False
    return now - attempt.renewed_at >= attempt.claimed.lease_seconds


def obey(directive: models.RunDirective, attempt: Beating, sent_at: float, journal: Journal) -> None:
    """Do what the control room says about one run. ``already_terminal`` and ``drain`` change nothing in the child."""
    if directive.directive == "superseded":
        journal.warn("run.superseded", run_id=attempt.run_id, epoch=attempt.epoch)
        attempt.stop(Stop("superseded", "another epoch holds the run"))
        return
    attempt.renewed_at = sent_at
    if directive.caps:
        attempt.tighten(directive.caps.model_dump(), plain_rules(directive.cap_rules))
    if directive.directive == "cancel":
        grace = DEFAULT_GRACE_SECONDS if directive.grace_seconds is None else directive.grace_seconds
        attempt.stop(Stop("cancel", directive.reason or "cancelled", grace))
