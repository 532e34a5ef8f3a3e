"""Checks a submission against its template before it reaches the database."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from contract.errors import ContractError, Invalid, make
from control_room.api.json_schema import Budget, Issue, pointer
from control_room.api.models import SubmitRun
from control_room.api.names import did_you_mean, near
from control_room.api.params import check_params, render
from ops_schema.errors import OpsError
from ops_schema.store import Principal, Store

Json = dict[str, Any]
TEMPLATE_NOT_FOUND = "OPN02"
DEFAULT_WORKSPACE = "default"


async def find_template(
    store: Store, principal: Principal, name: str, version: int | None = None, workspace: str | None = None
) -> Json:
    """The template, in the workspace if one is named. Raises template_not_found with near names."""
    try:
        return await store.get_template(principal, name, version, workspace)
    except OpsError as error:
        if error.sqlstate != TEMPLATE_NOT_FOUND:
            raise
        raise await _not_found(store, principal, name, version) from error


async def template_names(store: Store, principal: Principal) -> set[str]:
    """Names of all templates the caller sees."""
    return {item["name"] for item in (await store.list_templates(principal))["items"]}


async def _not_found(store: Store, principal: Principal, name: str, version: int | None) -> ContractError:
    known = await template_names(store, principal)
    of_version = "" if version is None else f" in version {version}"
    return make(
        "template_not_found",
        f"there is no template {name!r}{of_version}" + ("" if name in known else did_you_mean(name, known)),
        hint="`control-room templates ls` lists what there is; `control-room templates apply FILE` adds one.",
        template=name,
        near=near(name, known - {name}),
    )


def refuse_params(issues: Sequence[Issue]) -> None:
    """Raises params_invalid when there are issues."""
    if issues:
        first = issues[0]
        more = f" (and {len(issues) - 1} more)" if len(issues) > 1 else ""
        raise Invalid(
            f"{first.path or 'params'}: {first.message}{more}",
            code="params_invalid",
            members={"errors": [issue.as_dict() for issue in issues]},
            hint="`control-room templates show NAME` shows the parameters.",
        )


def refuse_missing_inputs(template: Json, given: Collection[str]) -> None:
    """Raises dependency_invalid when the run would read inputs that no other run gives it."""
    ports = template["spec"].get("inputs") or ()
    missing = ", ".join(port["name"] for port in ports if port["name"] not in given)
    if missing:
        raise make(
            "dependency_invalid",
            f"/depends_on: no run gives the inputs that template {template['name']!r} reads: {missing}",
            hint="Name the runs that published them under depends_on[].inputs, or submit a pipeline with both.",
            errors=[{"path": "/depends_on", "message": f"gives no {missing}"}],
        )


async def check_tasks(
    store: Store, principal: Principal, template: Json, params: Json, budget: Budget, keep: Collection[str] = ()
) -> dict[str, str]:
    """The template versions of a pipeline's tasks, as {task key: template_id}; tasks to keep are not checked.

    Raises params_invalid when a task does not take what the pipeline's parameters give it.
    """
    tasks: Mapping[str, Any] = {key: task for key, task in template["spec"]["tasks"].items() if key not in keep}
    wanted = sorted({(task["template"], task.get("template_version") or 0) for task in tasks.values()})
    children = {
        (name, version): await find_template(store, principal, name, version or None, template["workspace"])
        for name, version in wanted
    }
    chosen = {key: children[task["template"], task.get("template_version") or 0] for key, task in tasks.items()}
    for key, task in tasks.items():
        refuse_params(missing_inputs(key, task, chosen[key]["spec"]))
        refuse_params(await asyncio.to_thread(task_issues, key, task, chosen[key]["spec"], params, budget))
    return {key: child["template_id"] for key, child in chosen.items()}


def as_sent(body: SubmitRun) -> Json:
    """A submit as it came: what identifies it when it comes again, whatever the template has become."""
    sent: Json = body.model_dump(mode="json", exclude_none=True)
    return sent


def to_submit(sent: Json, verdict: Json) -> Json:
    """The body for the database, with what was checked: {template_version, params with defaults, tasks?}.

    One with an idempotency key stays as it came, so that repeating it gets the same answer whatever versions come
    since; what was checked stands beside it, and a version that came meanwhile is refused with `template_changed`. One
    without a key is pinned to the version that was checked. A pipeline's tasks are always those that were checked.
    """
    if sent.get("idempotency_key"):
        return sent | {"checked": verdict}
    pinned = {"params": verdict["params"], "template_version": verdict["template_version"]}
    return sent | pinned | ({"checked": verdict} if "tasks" in verdict else {})


def missing_inputs(key: str, task: Mapping[str, Any], child: Mapping[str, Any]) -> list[Issue]:
    """The inputs that a task's template has come to read since the pipeline was applied, and that no task gives it."""
    ports = child.get("inputs") or ()
    return [
        Issue(pointer("tasks", key, "inputs"), f"input {port['name']!r} of template {task['template']!r} is missing")
        for port in ports
        if port["name"] not in task.get("inputs", {})
    ]


def task_issues(
    key: str, task: Mapping[str, Any], child: Mapping[str, Any], params: Mapping[str, Any], budget: Budget
) -> list[Issue]:
    """What is wrong with a task's parameters once the pipeline's are filled in."""
    rendered = render(task.get("params", {}), params)
    _, issues = check_params(child.get("params_schema", {}), rendered, "tasks", key, "params", budget=budget)
    return [Issue(issue.path or pointer("tasks", key, "params"), issue.message) for issue in issues]
