"""An executor of the smallest kind, in a process of its own, that reports and claims by `exchange` alone.

    OPS_URL=… OPS_TOKEN_FILE=… OPS_TOLD=… python -m tests.chaos.exchanger

It works for nobody: each run takes it a moment. A lost answer is asked for again with the same request_id and body, by
the client; answers that came are asked for again, too, now and then, and must be the same. With each run that was tried
before comes a late report of the attempt before, which must be refused.

What it was told goes to OPS_TOLD, one JSON object per line, so that the books can be held against it, also after a
kill -9: claimed and accepted [[run, epoch, executor or outcome], …], refused [code, …], wrong [what contradicts an
earlier answer, …], lost (exchanges asked for again since no answer came), again (asked for twice on purpose).
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from contract import models
from contract.client import SPOKEN, ExecutorClient, Retry
from contract.errors import ContractError

LOOPS = 3  # exchanges under way at once, so that the server has some to put together
BATCH = 4
KIND = "command"
WAIT_SECONDS = 1.0
PATIENT = Retry(seconds=None, base_seconds=0.05, max_seconds=1.0)
Json = dict[str, Any]
Token = tuple[str, int]
Work = dict[Token, models.Report]

ERROR = models.ErrorInfo.model_validate({"class": "external", "code": "hung_up", "message": "the other side hung up"})


class Exchanger:
    """One registration, and the runs in its hands."""

    def __init__(self, client: ExecutorClient, told: Path, chance: random.Random, over: threading.Event) -> None:
        self.client, self.told, self.chance, self.over = client, told, chance, over
        self.held: dict[Token, models.ClaimedRun] = {}

    def run(self) -> None:
        """Exchange until told to stop, then report what is left."""
        self.executor_id = self.client.register_executor(registration(), retry=PATIENT).executor_id
        while not self.over.is_set() or self.held:
            self.turn(0 if self.over.is_set() else self.chance.randint(1, BATCH))
        self.client.leave_executor(self.executor_id, retry=PATIENT)

    def turn(self, max_runs: int) -> None:
        time.sleep(self.chance.uniform(0, 0.3))  # the work
        self.renew()
        reports = {token: report(run, self.chance) for token, run in self.held.items() if self.chance.random() < 0.7}
        reports |= {(run, epoch - 1): too_late(run, epoch - 1) for run, epoch in self.held if epoch > 1}
        body = models.ExchangeRequest(
            request_id=uuid4(),
            reports=[models.ExchangeReport(run_id=run, report=said) for (run, _), said in reports.items()],
            max_runs=max_runs,
            wait_seconds=0 if reports else WAIT_SECONDS,
        )
        first = self.exchange(body)
        wrong = self.learn(reports, first)
        if again := self.chance.random() < 0.3:
            wrong += self.compare(first, self.exchange(body))
        self.tell(first, reports, again=int(again), wrong=wrong)

    def exchange(self, body: models.ExchangeRequest) -> models.ExchangeResponse:
        """Until there is an answer, with the same request: what is not lost is the server's last word."""
        return self.client.exchange(self.executor_id, body, retry=replace(PATIENT, on_retry=self.note_loss))

    def note_loss(self, _error: ContractError, _pause: float) -> None:
        self.write({"lost": 1})  # at once: the process may not live to see the answer

    def renew(self) -> None:
        runs = [models.HeartbeatRun(run_id=run, epoch=epoch) for run, epoch in self.held]
        body = models.HeartbeatRequest(state="active", runs=runs)
        for one in self.client.heartbeat(self.executor_id, body, retry=PATIENT).runs:
            if one.directive == "superseded":
                self.held.pop((str(one.run_id), one.epoch), None)

    def learn(self, reports: Work, answer: models.ExchangeResponse) -> list[str]:
        """Keep the runs that came, let go of those that were judged; what an answer leaves out is wrong."""
        judged = {(str(one.run_id), one.epoch) for one in answer.reports}
        for token in judged:
            self.held.pop(token, None)
        self.held |= {(str(run.run_id), run.epoch): run for run in answer.runs}
        return [f"no answer for {token}" for token in reports.keys() - judged]

    def compare(self, first: models.ExchangeResponse, again: models.ExchangeResponse) -> list[str]:
        """How a repeat differs from what was said first: a revocation in between is all that may."""
        wrong = []
        for one, two in zip(first.reports, again.reports, strict=True):
            if one.answer and (two.answer is None or two.answer != one.answer.model_copy(update={"repeated": True})):
                wrong.append(f"accepted, then {two} for {one}")
        mine, then = claims_of(first), claims_of(again)
        if mine and not then <= mine:
            wrong.append(f"claimed {sorted(mine)}, then {sorted(then)}")
        elif not mine:  # nothing was given, so the wish still stands
            self.held |= {(str(run.run_id), run.epoch): run for run in again.runs}
            self.write({"claimed": [[*token, str(self.executor_id)] for token in then]})
        return wrong

    def tell(self, answer: models.ExchangeResponse, reports: Work, **more: Any) -> None:
        refused = [one.problem.code for one in answer.reports if one.problem]
        claim = [f"claim: {answer.claim_problem.code}"] if answer.claim_problem else []
        accepted = [
            [str(one.run_id), one.epoch, reports[str(one.run_id), one.epoch].outcome]
            for one in answer.reports
            if one.answer
        ]
        claimed = [[*token, str(self.executor_id)] for token in sorted(claims_of(answer))]
        self.write({"claimed": claimed, "accepted": accepted, "refused": refused + claim} | more)

    def write(self, line: Json) -> None:
        """In one call of the kernel: a kill leaves a whole line or none."""
        descriptor = os.open(self.told, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)


def claims_of(answer: models.ExchangeResponse) -> set[Token]:
    return {(str(run.run_id), run.epoch) for run in answer.runs}


def registration() -> models.RegisterRequest:
    return models.RegisterRequest(
        instance_id=uuid4(), name="exchanger", kind=KIND, version="1", contract=SPOKEN, slots=100, pid=os.getpid()
    )


def too_late(run_id: str, epoch: int) -> models.Report:
    """The word of an attempt that is over: whoever sends this has not heard that another one is under way."""
    key = f"{run_id}/{epoch}/late"
    return models.SucceededReport(outcome="succeeded", epoch=epoch, idempotency_key=key, finished_at=datetime.now(UTC))


def report(run: models.ClaimedRun, chance: random.Random) -> models.Report:
    """Mostly a success."""
    common = {"epoch": run.epoch, "idempotency_key": f"{run.run_id}/{run.epoch}", "finished_at": datetime.now(UTC)}
    if chance.random() < 0.1:
        return models.FailedReport(outcome="failed", error=ERROR, **common)
    return models.SucceededReport(outcome="succeeded", result={"epoch": run.epoch}, **common)


def main() -> None:
    """Until SIGTERM; exit code 1 when a loop broke."""
    over, broken = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    token = Path(os.environ["OPS_TOKEN_FILE"]).read_text().strip()

    def loop() -> None:
        with ExecutorClient(os.environ["OPS_URL"], token) as client:
            try:
                Exchanger(client, Path(os.environ["OPS_TOLD"]), random.Random(), over).run()
            except BaseException:
                broken.set()
                over.set()
                raise

    loops = [threading.Thread(target=loop) for _ in range(LOOPS)]
    for thread in loops:
        thread.start()
    for thread in loops:
        thread.join()
    raise SystemExit(1 if broken.is_set() else 0)


if __name__ == "__main__":
    main()
