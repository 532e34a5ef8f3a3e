"""The submissions of one request, checked against their templates before they reach the database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from contract.errors import ContractError
from contract.server.problems import from_ops_error
from contract.server.strict_json import invalid, pointer_into
from control_room.api.bounded_validator import MAX_STEPS
from control_room.api.issues import walk
from control_room.api.json_schema import Budget, Issue
from control_room.api.models import SubmitRun
from control_room.api.params import ParamsRule
from control_room.api.submission import (
    DEFAULT_WORKSPACE,
    as_sent,
    check_tasks,
    find_template,
    refuse_missing_inputs,
    refuse_params,
    to_submit,
)
from control_room.api.submitter import Checked
from ops_schema.errors import OpsError
from ops_schema.store import Principal, Store

Json = dict[str, Any]
Place = tuple[str, int | None, str]
_LEAST_STEPS = 1000
_QUICK_STEPS = 100
_SMALL = 2000  # characters and values
_MAX_MESSAGE = 200


@dataclass(slots=True)
class Draft:
    """A submission on its way: what was asked, its template, its parameters with defaults and what is wrong there."""

    body: SubmitRun
    budget: Budget
    template: Json | None = None
    rule: ParamsRule | None = None
    params: Json | None = None
    issues: Sequence[Issue] = ()
    size: int = 0  # characters of `params` as JSON
    keep: Collection[str] = ()  # tasks of a pipeline that are not run again
    given: Collection[str] = ()  # inputs that the run has beside those of depends_on

    @property
    def inputs(self) -> set[str]:
        return {name for parent in self.body.depends_on or () for name in parent.inputs}.union(self.given)


class Desk:
    """Checks submissions; reads each template once for all of them."""

    def __init__(self, store: Store, principal: Principal) -> None:
        self._store, self._principal = store, principal
        self._templates: dict[Place, tuple[Json, ParamsRule] | ContractError] = {}

    async def check(self, body: SubmitRun) -> Checked:
        """The body for the database. Raises template_not_found, params_invalid and what the store refuses."""
        (found,) = await self._finish([Draft(body, Budget())])
        if isinstance(found, ContractError):
            raise found
        return found

    async def check_again(self, run: Json, version: int, keep: Collection[str]) -> Json:
        """What a version of its template makes of a run's parameters: {template_version, params, tasks?}.

        keep: tasks of a pipeline that are not run again. Raises params_invalid and what the store refuses.
        """
        wanted = SubmitRun(
            template=run["template_name"], template_version=version, workspace=run["workspace"], params=run["params"]
        )
        given = {one["name"] for one in run["inputs"]} | {name for one in run["depends_on"] for name in one["inputs"]}
        draft = await self._with_template(Draft(wanted, Budget(), keep=keep, given=given))
        if isinstance(draft, ContractError):
            raise draft
        await asyncio.to_thread(_check_params, [draft])
        return await self._verdict(draft)

    async def check_each(self, bodies: Sequence[Any]) -> list[Checked | ContractError]:
        """For each of the bodies, JSON as it came, the one for the database or what is wrong with it.

        Together they may take ten times the steps of a single one, each its share: no member spends another's.
        """
        steps = max(_LEAST_STEPS, min(MAX_STEPS, 10 * MAX_STEPS // len(bodies)))
        drafts = await asyncio.to_thread(lambda: [_read(body, steps) for body in bodies])
        return await self._finish(drafts)

    async def _finish(self, drafts: Sequence[Draft | ContractError]) -> list[Checked | ContractError]:
        found = [await self._with_template(draft) for draft in drafts]
        left = [draft for draft in found if isinstance(draft, Draft)]
        if len(left) != 1 or not _checked_quickly(left[0]):
            # In a thread: a check may take a second, and the event loop has others to serve.
            await asyncio.to_thread(_check_params, left)
        return [await self._body(draft) for draft in found]

    async def _with_template(self, draft: Draft | ContractError) -> Draft | ContractError:
        if isinstance(draft, Draft):
            asked = draft.body
            found = await self._template((asked.template, asked.template_version, asked.workspace or DEFAULT_WORKSPACE))
            if isinstance(found, ContractError):
                return found
            draft.template, draft.rule = found
        return draft

    async def _template(self, place: Place) -> tuple[Json, ParamsRule] | ContractError:
        if place not in self._templates:
            try:
                found = await find_template(self._store, self._principal, *place)
                self._templates[place] = found, ParamsRule(found["spec"].get("params_schema", {}))
            except ContractError as error:
                self._templates[place] = error
            except OpsError as error:
                self._templates[place] = from_ops_error(error)
        return self._templates[place]

    async def _body(self, draft: Draft | ContractError) -> Checked | ContractError:
        if isinstance(draft, ContractError):
            return draft
        try:
            return Checked(to_submit(as_sent(draft.body), await self._verdict(draft)), draft.size)
        except ContractError as error:
            return error

    async def _verdict(self, draft: Draft) -> Json:
        if draft.template is None or draft.params is None:
            raise invalid([])
        refuse_params(draft.issues)
        verdict: Json = {"template_version": draft.template["version"], "params": draft.params}
        if draft.template["kind"] == "pipeline":
            verdict["tasks"] = await check_tasks(
                self._store, self._principal, draft.template, draft.params, draft.budget, draft.keep
            )
        else:
            refuse_missing_inputs(draft.template, draft.inputs)
        return verdict


def _read(body: Any, steps: int) -> Draft | ContractError:
    try:
        return Draft(SubmitRun.model_validate(body), Budget(steps))
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        said: dict[str, str] = {}
        for one in found:  # what no member of a union takes is said once, by the first
            said.setdefault(pointer_into(one["loc"], body), one["msg"][:_MAX_MESSAGE])
        return invalid([{"path": path, "message": message} for path, message in said.items()])


def _checked_quickly(draft: Draft) -> bool:
    """Whether the parameters are so few that the check was done at once: a thread would take longer than that."""
    if not _is_small(draft.body.params):
        return False
    budget = Budget(min(_QUICK_STEPS, draft.budget.left))
    _check(draft, budget)
    return budget.left >= 0


def _is_small(params: Json) -> bool:
    size = 0
    for path, value in walk(params):
        size += 1 + sum(len(one) for one in (*path[-1:], value) if isinstance(one, (str, dict, list)))
        if size > _SMALL:
            return False
    return True


def _check_params(drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        _check(draft, draft.budget)


def _check(draft: Draft, budget: Budget) -> None:
    rule = draft.rule or ParamsRule({})
    draft.params, draft.issues = rule.check(draft.body.params, "params", budget=budget)
    draft.size = len(json.dumps(draft.params))
