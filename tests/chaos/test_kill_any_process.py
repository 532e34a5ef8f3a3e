"""kill -9 of any one process in the middle of the pipeline: it finishes, and no table holds a row twice."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from tests.acceptance import independent
from tests.support.stack import Stack, kill, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
TERMINAL = {"succeeded", "failed", "cancelled", "skipped"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("chaos") / ".control-room")
    try:
        stack.run("up")
        stack.run("demo", "--json")
        yield stack
    finally:
        stack.run("down", check=False)


def submit(stack: Stack, prefix: str) -> str:
    run = stack.json("submit", "nycflights", "-p", f"schema_prefix={prefix}")
    return str(run["number"])


def task_state(stack: Stack, pipeline: str, key: str) -> Callable[[], bool]:
    def running() -> bool:
        return bool(stack.runs(pipeline)[key]["state"] == "running")

    return running


def pipeline_state(stack: Stack, pipeline: str) -> dict[str, Any] | None:
    """The pipeline run once it is terminal; None while it is not, or while the server is away."""
    done = stack.run("runs", "show", pipeline, "--json", check=False)
    if done.returncode != 0:
        return None
    run = json.loads(done.stdout)
    return run if run["state"] in TERMINAL else None


Finder = Callable[[], int]


def one_of(name: str) -> Callable[[Stack], Finder]:
    """The first process of a service."""

    def prepare(stack: Stack) -> Finder:
        pid = stack.pids(name)[0]
        return lambda: pid

    return prepare


def child_of(name: str) -> Callable[[Stack], Finder]:
    """The process below an executor that runs user code (its warden stands between the two), once there is one."""

    def prepare(stack: Stack) -> Finder:
        executor = psutil.Process(stack.pids(name)[0])
        return lambda: wait_until(lambda: running_child(executor), seconds=120, what=f"a child of {name}", every=0.02)

    return prepare


def running_child(executor: psutil.Process) -> int | None:
    for process in executor.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended while we looked
            if any(word.endswith(".child") for word in process.cmdline()):
                return int(process.pid)
    return None


def supervisor(stack: Stack) -> Finder:
    pid = int(stack.status()["supervisor"]["pid"])
    return lambda: pid


# Who dies, while which task runs; a child is found by itself, as soon as it is there.
CASES: list[tuple[str, str | None, Callable[[Stack], Finder]]] = [
    ("the server", "ingest", one_of("server")),
    ("the server while dbt works", "transform", one_of("server")),
    ("the python executor", "ingest", one_of("executor-python")),
    ("the dbt executor", "transform", one_of("executor-dbt")),
    ("the notebook executor", "report", one_of("executor-notebook")),
    ("the python executor's child", None, child_of("executor-python")),
    ("the dbt executor's child", None, child_of("executor-dbt")),
    ("the notebook executor's child", None, child_of("executor-notebook")),
    ("the object store", "ingest", one_of("objectstore")),
    ("the object store while dbt works", "transform", one_of("objectstore")),
    ("postgres", "transform", one_of("postgres")),
    ("the supervisor", "transform", supervisor),
]


@pytest.mark.parametrize(("name", "during", "victim"), CASES, ids=[case[0].replace(" ", "-") for case in CASES])
def test_the_pipeline_finishes_and_no_row_is_there_twice_after_kill_9_of(
    stack: Stack, name: str, during: str | None, victim: Callable[[Stack], Finder]
) -> None:
    prefix = "k_" + "".join(c if c.isalnum() else "_" for c in name)
    find = victim(stack)
    pipeline = submit(stack, prefix)
    if during:
        wait_until(task_state(stack, pipeline, during), seconds=120, what=f"task {during} to run")
    kill(find())
    if name == "the supervisor":
        stack.run("up")
    run = wait_until(
        lambda: pipeline_state(stack, pipeline), seconds=300, what=f"pipeline {pipeline} to end", every=0.5
    )
    assert run["state"] == "succeeded", stack.run("runs", "show", pipeline).stdout
    assert_every_table_was_written_once(stack, pipeline, prefix)


def assert_every_table_was_written_once(stack: Stack, pipeline: str, prefix: str) -> None:
    """Right rows, and one commit per table: the tables are new, so a second commit of any kind would be version 1."""
    assert counts(stack, prefix) == independent.bronze_counts()
    assert gold_flights(stack, prefix) == 336_776
    outputs = stack.json("runs", "show", pipeline)["publications"]
    assert len(outputs) == 9
    for output in outputs:
        assert output["table_version"] == 0, output
        assert DeltaTable(output["uri"], storage_options=stack.storage_options()).version() == 0, output


def counts(stack: Stack, prefix: str) -> dict[str, int]:
    return {name: delta(stack, f"{prefix}/bronze/{name}").to_pyarrow_table().num_rows for name in independent.TABLES}


def gold_flights(stack: Stack, prefix: str) -> int:
    column = delta(stack, f"{prefix}/gold/daily_delay").to_pyarrow_table(columns=["flights"])["flights"]
    return sum(column.to_pylist())


def delta(stack: Stack, path: str) -> DeltaTable:
    return DeltaTable(f"{stack.connection()['root']}/{path}", storage_options=stack.storage_options())


def test_a_stack_stopped_in_the_middle_of_the_pipeline_goes_on_after_the_next_up(stack: Stack) -> None:
    pipeline = submit(stack, "stopped")
    wait_until(task_state(stack, pipeline, "ingest"), seconds=120, what="task ingest to run")
    stack.run("down")
    stack.run("up")
    run = wait_until(lambda: pipeline_state(stack, pipeline), seconds=300, what="the pipeline to end", every=0.5)
    assert run["state"] == "succeeded"
    assert_every_table_was_written_once(stack, pipeline, "stopped")


APPEND = """
import pyarrow as pa


