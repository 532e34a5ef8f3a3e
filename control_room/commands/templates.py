"""templates: ls, show, apply."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from control_room.commands.context import AsJson, connect, print_json, print_table, say
from control_room.commands.words import time_text
from control_room.errors import ControlRoomError

if TYPE_CHECKING:
    from control_room.client import OperatorClient

app = typer.Typer(no_args_is_help=True, help="What can be run.")


@app.command()
def ls(context: typer.Context, as_json: AsJson = False) -> None:
    """The newest version of each template."""
    with connect(context) as client:
        items = client.templates()
    if as_json:
        print_json({"items": items})
        return
    columns = {"template": "left", "version": "right", "kind": "left", "applied": "left", "description": "left"}
    rows = [[t["name"], t["version"], t["kind"], time_text(t["created_at"]), t["description"]] for t in items]
    print_table(columns, rows)


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of a template; see `templates ls`.")],
    as_json: AsJson = False,
) -> None:
    """One template: its parameters, and what it reads and writes."""
    with connect(context) as client:
        found = client.template(name)
    if as_json:
        print_json(found)
    else:
        _print_template(found)


@app.command()
def apply(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Template files (YAML), or folders of them.")],
    as_json: AsJson = False,
) -> None:
    """Pack and upload the code bundles, and store each template as its next version, unless nothing changed.

    All files are checked first: when one is wrong, none is applied.
    """
    with connect(context) as client:
        applied = apply_paths(client, paths)
    if as_json:
        print_json({"items": applied})
        return
    for item in applied:
        say(f"{item['name']} v{item['version']} {'applied' if item['created'] else 'unchanged'}")


def _print_template(found: dict[str, Any]) -> None:
    spec = found["spec"]
    say(f"{found['name']} v{found['version']} ({found['kind']})  {found['description']}")
    schema = spec.get("params_schema", {})
    required = schema.get("required", [])
    rows = [
        [name, p.get("type"), "required" if name in required else p.get("default"), p.get("description", "")]
        for name, p in schema.get("properties", {}).items()
    ]
    if rows:
        print_table({"parameter": "left", "type": "left", "default": "left", "description": "left"}, rows)
    for name, task in spec.get("tasks", {}).items():
        read = (source.split(".", 1)[0] for source in task.get("inputs", {}).values())
        after = ", ".join(dict.fromkeys([*task.get("depends_on", []), *read]))
        say(f"  task {name}: {task['template']}" + (f" after {after}" if after else ""))
    for side in ("inputs", "outputs"):
        names = ", ".join(port["name"] for port in spec.get(side, []))
        if names:
            say(f"  {side}: {names}")


def apply_paths(client: OperatorClient, paths: Iterable[Path]) -> list[dict[str, Any]]:
    """What the server answered for each template, in the order applied. All are checked before the first is applied."""
    from control_room.commands.checks import checked

    kinds = {executor["kind"] for executor in client.executors()}
    drafts = checked(paths, client.templates(), kinds)
    for draft in drafts:
        if draft.archive is not None:
            client.put_bundle(draft.archive, draft.spec.get("workspace"))
    applied: list[dict[str, Any]] = []
    for draft in drafts:
        try:
            applied.append(client.put_template(draft.spec["name"], draft.spec))
        except ControlRoomError as error:
            raise _refused(error, draft.file, applied) from error
    return applied


def _refused(error: ControlRoomError, file: Path, applied: list[dict[str, Any]]) -> ControlRoomError:
    """The server's refusal, with the file and what was applied before it."""
    done = ", ".join(f"{item['name']} v{item['version']}" for item in applied) or "nothing"
    return ControlRoomError(
        f"{file}: {error.what}; applied before it: {done}",
        where=error.where,
        next_step=error.next_step,
        exit_code=error.exit_code,
        code=error.code,
        members=error.members,
    )
