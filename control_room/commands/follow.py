"""Following a run: live progress for people, plain lines elsewhere, log chunks as they come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from control_room.client import TERMINAL, OperatorClient, tasks_of
from control_room.commands.context import console, interactive, say
from control_room.commands.failures import error_line
from control_room.commands.waits import Waits
from control_room.commands.words import coloured, duration_of, printable, seconds_text

if TYPE_CHECKING:
    from rich.table import Table

POLL_SECONDS = 0.5
Json = dict[str, Any]


def follow_run(client: OperatorClient, ref: str, quiet: bool = False) -> Json:
    """Show the run until it has ended; answers it. A server that restarts meanwhile is waited for."""
    if interactive() and not quiet:
        return _live(client, ref)
    return _plain(client, ref, quiet)


def polled(client: OperatorClient, ref: str) -> Iterator[Json]:
    """The run as it is, again and again; the last time when it has ended."""
    while True:
        run = client.run(ref)
        yield run
        if run["state"] in TERMINAL:
            return
        time.sleep(POLL_SECONDS)


def log_chunks(client: OperatorClient, ref: str, stream: str | None, follow: bool) -> Iterator[tuple[str, Json]]:
    """(title, chunk) of a run, or of each task of a pipeline; with `follow` until all have ended."""
    positions: dict[str, str | None] = {}
    while True:
        run = client.run(ref)
        for task in tasks_of(run):
            yield from _new_chunks(client, task, stream, positions)
        if not follow or run["state"] in TERMINAL:
            return
        time.sleep(POLL_SECONDS)


def _new_chunks(
    client: OperatorClient, task: Json, stream: str | None, positions: dict[str, str | None]
) -> Iterator[tuple[str, Json]]:
    number = str(task["number"])
    title = f"run {number}" + (f" ({task['task_key']})" if task["task_key"] else "")
    while True:
        page = client.logs(number, positions.get(number), stream)
        for chunk in page["items"]:
            yield title, chunk
        positions[number] = page["next"] or positions.get(number)
        if not page["items"]:
            return


def _live(client: OperatorClient, ref: str) -> Json:
    from rich.live import Live

    run: Json = {}
    waits = Waits(client)
    with Live(console=console(), refresh_per_second=4, transient=True) as live:
        for run in polled(client, ref):
            live.update(_tasks_table(run, waits))
    return run


def _tasks_table(run: Mapping[str, Any], waits: Waits) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    for task in tasks_of(run):
        elapsed = seconds_text(duration_of(task))
        state = coloured(task["state"])
        table.add_row(str(task["number"]), _name(task), state, elapsed, printable(_doing(task, waits)))
    return table


def _plain(client: OperatorClient, ref: str, quiet: bool) -> Json:
    """A line whenever a task's state or message has changed."""
    run: Json = {}
    told: dict[int, tuple[str, str]] = {}
    waits = Waits(client)
    for run in polled(client, ref):
        for task in tasks_of(run):
            news = (task["state"], _doing(task, waits))
            if told.get(task["number"]) != news:
                told[task["number"]] = news
                say(_line(task, *news), quiet=quiet)
    return run


def _line(task: Json, state: str, doing: str) -> str:
    text = f"  {task['number']} {_name(task)}: {state}"
    if state in TERMINAL and task["started_at"]:
        text += f" after {seconds_text(duration_of(task))}"
    return f"{text} — {printable(doing)}" if doing else text


def _name(task: Json) -> str:
    return str(task["task_key"] or task["template_name"])


def _doing(task: Json, waits: Waits) -> str:
    if text := waits.of(task):
        return text
    if task["state"] == "running":
        progress = task["progress"] or {}
        fraction = progress.get("fraction")
        percent = f"{fraction:.0%} " if isinstance(fraction, int | float) else ""
        attempt = f"attempt {task['attempt']} " if task["attempt"] > 1 else ""
        return f"{attempt}{percent}{progress.get('message') or task['state_reason'] or ''}".strip()
    if task["state"] == "failed":
        return error_line(task["error"])
    reason = task["state_reason"]
    return "" if reason in (None, task["state"]) else str(reason)
