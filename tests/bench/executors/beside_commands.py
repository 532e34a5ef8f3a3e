"""dbt and notebooks beside their own commands: what a run takes from submit to its end, and what the command takes.

Alternating: the command, then a run. Both work in this environment, on the same files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from executors.runtime.settings import ExecutorSettings
from tests.bench.executors import idle, projects
from tests.bench.executors.bench import OURS, Bench, Contender, timed
from tests.bench.executors.room import Room, write

BIN = Path(sys.executable).parent
DBT, DBT_COLD = "dbt build, wall (s)", "dbt build, first run of an idle executor (s)"
NOTEBOOK, NOTEBOOK_COLD = "notebook, wall (s)", "notebook, first run of an idle executor (s)"
PLAIN = Contender(
    "dbt build",
    "the command, 2 threads, DuckDB file on disk; what it parsed before is taken again (partial parsing, its default)",
    "no run, events, log or files kept elsewhere; no memory or time cap; it shares its account with everything else",
)
PAPERMILL = Contender(
    "papermill",
    "the command with a parameter, --no-progress-bar, --no-log-output; installed kernelspec python3",
    "the executed notebook alone: no page in HTML, no log, nothing kept elsewhere; no cap, no confinement",
)


def dbt(bench: Bench) -> None:
    """The same project by ``dbt build`` and by a run, without the documentation, which that command does not make."""
    bench.meet(PLAIN)
    files = projects.dbt_project(bench.sizes.dbt_models)
    folder = bench.folder / "plain-dbt"
    write(folder, files)
    with Room(bench.folder / "dbt", "dbt=1") as room:
        room.apply("bench-dbt", {"kind": "dbt", "entrypoint": ".", "config": {"docs": False, "threads": 2}}, files)
        timed(lambda: plain_dbt(folder))
        bench.add(DBT_COLD, OURS, room.run("bench-dbt")["seconds"])
        for _ in range(bench.sizes.dbt_repeat):
            bench.add(DBT, PLAIN.name, timed(lambda: plain_dbt(folder)))
            bench.add(DBT, OURS, room.run("bench-dbt")["seconds"])
        idle.measure(bench, room, "dbt", rest=ExecutorSettings().warm_seconds)


def plain_dbt(folder: Path) -> None:
    """A build into a database that is not there yet, as a run's is not."""
    database = folder / "bench.duckdb"
    database.unlink(missing_ok=True)
    environment = {**os.environ, "BENCH_DATABASE": str(database), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    _call([str(BIN / "dbt"), "build", "--profiles-dir", ".", "--threads", "2"], folder, environment)


def notebook(bench: Bench) -> None:
    """The same notebook by ``papermill`` and by a run, which makes a page of it and keeps both."""
    bench.meet(PAPERMILL)
    folder = bench.folder / "papermill"
    write(folder, {"bench.ipynb": projects.notebook()})
    with Room(bench.folder / "notebook", "notebook=1") as room:
        schema = {"type": "object", "properties": {"day": {"type": "string"}}}
        spec = {"kind": "notebook", "entrypoint": "bench.ipynb", "params_schema": schema}
        room.apply("bench-notebook", spec, {"bench.ipynb": projects.notebook()})
        timed(lambda: papermill(folder))
        bench.add(NOTEBOOK_COLD, OURS, room.run("bench-notebook", {"day": "today"})["seconds"])
        for _ in range(bench.sizes.notebook_repeat):
            bench.add(NOTEBOOK, PAPERMILL.name, timed(lambda: papermill(folder)))
            bench.add(NOTEBOOK, OURS, room.run("bench-notebook", {"day": "today"})["seconds"])


def papermill(folder: Path) -> None:
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    words = ["bench.ipynb", "out/bench.ipynb", "-p", "day", "today", "--no-progress-bar", "--no-log-output"]
    _call([str(BIN / "papermill"), *words, "-k", "python3"], folder, dict(os.environ))


def _call(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
