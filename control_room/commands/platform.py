"""migrate, server, executor, executors ls, login."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from control_room.commands.context import AsJson, connect, print_json, print_table, say, settings_of
from control_room.commands.words import coloured, time_text
from control_room.errors import FAILED, MISUSE, OK, UNAVAILABLE, ControlRoomError

migrate_app = typer.Typer(
    no_args_is_help=True,
    help="Bring a database to this program's schema. PG* variables name it; without them, the stack's.",
)
LIVE_STATES = ("active", "draining")
executors_app = typer.Typer(no_args_is_help=True, help="Processes that run things.")


@migrate_app.command("plan")
def migrate_plan(context: typer.Context, as_json: AsJson = False) -> None:
    """The migrations that `apply` would run."""
    from ops_schema import migrate

    _print_migrations(_migrating(context, migrate.plan), "would run", "nothing to do", as_json)


@migrate_app.command("apply")
def migrate_apply(context: typer.Context, as_json: AsJson = False) -> None:
    """Run what is pending, each migration in one transaction, under a lock."""
    from ops_schema import migrate

    _print_migrations(_migrating(context, migrate.apply), "applied", "nothing to do", as_json)


@migrate_app.command("status")
def migrate_status(context: typer.Context, as_json: AsJson = False) -> None:
    """What is applied and what is pending. Exit code 1 unless the schema is this program's."""
    from ops_schema import migrate

    found = _migrating(context, migrate.status)
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


def server() -> None:
    """Run the server in this process: both APIs, the dashboard, the reactor. OPS_* and PG* variables configure it."""
    from control_room.api import serve

    serve.main()


def executor(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="python, dbt, notebook, …")],
) -> None:
    """Become an executor of this kind. OPS_URL and OPS_TOKEN_FILE say for whom; without them, for the running stack."""
    environment = dict(os.environ)
    if "OPS_URL" not in environment:
        environment |= _stack_executor(context, kind)
    beside = Path(sys.executable).with_name("control-room-executor")
    if not beside.exists():
        raise ControlRoomError(
            "control-room-executor is not installed beside this Python",
            where=str(beside.parent),
            next_step=f"pip install 'lakehouse-control-room[{kind}]'",
            exit_code=MISUSE,
        )
    os.execve(beside, [str(beside), kind], environment)  # noqa: S606 - replacing ourselves is the point


@executors_app.command("ls")
def executors_ls(
    context: typer.Context,
    all_executors: Annotated[bool, typer.Option("--all", "-a", help="Those that left or were lost, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Executors, as last heard of."""
    with connect(context) as client:
        items = [e for e in client.executors() if all_executors or e["state"] in LIVE_STATES]
    if as_json:
        print_json({"items": items})
        return
    columns = {"executor": "right", "name": "left", "kind": "left", "state": "left", "busy": "right", "pid": "right"}
    rows = [
        [
            e["number"],
            e["name"],
            e["kind"],
            coloured(e["state"]),
            f"{_busy(e['running'])}/{e['slots']}",
            e["pid"],
            e["host"],
            time_text(e["last_seen_at"]),
        ]
        for e in items
    ]
    print_table({**columns, "host": "left", "last seen": "left"}, rows)


def _busy(running: Any) -> int:
    return len(running) if isinstance(running, list) else int(running)


def login(
    context: typer.Context,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print a link that logs one browser in to the dashboard. It works once, and for ten minutes."""
    with connect(context) as client:
        code = client.login_code()
    if as_json:
        print_json({"url": code["url"], "expires_at": code["expires_at"]})
    else:
        say(code["url"])
    if open_browser:
        import webbrowser

        webbrowser.open(code["url"])


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


def _migrating(context: typer.Context, verb: Any) -> Any:
    from ops_schema.errors import MigrationError, StoreError

    try:
        return verb(conninfo_of(context))
    except MigrationError as error:
        raise ControlRoomError(str(error)) from error
    except StoreError as error:
        raise ControlRoomError(str(error), next_step="check PGHOST and its friends", exit_code=UNAVAILABLE) from error


def _applied_row(row: Any, state: str) -> dict[str, Any]:
    return {"version": row.version, "name": row.name, "state": state, "applied_at": row.applied_at.isoformat()}


def _print_migrations(migrations: Any, verb: str, nothing: str, as_json: bool) -> None:
    if as_json:
        print_json({"items": [{"version": m.version, "name": m.name, "sha256": m.sha256} for m in migrations]})
        return
    for migration in migrations:
        say(f"{verb} {migration.file_name}  sha256 {migration.sha256[:12]}")
    if not migrations:
        say(nothing)


def _stack_executor(context: typer.Context, kind: str) -> dict[str, str]:
    from control_room.local import stack
    from control_room.local.objectstore import CONNECTIONS
    from control_room.local.server import executor_token, url_of

    folder = settings_of(context).folder
    state = stack.running_state(folder)
    token = folder.secret(executor_token(kind))
    if state is None or not token.exists():
        raise ControlRoomError(
            f"OPS_URL is not set, and no stack with a {kind} executor runs here",
            where=str(folder.root),
            next_step="set OPS_URL and OPS_TOKEN_FILE, or run `control-room up`",
            exit_code=MISUSE if state else UNAVAILABLE,
        )
    return {
        "OPS_URL": url_of(state),
        "OPS_TOKEN_FILE": str(token),
        "OPS_CONNECTIONS_FILE": str(folder.secret(CONNECTIONS)),
        "OPS_WORK_DIR": str(folder.work(f"extra-{kind}-{os.getpid()}")),
    }
