"""queues: ls, pause, resume."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from control_room.commands.context import AsJson, connect, print_json, print_table
from control_room.commands.runs_steering import Reason, answer, told
from control_room.commands.words import coloured, count_text, counted, time_text

app = typer.Typer(no_args_is_help=True, help="Queues: what stands in them, and whether it starts.")
Name = Annotated[str, typer.Argument(metavar="QUEUE")]


@app.command()
def ls(context: typer.Context, as_json: AsJson = False) -> None:
    """Queues that runs have stood in lately, and those that are paused."""
    with connect(context) as client:
        items = client.queues()
    if as_json:
        print_json({"items": items})
        return
    rows = [
        [
            q["queue"],
            coloured("paused" if q["paused"] else "active"),
            count_text(q["queued"]),
            count_text(q["running"]),
            q["paused_by"],
            time_text(q["paused_at"]) if q["paused"] else None,
            q["paused_reason"],
        ]
        for q in items
    ]
    columns = {"queue": "left", "state": "left", "queued": "right", "running": "right", "by": "left", "since": "left"}
    print_table({**columns, "reason": "left"}, rows)


@app.command()
def pause(context: typer.Context, queue: Name, reason: Reason = None, as_json: AsJson = False) -> None:
    """Let no run of a queue start; what runs goes on. Needs a token for all workspaces."""
    with connect(context) as client:
        found = client.steer_queue("pause", queue, **told(reason))
    stands = f"{_standing(found)}, {counted(found['running'], 'run')} of it under way"
    text = stands if found["used"] else "no run has stood in it yet: is the name right?"
    answer(found, as_json, f"queue {queue} is paused; {text}")


@app.command()
def resume(context: typer.Context, queue: Name, as_json: AsJson = False) -> None:
    """Let the runs of a queue start again, in the order in which they stand. Needs a token for all workspaces."""
    with connect(context) as client:
        found = client.steer_queue("resume", queue)
    answer(found, as_json, f"queue {queue} is not paused any more; {_standing(found)}")


def _standing(queue: dict[str, Any]) -> str:
    return f"{counted(queue['queued'], 'run')} {'stands' if queue['queued'] == 1 else 'stand'} in it"
