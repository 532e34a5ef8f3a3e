"""templates: ls, apply."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from control_room.commands.context import AsJson, connect, print_json, print_table, say
from control_room.commands.words import time_text

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
def apply(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Template files (YAML), or folders of them.")],
    as_json: AsJson = False,
) -> None:
    """Pack and upload the code bundles, and store each template as its next version, unless nothing changed."""
    with connect(context) as client:
        applied = apply_paths(client, paths)
    if as_json:
        print_json({"items": applied})
        return
    for item in applied:
        say(f"{item['name']} v{item['version']} {'applied' if item['created'] else 'unchanged'}")


def apply_paths(client: OperatorClient, paths: Iterable[Path]) -> list[dict[str, Any]]:
    """What the server answered for each template, in the order applied."""
    from control_room.commands.bundles import bundle_folder, pack, read_templates

    applied = []
    for path, spec in read_templates(paths):
        if isinstance(spec.get("bundle"), str):
            spec["bundle"] = client.put_bundle(pack(bundle_folder(path, spec["bundle"])))
        applied.append(client.put_template(spec["name"], spec))
    return applied
