"""One case of the executor kit at work: a fresh room, its server, a fresh executor process, and what all cases ask."""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from contract.conformance import workload
from contract.conformance.room import Call, Json, Room, Run
from contract.conformance.subject import Subject
from contract.conformance.verdict import require
from contract.conformance.wire import Wire

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """What is judged. command: starts the executor; startup_seconds: it may take to register; patience_seconds:
    how long anything else that has no deadline of its own may take; bundle, entrypoint: of the runs, instead of the
    Python workload's."""

    command: Sequence[str]
    startup_seconds: float = 60.0
    patience_seconds: float = 20.0
    bundle: bytes | None = None
    entrypoint: str | None = None


@dataclass
class Trial:
    """What a case works with."""

    options: Options
    room: Room
    subject: Subject
    started: list[float] = field(default_factory=list)

    # Life -----------------------------------------------------------------------------------------------------------

    def start(self) -> Call:
        """Start the executor; its accepted registration."""
        before = len(self.room.of("registerExecutor"))
        self.started.append(time.monotonic())
        self.subject.start()
        return self.room.wait(
            "a valid registerExecutor", lambda: self._registered(before), self.options.startup_seconds
        )

    def _registered(self, before: int) -> Call | None:
        require(
            self.subject.running, f"the executor ended with exit code {self.subject.exit_code(0)} before it registered"
        )
        return next((call for call in self.room.of("registerExecutor")[before:] if call.status == 200), None)

    def claims(self, run: Run, seconds: float | None = None) -> None:
        """Wait until the run is claimed."""
        what = f"a claim of run {run.number}"
        self.wait(what, lambda: run.executor_id, seconds or self.options.patience_seconds)

    def works(self, run: Run) -> None:
        """Wait until the run is at work: claimed, and its first line shipped."""
        self.claims(run)
        self.wait(f"logs of run {run.number}", lambda: run.chunks, self.options.patience_seconds)

    def reports(self, run: Run, outcome: str | None = "succeeded", seconds: float | None = None) -> Json:
        """Wait for the accepted report of the run's current epoch; it must have this outcome."""
        what = f"the report of run {run.number}"
        body = self.wait(what, lambda: run.reported, seconds or self.options.patience_seconds)
        told = f": {json.dumps(body['error'])[:600]}" if body.get("error") else ""
        require(outcome in (None, body["outcome"]), f"run {run.number} was reported as {body['outcome']}{told}")
        if body["outcome"] == "succeeded":
            wanted = workload.expected_result(run.params)
            got = {name: body.get("result", {}).get(name) for name in wanted}
            require(got == wanted, f"the result of run {run.number} was {got}; the workload gives {wanted}")
        return body

    def wait(self, what: str, condition: Callable[[], T | None], seconds: float) -> T:
        """The condition's first true value; an executor that has ended gives none any more."""

        def found() -> T | None:
            value = condition()
            if not value:
                self.alive()
            return value

        return self.room.wait(what, found, seconds)

    def does(self, seconds: float | None = None, **params: object) -> Run:
        """Submit a run and see it done: the executor goes on claiming."""
        run = self.room.submit(**params)  # type: ignore[arg-type]
        self.reports(run, seconds=seconds)
        return run

    # What all cases ask ---------------------------------------------------------------------------------------------

    def verify(self) -> None:
        """No request broke the contract, and no attempt was reported with two bodies."""
        require(not self.room.violations, "; ".join(dict.fromkeys(self.room.violations)))
        for run in self.room.runs.values():
            bodies: dict[int, list[Json]] = {}
            for _, body in self.room.report_bodies(run):
                bodies.setdefault(body.get("epoch", 0), []).append(body)
            for epoch, sent in bodies.items():
                text = f"run {run.number}, epoch {epoch} was reported with {len(sent)} bodies that differ: "
                require(all(body == sent[0] for body in sent), text + _difference(sent))

    def alive(self) -> None:
        """The executor must still run."""
        require(self.subject.running, f"the executor ended by itself, with exit code {self.subject.exit_code(0)}")

    def same_bodies(self, calls: Sequence[Call], but: Sequence[str] = ()) -> None:
        """Repeats of one request must be the same request."""
        first, *others = [{k: v for k, v in call.body.items() if k not in but} for call in calls]
        for other in others:
            changed = [name for name in first.keys() | other.keys() if first.get(name) != other.get(name)]
            text = f"{calls[0].operation} was sent again with another {', '.join(sorted(changed))}"
            require(not changed, f"{text}; a request without an answer is sent again as it was")


def _difference(bodies: Sequence[Json]) -> str:
    first = bodies[0]
    other = next((body for body in bodies if body != first), first)
    names = sorted(name for name in first.keys() | other.keys() if first.get(name) != other.get(name))
    return "; ".join(
        f"{name}: {json.dumps(first.get(name))[:80]}, then {json.dumps(other.get(name))[:80]}" for name in names
    )


@contextmanager
def trial(options: Options) -> Iterator[Trial]:
    """A fresh room, and no executor yet; all of it is gone afterwards."""
    room = Room("conformance-" + secrets.token_hex(16))
    room.bundle = options.bundle or room.bundle
    room.entrypoint = options.entrypoint or room.entrypoint
    with Wire(room), Subject(options.command, room) as subject:
        yield Trial(options, room, subject)
