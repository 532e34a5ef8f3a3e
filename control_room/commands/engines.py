"""engines: Trino and Spark at hand, as pinned distributions in the user's cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from control_room.commands.context import AsJson, console, print_json, print_table, runnable, say
from control_room.commands.words import coloured, size_text, time_text
from control_room.errors import FAILED, OK, interruptible

if TYPE_CHECKING:
    from control_room.engines.fetch import OnProgress
    from control_room.engines.findings import Verdict

app = typer.Typer(no_args_is_help=True, help="Trino and Spark at hand: fetched once, checked, kept in your cache.")

Engines = Annotated[list[str] | None, typer.Argument(metavar="[trino|spark]...", help="All of them by default.")]
Repository = Annotated[
    str | None,
    typer.Option(
        envvar="OPS_MAVEN_URL",
        help="A Maven repository: an https:// address or a folder. Default: what mvn on PATH knows.",
    ),
]


@app.command()
def install(engines: Engines = None, repository: Repository = None, as_json: AsJson = False) -> None:
    """Fetch what is pinned, check it by sha256, slim it, and put it into your cache. What is there stays.

    The cache: OPS_ENGINES_DIR, else control-room/engines below XDG_CACHE_HOME or ~/.cache.
    """
    done = install_all(engines or [], repository, as_json)
    if as_json:
        print_json({"items": done})


def install_all(engines: list[str], repository: str | None, quiet: bool) -> list[dict[str, str]]:
    """Install those that are not there, all of them when none is named; answers engine, version and home of each."""
    from control_room.engines import install as installer
    from control_room.engines.catalogue import chosen, installed_at

    done = []
    for distribution in chosen(engines):
        before = installed_at(distribution)
        stopped = f"interrupted while {distribution.engine} was being installed; nothing is half installed"
        again = "run the same command again: it goes on with what was fetched"
        with interruptible(stopped, again), _shown(quiet=quiet) as progress:
            home = installer.install(distribution, progress, repository)
        how = "is installed already" if before else "installed"
        say(f"{distribution.engine} {distribution.version} {how}: {home}", quiet=quiet)
        done.append({"engine": distribution.engine, "version": distribution.version, "home": str(home)})
    return done


@app.command("ls")
def engines_ls(as_json: AsJson = False) -> None:
    """What is installed, how large it is, and where."""
    from control_room.engines import install as installer

    items = installer.ls()
    if as_json:
        print_json({"items": [vars(item) | {"home": str(item.home)} for item in items]})
        return
    rows = [
        [i.engine, i.version, size_text(i.bytes), time_text(i.installed_at), "yes" if i.current else "no", str(i.home)]
        for i in items
    ]
    columns = {"engine": "left", "version": "right", "size": "right", "installed": "left", "in use": "left"}
    print_table({**columns, "where": "left"}, rows)


@app.command()
def doctor(engines: Engines = None, as_json: AsJson = False) -> None:
    """What each engine has here, which Java it takes, and what is missing. Exit code 1 when one cannot be started."""
    verdicts = verdicts_on(engines or [])
    if as_json:
        print_json({"items": [_told(verdict) for verdict in verdicts]})
    else:
        rows = [[v.engine, coloured("ok" if v.ready else "fail"), v.found, runnable(v.fix)] for v in verdicts]
        print_table({"engine": "left", "state": "left", "found": "left", "fix": "left"}, rows)
    raise typer.Exit(OK if all(verdict.ready for verdict in verdicts) else FAILED)


def verdicts_on(engines: list[str]) -> list[Verdict]:
    from control_room.engines import findings, java
    from control_room.engines.catalogue import chosen

    javas = java.find()
    return [findings.judge(each, findings.look(each, javas)) for each in chosen(engines)]


def _told(verdict: Verdict) -> dict[str, Any]:
    found = verdict.java
    java = {"home": str(found.home), "version": found.version, "source": found.source} if found else None
    return {**vars(verdict), "java": java}


@contextmanager
def _shown(quiet: bool) -> Iterator[OnProgress]:
    """A bar on a terminal; elsewhere a line for each step, so that a log shows what took its time."""
    here = console(stderr=True)
    if quiet or not here.is_terminal:
        yield _Lines(quiet)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=here, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


class _Lines:
    """Says each step once."""

    def __init__(self, quiet: bool):
        self._quiet = quiet
        self._last = ""

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if what != self._last:
            size = f" ({size_text(total)})" if total else ""
            say(f"  {what}{size}", quiet=self._quiet)
            self._last = what
