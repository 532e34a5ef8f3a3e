"""Checks a submission against its template before it reaches the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contract.errors import Invalid, NotFound, from_sqlstate
from control_room.api.json_schema import Issue, pointer
from control_room.api.names import did_you_mean
from control_room.api.params import check_params, render
from ops_schema.errors import OpsError
from ops_schema.store import Principal, Store

Json = dict[str, Any]
TEMPLATE_NOT_FOUND = "OPN02"


async def find_template(store: Store, principal: Principal, name: str, version: int | None = None) -> Json:
    """The template, or template_not_found with near names."""
    try:
        return await store.get_template(principal, name, version)
    except OpsError as error:
        if error.sqlstate != TEMPLATE_NOT_FOUND:
            raise
        known = await template_names(store, principal)
        raise _not_found(error, name, known) from error


async def template_names(store: Store, principal: Principal) -> set[str]:
    """Names of all templates the caller sees."""
    return {item["name"] for item in (await store.list_templates(principal))["items"]}


def _not_found(error: OpsError, name: str, known: set[str]) -> NotFound:
    there = name in known
    tail = "; it has no such version" if there else did_you_mean(name, known)
    plain = from_sqlstate(error.sqlstate, error.message)
    return NotFound(
        error.message.rstrip(".") + tail,
        code=plain.code if plain else "template_not_found",
        members={**error.members, "known": sorted(known)[:50]},
        hint="`control-room templates ls` lists what there is; `templates apply FILE` adds one.",
    )


def refuse_params(issues: list[Issue]) -> None:
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


async def checked_params(store: Store, principal: Principal, template: Json, params: Mapping[str, Any]) -> Json:
    """The parameters with defaults applied, a pipeline's tasks checked too. Raises params_invalid."""
    spec = template["spec"]
    resolved, issues = check_params(spec.get("params_schema", {}), params, "params")
    refuse_params(issues)
    tasks: Mapping[str, Any] = spec.get("tasks", {})
    names = {task["template"] for task in tasks.values()}
    children = {name: (await find_template(store, principal, name))["spec"] for name in sorted(names)}
    for key, task in tasks.items():
        refuse_params(task_issues(key, task, children[task["template"]], resolved))
    return resolved


def task_issues(key: str, task: Mapping[str, Any], child: Mapping[str, Any], params: Mapping[str, Any]) -> list[Issue]:
    """What is wrong with a task's parameters once the pipeline's are filled in."""
    rendered = render(task.get("params", {}), params)
    _, issues = check_params(child.get("params_schema", {}), rendered, "tasks", key, "params")
    return [Issue(issue.path or pointer("tasks", key, "params"), issue.message) for issue in issues]
