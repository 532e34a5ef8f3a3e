"""Compares two runs from what is on record of both."""

from __future__ import annotations

from typing import Any

from contract.errors import Conflict
from control_room.provenance.compare import compared, same, tasks
from ops_schema.store import Principal, Store

Json = dict[str, Any]


async def compare(store: Store, caller: Principal, one: str, other: str) -> Json:
    """The API's RunDiff. Raises invalid_transition while one of them has not ended, and what the store refuses."""
    left, right = await _side(store, caller, one), await _side(store, caller, other)
    found = _told(left, right)
    for key, first, second in tasks(left, right):
        each = [None if ref is None else await _side(store, caller, ref) for ref in (first, second)]
        found["tasks"].append(_task(key, *each))
    found["same_outputs"] = found["same_outputs"] and all(task["same_outputs"] for task in found["tasks"])
    return found


async def _side(store: Store, caller: Principal, ref: str) -> Json:
    run = await store.get_run(caller, ref)
    parts = (await store.get_manifest(caller, ref))["on_record"]
    if parts is None:
        raise Conflict(
            f"run {run['number']} is {run['state']}",
            code="invalid_transition",
            members={"state": run["state"]},
            hint="Compare runs that have ended.",
        )
    return {"run": run, "parts": parts}


def _told(left: Json, right: Json) -> Json:
    sections = compared(left, right)
    return {
        "one": _named(left),
        "other": _named(right),
        "same_outputs": same(sections, "outputs"),
        "sections": sections,
        "tasks": [],
    }


def _task(key: str, left: Json | None, right: Json | None) -> Json:
    if left is None or right is None:
        sides = {"one": left and _named(left), "other": right and _named(right)}
        return {"task_key": key, **sides, "same_outputs": False, "sections": []}
    told = _told(left, right)
    return {"task_key": key, **{name: told[name] for name in ("one", "other", "same_outputs", "sections")}}


def _named(side: Json) -> Json:
    run = side["run"]
    return {name: run[name] for name in ("run_id", "number", "state", "template_name", "template_version")}
