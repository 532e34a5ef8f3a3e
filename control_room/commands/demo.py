"""demo: the main job on real data, from nothing to a report, with one command."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from control_room.commands.context import (
    AsJson,
    client_for,
    connect,
    print_json,
    print_table,
    program,
    say,
    settings_of,
)
from control_room.commands.failures import error_text
from control_room.commands.words import STATE_VERBS, coloured, count_text, duration_of, seconds_text
from control_room.errors import FAILED, MISUSE, OK, ControlRoomError, interruptible

if TYPE_CHECKING:
    from control_room.client import OperatorClient

Json = dict[str, Any]
SERVER_PATIENCE = 120.0  # a killed server is back long before
AGAIN = "run the same command again to go on"


@dataclass(frozen=True)
class Pipeline:
    """What a demo runs: template files or folders of them, the pipeline's name and its parameters. engines: those that
    the stack is to be started with, None for what it has; tries: (command, what it does) to try next."""

    paths: Sequence[Path]
    template: str
    params: Json
    told: str
    engines: Mapping[str, str] | None = None
    tries: Sequence[tuple[str, str]] = (("demo --input FILE.csv", "the same on a table of your own"),)


def demo(
    context: typer.Context,
    source: Annotated[
        Path | None, typer.Option("--input", help="Your own table (CSV or Parquet) instead of the flights.")
    ] = None,
    open_browser: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open the dashboard; by default where there is a desktop.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start the stack, run the pipeline on real data, show what came out. Exit code 1 if a task fails."""
    perform(context, lambda: _pipeline(source), open_browser, as_json)


def perform(
    context: typer.Context,
    prepared: Callable[[], AbstractContextManager[Pipeline]],
    open_browser: bool | None,
    as_json: bool,
    also: Callable[[Json], None] = lambda summary: None,
) -> NoReturn:
    """A whole demo: stack, pipeline, what came out. also: what is told beside of a pipeline that succeeded."""
    began = time.monotonic()
    told = "interrupted before the pipeline was submitted"
    with (
        interruptible(told, f"{AGAIN}; `control-room status` shows what runs already"),
        prepared() as pipeline,
    ):
        run = _submitted(context, pipeline, as_json)
    finished = _followed(context, run, as_json)
    ended = f"{STATE_VERBS.get(finished['state'], 'is')} {finished['state']}"
    told = f"interrupted; run {finished['number']} {ended}, and the stack goes on"
    with (
        interruptible(told, f"`control-room runs show {finished['number']}`, or `control-room down`"),
        connect(context) as client,
    ):
        summary = _summary(context, client, finished, time.monotonic() - began)
        if as_json:
            print_json(summary)
        else:
            _tell(summary, client, open_browser, pipeline.tries, also)
    raise typer.Exit(OK if finished["state"] == "succeeded" else FAILED)


@contextmanager
def _pipeline(source: Path | None) -> Iterator[Pipeline]:
    home = Path(__file__).parent.parent / "demo"
    if source is None:
        yield Pipeline([home / "nycflights"], "nycflights", {}, "the 2013 flights out of New York (336,776 rows)")
        return
    with tempfile.TemporaryDirectory(prefix="control-room-demo-") as folder:
        with interruptible("interrupted while the table was read; nothing was started", AGAIN):
            made = _generated(source, Path(folder))
        yield made


def _generated(source: Path, folder: Path) -> Pipeline:
    from control_room.demo.table.generate import InputFileError, generate

    try:
        made = generate(source.expanduser(), folder)
    except InputFileError as error:
        raise ControlRoomError(
            str(error), where=str(source), next_step="pass a CSV or Parquet file with a header and rows",
            exit_code=MISUSE,
        ) from error  # fmt: skip
    told = f"{source.name} ({made.rows:,} rows, {made.columns} columns)"
    return Pipeline([made.folder], made.template, made.params, told)


def _submitted(context: typer.Context, pipeline: Pipeline, quiet: bool) -> Json:
    from control_room.commands.stack import bring_up
    from control_room.commands.templates import apply_paths

    if settings_of(context).url is None:
        say("stack", quiet=quiet)
        state = bring_up(context, quiet, pipeline.engines)
        say(f"  {state.phase}: {state.urls['dashboard']}", quiet=quiet)
    with connect(context, patience=SERVER_PATIENCE) as client:
        apply_paths(client, pipeline.paths)
        run: Json = client.submit(pipeline.template, pipeline.params, labels={"demo": pipeline.template})
    say(f"pipeline {pipeline.template}: run {run['number']} on {pipeline.told}", quiet=quiet)
    return run


