"""The command line. Commands live in control_room.commands and import what they need when they run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from control_room.commands import (
    artifacts,
    conformance,
    context,
    demo,
    demo_lakehouse,
    doctor,
    engines,
    limits,
    migrate,
    platform,
    provenance,
    queues,
    reproduce,
    runs,
    runs_dead,
    runs_steering,
    stack,
    submit,
    templates,
    words,
)
from control_room.errors import EXIT_CODES, FAILED, INTERRUPTED, MISUSE, UNAVAILABLE, ControlRoomError

EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."
SETTINGS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    no_args_is_help=True,
    context_settings=SETTINGS,
    epilog=EPILOG,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Lakehouse Control Room: run data work through one contract, and see all of it.",
)


def print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        context.say(f"control-room {version('lakehouse-control-room')}")
        raise typer.Exit


DataDir = Annotated[
    Path | None,
    typer.Option(envvar="OPS_DATA_DIR", help="Folder of the embedded stack.", show_default=".control-room"),
]
Url = Annotated[str | None, typer.Option(envvar="OPS_URL", help="A control room elsewhere.")]
TokenFile = Annotated[Path | None, typer.Option(envvar="OPS_TOKEN_FILE", help="File with an operator's token.")]
Version = Annotated[bool, typer.Option("--version", callback=print_version, is_eager=True)]


@app.callback()
def settings(
    found: typer.Context,
    data_dir: DataDir = None,
    url: Url = None,
    token_file: TokenFile = None,
    version: Version = False,
) -> None:
    """Where the control room is."""
    found.obj = context.settings_from(data_dir, url, token_file)


app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.status)
app.command()(demo.demo)
app.command()(demo_lakehouse.demo_lakehouse)
app.command()(submit.submit)
runs_steering.add_to(runs.app)
runs_dead.add_to(runs.app)
app.add_typer(runs.app, name="runs")
app.add_typer(queues.app, name="queues")
app.add_typer(limits.caps_app, name="caps")
app.add_typer(limits.budgets_app, name="budgets")
app.add_typer(limits.prices_app, name="prices")
app.add_typer(artifacts.app, name="artifacts")
app.command()(provenance.verify)
app.command()(provenance.export)
app.command()(reproduce.reproduce)
app.command()(reproduce.diff)
app.command()(provenance.signing_keys)
app.add_typer(templates.app, name="templates")
app.add_typer(platform.executors_app, name="executors")
app.add_typer(platform.workspaces_app, name="workspaces")
app.command()(platform.login)
app.command()(doctor.doctor)
app.add_typer(engines.app, name="engines")
app.command()(platform.server)
app.command()(platform.executor)
app.add_typer(migrate.app, name="migrate")
app.add_typer(conformance.app, name="conformance")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Every failure is a sentence and an exit code, never a traceback."""
    try:
        code = run(arguments)
    except BrokenPipeError:
        # The reader of our output went away (`| head`); point stdout elsewhere so that the flush at exit is silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code."""
    as_json = wants_json(sys.argv[1:] if arguments is None else arguments)
    try:
        result = app(args=arguments, prog_name="control-room", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return complain(ControlRoomError("interrupted", exit_code=INTERRUPTED), as_json)
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError" and not as_json:  # a group without a command: its help is all
            sys.stderr.write(f"{getattr(error, 'message', error)}\n")
            return MISUSE
        return complain(understood(error), as_json)
    if result == INTERRUPTED:  # typer turns a Ctrl-C that no command has put into words into this exit code
        return complain(ControlRoomError("interrupted", exit_code=INTERRUPTED), as_json)
    return result if isinstance(result, int) else 0


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether --json was given: also where the command line cannot be parsed, an answer for programs is due."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def understood(error: Exception) -> ControlRoomError:
    """Our own errors, misuse found by typer, known failures of libraries, defects of ours; OPS_DEBUG=1 shows where."""
    if isinstance(error, ControlRoomError):
        return error
    if os.environ.get("OPS_DEBUG") == "1":
        raise error
    show = getattr(error, "format_message", None)
    if show is not None:
        return ControlRoomError(show(), next_step="add --help to see how it is used", exit_code=MISUSE)
    if isinstance(error, OSError):
        return ControlRoomError(error.strerror or str(error), where=str(error.filename or "this machine"))
    kind = type(error).__name__
    unreachable = kind in ("StoreUnavailable", "OperationalError")
    return ControlRoomError(
        f"{kind}: {error}",
        next_step="run it again with OPS_DEBUG=1 and report what it prints",
        exit_code=UNAVAILABLE if unreachable else FAILED,
    )


def complain(error: ControlRoomError, as_json: bool = False) -> int:
    """The sentence on stderr; with --json the problem on stdout, too."""
    if as_json:
        told = {k: context.runnable(v) if isinstance(v, str) else v for k, v in error.problem().items()}
        context.print_json(told)
    sys.stdout.flush()
    prefix = "" if error.exit_code == INTERRUPTED else "error: "
    sys.stderr.write(f"{prefix}{words.local_times(context.runnable(str(error)))}\n")
    return error.exit_code


if __name__ == "__main__":
    main()
