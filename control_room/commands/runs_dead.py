"""runs: dead, replay."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from control_room.commands.context import AsJson, connect, print_json, print_table, say
from control_room.commands.failures import error_line
from control_room.commands.runs_steering import moment_of
from control_room.commands.words import time_text
from control_room.errors import MISUSE, OK, REFUSED, ControlRoomError

Json = dict[str, Any]
Template = Annotated[str | None, typer.Option()]
Kind = Annotated[str | None, typer.Option()]
Workspace = Annotated[str | None, typer.Option()]
Queue = Annotated[str | None, typer.Option()]
ErrorClass = Annotated[str | None, typer.Option("--class", help="user, external, internal or resources.")]
StateReason = Annotated[str | None, typer.Option("--why", help="attempts_exhausted, not_retryable, …")]
After = Annotated[str | None, typer.Option("--after", metavar="TIME", help="Failed then or later, local time.")]


def add_to(app: typer.Typer) -> None:
    """Put the commands into a group."""
    for command in (dead, replay):
        app.command()(command)


def dead(
    context: typer.Context,
    template: Template = None,
    kind: Kind = None,
    workspace: Workspace = None,
    queue: Queue = None,
    error_class: ErrorClass = None,
    state_reason: StateReason = None,
    after: After = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: AsJson = False,
) -> None:
    """Dead letters: failed runs that nobody has retried, the newest first."""
    match = matching(template, kind, workspace, queue, error_class, state_reason, after)
    with connect(context) as client:
        page = client.dead_letters(**match, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [
        [
            d["number"],
            d["template_name"],
            d["state_reason"],
            f"{d['attempt']}/{d['max_attempts']}" if d["kind"] != "pipeline" else None,
            time_text(d["finished_at"]),
            error_line(d["error"]),
        ]
        for d in page["items"]
    ]
    columns = {"run": "right", "template": "left", "why": "left", "try": "right", "failed": "left", "error": "left"}
    print_table(columns, rows, spare=("try",))
    if page["next_cursor"]:
        say(f"the newest {limit}; --limit shows more")


def replay(
    context: typer.Context,
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Numbers or run_ids.")] = None,
    all_dead: Annotated[bool, typer.Option("--all", help="Every dead letter, up to --limit.")] = False,
    template: Template = None,
    kind: Kind = None,
    workspace: Workspace = None,
    queue: Queue = None,
    error_class: ErrorClass = None,
    state_reason: StateReason = None,
    after: After = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many, the newest.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Make a new run for each dead letter named or found; exit code 3 when one was not replayed."""
    match = matching(template, kind, workspace, queue, error_class, state_reason, after)
    if bool(runs) == bool(match or all_dead):
        raise ControlRoomError(
            "name runs, or say which dead letters: one of the two",
            next_step="see `control-room runs dead`; --all is for every one of them",
            exit_code=MISUSE,
        )
    with connect(context) as client:
        found = client.replay(runs=runs) if runs else client.replay(match=match, limit=limit)
    if as_json:
        print_json(found)
    else:
        for item in found["items"]:
            say(line(item))
        say(f"{found['replayed']} of {len(found['items'])} replayed")
    raise typer.Exit(OK if found["replayed"] == len(found["items"]) else REFUSED)


def line(item: Json) -> str:
    if item["run"]:
        return f"run {item['run']['number']} tries run {item['ref']} again"
    return f"run {item['ref']} was not replayed: {item['problem']['detail']}"


def matching(
    template: str | None,
    kind: str | None,
    workspace: str | None,
    queue: str | None,
    error_class: str | None,
    state_reason: str | None,
    after: str | None,
) -> Json:
    """The filters that were given, as the API names them."""
    given = {"template": template, "kind": kind, "workspace": workspace, "queue": queue}
    given |= {"error_class": error_class, "state_reason": state_reason}
    given["finished_after"] = moment_of(after) if after else None
    return {name: value for name, value in given.items() if value is not None}