def _followed(context: typer.Context, run: Json, quiet: bool) -> Json:
    from control_room.commands.follow import follow_run

    number = run["number"]
    steps = f"`control-room runs show {number}` looks at it, `control-room runs cancel {number}` stops it"
    with (
        interruptible(
            f"interrupted; run {number} and the stack go on", f"{steps}, `control-room down` stops everything"
        ),
        client_for(settings_of(context), SERVER_PATIENCE) as client,
    ):
        return follow_run(client, str(number), quiet)


def _summary(context: typer.Context, client: OperatorClient, run: Json, seconds: float) -> Json:
    from control_room.client import tasks_of

    tasks = [{**task, "artifacts": client.artifacts(str(task["number"]))} for task in tasks_of(run)]
    return {
        "run": {key: value for key, value in run.items() if key != "children"},
        "tasks": tasks,
        "report": _report(context, client, run, tasks),
        "dashboard": f"{client.url}/",
        "seconds": round(seconds, 1),
    }


def _report(context: typer.Context, client: OperatorClient, run: Json, tasks: list[Json]) -> Json | None:
    """Download the rendered report, checked against its sha256; None when there is none."""
    rendered = [a for t in tasks for a in t["artifacts"] if a["kind"] == "report" and a["media_type"] == "text/html"]
    if not rendered:
        return None
    artifact = rendered[-1]
    folder = settings_of(context).folder
    folder.reports.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder.reports / f"run-{run['number']}.html"
    sha256 = client.download(artifact["artifact_id"], path, artifact["sha256"])
    return {"artifact_id": artifact["artifact_id"], "name": artifact["name"], "path": str(path), "sha256": sha256}


def _tell(
    summary: Json,
    client: OperatorClient,
    open_browser: bool | None,
    tries: Sequence[tuple[str, str]],
    also: Callable[[Json], None],
) -> None:
    run, report = summary["run"], summary["report"]
    _print_tasks(run, summary["tasks"])
    if report:
        say(f"report     {report['path']}")
    if run["state"] == "succeeded":
        also(summary)
        link = client.login_code()["url"]
        say(f"dashboard  {link}   (logs you in, once)")
        _open(link, open_browser)
        say(f"all of it took {seconds_text(summary['seconds'])}; three things to try next:")
        _next_things(summary, tries)
    else:
        _tell_failure(summary)


def _print_tasks(run: Json, tasks: list[Json]) -> None:
    rows = [_row(task) for task in [*tasks, *([{**run, "artifacts": []}] if run["kind"] == "pipeline" else [])]]
    right = {"try": "right", "duration": "right", "rows": "right", "artifacts": "right"}
    columns = {"run": "right", "task": "left", "executor": "left", "state": "left", **right, "sha256": "left"}
    print_table(columns, rows, spare=("sha256", "executor"))


def _row(task: Json) -> list[Any]:
    digests = [a["sha256"][:12] for a in task["artifacts"] if a["sha256"]]
    return [
        task["number"],
        task["task_key"] or task["template_name"],
        task["executor_name"],
        coloured(task["state"]),
        task["attempt"] if task["kind"] != "pipeline" else None,
        seconds_text(duration_of(task)),
        count_text(task["rows"]),
        len(task["artifacts"]) if task["kind"] != "pipeline" else None,
        " ".join(digests[:1]) + (f" +{len(digests) - 1}" if len(digests) > 1 else ""),
    ]


def _next_things(summary: Json, tries: Sequence[tuple[str, str]]) -> None:
    verify = (f"artifacts verify {summary['run']['number']}", "recompute every sha256 from the store")
    for command, what in (verify, *tries, ("down, then up", "stop everything; every run is still there")):
        say(f"  {program()} {command:<22} {what}")


def _tell_failure(summary: Json) -> None:
    failed = [task for task in summary["tasks"] if task["state"] == "failed"]
    number, me = summary["run"]["number"], program()
    for task in failed:
        say(f"error: {task['task_key'] or task['template_name']} failed: {error_text(task['error'])}", quiet=True)
        say(f"next: {me} runs logs {task['number']}, then {me} runs retry {number}", quiet=True)
    if not failed:
        say(f"error: the pipeline is {summary['run']['state']}", quiet=True)
        say(f"next: {me} runs why {number}", quiet=True)


def _open(link: str, wanted: bool | None) -> None:
    desktop = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if wanted or (wanted is None and desktop):
        import webbrowser

        webbrowser.open(link)
