"""demo-lakehouse: one table through Spark, Trino, dbt and Python, with engines that the command installs and starts."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from control_room.commands.context import AsJson, print_table, say, settings_of
from control_room.commands.demo import Pipeline, perform
from control_room.commands.words import size_text
from control_room.errors import MISUSE, ControlRoomError

if TYPE_CHECKING:
    from control_room.engines.java import Java

Json = dict[str, Any]
ENGINES = ("trino", "spark")
# Module -> what it is for. The rest comes with the demo.
MODULES = {"pyspark": "Spark", "trino": "Trino's client", "dbt": "dbt", "pyiceberg": "Iceberg in Python"}
# Measured with heaps of 1G each: Spark takes 1.3 GB, Trino 1.1, all else of the stack 1.1, a run up to 0.4.
NEEDED_MEMORY = 4 * 2**30
TRIES = (("runs logs NUMBER", "what an engine said of a task"),)


def demo_lakehouse(
    context: typer.Context,
    open_browser: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open the dashboard; by default where there is a desktop.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Install Trino and Spark, start the stack with them, run a pipeline over both. Exit code 1 if a task fails.

    It needs 4 GiB of free memory, Java 17 or 21 for Spark, and once 900 MB over the network.
    """
    perform(context, lambda: _prepared(context, as_json), open_browser, as_json, _print_tables)


@contextmanager
def _prepared(context: typer.Context, quiet: bool) -> Iterator[Pipeline]:
    from control_room.commands.engines import install_all
    from control_room.engines import java

    check_address(context)
    check_packages({module for module in MODULES if importlib.util.find_spec(module) is not None})
    check_java(java.find())
    wanted = engines_wanted(context)
    say("engines", quiet=quiet)
    install_all(list(ENGINES), None, quiet)
    home = Path(__file__).parent.parent / "demo"
    paths = [home / "nycflights" / "ingest.yaml", home / "lakehouse"]
    told = "the 2013 flights out of New York (336,776 rows) and their weather"
    yield Pipeline(paths, "lakehouse", {}, told, wanted, TRIES)


def check_address(context: typer.Context) -> None:
    """The demo's tables lie in the embedded stack."""
    if settings_of(context).url is not None:
        raise ControlRoomError(
            "demo-lakehouse runs on the embedded stack, but OPS_URL (or --url) names another control room",
            next_step="unset it and run the same command again",
            exit_code=MISUSE,
        )


def check_packages(there: Collection[str]) -> None:
    """there: modules that can be imported."""
    if missing := [f"{what} ({module})" for module, what in MODULES.items() if module not in there]:
        raise ControlRoomError(
            f"not installed: {', '.join(missing)}",
            next_step="`make demo-lakehouse` installs all of it; or pip install 'lakehouse-control-room[lakehouse]'",
            exit_code=MISUSE,
        )


def check_java(javas: Sequence[Java]) -> None:
    """Before anything is fetched: each engine has a Java that fits."""
    from control_room.engines import findings
    from control_room.engines.catalogue import chosen

    for distribution in chosen(ENGINES):
        seen = findings.look(distribution, javas)
        if findings.judge(distribution, seen).java is None:
            raise ControlRoomError(
                f"{distribution.engine} cannot be started here: {findings.no_java(distribution, javas)}",
                next_step=f"{findings.java_fix(distribution)}; then run the same command again",
                exit_code=MISUSE,
            )


def engines_wanted(context: typer.Context) -> dict[str, str] | None:
    """What the stack is to be started with: None when it has both already. It keeps heaps that were chosen."""
    import psutil

    from control_room.local import stack, state
    from control_room.local.engines import DEFAULT_HEAPS

    folder = settings_of(context).folder
    running = stack.running_state(folder)
    has = state.load(folder).engines if folder.state_file.exists() else {}
    if running is not None:
        check_running(running.engines)
        return None
    check_memory(psutil.virtual_memory().available)
    return None if set(ENGINES) <= set(has) else {**{engine: DEFAULT_HEAPS[engine] for engine in ENGINES}, **has}


def check_running(engines: Mapping[str, str]) -> None:
    """A stack that is up has both engines; another one is not changed for a demo. engines: engine -> heap."""
    from control_room.local.engines import DEFAULT_HEAPS
    from control_room.local.growth import written

    if lacking := [engine for engine in ENGINES if engine not in engines]:
        all_of = {**engines, **{engine: DEFAULT_HEAPS[engine] for engine in lacking}}
        raise ControlRoomError(
            f"the stack is up without {' and '.join(lacking)}",
            next_step=f"`control-room up --with {written(all_of)}` adds what is missing; "
            "then run the same command again",
            exit_code=MISUSE,
        )


def check_memory(free: int) -> None:
    """free: bytes."""
    if free < NEEDED_MEMORY:
        raise ControlRoomError(
            f"{size_text(free)} of memory are free; the stack with Trino and Spark takes {size_text(NEEDED_MEMORY)}",
            next_step="free some, or run `make demo`, which needs neither engine",
        )


def _print_tables(summary: Json) -> None:
    """What the last task compared: each table as another library reads it, and as Trino counts it."""
    [check] = [task for task in summary["tasks"] if task["task_key"] == "check"]
    rows = [
        [each["table"], each["format"], each["read_by"], f"{each['rows']:,}", f"{each['rows_by_trino']:,}"]
        for each in check["result"]["tables"]
    ]
    right = {"rows": "right", "rows by Trino": "right"}
    print_table({"table": "left", "format": "left", "read by": "left", **right}, rows)
