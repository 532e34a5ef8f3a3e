"""What every command shares: where the control room is, who we are, and how answers are printed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from control_room.errors import MISUSE, UNAVAILABLE, ControlRoomError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from control_room.client import OperatorClient
    from control_room.local.folder import StackFolder

PIPE_WIDTH = 180
UNLIMITED = 10_000  # characters: as wide as no table is
WHOLE = ("state", "outcome", "kind")  # words that must not be folded
DEFAULT_DATA_DIR = ".control-room"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]


@dataclass(frozen=True)
class Settings:
    """url and token_file: a control room anywhere; without them the stack in data_dir."""

    data_dir: Path
    url: str | None = None
    token_file: Path | None = None

    @property
    def folder(self) -> StackFolder:
        from control_room.local.folder import StackFolder

        return StackFolder.at(self.data_dir)


def settings_from(data_dir: Path | None, url: str | None, token_file: Path | None) -> Settings:
    """Options first, then OPS_DATA_DIR, OPS_URL and OPS_TOKEN_FILE (typer reads those), then the default folder."""
    return Settings(data_dir or Path(DEFAULT_DATA_DIR), url or None, token_file)


def settings_of(context: typer.Context) -> Settings:
    found = context.find_root().obj
    return found if isinstance(found, Settings) else settings_from(None, None, None)


def connect(context: typer.Context, patience: float = 0.0) -> OperatorClient:
    """A client of the control room the settings name."""
    return client_for(settings_of(context), patience)


def client_for(settings: Settings, patience: float = 0.0) -> OperatorClient:
    from control_room.client import OperatorClient

    url, token_file = _address(settings)
    return OperatorClient(url, _token(token_file), patience=patience)


def _address(settings: Settings) -> tuple[str, Path]:
    if settings.url is None:
        return _stack_address(settings)
    if settings.token_file is None:
        raise ControlRoomError(
            "OPS_URL is set, but there is no token",
            next_step="set OPS_TOKEN_FILE (or --token-file) to a file with an operator's token",
            exit_code=MISUSE,
        )
    return settings.url, settings.token_file


def _stack_address(settings: Settings) -> tuple[str, Path]:
    from control_room.local import stack
    from control_room.local.server import OPERATOR_TOKEN, url_of

    state = stack.running_state(settings.folder)
    if state is None:
        raise ControlRoomError(
            "no stack is running in this data folder",
            where=str(settings.folder.root),
            next_step="start it with `control-room up`, or point OPS_URL and OPS_TOKEN_FILE at another control room",
            exit_code=UNAVAILABLE,
        )
    return url_of(state), settings.token_file or settings.folder.secret(OPERATOR_TOKEN)


def _token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ControlRoomError(
            f"the token cannot be read: {error}",
            where=str(path),
            next_step="check the file and its owner, or set OPS_TOKEN_FILE",
            exit_code=MISUSE,
        ) from error


# Printing ---------------------------------------------------------------------------------------------------------


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n")


def console(stderr: bool = False) -> Console:
    """A rich console that does not interpret brackets in other people's text."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Not a terminal: rich would fold at 80 columns, which no reader of a pipe or a file wants.
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


def say(text: str = "", *, quiet: bool = False) -> None:
    """A line for people; with --json it goes to stderr."""
    console(stderr=quiet).print(text, soft_wrap=True)


def print_table(columns: Mapping[str, str], rows: list[list[Any]], *, spare: Sequence[str] = ()) -> None:
    """columns: heading -> left or right. Cells may be None (shown as a dash) or rich texts.

    spare: headings of columns to leave out, the first one first, while the window is too narrow for the table.
    """
    if not rows:
        return say("none")
    here, left_out = console(), 0
    while True:
        shown = [number for number, heading in enumerate(columns) if heading not in spare[:left_out]]
        table = _table({h: side for n, (h, side) in enumerate(columns.items()) if n in shown}, rows, shown)
        natural = here.measure(table, options=here.options.update(max_width=UNLIMITED)).maximum
        if left_out == len(spare) or natural <= here.width:
            break
        left_out += 1
    return here.print(table)


def _table(columns: Mapping[str, str], rows: list[list[Any]], shown: list[int]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, (heading, side) in enumerate(columns.items()):
        whole = number == 0 or side == "right" or heading in WHOLE
        table.add_column(
            heading, justify="right" if side == "right" else "left", overflow="fold", no_wrap=whole,
        )  # fmt: skip
    for row in rows:
        cells = [row[number] for number in shown]
        table.add_row(*[cell if isinstance(cell, Text) else Text("–" if cell is None else str(cell)) for cell in cells])
    return table


def program() -> str:
    """How to call us from here: by name where the name leads to us, else by the path that was used."""
    called = Path(sys.argv[0])
    found = shutil.which("control-room")
    if called.name != "control-room" or (found and Path(found).samefile(called)):
        return "control-room"
    return os.path.relpath(called) if called.is_relative_to(Path.cwd()) else str(called)


def runnable(text: str) -> str:
    """The same text with each command it names (`control-room …`, in backticks) written so that it runs from here."""
    return text.replace("`control-room ", f"`{program()} ")


def interactive() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
