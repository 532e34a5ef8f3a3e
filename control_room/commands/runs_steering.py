"""runs: pause, resume, priority, start-after, requeue."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from control_room.commands.context import AsJson, connect, print_json, say
from control_room.commands.words import standing, time_text
from control_room.errors import MISUSE, REFUSED, ControlRoomError

Run = Annotated[str, typer.Argument(metavar="RUN", help="Number or run_id.")]
Reason = Annotated[str | None, typer.Option(help="Why; `runs why` and the run's events tell it.")]
Json = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Put the commands into a group."""
    for command in (pause, resume, priority, start_after, requeue):
        app.command()(command)


def pause(context: typer.Context, run: Run, reason: Reason = None, as_json: AsJson = False) -> None:
    """Let a run not start until it is resumed; an attempt under way goes on. A pipeline with all its tasks."""
    with connect(context) as client:
        found = client.steer_run("pause", run, **told(reason))
    goes_on = "; what runs of it goes on" if found["state"] == "running" else ""
    answer(found, as_json, f"run {found['number']} is paused{goes_on}")


def resume(context: typer.Context, run: Run, reason: Reason = None, as_json: AsJson = False) -> None:
    """Let a paused run start again; it goes to the end of its priority."""
    with connect(context) as client:
        found = client.steer_run("resume", run, **told(reason))
    answer(found, as_json, f"run {found['number']} is not paused any more; it is {found['state']}")


def priority(
    context: typer.Context,
    run: Run,
    value: Annotated[int, typer.Argument(metavar="PRIORITY", min=-1000, max=1000, help="Higher goes first.")],
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Change the priority of a run that waits or is queued; of a pipeline, of its tasks that do."""
    with connect(context) as client:
        found = client.steer_run("reschedule", run, priority=value, **told(reason))
    answer(found, as_json, f"run {found['number']} has priority {found['priority']}; it is {found['state']}")


def start_after(
    context: typer.Context,
    run: Run,
    time: Annotated[str, typer.Argument(metavar="TIME", help="`now`, or as 2026-12-24T18:00; local time.")],
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Change the time before which a waiting run does not start; `now` also ends a retry's backoff."""
    with connect(context) as client:
        found = client.steer_run("reschedule", run, not_before=moment_of(time), **told(reason))
    until = f" until {time_text(found['not_before'])}" if found["state"] == "waiting" and found["not_before"] else ""
    answer(found, as_json, f"run {found['number']} is {found['state']}{until}")


def requeue(
    context: typer.Context,
    run: Run,
    force: Annotated[bool, typer.Option("--force", help="Needed: the executor may still be at work.")] = False,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Take a running run from an executor that is lost, without waiting for its lease to end.

    What the executor still sends is refused. A run whose rerun is unsafe then waits for a retry or a cancel.
    """
    with connect(context) as client:
        held = client.run(run)
        if not force:
            raise unforced(held)
        if held["state"] != "running" or not held["epoch"]:
            raise unheld(held)
        found = client.steer_run("requeue", run, force=True, epoch=held["epoch"], **told(reason))
    after = f" ({found['state_reason']})" if found["state_reason"] else ""
    answer(found, as_json, f"run {found['number']} is {found['state']}{after}; epoch {found['epoch']}")


def unforced(run: Json) -> ControlRoomError:
    """What a requeue would take, of whom."""
    holder = f", held by executor {run['executor_name']}" if run["state"] == "running" else ""
    return ControlRoomError(
        f"run {run['number']} {standing(run['state'])}{holder}; what its executor does is thrown away",
        where=f"run {run['number']}",
        next_step="add --force when its executor is lost; see `control-room executors ls --all`",
        exit_code=MISUSE,
    )


def unheld(run: Json) -> ControlRoomError:
    """That nobody holds the run."""
    what = "pipeline run" if run["kind"] == "pipeline" else "run"
    return ControlRoomError(
        f"{what} {run['number']} {standing(run['state'])}; only a run that an executor holds can be requeued",
        where=f"{what} {run['number']}",
        next_step=f"see `control-room runs why {run['number']}`",
        exit_code=REFUSED,
    )


def moment_of(text: str) -> str | None:
    """ISO-8601 with a zone; None for now."""
    if text == "now":
        return None
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except ValueError:
        raise ControlRoomError(
            f"{text!r} is no time",
            where="TIME",
            next_step="write it as 2026-12-24T18:00, with +01:00 or Z for another zone than this machine's, or `now`",
            exit_code=MISUSE,
        ) from None


def told(reason: str | None) -> Json:
    return {"reason": reason} if reason else {}


def answer(found: Json, as_json: bool, text: str) -> None:
    if as_json:
        print_json(found)
    else:
        say(text)
