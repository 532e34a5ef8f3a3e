"""runs: ls, show, logs, cancel, retry, why."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from textwrap import indent
from typing import Annotated, Any

import typer

from control_room.commands.context import AsJson, connect, print_json, print_table, program, say
from control_room.commands.failures import error_line, error_text, failing_rows_text, trace_end
from control_room.commands.waits import advice, held_up
from control_room.commands.words import (
    coloured,
    count_text,
    duration_of,
    local_times,
    moment,
    printable,
    seconds_text,
    standing,
    stop_text,
    time_text,
    value_text,
)
from control_room.errors import interruptible

app = typer.Typer(no_args_is_help=True, help="Look at runs, and steer them.")
Run = Annotated[str, typer.Argument(metavar="RUN", help="Number or run_id.")]
Json = dict[str, Any]
MOST_RESULT = 400  # characters
WAITING = ("waiting", "queued")


@app.command()
def ls(
    context: typer.Context,
    state: Annotated[list[str] | None, typer.Option(help="May repeat: waiting, queued, running, succeeded, …")] = None,
    reason: Annotated[str | None, typer.Option(help="Of its state: budget_exhausted, retry_backoff, …")] = None,
    kind: Annotated[str | None, typer.Option()] = None,
    template: Annotated[str | None, typer.Option()] = None,
    search: Annotated[str | None, typer.Option("--search", "-q", help="Part of a name, label or number.")] = None,
    all_runs: Annotated[bool, typer.Option("--all", "-a", help="The tasks of pipelines too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 25,
    as_json: AsJson = False,
) -> None:
    """The newest runs."""
    with connect(context) as client:
        page = client.list_runs(
            state=state or None, reason=reason, kind=kind, template=template, q=search, top_level=not all_runs,
            limit=limit,
        )  # fmt: skip
    if as_json:
        print_json(page)
        return
    print_runs(page["items"])
    if page["next_cursor"]:
        say(f"the newest {limit}; --limit shows more")


@app.command()
def show(
    context: typer.Context,
    run: Run,
    trace: Annotated[bool, typer.Option("--trace", help="The whole trace of its error, not only the end.")] = False,
    as_json: AsJson = False,
) -> None:
    """One run: its tasks, attempts, publications and error."""
    with connect(context) as client:
        found = client.run(run)
        waits = held_up(client, found) if found["state"] == "queued" and not as_json else ""
    if as_json:
        print_json(found)
    else:
        _print_run(found, trace, waits)


@app.command()
def logs(
    context: typer.Context,
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    stream: Annotated[str | None, typer.Option(help="stdout, stderr or another; all when none is named.")] = None,
    as_json: AsJson = False,
) -> None:
    """What a run wrote; of a pipeline, what each of its tasks wrote."""
    from control_room.commands.follow import log_chunks

    with connect(context, patience=60.0 if follow else 0.0) as client:
        chunks = log_chunks(client, run, stream, follow)
        if as_json:
            print_json({"items": [chunk for _, chunk in chunks]})
            return
        heading = None
        for title, chunk in chunks:
            if title != heading:
                heading = title
                say(f"==> {title} <==")
            sys.stdout.write(printable(chunk["text"]))
            sys.stdout.flush()


@app.command()
def cancel(
    context: typer.Context,
    run: Run,
    reason: Annotated[str, typer.Option()] = "cancelled from the command line",
    force: Annotated[bool, typer.Option(help="Take the lease away without waiting for the executor.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a run to stop; a pipeline with all its tasks."""
    with connect(context) as client:
        found = client.cancel(run, reason, force)
    ended = found["state"] == "cancelled"
    _answer(found, as_json, f"run {found['number']} is {'cancelled' if ended else 'asked to stop'}")


