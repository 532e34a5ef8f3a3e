"""up, down, status: the embedded stack on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from control_room.commands.context import AsJson, print_json, print_table, program, say, settings_of
from control_room.commands.words import coloured, seconds_text, size_text
from control_room.errors import FAILED, MISUSE, OK, ControlRoomError, interruptible

if TYPE_CHECKING:
    from control_room.local.folder import StackFolder
    from control_room.local.report import Event
    from control_room.local.state import StackState
    from control_room.local.supervisor import Options

Executors = Annotated[
    str | None,
    typer.Option(
        "--executors",
        help="Kinds and slots, for instance python=2,dbt=1: all that the stack shall have. Remembered for the next "
        "start; at first python=2,dbt=1,notebook=1,duckdb=1, as far as they are installed. An engine brings its own, "
        "command needs OPS_COMMAND_ALLOW.",
    ),
]
Engines = Annotated[
    str | None,
    typer.Option(
        "--with",
        metavar="ENGINES",
        help="Engines to run beside, with their heap, 1G unless told otherwise: trino,spark or trino=2G; or none. "
        "Remembered for the next start; none at first.",
    ),
]
PORT = "on the loopback interface; a free one is chosen at first. Remembered for the next start."
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, show_default=False, help=f"Of the dashboard and the API, {PORT}")
]
PostgresPort = Annotated[int | None, typer.Option(min=1, max=65535, show_default=False, help=f"Of PostgreSQL, {PORT}")]
S3Port = Annotated[int | None, typer.Option(min=1, max=65535, show_default=False, help=f"Of the object store, {PORT}")]


def up(
    context: typer.Context,
    executors: Executors = None,
    engines: Engines = None,
    port: Port = None,
    postgres_port: PostgresPort = None,
    s3_port: S3Port = None,
    foreground: Annotated[bool, typer.Option(help="Stay in this process; for containers.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start the stack: PostgreSQL, object store, server with dashboard, executors. Says so when it is up already."""
    options = _options(executors, engines, {"server": port, "postgres": postgres_port, "s3": s3_port})
    folder = settings_of(context).folder
    if foreground:
        raise typer.Exit(_foreground(context, options))
    from control_room.local import stack

    before = stack.running_state(folder)
    state = _up(folder, options, as_json)
    if as_json:
        print_json(stack.status(folder))
    else:
        _greet(state, before)
    raise typer.Exit(OK if state.phase == "ready" else FAILED)


