"""server, executor, executors, workspaces ls, login."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from control_room.commands.context import AsJson, connect, print_json, print_table, say, settings_of
from control_room.commands.runs_steering import Reason, answer, told
from control_room.commands.words import coloured, counted, time_text
from control_room.errors import MISUSE, UNAVAILABLE, ControlRoomError

LIVE_STATES = ("active", "paused", "draining")
executors_app = typer.Typer(no_args_is_help=True, help="Processes that run things.")
workspaces_app = typer.Typer(no_args_is_help=True, help="Tenants: what runs, templates and tokens belong to.")


def server() -> None:
    """Run the server in this process: both APIs, the dashboard, the reactor. OPS_* and PG* variables configure it."""
    from control_room.api import serve

    serve.main()


def executor(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="python, dbt, notebook, …")],
) -> None:
    """Become an executor of this kind. OPS_URL and OPS_TOKEN_FILE say for whom; without them, for the running stack."""
    _refuse_slip(kind)
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
            coloured(e["state"]) + (", in trouble" if _in_trouble(e) else ""),
            f"{_busy(e['running'])}/{e['slots']}",
            e["pid"],
            e["host"],
            time_text(e["last_seen_at"]),
        ]
        for e in items
    ]
    print_table({**columns, "host": "left", "last seen": "left"}, rows)
    for e in filter(_in_trouble, items):
        say(f"executor {e['number']} ({e['name']}) takes no run: {e['trouble']}")


def _in_trouble(executor: Mapping[str, Any]) -> bool:
    return bool(executor["trouble"]) and executor["state"] == "active"


Executor = Annotated[str, typer.Argument(metavar="EXECUTOR", help="Number or executor_id; see `executors ls`.")]


@executors_app.command("pause")
def executors_pause(context: typer.Context, executor: Executor, reason: Reason = None, as_json: AsJson = False) -> None:
    """Give an executor no new runs; it finishes those it has and stays."""
    _steer_executor(context, "pause", executor, reason, as_json)


@executors_app.command("resume")
def executors_resume(
    context: typer.Context, executor: Executor, reason: Reason = None, as_json: AsJson = False
) -> None:
    """Give a paused executor runs again."""
    _steer_executor(context, "resume", executor, reason, as_json)


@executors_app.command("drain")
def executors_drain(context: typer.Context, executor: Executor, reason: Reason = None, as_json: AsJson = False) -> None:
    """Let an executor finish the runs it has, and leave. This cannot be undone."""
    _steer_executor(context, "drain", executor, reason, as_json)


def _steer_executor(context: typer.Context, verb: str, executor: str, reason: str | None, as_json: bool) -> None:
    with connect(context) as client:
        found = client.steer_executor(verb, executor, **told(reason))
    busy = f"; {_busy(found['running'])} of its {counted(found['slots'], 'slot')} busy" if verb != "resume" else ""
    answer(found, as_json, f"executor {found['number']} ({found['name']}) is {found['state']}{busy}")


@workspaces_app.command("ls")
def workspaces_ls(context: typer.Context, as_json: AsJson = False) -> None:
    """The workspaces your token may enter."""
    with connect(context) as client:
        items = client.workspaces()
    if as_json:
        print_json({"items": items})
        return
    rows = [[w["name"], w["description"], time_text(w["created_at"])] for w in items]
    print_table({"workspace": "left", "description": "left", "created": "left"}, rows)


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


def _refuse_slip(kind: str) -> None:
    """A kind that there is not; the module of an executor of one's own has a dot in its name."""
    from control_room.local.engines import KINDS
    from control_room.local.executor import unknown_kind

    if "." not in kind and kind not in KINDS:
        raise unknown_kind(kind)


def _stack_executor(context: typer.Context, kind: str) -> dict[str, str]:
    from control_room.local import stack
    from control_room.local.objectstore import CONNECTIONS
    from control_room.local.server import token_for, url_of

    folder = settings_of(context).folder
    state = stack.running_state(folder)
    if state is None:
        raise ControlRoomError(
            "OPS_URL is not set, and no stack runs here",
            where=str(folder.root),
            next_step="set OPS_URL and OPS_TOKEN_FILE, or run `control-room up`",
            exit_code=UNAVAILABLE,
        )
    return {
        "OPS_URL": url_of(state),
        "OPS_TOKEN_FILE": str(token_for(folder, state, kind)),
        "OPS_CONNECTIONS_FILE": str(folder.secret(CONNECTIONS)),
        "OPS_WORK_DIR": str(folder.work(f"extra-{kind}-{os.getpid()}")),
        "OPS_HIDE": os.pathsep.join(map(str, folder.private)),
    }