@app.command()
def retry(
    context: typer.Context,
    run: Run,
    failed_only: Annotated[
        bool,
        typer.Option("--failed-only/--all-tasks", help="Of a pipeline: keep what succeeded, or run all of it anew."),
    ] = True,
    latest: Annotated[
        bool, typer.Option("--latest", help="Take the newest version of the template, not the one that the run had.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a new run of the same definition and parameters; a finished run never changes.

    Of a pipeline only the tasks that did not succeed are run again; they read what the others published before. With
    --latest those tasks take the newest version of their templates; the pipeline itself does so with --all-tasks.
    What had succeeded is done anew, all of it."""
    from control_room.commands.retries import left_behind, retried

    with connect(context) as client:
        old = client.run(run)
        new = client.retry(run, failed_only, latest)
        behind = left_behind(client, old, new, latest)
    _answer(new, as_json, retried(old, new))
    for line in behind:
        say(line, quiet=as_json)


@app.command()
def why(context: typer.Context, run: Run, as_json: AsJson = False) -> None:
    """Why a run is where it is."""
    with connect(context) as client:
        found = client.why(run)
    if as_json:
        print_json(found)
        return
    say(f"run {run} {standing(found['state'])}")
    for reason in found["reasons"]:
        say(indent(printable(f"{local_times(reason['message'])} ({reason['code']})"), "    ")[2:])
        if todo := advice(reason, run):
            say(f"    next: {printable(todo)}")


@app.command()
def lineage(context: typer.Context, run: Run, as_json: AsJson = False) -> None:
    """What a run read and made, who made what it read, who read what it made. --json has the OpenLineage events."""
    with connect(context) as client:
        found = client.lineage(run)
    if as_json:
        print_json(found)
        return
    for side, words in (("inputs", "read"), ("outputs", "made")):
        rows = [
            [
                f"{data['namespace']}/{data['name']}",
                data["version"],
                ", ".join(f"{r['number']}" for r in data["runs"][:10]),
            ]
            for data in found[side]
        ]
        say(f"run {run} {words}{'' if rows else ' nothing that is on record'}")
        if rows:
            other = "made by runs" if side == "inputs" else "read by runs"
            print_table({"data": "left", "version": "left", other: "left"}, rows)
    sent = [event["event_type"] for event in found["events"] if event["state"] == "sent"]
    waiting = sum(event["state"] == "pending" for event in found["events"])
    refused = [event for event in found["events"] if event["state"] == "refused"]
    if sent or waiting or refused:
        say(f"told as OpenLineage: {', '.join(sent) or 'nothing yet'}{f'; {waiting} to be sent' if waiting else ''}")
    for event in refused:
        say(f"{event['event_type']} was refused: {printable(event['error'])}")


def print_runs(runs: list[Json]) -> None:
    """The table of `runs ls`, also used for the tasks of a pipeline."""
    tasks = any(run["task_key"] for run in runs)
    columns = {"run": "right", **({"task": "left"} if tasks else {}), "template": "left", "state": "left"}
    rows = [
        [
            run["number"],
            *([run["task_key"]] if tasks else []),
            run["template_name"],
            coloured(run["state"], _state_text(run)),
            f"{run['attempt']}/{run['max_attempts']}" if run["kind"] != "pipeline" else None,
            time_text(run["submitted_at"]),
            seconds_text(duration_of(run)),
            count_text(run["rows"]),
            run["executor_name"],
        ]
        for run in runs
    ]
    columns |= {"try": "right", "submitted": "left", "duration": "right", "rows": "right", "executor": "left"}
    print_table(columns, rows, spare=("executor", "rows", "try"))


def goes_on(run: Json) -> AbstractContextManager[None]:
    """Ctrl-C while following ends the following; the run goes on."""
    number = run["number"]
    steps = f"`control-room runs show {number}` looks at it, `control-room runs cancel {number}` stops it"
    return interruptible(f"interrupted; run {number} goes on", steps)


def _state_text(run: Json) -> str:
    reasons = [reason for reason in (run["state_reason"],) if reason not in (None, run["state"])]
    reasons += ["paused"] if run.get("paused") else []
    return f"{run['state']} ({', '.join(reasons)})" if reasons else str(run["state"])


def _answer(run: Json, as_json: bool, text: str) -> None:
    if as_json:
        print_json(run)
    else:
        say(text)


def _ending(run: Json) -> str:
    after = f" after {seconds_text(duration_of(run))}" if run["started_at"] else ""
    text = f"run {run['number']} {run['state']}{after}"
    told = error_text(run["error"]) if run.get("error") else _result(run)
    return f"{text}\n{indent(told, '  ')}" if told else text


def _result(run: Json) -> str:
    """What the run's code answered, as JSON in one line; a long one is cut. That of a pipeline is in its table."""
    if not run["result"] or run["kind"] == "pipeline":
        return ""
    text = printable(json.dumps(run["result"], ensure_ascii=False))
    rest = f"… (all of it: {program()} runs show {run['number']} --json)"
    return text if len(text) <= MOST_RESULT else text[:MOST_RESULT] + rest


def _print_run(run: Json, whole_trace: bool = False, waits: str = "") -> None:
    """waits: why nobody takes it, where somebody has to do something."""
    name = f"{run['template_name']} v{run['template_version']}"
    say(f"run {run['number']}  {name}  {_state_text(run)}  {seconds_text(duration_of(run))}")
    facts = {
        "run_id": run["run_id"],
        "task of": run["pipeline_run_id"] and f"{_pipeline(run)} (task {run['task_key']})",
        "retry of": run["retry_of"] and (_numbered(run.get("retry_of_number")) or run["retry_of"]),
        "does again": run["reproduces"]
        and f"run {run['reproduces_number']}, beside it; `{program()} diff {run['reproduces_number']} {run['number']}`",
        "reused": run["reused_from"]
        and f"run {run['reused_from_number']} did this with the same inputs: what it left is shown",
        "retried as": ", ".join(f"run {number}" for number in run["retried_as"]),
        "submitted": f"{time_text(run['submitted_at'])} by {run['submitted_by']}",
        "params": ", ".join(f"{k}={value_text(v)}" for k, v in run["params"].items()),
        "waits": waits or (run["state"] in WAITING and f"`{program()} runs why {run['number']}` tells for what"),
        "progress": progress_text(run["progress"]) if run["state"] == "running" else None,
        "metrics": metrics_text(run["attempts"]),
        "cancel": run["cancel_reason"],
        "result": _result(run),
        "error": error_text(run["error"]),
        "rows": failing_rows_text(run, program()),
        "trace": _trace(run, whole_trace),
    }
    for label, value in facts.items():
        if value:
            say(f"  {label:<10} " + indent(printable(str(value)), " " * 13)[13:])
    if run["children"]:
        print_runs(sorted(run["children"], key=lambda child: child["number"]))
    if run["attempts"]:
        _print_attempts(run["attempts"], run["error"], run["cancel_requested_at"])
    if run["publications"]:
        _print_publications(run["publications"])


def progress_text(progress: Json | None) -> str:
    """``40% step 2 of 5``, as far as the run tells it."""
    told = progress or {}
    fraction = told.get("fraction")
    return " ".join([*([] if fraction is None else [f"{fraction:.0%}"]), *filter(None, [told.get("message")])])


def metrics_text(attempts: list[Json]) -> str:
    """The numbers that the newest attempt recorded, by name."""
    metrics = (attempts[-1].get("metrics") or {}) if attempts else {}
    return ", ".join(f"{name}={value:g}" for name, value in sorted(metrics.items()))


def _pipeline(run: Json) -> str:
    return _numbered(run.get("pipeline_run_number")) or str(run["pipeline_run_id"])


def _numbered(number: int | None) -> str:
    return f"run {number}" if number else ""


def _trace(run: Json, whole: bool) -> str:
    """The end of the trace, or all of it; what is left out is a command away."""
    found = printable((run["error"] or {}).get("trace") or "").rstrip()
    end = found if whole else trace_end(found)
    return end if end == found else f"{end}\n(all of it: {program()} runs show {run['number']} --trace)"


def _print_attempts(attempts: list[Json], told: Json | None, cancelled_at: str | None) -> None:
    """The table, then errors of attempts and how soon they stopped; the run's own error, which was told, only once."""
    rows = [
        [
            a["attempt"],
            a["epoch"],
            coloured(a["outcome"]),
            a["executor_name"],
            time_text(a["started_at"]),
            seconds_text(_seconds(a)),
        ]
        for a in attempts
    ]
    left = dict.fromkeys(("outcome", "executor", "started"), "left")
    print_table({"attempt": "right", "epoch": "right", **left, "duration": "right"}, rows)
    for attempt in attempts:
        if attempt["error"] and error_text(attempt["error"]) != error_text(told):
            say(f"  attempt {attempt['attempt']}: {error_line(attempt['error'])}")
        if stopped := stop_text(attempt.get("timings"), cancelled_at):
            say(f"  attempt {attempt['attempt']}: {stopped}")


def _seconds(attempt: Json) -> float | None:
    begun, ended = moment(attempt["started_at"]), moment(attempt["finished_at"])
    return (ended - begun).total_seconds() if begun and ended else None


def _print_publications(publications: list[Json]) -> None:
    rows = [
        [*(p["output"], coloured(p["state"]), p["format"], p["table_version"], count_text(p["rows"])), place_text(p)]
        for p in publications
    ]
    sides = {"output": "left", "state": "left", "format": "left", "version": "right", "rows": "right", "uri": "left"}
    print_table(sides, rows)


def place_text(publication: Json) -> str:
    """Where a publication lies: its address, and where its files are when the address does not say."""
    uri, location = publication["uri"], publication.get("location")
    return f"{uri} ({location})" if location and location != uri else str(uri)
