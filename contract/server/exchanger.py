"""Reports and claims of all requests, carried together (:mod:`contract.server.lanes`)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from contract.errors import ContractError
from contract.server.lanes import Lanes, Limits
from contract.server.problems import from_ops_error, internal
from ops_schema.errors import OpsError, StoreUnavailable
from ops_schema.store import MemberAnswer, Principal, Store

JsonObject = dict[str, Any]
log = logging.getLogger("contract.server")
NEXT_DUE = -1
SERVER_TIME = -2
MADE_READY = -3
BARREN = -4


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one report or claim: the answer as JSON text, or the error that refused it. barren: a claim that
    cannot have any run, whatever becomes claimable."""

    text: str = ""
    error: ContractError | None = None
    barren: bool = False

    def checked(self) -> Answer:
        """Itself; raises the error."""
        if self.error is not None:
            raise self.error
        return self


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a request's reports and claims, in the order sent, and the database's time, ISO 8601."""

    answers: list[Answer]
    server_time: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request: its reports and claims as the store takes them, which are in one transaction as long as none of them
    meets an error that nobody expected."""

    reports: list[JsonObject]
    claims: list[JsonObject]


class Exchanger:
    """Carries reports and claims to the store.

    when_due: told after how many seconds a claim is worth another look. tell_ready: told what a statement made
    claimable, "kind:count,…".
    """

    def __init__(
        self,
        store: Store,
        when_due: Callable[[float], None] = lambda _: None,
        tell_ready: Callable[[str], None] = lambda _: None,
        limits: Limits = Limits(),  # noqa: B008 - it cannot be changed
    ) -> None:
        self._store = store
        self._when_due = when_due
        self._tell_ready = tell_ready
        self._lanes = Lanes(self._statement, lambda sent: len(sent.reports) + len(sent.claims), limits)

    async def report(self, caller: Principal, run_id: UUID, body: Mapping[str, Any]) -> str:
        """reportAttempt: the ReportResponse as JSON text. Raises ContractError, StoreUnavailable."""
        carried = await self.carry([report_member(caller, run_id, body)], [])
        return carried.answers[0].checked().text

    async def claim(self, caller: Principal, executor_id: UUID, body: Mapping[str, Any]) -> Answer:
        """claimRuns without the wait: the ClaimResponse. Raises ContractError, StoreUnavailable."""
        carried = await self.carry([], [claim_member(caller, executor_id, body)])
        return carried.answers[0].checked()

    async def carry(self, reports: list[JsonObject], claims: list[JsonObject]) -> Carried:
        """The answers, reports first, each list in its order. Raises StoreUnavailable (then nothing is known),
        and what a single member met that nobody expected."""
        try:
            return await self._lanes.carry(Exchange(reports, claims))
        except StoreUnavailable:
            raise
        except Exception as error:
            if len(reports) + len(claims) <= 1:
                raise
            log.warning("action=exchange_failed members=%d they go one by one: %s", len(reports) + len(claims), error)
        return await self._singly([*(Exchange([one], []) for one in reports), *(Exchange([], [one]) for one in claims)])

    async def _singly(self, members: Sequence[Exchange]) -> Carried:
        """Each in a transaction of its own, in their order: a claim can have what a report frees, as it could before.
        Nothing was kept of the common one, and each may be sent again, so that an outage on the way costs nothing."""
        answers: list[Answer] = []
        for member in members:
            try:
                answers += (await self._lanes.carry(member)).answers
            except StoreUnavailable:
                raise
            except Exception as error:
                answers.append(Answer(error=from_ops_error(error) if isinstance(error, OpsError) else internal(error)))
        return Carried(answers, (await self._lanes.carry(Exchange([], []))).server_time)

    async def _statement(self, batch: Sequence[Exchange]) -> list[Carried]:
        reports = [member for request in batch for member in request.reports]
        claims = [member for request in batch for member in request.claims]
        for ordinal, member in enumerate(reports + claims):
            member["ordinal"] = ordinal
        rows = await self._store.exchange_each(reports, claims)
        found = {row.ordinal: _answer(row) for row in rows}
        for barren in map(int, found[BARREN].text.split(",")) if BARREN in found else ():
            found[barren] = replace(found[barren], barren=True)
        if MADE_READY in found:
            self._tell_ready(found[MADE_READY].text)
        if NEXT_DUE in found:
            self._when_due(float(found[NEXT_DUE].text))
        time = found[SERVER_TIME].text
        return [Carried([found[m["ordinal"]] for m in (*one.reports, *one.claims)], time) for one in batch]


def report_member(
    caller: Principal, run_id: UUID | str, body: Mapping[str, Any], artifacts: Sequence[str] | None = None
) -> JsonObject:
    """A report as the store takes it. run_id: an id, or its text with hyphens, as the models let it pass; artifacts:
    those to record first, whose bytes were seen."""
    member: JsonObject = {"token_id": str(caller.token_id), "run_id": str(run_id).lower(), "body": body}
    return {**member, "artifacts": artifacts} if artifacts else member


def claim_member(caller: Principal, executor_id: UUID, body: Mapping[str, Any]) -> JsonObject:
    """A claim as the store takes it."""
    return {"token_id": str(caller.token_id), "executor_id": str(executor_id), "body": body}


def _answer(row: MemberAnswer) -> Answer:
    if row.code is None:
        return Answer(row.detail)
    refusal = json.loads(row.detail)
    return Answer(error=from_ops_error(OpsError(row.code, refusal["message"], refusal["members"], refusal["hint"])))
