"""The executor's life: register, claim while slots are free, run attempts, drain, leave."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from contract import models
from contract.client import NO_RETRY, SPOKEN, ExecutorClient, Retry
from contract.errors import Conflict, ContractError, ExecutorGone, Forbidden, NotFound, Unauthenticated
from executors.runtime.attempt import Attempt
from executors.runtime.delivery import Parcel, left_over
from executors.runtime.editions import FIRST
from executors.runtime.heartbeat import Heartbeats
from executors.runtime.journal import Journal
from executors.runtime.orders import Orders
from executors.runtime.policy import GivenUp, Persistence
from executors.runtime.supervise import Stop
from executors.runtime.workshop import Workshop

STOP_GRACE_SECONDS = 3.0
LEAVE_SECONDS = 5.0
# A lost answer is asked for again: leaving twice is the same as once.
LEAVING = Retry(seconds=LEAVE_SECONDS, attempts=3, max_seconds=1.0)
REFUSED_PAUSE_SECONDS = 5.0
REMEMBERED_RUNS = 2000
TROUBLE_CHARACTERS = 1024


@dataclass(frozen=True)
class Identity:
    """Who registers. ``slots`` runs are executed at a time."""

    name: str
    kind: str
    version: str
    slots: int
    labels: dict[str, str] = field(default_factory=dict)
    workspaces: list[str] | None = None
    queues: list[str] | None = None
    capabilities: dict[str, Any] = field(default_factory=dict)
    claim_wait_seconds: float = 30.0
    drain_seconds: float = 10.0


class Worker:
    """One executor process. ``run`` blocks; ``drain`` may come from any thread."""

    def __init__(
        self,
        identity: Identity,
        client: ExecutorClient,
        heartbeat_client: ExecutorClient,
        make_shop: Callable[[models.Registration], Workshop],
        journal: Journal,
        clock: Callable[[], float] = time.monotonic,
        note: Callable[[bool, float], None] = lambda answered, every: None,
    ) -> None:
        self._identity, self._client, self._make_shop = identity, client, make_shop
        self._journal, self._clock = journal, clock
        self._instance_id = uuid.uuid4()
        self._registration: models.Registration | None = None
        self._shop: Workshop | None = None
        self._contract_version = SPOKEN.max
        self._draining = threading.Event()
        self._hurry = threading.Event()
        self._gone = threading.Event()
        self._changed = threading.Condition()
        self._drain_until = float("inf")
        self._wish: tuple[str, models.ClaimRequest] | None = None
        self._begun: deque[tuple[str, int]] = deque(maxlen=REMEMBERED_RUNS)
        self._active: dict[tuple[str, int], Attempt] = {}
        self._unreported: list[Attempt] = []
        self._persist = Persistence(self._draining, self._trouble)
        self._heartbeats = Heartbeats(heartbeat_client, self, journal, clock, note)
        self._orders = Orders(client, self, journal, self._heartbeats.kick)

    # What heartbeats and signals see ------------------------------------------------------------------------------

    @property
    def executor_id(self) -> str:
        return str(self._registration.executor_id) if self._registration else ""

    @property
    def contract_version(self) -> str:
        return self._contract_version

    @property
    def draining(self) -> bool:
        return self._draining.is_set()

    @property
    def trouble(self) -> str | None:
        """What keeps it from taking runs, for people; None: nothing, or the server's version lacks a word for it."""
        away = self._shop.gate.away if self._shop else None
        if away is None or self._contract_version == FIRST:
            return None
        return away[:TROUBLE_CHARACTERS]

    def attempts(self) -> Sequence[Attempt]:
        with self._changed:
            return list(self._active.values())

    def drain(self, reason: str) -> None:
        """Claim no more, finish what runs within drain_seconds, leave. A second call ends the children at once."""
        if self._drain_until < float("inf"):
            self._hurry.set()
        else:
            self._drain_until = self._clock() + self._identity.drain_seconds
            self._journal.info("executor.draining", reason)
        self._stop_claiming()

    def retire(self, reason: str) -> None:
        """Claim no more, finish what runs however long it takes, leave. A drain sets a limit all the same."""
        self._journal.info("executor.draining", reason)
        self._stop_claiming()

    def _stop_claiming(self) -> None:
        self._draining.set()
        self._heartbeats.kick()
        self._wake()

    def forgotten(self, executor_id: str, error: ContractError) -> None:
        """The server does not know this executor (any more): register again, once for all who notice."""
        with self._changed:
            if executor_id != self.executor_id or self.draining:
                return
            self._registration = None
            if isinstance(error, ExecutorGone):
                self._instance_id = uuid.uuid4()
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # Life ---------------------------------------------------------------------------------------------------------

    def run(self, *, once: bool = False) -> None:
        """Until drained; with ``once`` until one claim's runs are done (or nothing was claimable)."""
        try:
            self._shop = shop = self._make_shop(self._register())
        except GivenUp:
            return
        shop.gate.turned = self._heartbeats.kick
        self._heartbeats.start(self._registered().heartbeat_seconds)
        self._orders.start()
        left = left_over(shop.runs_dir)
        recovery = self._thread(lambda: self._recover(shop, left), "recovery")
        claiming = self._thread(lambda: self._claim_all(shop, once), "claim")
        self._wait_for_work(claiming, shop)
        self._finish(recovery)

    def _wait_for_work(self, claiming: threading.Thread, shop: Workshop) -> None:
        """Until claiming has ended and every attempt with it, or the time for draining is up."""
        with self._changed:
            while claiming.is_alive() and not self.draining:
                self._changed.wait(1.0)
        if self.draining:
            self._settle_claim(shop)
        self._wait_for_attempts(None)
        if self.attempts():
            self._end_attempts()

    def _wait_for_attempts(self, seconds: float | None) -> None:
        """Until none is active, or the seconds are over. By default those of draining, which a second signal ends."""
        end = None if seconds is None else self._clock() + seconds
        with self._changed:
            while self._active and not (end is None and self._hurry.is_set()):
                until = self._drain_until if end is None else end  # a signal may set the former while we wait
                left = until - self._clock() if self.draining else 1.0
                if left <= 0:
                    return
                self._changed.wait(min(1.0, left))

    def _end_attempts(self) -> None:
        """End the children. What had a result is reported, within a few seconds; the others are given back."""
        for attempt in self.attempts():
            self._journal.warn("run.stopped", "the executor stops", run_id=attempt.run_id, epoch=attempt.epoch)
            attempt.stop(Stop("shutdown", "it was asked to stop", STOP_GRACE_SECONDS))
        self._wait_for_attempts(STOP_GRACE_SECONDS + LEAVE_SECONDS)
        for attempt in self.attempts():
            attempt.gone.set()
        self._wait_for_attempts(1.0)

    def _finish(self, recovery: threading.Thread) -> None:
        self._draining.set()
        self._gone.set()
        self._orders.end()
        self._heartbeats.end()
        recovery.join(timeout=LEAVE_SECONDS)
        if keeps := self._keeps():
            self._journal.warn("executor.not_left", f"{keeps}; its leases expire")
            return
        try:
            if self._registration:
                self._client.leave_executor(self.executor_id, retry=LEAVING)
            self._journal.info("executor.left")
        except ContractError as error:
            self._journal.warn("executor.not_left", f"{error}; its leases expire")

    def _keeps(self) -> str:
        """Why what is held must not be given back yet, which leaving does; "" when nothing speaks against it."""
        if self.attempts():
            return "a run could not be stopped in time"
        if any(attempt.report_kept for attempt in self._unreported):
            return "a report could not be sent; the next process with this work folder does that"
        return ""

    def _thread(self, body: Callable[[], None], name: str) -> threading.Thread:
        thread = threading.Thread(target=body, name=name, daemon=True)
        thread.start()
        return thread

    # Registration -------------------------------------------------------------------------------------------------

    def _register(self) -> models.Registration:
        """Register, for as long as it takes. GivenUp when drained before; what no patience changes is raised."""
        while True:
            try:
                found = self._persist(lambda: self._client.register_executor(self._request(), retry=NO_RETRY))
            except (Unauthenticated, Forbidden) as error:
                self._refused("executor.refused", error)
                continue
            except ContractError as error:
                self._journal.error("executor.refused", str(error))
                raise
            self._registration, self._contract_version = found, found.contract_version
            self._journal.info(
                "executor.registered",
                executor_id=str(found.executor_id),
                executor_number=found.number,
                contract_version=found.contract_version,
            )
            return found

    def _refused(self, action: str, error: ContractError) -> None:
        """A token that is not accepted may be put right by the operator: say so and go on trying."""
        self._journal.error(action, f"{error}; trying again in {REFUSED_PAUSE_SECONDS:g} s")
        if self._draining.wait(REFUSED_PAUSE_SECONDS):
            raise GivenUp(action)

    def _registered(self) -> models.Registration:
        """The registration; a new one when the server forgot the old."""
        found = self._registration
        return found if found is not None else self._register()

    def _request(self) -> models.RegisterRequest:
        me = self._identity
        return models.RegisterRequest(
            instance_id=self._instance_id,
            name=me.name,
            kind=me.kind,
            version=me.version,
            contract=SPOKEN,
            capabilities=me.capabilities,
            labels=me.labels,
            workspaces=me.workspaces,
            slots=me.slots,
            host=socket.gethostname(),
            pid=os.getpid(),
        )

    # Claiming -----------------------------------------------------------------------------------------------------

    def _claim_all(self, shop: Workshop, once: bool) -> None:
        try:
            while (free := self._wait_for_slot()) > 0:
                shop.gate.wait(lambda: self.draining)
                if self.draining:
                    return
                runs = self._claim(free)
                for run in runs:
                    self._begin(run, shop)
                self._wish = None
                if once:
                    return
        except GivenUp:
            return
        except ContractError as error:
            self._journal.error("executor.stopped", str(error))
        finally:
            self._wake()

    def _wait_for_slot(self) -> int:
        """Free slots, at least one; 0 when draining."""
        with self._changed:
            while not self.draining and len(self._active) >= self._identity.slots:
                self._changed.wait()
            return 0 if self.draining else self._identity.slots - len(self._active)

    def _settle_claim(self, shop: Workshop) -> None:
        """Learn what a claim that is still waiting has brought, without waiting for its answer.

        The heartbeat tells the control room that this executor drains: it gives no more from then on, and the same
        request id says what it gave before.
        """
        self._heartbeats.beat()
        wish = self._wish
        if wish is None:
            return
        executor_id, body = wish
        last = body.model_copy(update={"wait_seconds": 0})
        try:
            runs = self._client.claim_runs(executor_id, last, retry=NO_RETRY).runs
        except ContractError as error:
            self._journal.warn("claim.unsettled", f"{error}; what it may have brought expires")
            return
        for run in runs:
            self._begin(run, shop)

    def _claim(self, free: int) -> list[models.ClaimedRun]:
        """One wish, asked until it is answered: the same request id brings the same runs after a lost answer."""
        registration = self._registered()
        body = models.ClaimRequest(
            request_id=uuid.uuid4(),
            max_runs=min(free, 100),
            wait_seconds=min(registration.claim_wait_seconds, self._identity.claim_wait_seconds),
            queues=self._identity.queues,
        )
        executor_id = str(registration.executor_id)
        self._wish = (executor_id, body)
        try:
            return self._persist(lambda: self._client.claim_runs(executor_id, body, retry=NO_RETRY)).runs
        except (NotFound, ExecutorGone) as error:
            self._journal.warn("executor.forgotten", str(error))
            self.forgotten(executor_id, error)
        except (Unauthenticated, Forbidden) as error:
            self._refused("claim.refused", error)
        except Conflict as error:
            self._journal.warn("claim.refused", str(error))
        return []

    def _begin(self, run: models.ClaimedRun, shop: Workshop) -> None:
        attempt = Attempt(run, shop, self._contract_version)
        with self._changed:
            if (attempt.run_id, attempt.epoch) in self._begun:
                return
            self._begun.append((attempt.run_id, attempt.epoch))
            self._active[attempt.run_id, attempt.epoch] = attempt
        self._thread(lambda: self._work(attempt), f"run-{run.number}")
        self._heartbeats.recount()
        self._orders.recount()

    def _work(self, attempt: Attempt) -> None:
        try:
            attempt.run()
        finally:
            with self._changed:
                self._unreported += [attempt] if attempt.report_kept else []
                del self._active[attempt.run_id, attempt.epoch]
                self._changed.notify_all()

    def _recover(self, shop: Workshop, left: list[Parcel]) -> None:
        """Send what an earlier process of this work folder could not."""
        persist = Persistence(self._gone)
        for parcel in left:
            try:
                shop.delivery.recover(parcel, persist, self._gone)
            except GivenUp:
                return

    def _trouble(self, error: BaseException, tries: int) -> None:
        if tries in (1, 10) or tries % 100 == 0:
            self._journal.warn("control_room.unanswered", f"{error}; trying again", tries=tries)