def down(
    context: typer.Context,
    drain: Annotated[float, typer.Option(min=0, help="Seconds that running tasks get to finish.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Stop everything. Nothing is lost: `up` finds every run again, and goes on with the unfinished ones."""
    from control_room.local import stack

    folder = settings_of(context).folder
    stopped = stack.down(folder, drain, lambda event: _tell(event, quiet=as_json))
    if as_json:
        told = {"stopped": stopped.anything, "interrupted_runs": stopped.interrupted}
        print_json({**told, "data_dir": str(folder.root)})
    else:
        say("stopped" if stopped.anything else f"nothing runs in {folder.root}")
        if stopped.interrupted:
            say(interrupted_text(stopped.interrupted))


def interrupted_text(runs: int) -> str:
    """What to say of so many runs that had to be interrupted."""
    what = "1 run was interrupted" if runs == 1 else f"{runs} runs were interrupted"
    return f"{what}; `up` goes on with {'it' if runs == 1 else 'them'}"


def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Services with process ids, ports, uptime, memory and restarts.

    Exit code 0 when all of them are ready; 1 when one is not, and when the stack is stopped.
    """
    from control_room.local import stack

    folder = settings_of(context).folder
    answer = stack.status(folder)
    if as_json:
        print_json(answer)
    elif not answer["services"] and not folder.root.exists():
        say(f"there is no stack in {folder.root}")
        say(f"  {program()} up   starts one there; --data-dir or OPS_DATA_DIR names that of another folder")
    else:
        _print_status(answer)
    raise typer.Exit(OK if answer["phase"] == "ready" else FAILED)


def bring_up(context: typer.Context, quiet: bool, engines: Mapping[str, str] | None = None) -> StackState:
    """The stack of the settings, started when it is not up; for commands that need one. engines: as --with."""
    from control_room.local.supervisor import Options

    return _up(settings_of(context).folder, Options(engines=engines), quiet)


def _up(folder: StackFolder, options: Options, quiet: bool) -> StackState:
    with interruptible("interrupted before the stack was started", "run the same command again to go on"):
        from control_room.local import stack

        return stack.up(folder, options, lambda event: _tell(event, quiet=quiet))


def _foreground(context: typer.Context, options: Options) -> int:
    from control_room.local.report import Reporter
    from control_room.local.supervise import run

    failures: list[Event] = []
    listen = lambda event: failures.append(event) if event["event"] == "failed" else _tell(event)  # noqa: E731
    code = run(settings_of(context).folder, options, Reporter(on_event=listen))
    for event in failures:
        raise ControlRoomError(
            event["what"], where=event["where"], next_step=event["next"], exit_code=event["exit_code"]
        )
    return code


def _options(executors: str | None, engines: str | None, ports: dict[str, int | None]) -> Options:
    from control_room.local import engines as local_engines
    from control_room.local.executor import check_wanted
    from control_room.local.supervisor import Options

    pinned = {name: port for name, port in ports.items() if port is not None}
    if len(set(pinned.values())) != len(pinned):
        raise ControlRoomError("two services cannot share one port", exit_code=MISUSE)
    wanted = local_engines.parse(engines)
    if wanted is not None:
        local_engines.check(wanted)
    return Options(executors=check_wanted(parse_executors(executors)), pinned=pinned, engines=wanted)


def parse_executors(text: str | None) -> dict[str, int]:
    """'python=2,dbt' -> {python: 2, dbt: 1}."""
    wanted: dict[str, int] = {}
    for part in (text or "").split(","):
        kind, _, slots = part.strip().partition("=")
        if not kind:
            continue
        if not (slots or "1").isdecimal():
            raise ControlRoomError(
                f"--executors: {part.strip()!r} is no KIND=SLOTS",
                next_step="write for instance --executors python=2,dbt=1",
                exit_code=MISUSE,
            )
        wanted[kind] = int(slots or "1")
    return wanted


def _tell(event: Event, quiet: bool = False) -> None:
    if event["event"] == "service" and event["state"] == "down":
        say(f"  {event['name']}: {event['why']}; again in {seconds_text(event['pause'])}", quiet=quiet)
    elif event["event"] == "service":
        say(f"  {event['name']} {event['state']} ({seconds_text(event['seconds'])})", quiet=quiet)
    elif event["event"] == "note":
        say(f"  note: {event['text']}", quiet=quiet)
    elif event["event"] == "phase" and event["phase"] == "degraded":
        errors = [f"  {name}: {why}" for name, why in event["errors"].items()]
        say("\n".join(["the stack is up, but not all of it:", *errors]), quiet=quiet)
    elif event["event"] == "stopping":
        say(f"stopping (running tasks get {seconds_text(event['drain_seconds'])} to finish)", quiet=quiet)
    elif event["event"] == "stopped":
        say("stopped", quiet=quiet)


def _greet(state: StackState, before: StackState | None) -> None:
    """before: the stack that ran already, if one did."""
    took = f" in {seconds_text(state.ready_seconds)}" if state.ready_seconds else ""
    phase = f"{state.phase}{took}"
    if before is not None and before.phase != "starting":
        phase = "up already" if state.phase == "ready" else f"up already, and {state.phase}"
        if before.engines != state.engines:
            phase = f"{state.phase}, now with {', '.join(state.engines)}"
    say(f"the stack is {phase}: {state.urls['dashboard']}")
    say(f"  {program()} login    a link that opens the dashboard")
    say(f"  {program()} status   what runs; down stops it")


def _print_status(answer: dict[str, Any]) -> None:
    say(f"{answer['phase']}   {answer['data_dir']}")
    rows = [_status_row(service) for service in answer["services"]]
    if answer["supervisor"]:
        rows.append(_status_row({"name": "supervisor", "state": "ready", **answer["supervisor"]}))
    if rows:
        right = dict.fromkeys(("pid", "port", "uptime", "memory", "restarts"), "right")
        print_table({"service": "left", "state": "left", **right}, rows)
    for service in answer["services"]:
        if service["last_error"] and service["state"] in ("starting", "unhealthy", "backoff", "failed"):
            say(f"{service['name']}: {service['last_error'][:300]}")
    for name, url in answer["urls"].items() if answer["phase"] != "stopped" else ():
        say(f"{name:<10} {url}")
    say(f"{'logs':<10} {answer['data_dir']}/logs")
    for note in answer["notes"]:
        say(f"note: {note}")


def _memory_text(service: dict[str, Any]) -> str:
    """Resident memory; where a heap was set, that too. The process takes more than its heap: code, buffers, threads."""
    cap = service.get("memory_cap_bytes")
    return size_text(service["memory_bytes"]) + (f" (heap {size_text(cap)})" if cap else "")


def _status_row(service: dict[str, Any]) -> list[Any]:
    return [
        service["name"],
        coloured(service["state"]),
        service["pid"],
        service.get("port"),
        seconds_text(service["uptime_seconds"]),
        _memory_text(service),
        service.get("restarts", 0),
    ]
