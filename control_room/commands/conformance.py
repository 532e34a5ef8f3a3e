"""conformance server, conformance executor: the kits of contract.conformance, drawn."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from control_room.commands.context import AsJson, print_json, print_table, say
from control_room.commands.words import coloured, printable, seconds_text
from control_room.errors import FAILED, MISUSE, UNAVAILABLE, ControlRoomError

if TYPE_CHECKING:
    from contract.conformance.verdict import Case, Kit, Result

STATES = {"pass": "ok", "fail": "fail", "skip": "skipped"}
Only = Annotated[list[str] | None, typer.Option("--case", help="Only this case; may be given several times.")]
ListCases = Annotated[bool, typer.Option("--list", help="Name the cases and what each requires; judge nothing.")]
Patience = Annotated[float, typer.Option(help="Seconds that what has no deadline of its own may take.")]

app = typer.Typer(no_args_is_help=True, help="Does a server, or an executor in any language, keep the contract?")


@app.command("server")
def server(
    url: Annotated[str | None, typer.Argument(help="URL of the server under test.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with a token of role executor.")] = None,
    operator_token_file: Annotated[
        Path | None, typer.Option(help="File with an operator's token: the kit then submits runs by itself.")
    ] = None,
    submit_command: Annotated[
        str | None, typer.Option(help="Instead: a shell command that submits one run to queue $CONFORMANCE_QUEUE.")
    ] = None,
    kind: Annotated[str, typer.Option(help="Kind of the kit's runs.")] = "python",
    patience: Patience = 20.0,
    case: Only = None,
    list_cases: ListCases = False,
    as_json: AsJson = False,
) -> None:
    """Judge a server from outside, as an executor. Only runs of the kit's own queue are claimed."""
    from contract.conformance import server_kit
    from contract.conformance.desk import Server

    if list_cases:
        return show_cases(server_kit.CASES, as_json)
    if url is None or token_file is None:
        raise ControlRoomError("URL and --token-file are needed", exit_code=MISUSE)
    operator = read(operator_token_file) if operator_token_file else None
    subject = Server(url.rstrip("/"), read(token_file), operator, submit_command, kind, patience)
    return conclude("server", url, judged_server(subject, case or []), as_json)


def judged_server(subject: Any, ids: Sequence[str]) -> Iterator[Result]:
    import httpx

    from contract.conformance import server_kit

    try:
        yield from server_kit.run(subject, ids)
    except httpx.TransportError as error:
        raise ControlRoomError(
            f"nobody answers: {error}",
            where=subject.url,
            next_step="check that the server runs and the URL is right",
            exit_code=UNAVAILABLE,
        ) from None


@app.command("executor", context_settings={"allow_interspersed_args": False})
def executor(
    command: Annotated[list[str] | None, typer.Argument(help="What starts the executor; put -- before it.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Code bundle of the runs, in place of the Python one.")] = None,
    entrypoint: Annotated[str | None, typer.Option(help="Entrypoint in that bundle.")] = None,
    startup: Annotated[float, typer.Option(help="Seconds that the executor may take to register.")] = 60.0,
    patience: Patience = 20.0,
    case: Only = None,
    list_cases: ListCases = False,
    as_json: AsJson = False,
) -> None:
    """Act as the server and judge the executor that the command starts, with OPS_URL and OPS_TOKEN_FILE set."""
    from contract.conformance import executor_kit
    from contract.conformance.trial import Options

    if list_cases:
        return show_cases(executor_kit.CASES, as_json)
    if not command:
        raise ControlRoomError(
            "no executor to judge",
            next_step="say what starts it, for instance: `control-room conformance executor -- node executor.mjs`",
            exit_code=MISUSE,
        )
    if shutil.which(command[0]) is None:
        raise ControlRoomError(f"there is no program {command[0]}", next_step="check its path", exit_code=MISUSE)
    options = Options(command, startup, patience, bundle.read_bytes() if bundle else None, entrypoint)
    return conclude("executor", " ".join(command), executor_kit.run(options, case or []), as_json)


def read(path: Path) -> str:
    """A token from its file."""
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ControlRoomError(f"the token cannot be read: {error}", where=str(path), exit_code=MISUSE) from error


def show_cases(cases: Sequence[Case[Any]], as_json: bool) -> None:
    if as_json:
        print_json({"cases": [{"id": c.id, "title": c.title, "requirement": c.requirement} for c in cases]})
    else:
        print_table({"case": "left", "requirement": "left"}, [[c.id, c.requirement] for c in cases])


def conclude(kit: Kit, subject: str, results: Iterator[Result], as_json: bool) -> None:
    """Judge, tell of each case at once, and end with exit code 1 when one failed."""
    from contract.conformance.verdict import as_json as verdict

    done: list[Result] = []
    try:
        for result in results:
            done.append(result)
            line(result, quiet=as_json)
    except ValueError as error:  # an unknown case
        raise ControlRoomError(str(error), exit_code=MISUSE) from None
    told = verdict(kit, subject, done)
    if as_json:
        print_json(told)
    say(f"{told['passed']} passed, {told['failed']} failed, {told['skipped']} skipped", quiet=as_json)
    if told["failed"]:
        raise typer.Exit(FAILED)


def line(result: Result, quiet: bool) -> None:
    """One case for people, at the moment it is judged."""
    from rich.table import Table
    from rich.text import Text

    from control_room.commands.context import console

    row = Table.grid(padding=(0, 2, 0, 0))
    for width in (4, 20, 7):
        row.add_column(width=width, no_wrap=True, justify="right" if width == 7 else "left")
    row.add_column(overflow="fold")
    told = Text(result.title)
    if result.detail:
        told.append(f"\n{printable(result.detail)}", style="red" if result.verdict == "fail" else "bright_black")
    row.add_row(coloured(STATES[result.verdict], result.verdict), result.id, seconds_text(result.seconds), told)
    console(stderr=quiet).print(row)