def main(context):
    for output in context.outputs:
        context.publish(output, pa.table({"run": [context.number] * 1000, "row": list(range(1000))}))
"""
APPENDED = [f"part_{n}" for n in range(6)]


def append_template(folder: Path) -> Path:
    """A task that appends to six tables: a publication repeated would leave its rows twice."""
    (folder / "append").mkdir()
    (folder / "append" / "task.py").write_text(APPEND)
    template = folder / "append.yaml"
    outputs = [{"name": n, "format": "delta", "mode": "append", "path": f"chaos/{n}"} for n in APPENDED]
    spec = {"name": "chaos-append", "kind": "python", "bundle": "append", "entrypoint": "task:main", "outputs": outputs}
    spec |= {"connections": ["lakehouse"], "lease_seconds": 10, "rerun": "safe"}
    template.write_text(json.dumps(spec))
    return template


def operator(stack: Stack) -> httpx.Client:
    """The operator plane without the start of a command for each look: some windows are short."""
    url = stack.status()["urls"]["api"]
    token = (stack.data_dir / "secrets" / "operator.token").read_text().strip()
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("victim", ["executor-python", "server"])
def test_rows_are_appended_once_when_it_dies_between_the_report_and_the_publications(
    stack: Stack, tmp_path: Path, victim: str
) -> None:
    stack.run("templates", "apply", str(append_template(tmp_path)))
    pid = stack.pids(victim)[0]
    before = {name: rows_of(stack, f"chaos/{name}") for name in APPENDED}
    with operator(stack) as client:
        number = (
            client.post("/runs", json={"template": "chaos-append", "params": {}}).raise_for_status().json()["number"]
        )
        run = f"/runs/{number}"
        seen = lambda: client.get(run).raise_for_status().json()["state_reason"] == "publishing"  # noqa: E731
        wait_until(seen, seconds=60, what="publishing", every=0.01)
    kill(pid)
    ended = wait_until(lambda: pipeline_state(stack, str(number)), seconds=120, what=f"run {number} to end", every=0.5)
    assert ended["state"] == "succeeded"
    assert {name: rows_of(stack, f"chaos/{name}") for name in APPENDED} == {n: c + 1000 for n, c in before.items()}


def rows_of(stack: Stack, path: str) -> int:
    try:
        return int(delta(stack, path).to_pyarrow_table().num_rows)
    except TableNotFoundError:
        return 0
