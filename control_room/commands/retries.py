"""What `runs retry` says: what the new run does, and which versions of templates it left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from control_room.client import OperatorClient
from control_room.commands.context import program
from control_room.commands.words import standing

Json = dict[str, Any]


def retried(old: Json, new: Json) -> str:
    """One sentence; a run that waited for a person goes on itself, a run that had succeeded is done anew."""
    number = new["number"]
    if number == old["number"]:
        return f"run {number} goes on; it {standing(new['state'])}"
    if old["state"] == "succeeded":
        whole = "all of it" if old["kind"] == "pipeline" else "the same"
        return f"run {old['number']} had succeeded; run {number} does {whole} anew, it {standing(new['state'])}"
    return f"run {number} tries run {old['number']} again; it {standing(new['state'])}"


def left_behind(client: OperatorClient, old: Json, new: Json, latest: bool) -> list[str]:
    """A line per template version that the new run uses though there is a newer one, with what takes that one."""
    if new["number"] == old["number"]:
        return []
    newest = {(t["workspace"], t["name"]): t["version"] for t in client.templates()}
    tasks = client.run(str(new["number"]))["children"] if new["kind"] == "pipeline" and not latest else []
    return list(_lines(newest, old, [new, *tasks], latest))


def _lines(newest: Mapping[tuple[str, str], int], old: Json, runs: list[Json], latest: bool) -> Iterator[str]:
    for run in runs:
        name, used = run["template_name"], run["template_version"]
        there = newest.get((run["workspace"], name), used)
        if there > used:
            options = " --latest --all-tasks" if run["kind"] == "pipeline" else " --latest"
            kept = ", as it keeps the tasks that succeeded" if latest else ""
            again = "cancel it, then " if latest else "submit anew, or cancel it, then "
            yield (
                f"run {run['number']} uses {name} v{used}{kept}; v{there} is the newest: "
                f"{again}`{program()} runs retry {old['number']}{options}`"
            )
