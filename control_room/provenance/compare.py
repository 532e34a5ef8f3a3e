"""What differs between two runs that have ended: from what is on record of both, by what makes a run what it is.

Ids, places and times that are another's in every run are left out; what is left differs for a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from control_room.provenance.differences import differences

Json = dict[str, Any]
Side = Mapping[str, Any]
MOST_DIFFERENCES = 100
# Of an executor: who it is says nothing of what it makes of a run.
WHO = frozenset({"executor_id", "number", "name", "host"})
# Of an input or an artifact: whose it is.
WHOSE = frozenset({"from_run_id", "artifact_id", "epoch", "expires_at"})
FILE = ("size", "sha256")
SECONDS = 3


def compared(one: Side, other: Side) -> list[Json]:
    """Each section with its differences: [{name, measured, differences: [{at, one, other}], left_out}].

    A side: {parts: what a manifest of the run says (API's RunManifest.on_record), run: the API's Run}. `measured`: what
    differs from one try to the next also where nothing was changed; `left_out`: differences beyond the first hundred.
    """
    return [section(name, reader(one), reader(other)) for name, reader in SECTIONS.items()]


def section(name: str, one: Any, other: Any) -> Json:
    found = differences(one, other)
    shown = [{"at": at, "one": left, "other": right} for at, left, right in islice(found, MOST_DIFFERENCES)]
    return {"name": name, "measured": name == "measured", "differences": shown, "left_out": sum(1 for _ in found)}


def same(sections: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Whether nothing differs in a section."""
    return next(not part["differences"] for part in sections if part["name"] == name)


def code(side: Side) -> Json:
    parts = side["parts"]
    return {"template": parts["run"]["template"], "kind": parts["run"]["kind"], **parts["code"]}


def environment(side: Side) -> list[Json]:
    """What the executors of its attempts said of themselves, each kind of executor once."""
    found: list[Json] = []
    for executor in side["parts"]["environment"]:
        known = {name: value for name, value in executor.items() if name not in WHO}
        if known not in found:
            found.append(known)
    return found


def inputs(side: Side) -> Json:
    return {given["name"]: without(given, WHOSE) for given in side["parts"]["inputs"]}


def outputs(side: Side) -> Json:
    """{artifacts: by name, data: by output}; of files their digests, as two runs name them differently."""
    parts = side["parts"]
    return {
        "artifacts": {named(artifact): _artifact(artifact) for artifact in parts["artifacts"]},
        "data": {data["output"]: _data(data) for data in parts["publications"]},
    }


def named(artifact: Side) -> str:
    """Its name; of a table that an engine wrote without the version behind it."""
    table = artifact["table"]
    return str(artifact["name"]).removesuffix(f"@{table['version']}") if table else str(artifact["name"])


def _artifact(artifact: Side) -> Json:
    """What is in it: size and digest of a file, of a table what is known of its rows."""
    names = ("kind", "media_type", "size", "sha256") if not artifact["table"] else ("kind", "metadata")
    return {name: artifact[name] for name in names}


def _data(data: Side) -> Json:
    kept = {name: data[name] for name in ("format", "mode", "state", "rows", "schema", "partition_by")}
    return kept | {"files": sorted(({name: file.get(name) for name in FILE} for file in data["files"]), key=str)}


def outcome(side: Side) -> Json:
    found = side["parts"]["outcome"]
    error = found["error"] and {name: found["error"].get(name) for name in ("class", "code", "message")}
    return {"state": found["state"], "state_reason": found["state_reason"], "result": found["result"], "error": error}


def measured(side: Side) -> Json:
    """{duration_seconds|null, attempts, rows|null, cost|null, usage}."""
    parts, run = side["parts"], side["run"]
    return {
        "duration_seconds": _seconds(run["started_at"], run["finished_at"]),
        "attempts": len(parts["attempts"]),
        "rows": run["rows"],
        "cost": run["cost"],
        "usage": parts["usage"],
    }


def _seconds(started: str | None, finished: str | None) -> float | None:
    if started is None or finished is None:
        return None
    return round((datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds(), SECONDS)


def without(value: Mapping[str, Any], names: frozenset[str]) -> Json:
    return {name: part for name, part in value.items() if name not in names}


SECTIONS: Mapping[str, Callable[[Side], Any]] = {
    "code": code,
    "params": lambda side: side["parts"]["params"],
    "environment": environment,
    "inputs": inputs,
    "caps": lambda side: side["parts"]["caps"],
    "outputs": outputs,
    "outcome": outcome,
    "measured": measured,
}


def tasks(one: Side, other: Side) -> Iterator[tuple[str, str | None, str | None]]:
    """(task key, run_id in one, run_id in the other) of two pipelines."""
    left, right = ({task["task_key"]: task["run_id"] for task in side["parts"]["tasks"]} for side in (one, other))
    for key in sorted(left.keys() | right.keys()):
        yield key, left.get(key), right.get(key)
