"""migrate: the schema, the lakehouse's root and the first tokens of a database, as its administrator."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from control_room.commands.context import AsJson, print_json, print_table, say, settings_of
from control_room.errors import FAILED, MISUSE, OK, REFUSED, UNAVAILABLE, ControlRoomError

app = typer.Typer(
    no_args_is_help=True,
    help="Bring a database to this program's schema. PG* variables name it; without them, the stack's.",
)


class Role(StrEnum):
    """What a token may do: operators submit and see, viewers see, executors claim and report."""

    OPERATOR = "operator"
    EXECUTOR = "executor"
    VIEWER = "viewer"


@app.command("plan")
def migrate_plan(context: typer.Context, as_json: AsJson = False) -> None:
    """The migrations that `apply` would run."""
    from ops_schema import migrate

    _print_migrations(_administering(context, migrate.plan), "would run", "nothing to do", as_json)


@app.command("apply")
def migrate_apply(
    context: typer.Context,
    lakehouse_root: Annotated[
        str | None,
        typer.Option(
            envvar="OPS_LAKEHOUSE_ROOT",
            metavar="s3://BUCKET[/PREFIX]",
            help="Where tables live: new runs write below it. Kept in the database; without it nothing changes.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run what is pending, each migration in one transaction, under a lock; then set the lakehouse's root, if given."""
    from ops_schema import migrate

    applied = _administering(context, migrate.apply)
    root = _set_root(context, lakehouse_root) if lakehouse_root else None
    _print_migrations(applied, "applied", "nothing to do", as_json)
    if root and not as_json:
        say(f"tables live below {root}")


@app.command("token")
def migrate_token(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose it is; `revoke` takes this name.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="File to make for it, mode 0600; - prints the token.", allow_dash=True),
    ],
    workspace: Annotated[
        list[str] | None, typer.Option("--workspace", help="Only this one; may repeat.", show_default="all of them")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token as the database's administrator: an installation's first ones. Only its sha256 is stored."""
    token = secrets.token_urlsafe(32)
    with _written(output, token):
        made = _create_token(context, name, role, token, workspace)
    shown = {"name": name, "role": role.value, "workspaces": workspace, "token_id": made.get("token_id")}
    if str(output) == "-":
        print_json({**shown, "token": token}) if as_json else say(token)
    elif as_json:
        print_json({**shown, "file": str(output)})
    else:
        say(f"{role.value} token {name!r} is in {output}")


@app.command("revoke")
def migrate_revoke(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As given to `token`.")],
    as_json: AsJson = False,
) -> None:
    """End a token by its name, as the database's administrator: it opens nothing from now on."""
    from ops_schema import migrate

    revoked = _administering(context, migrate.revoke_token, name)
    if not revoked:
        raise ControlRoomError(f"no living token is named {name!r}", next_step="check the name", exit_code=REFUSED)
    if as_json:
        print_json({"name": name, "revoked": revoked})
    else:
        say(f"token {name!r} is revoked")


@app.command("status")
def migrate_status(context: typer.Context, as_json: AsJson = False) -> None:
    """What is applied and what is pending. Exit code 1 unless the schema is this program's."""
    from ops_schema import migrate

    found = _administering(context, migrate.status)
    rows = [
        {"version": a.version, "name": a.name, "state": "applied", "applied_at": a.applied_at} for a in found.applied
    ]
    rows += [{"version": m.version, "name": m.name, "state": "pending", "applied_at": None} for m in found.pending]
    unknown = {row.version for row in found.unknown}
    for row in rows:
        row["state"] = "unknown here" if row["state"] == "applied" and row["version"] in unknown else row["state"]
    if as_json:
        print_json({"items": rows})
    else:
        cells = [
            [f"{r['version']:04d}", r["name"], r["state"], r["applied_at"] and r["applied_at"].isoformat()]
            for r in rows
        ]
        print_table({"version": "right", "name": "left", "state": "left", "applied": "left"}, cells)
    raise typer.Exit(FAILED if found.pending or found.unknown else OK)


def conninfo_of(context: typer.Context) -> str:
    """libpq string: empty when PG* variables name a database, else the embedded database's superuser."""
    if any(os.environ.get(name) for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGPORT")):
        return ""
    from control_room.local import stack
    from control_room.local.postgres import admin_conninfo

    folder = settings_of(context).folder
    state = stack.running_state(folder)
    if state is None:
        raise ControlRoomError(
            "there is no database to migrate: PGHOST is not set and no stack is running",
            where=str(folder.root),
            next_step="set PGHOST, PGUSER and PGDATABASE, or run `control-room up` (which migrates by itself)",
            exit_code=UNAVAILABLE,
        )
    return admin_conninfo(folder, state)


def _set_root(context: typer.Context, root: str) -> str:
    """The root as the database keeps it, which has the one rule about how it may look."""
    from ops_schema import migrate
    from ops_schema.errors import OpsError

    try:
        value: str = _administering(context, migrate.set_lakehouse_root, root)
    except ControlRoomError as error:
        if not isinstance(error.__cause__, OpsError):
            raise
        where = "--lakehouse-root or OPS_LAKEHOUSE_ROOT; the schema itself is up to date"
        what = f"{root!r} is no place for tables: {error.what}"
        raise ControlRoomError(what, where=where, next_step=error.next_step, exit_code=MISUSE) from error
    return value


def _create_token(context: typer.Context, name: str, role: Role, token: str, workspaces: list[str] | None) -> Any:
    from ops_schema import migrate

    return _administering(
        context, migrate.create_token, name, role.value, hashlib.sha256(token.encode()).digest(), workspaces or None
    )


@contextmanager
def _written(output: Path, token: str) -> Iterator[None]:
    """The file is made first and filled last: no token is registered that could not be kept, none kept that is not."""
    if str(output) == "-":
        yield
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ControlRoomError(
            f"the token's file cannot be made: {error.strerror}; no token was made",
            where=str(output),
            next_step="pass another --output; a file that is there is never overwritten",
            exit_code=MISUSE,
        ) from error
    try:
        with os.fdopen(descriptor, "w") as file:
            yield
            file.write(token + "\n")
    except BaseException:
        output.unlink(missing_ok=True)
        raise


def _administering(context: typer.Context, verb: Any, *arguments: Any) -> Any:
    """Call a function of ops_schema.migrate on the database, its errors told in our way."""
    from ops_schema.errors import MigrationError, OpsError, StoreError

    try:
        return verb(conninfo_of(context), *arguments)
    except MigrationError as error:
        raise ControlRoomError(str(error)) from error
    except OpsError as error:
        raise ControlRoomError(str(error), next_step=error.hint or "", exit_code=REFUSED) from error
    except StoreError as error:
        raise ControlRoomError(str(error), next_step="check PGHOST and its friends", exit_code=UNAVAILABLE) from error


def _print_migrations(migrations: Any, verb: str, nothing: str, as_json: bool) -> None:
    if as_json:
        print_json({"items": [{"version": m.version, "name": m.name, "sha256": m.sha256} for m in migrations]})
        return
    for migration in migrations:
        say(f"{verb} {migration.file_name}  sha256 {migration.sha256[:12]}")
    if not migrations:
        say(nothing)
