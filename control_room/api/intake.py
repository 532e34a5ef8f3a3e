"""Takes submits in: checked by their templates, carried to the store, again when a template changed meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from contract.errors import ContractError
from contract.server.problems import from_ops_error
from control_room.api.desk import Desk
from control_room.api.models import SubmitRun
from control_room.api.submission import as_sent
from control_room.api.submitter import Checked, Found, Submitter
from ops_schema.errors import OpsError
from ops_schema.store import Principal, Store

Json = dict[str, Any]
ROUNDS = 4
CHANGED = "template_changed"


class Intake:
    """The submits of one request.

    What is on record comes first: a template that changed since must not refuse what was accepted, so a submit that
    fails its check is looked for by its idempotency key before it is refused.
    """

    def __init__(self, store: Store, submitter: Submitter, caller: Principal) -> None:
        self._store, self._submitter, self._caller = store, submitter, caller

    async def submit(self, body: SubmitRun) -> Json:
        """The Run, with `repeated` when it was on record. Raises ContractError, StoreUnavailable."""
        found = await self._round(body)
        for _ in range(ROUNDS - 1):
            if not _changed(found):
                break
            found = await self._round(body)
        if isinstance(found, ContractError):
            raise found
        return found

    async def _round(self, body: SubmitRun) -> Found:
        try:
            wanted = await Desk(self._store, self._caller).check(body)
        except ContractError as error:
            return await self._recorded(body) or error
        try:
            return await self._submitter.submit(self._caller, wanted)
        except ContractError as error:
            return error
        except OpsError as error:
            return from_ops_error(error)

    async def _recorded(self, body: SubmitRun) -> Json | None:
        if body.idempotency_key is None:
            return None
        (found,) = await self._submitter.recorded(self._caller, [as_sent(body)], whole=True)
        return found

    async def submit_each(self, bodies: Sequence[Any]) -> list[Found]:
        """For each of the bodies, JSON as it came, {run_id, number, state, repeated} or what refused it. Raises
        StoreUnavailable."""
        found = await self._round_of(bodies)
        for _ in range(ROUNDS - 1):
            again = [place for place, one in enumerate(found) if _changed(one)]
            if not again:
                break
            anew = await self._round_of([bodies[place] for place in again])
            for place, one in zip(again, anew, strict=True):
                found[place] = one
        return found

    async def _round_of(self, bodies: Sequence[Any]) -> list[Found]:
        checked = await Desk(self._store, self._caller).check_each(bodies)
        good = [one for one in checked if isinstance(one, Checked)]
        made = iter(await self._submitter.submit_each(self._caller, good))
        found = [next(made) if isinstance(one, Checked) else one for one in checked]
        refused = {place: bodies[place] for place, one in enumerate(checked) if isinstance(one, ContractError)}
        return await self._looked_for(found, refused)

    async def _looked_for(self, found: list[Found], refused: dict[int, Any]) -> list[Found]:
        sent = {place: as_sent(body) for place, raw in refused.items() if (body := _read(raw)) and body.idempotency_key}
        for place, one in zip(sent, await self._submitter.recorded(self._caller, list(sent.values())), strict=True):
            if one:
                found[place] = one
        return found


def _changed(found: Found) -> bool:
    return isinstance(found, ContractError) and found.code == CHANGED


def _read(raw: Any) -> SubmitRun | None:
    try:
        return SubmitRun.model_validate(raw)
    except ValidationError:
        return None
