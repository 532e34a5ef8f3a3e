"""The control room that the executor kit plays: runs, epochs and artifacts in memory, and a record of each call."""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

from contract.conformance import workload
from contract.conformance.editions import CURRENT
from contract.conformance.verdict import Broken

T = TypeVar("T")
Json = dict[str, Any]
UNTIL_HEALED = 100_000  # times that something goes wrong
DIGEST = hashlib.sha256(b"conformance").hexdigest()


@dataclass
class Run:
    """A run that the kit hands out. directive: what heartbeats answer; extra: more members of its directives."""

    params: Json
    lease_seconds: float = 30.0
    on_lapse: str = "continue"
    run_id: str = field(default_factory=lambda: str(uuid4()))
    number: int = 0
    epoch: int = 1
    attempt: int = 1
    executor_id: str | None = None
    claimed_at: float = 0.0
    directive: str = "continue"
    extra: Json = field(default_factory=dict)
    refuse: str | None = None  # why the verbs of the run's epoch are refused as lease_lost
    reports: dict[int, Json] = field(default_factory=dict)
    chunks: dict[tuple[int, str, int], Json] = field(default_factory=dict)

    @property
    def reported(self) -> Json | None:
        """The accepted report of the current epoch."""
        return self.reports.get(self.epoch)


@dataclass
class Artifact:
    """An artifact as announced. body: what beginArtifact said; data: the bytes, once they are put."""

    artifact_id: str
    run_id: str
    epoch: int
    body: Json
    key: str
    data: bytes | None = None
    recorded: bool = False


@dataclass
class Wish:
    """A claim by its request_id: what it asked for, and the (run, epoch) it was given."""

    asked: Json
    given: list[tuple[Run, int]] = field(default_factory=list)
    twice: bool = False

    def alive(self) -> list[tuple[Run, int]]:
        """What it was given, without what was revoked or reported since."""
        return [(run, e) for run, e in self.given if self.twice or (run.epoch == e and e not in run.reports)]


@dataclass
class Call:
    """One request of the executor, and what became of it. status 0: it got no answer; heard: whether somebody still
    waited for the answer when it was given."""

    at: float
    operation: str
    path: str
    body: Json
    executor_id: str | None = None
    run_id: str | None = None
    status: int = 0
    answer: Any = None
    fault: str | None = None
    ended: float = 0.0
    heard: bool = True

    @property
    def reports(self) -> list[tuple[str, Json]]:
        """(run_id, report) of each report in it: one in reportAttempt, any number in an exchange."""
        if self.operation == "reportAttempt" and self.run_id:
            return [(self.run_id, self.body)]
        members = self.body.get("reports", []) if self.operation == "exchange" and self.status in (0, 200) else []
        return [(member.get("run_id", ""), member.get("report", {})) for member in members]

    @property
    def verbs(self) -> set[str]:
        """What it does: its operation, and `report` or `claim`, whichever operation does it."""
        found = {self.operation} | ({"report"} if self.reports else set())
        return found | ({"claim"} if self.body.get("max_runs") and not self.reports else set())

    def about(self, run: "Run") -> bool:
        return self.run_id == run.run_id or any(run_id == run.run_id for run_id, _ in self.reports)


@dataclass
class Fault:
    """What goes wrong with the next `times` requests of an operation, of `report` or `claim`, or of any ("*").

    how: drop (the connection ends, nothing is applied), lose (applied, then the connection ends), unavailable (503,
    with Retry-After `seconds`), stall (applied and answered after `seconds`, or once `released`).
    """

    verb: str
    how: str
    times: int = 1
    seconds: float = 1.0
    hit: list[float] = field(default_factory=list)
    released: bool = False


