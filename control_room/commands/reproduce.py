"""reproduce, diff: a run done again beside what it left, and what differs between two runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from control_room.commands.context import AsJson, connect, print_json, program, say
from control_room.commands.words import printable, standing
from control_room.errors import FAILED, OK

Json = dict[str, Any]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Number or run_id.")]
MOST_VALUE = 60  # characters
# A place of one side is as wide as this, so that places stand below each other.
PLACE_WIDTH = 30
NOTHING = "–"


def reproduce(
    context: typer.Context,
    run: Run,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for its end, and show what differs; exit code 1 if outputs do.")
    ] = False,
    write_again: Annotated[
        bool, typer.Option("--write-again", help="Also when its engine wrote tables by itself: it writes them again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Do an ended run again: the same code, parameters and versions of inputs, a pipeline with all its tasks. What it
    publishes lies at places of its own, so that nothing that others read is touched."""
    from control_room.commands.follow import follow_run

    with connect(context, patience=90.0 if follow else 0.0) as client:
        made = client.reproduce(run, write_again)
        if not follow:
            _started(made, as_json)
            return
        ended = follow_run(client, str(made["number"]), quiet=as_json)
        found = client.diff(run, str(made["number"]))
    _end(found, as_json, failed=ended["state"] != "succeeded")


def diff(
    context: typer.Context,
    run: Run,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Number or run_id of the run to compare it with.")],
    as_json: AsJson = False,
) -> None:
    """What differs between two ended runs: code, parameters, environment, inputs, caps, outputs, outcome, and what was
    measured. Exit code 1 when their outputs differ."""
    with connect(context) as client:
        found = client.diff(run, other)
    _end(found, as_json)


def _started(made: Json, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    number, original = made["number"], made["reproduces_number"]
    say(f"run {number} does run {original} again; it {standing(made['state'])}")
    say(f"    next: when it has ended, `{program()} diff {original} {number}`")


def _end(found: Json, as_json: bool, failed: bool = False) -> None:
    if as_json:
        print_json(found)
    else:
        for line in lines(found):
            say(printable(line))
    if failed or not found["same_outputs"]:
        raise typer.Exit(FAILED)
    raise typer.Exit(OK)


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What `diff` prints, from the API's RunDiff."""
    one, other = found["one"]["number"], found["other"]["number"]
    yield f"run {one} ({found['one']['state']}) and run {other} ({found['other']['state']})"
    yield from _sections(found["sections"], "  ")
    for task in found["tasks"]:
        yield from _task(task)
    what = "the same" if found["same_outputs"] else "NOT the same"
    yield f"what run {one} and run {other} left is {what}"


def _task(task: Mapping[str, Any]) -> Iterator[str]:
    if task["one"] is None or task["other"] is None:
        there = task["one"] or task["other"]
        yield f"  task {task['task_key']}: only in run {there['number']}"
        return
    yield f"  task {task['task_key']}: run {task['one']['number']} and run {task['other']['number']}"
    yield from _sections(task["sections"], "    ")


def _sections(sections: Sequence[Mapping[str, Any]], indent: str) -> Iterator[str]:
    equal = [part["name"] for part in sections if not part["differences"]]
    if equal:
        yield f"{indent}the same: {', '.join(equal)}"
    for part in sections:
        if part["differences"]:
            yield f"{indent}{part['name']}:"
            for found in part["differences"]:
                place = found["at"].lstrip("/") or part["name"]
                yield f"{indent}  {place:<{PLACE_WIDTH}} {value(found['one'])}  ->  {value(found['other'])}"
        if part["left_out"]:
            yield f"{indent}  and {part['left_out']} more; --json has the first hundred"


def value(found: Any) -> str:
    """A value of one side; what it has not as a dash."""
    if found is None:
        return NOTHING
    text = json.dumps(found, ensure_ascii=False)
    return text if len(text) <= MOST_VALUE else f"{text[:MOST_VALUE]}…"