class Room:
    """State behind one lock. `changed` is notified at each change; `wait` waits for a condition of the state."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.url = ""
        self.changed = threading.Condition(threading.RLock())
        self.executors: dict[str, Json] = {}
        self.left: set[str] = set()
        self.draining: set[str] = set()
        self.runs: dict[str, Run] = {}
        self.queue: deque[Run] = deque()
        self.requests: dict[tuple[str, str], Wish] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.violations: list[str] = []
        self.again: list[Run] = []  # runs to hand out a second time under their old epoch
        self.on_call: Callable[[Call], None] = lambda _: None
        self.heartbeat_seconds = 10.0
        self.claim_wait_seconds = 2.0
        self.closing = False
        self.edition = CURRENT
        self.bundle = workload.python_bundle()
        self.entrypoint = workload.ENTRYPOINT

    # What cases do --------------------------------------------------------------------------------------------------

    def submit(self, lease_seconds: float = 30.0, on_lapse: str = "continue", **params: Any) -> Run:
        """Put a run of the conformance workload in the queue."""
        with self.changed:
            run = Run(params, lease_seconds, on_lapse, number=len(self.runs) + 1)
            self.runs[run.run_id] = run
            self.queue.append(run)
            self.changed.notify_all()
        return run

    def requeue(self, run: Run) -> None:
        """Take the run from its holder, as an expiry does, and queue it again: the next claim has another epoch."""
        with self.changed:
            run.epoch, run.executor_id = run.epoch + 1, None
            self.queue.append(run)
            self.changed.notify_all()

    def break_(self, verb: str, how: str, times: int = 1, seconds: float = 1.0) -> Fault:
        """Let something go wrong; the answer's `hit` has the moments at which it did."""
        fault = Fault(verb, how, times, seconds)
        with self.changed:
            self.faults.append(fault)
        return fault

    def release(self, fault: Fault) -> None:
        """Let what the fault stalls go on."""
        with self.changing():
            fault.released = True

    def heal(self) -> None:
        """Nothing goes wrong from now on."""
        with self.changed:
            self.faults.clear()
            self.changed.notify_all()

    def wait(self, what: str, condition: Callable[[], T | None], seconds: float) -> T:
        """The condition's first true value; Broken, naming `what`, when it stays away for so long."""
        end = time.monotonic() + seconds
        with self.changed:
            while not (found := condition()):
                if (left := end - time.monotonic()) <= 0:
                    raise Broken(f"waited {seconds:g} s for {what}; {self.story()}")
                self.changed.wait(min(left, 0.5))
            return found

    def listen(self, seconds: float) -> None:
        """Go on serving for so long."""
        with self.changed:
            self.changed.wait_for(lambda: self.closing, max(0.0, seconds))

    def story(self) -> str:
        """The last requests, for people."""
        with self.changed:
            last = [f"{call.operation}{f' [{call.fault}]' if call.fault else ''} {call.status}" for call in self.calls]
        return f"the last requests were: {', '.join(last[-8:])}" if last else "no request came at all"

    # What cases look at ---------------------------------------------------------------------------------------------

    def of(self, verb: str, run: Run | None = None, since: float = 0.0) -> list[Call]:
        """The calls of an operation (or all that do `report` or `claim`), in order; of one run; since a moment."""
        with self.changed:
            return [
                call
                for call in self.calls
                if verb in call.verbs and (run is None or call.about(run)) and call.at >= since
            ]

    def beats(self, run: Run) -> list[Call]:
        """The heartbeats that name the run."""
        return [c for c in self.of("heartbeat") if any(r.get("run_id") == run.run_id for r in c.body.get("runs", []))]

    def told(self, directive: str, run: Run) -> list[Call]:
        """The heartbeats that were answered so about the run's current epoch."""
        wanted = {"run_id": run.run_id, "epoch": run.epoch, "directive": directive}
        answered = [call for call in self.beats(run) if call.status == 200]
        return [c for c in answered if any(wanted.items() <= each.items() for each in c.answer["runs"])]

    def report_bodies(self, run: Run) -> list[tuple[float, Json]]:
        """(when, body) of each report of the run that came in, alone or in an exchange, answered or not."""
        found = [(call.at, *report) for call in self.of("report", run) for report in call.reports]
        return [(at, body) for at, run_id, body in found if run_id == run.run_id]

    # Time and locks -------------------------------------------------------------------------------------------------

    @contextmanager
    def changing(self) -> Iterator[None]:
        with self.changed:
            yield
            self.changed.notify_all()

    def close(self) -> None:
        with self.changing():
            self.closing = True

    def take_fault(self, verbs: set[str]) -> Fault | None:
        """The fault that this request meets; counted down."""
        with self.changed:
            for fault in self.faults:
                if fault.verb in verbs | {"*"} and len(fault.hit) < fault.times:
                    fault.hit.append(time.monotonic())
                    self.changed.notify_all()
                    return fault
        return None


def now_text(seconds: float = 0.0) -> str:
    """The clock of the played server, so many seconds on."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def claimed(run: Run, epoch: int, kind: str, room: Room) -> Json:
    """The ClaimedRun of a run."""
    return {
        **{"run_id": run.run_id, "number": run.number, "epoch": epoch, "attempt": run.attempt, "max_attempts": 3},
        **{"kind": kind, "workspace": "default", "template_name": "conformance", "template_version": 1},
        **{"template_digest": DIGEST, "entrypoint": room.entrypoint, "config": {}, "params": run.params},
        **{"inputs": [], "outputs": [], "connections": [], "caps": {}, "labels": {}},
        "bundle": {"sha256": hashlib.sha256(room.bundle).hexdigest(), "size": len(room.bundle)},
        **{"lease_seconds": run.lease_seconds, "lease_deadline": now_text(run.lease_seconds)},
        **{"on_lapse": run.on_lapse, "rerun": "safe", "pipeline_run_id": None, "task_key": None},
        **{"traceparent": None, "submitted_by": "conformance"},
    }
