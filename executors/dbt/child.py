"""The process of one dbt run: build and test in a DuckDB file, then stage what the template publishes.

In this order: parse the project, read the inputs, run the command, upload dbt's own files (after a failure too), and
only when every node succeeded stage the published models. A failed test publishes nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from executors.dbt import delta_plugin
from executors.dbt.config import parse_config, project_folder
from executors.dbt.outcome import FAILED, failure_of_exception, failure_of_nodes, node_records, totals
from executors.dbt.progress import NodeProgress
from executors.dbt.project import Project, published_nodes, quiet_environment, relations
from executors.dbt.warehouse import Warehouse
from executors.runtime.child import Cancelled, Context, run_child
from executors.runtime.failures import TaskError


def body(context: Context) -> dict[str, Any]:
    """Run the template's command.

    Returns ``{"command", "nodes": [record], "totals": {…}, "published": {output: rows}}``; records as in
    :func:`executors.dbt.outcome.node_record`. A failed run has the same result, without what was not reached.
    """
    sys.dont_write_bytecode = True
    # dbt's locks live until the process ends; Python's tracker of such things would call them leaked in the run's log.
    sys.warnoptions.append("ignore:resource_tracker")
    config = parse_config(context.job)
    folder = project_folder(context.bundle_dir, context.entrypoint)
    memory = (context.job.get("caps") or {}).get("memory_bytes")
    project = Project(folder, context.work_dir, config, memory)
    quiet_environment(context.work_dir)
    project.write_profile()
    run = DbtRun(context, project)
    with interrupted_by_sigterm(context, run.session):
        return run.execute()


class DbtRun:
    """One run of a project. Attributes: ``summary``, the run's result so far; ``session``, its database's."""

    def __init__(self, context: Context, project: Project) -> None:
        self._context, self._project = context, project
        self.session = delta_plugin.Session(context.job, (), project.config.sources, self._announce)
        self.summary: dict[str, Any] = {"command": project.config.command, "nodes": [], "totals": {}}

    def execute(self) -> dict[str, Any]:
        try:
            self._execute()
        except TaskError:
            # The failed run shows its nodes too: a result before the error belongs to the report.
            self._context._control.send("result", value=self.summary)
            raise
        return self.summary

    def _execute(self) -> None:
        try:
            manifest = self._parse()
            self._run(manifest)
            self._write_catalog(manifest)
        finally:
            close_database()
            self._upload_files()
        self.summary["published"] = self._publish(published_nodes(manifest, self._project.config.publish))

    def _parse(self) -> Any:
        self._announce("parsing the project")
        manifest = self._dbt(self._project.arguments("parse")).result
        published_nodes(manifest, self._project.config.publish)
        self.session.relations = relations(manifest, self._context.inputs)
        delta_plugin.begin(self.session)
        return manifest

    def _run(self, manifest: Any) -> None:
        progress = NodeProgress(self._context.progress)
        outcome = self._dbt(self._project.main_arguments(), manifest, progress)
        close_database()
        results = list(getattr(outcome.result, "results", None) or [])
        rows = Warehouse(self._project, self.session).count_rows(result.node for result in results)
        nodes = node_records(results, rows)
        self.summary |= {"nodes": nodes, "totals": totals(nodes)}
        if any(node["status"] in FAILED for node in nodes):
            raise self.session.failure or failure_of_nodes(nodes)
        if not outcome.success:
            raise TaskError("user", "dbt_failed", "dbt ended without success and named no node; see dbt.log")

    def _dbt(self, arguments: list[str], manifest: Any = None, progress: Any = None) -> Any:
        """Invoke dbt; raises what kept it from a result: the plugin's error first, since dbt buries it in its own."""
        outcome = dbtRunner(manifest=manifest, callbacks=[progress] if progress else None).invoke(arguments)
        if self._context.is_cancelled():
            raise Cancelled("dbt was interrupted")
        if outcome.exception is not None:
            raise self.session.failure or failure_of_exception(outcome.exception, self._project.folder)
        return outcome

    def _write_catalog(self, manifest: Any) -> None:
        """Write catalog.json; ``docs generate`` would replace the run's own run_results.json."""
        self._announce("writing the catalog")
        kept = self._project.work_dir / "run_results.json"
        written = self._project.target / "run_results.json"
        shutil.copyfile(written, kept)
        try:
            self._dbt(self._project.arguments("docs", "generate", "--no-compile"), manifest)
        except TaskError as error:
            # The data is right without its documentation.
            print(f"no catalog.json: {error}", file=sys.stderr)  # noqa: T201
        shutil.copyfile(kept, written)

    def _upload_files(self) -> None:
        folder, logs = self._project.target, self._project.logs
        for name in ("manifest.json", "run_results.json", "catalog.json"):
            self._upload(folder / name, "file", "application/json")
        self._upload(logs / "dbt.log", "log", "text/plain")

    def _upload(self, path: Path, kind: str, media_type: str) -> None:
        if path.is_file():
            self._context.artifact(path.name, path, kind, media_type)

    def _publish(self, models: Mapping[str, Any]) -> dict[str, int]:
        warehouse = Warehouse(self._project, self.session)
        self._check_built(models)
        rows = {}
        for done, (output, model) in enumerate(models.items()):
            if self._context.is_cancelled():
                raise Cancelled("cancelled between two outputs")
            self._context.progress(0.9 + 0.1 * done / len(models), f"publishing {output}")
            with warehouse.stream(model) as reader:
                rows[output] = self._context.publish(output, reader)["rows"]
        return rows

    def _check_built(self, models: Mapping[str, Any]) -> None:
        """A model that this run did not build would publish nothing, or what another command left."""
        built = {node["unique_id"] for node in self.summary["nodes"] if node["status"] == "success"}
        for output, model in models.items():
            if model.unique_id not in built:
                message = (
                    f"output {output!r} publishes {model.name!r}, which {self._project.config.command} did not build"
                )
                raise TaskError("user", "model_not_built", f"{message}; widen config.select or config.command")

    def _announce(self, message: str) -> None:
        self._context.progress(message=message)


def close_database() -> None:
    """Close dbt's connection: while it is open no other one with other settings may be."""
    environment = DuckDBConnectionManager._ENV
    DuckDBConnectionManager.close_all_connections()
    if environment is not None:
        environment.close()


@contextmanager
def interrupted_by_sigterm(context: Context, session: delta_plugin.Session) -> Iterator[None]:
    """dbt winds down on KeyboardInterrupt; the context still learns of the signal first."""
    context.is_cancelled()  # from now on this process asks: Cancelled must not be raised somewhere inside dbt
    inner, noticed, ended = signal.getsignal(signal.SIGTERM), threading.Event(), threading.Event()

    def interrupt(number: int, frame: Any) -> None:
        if noticed.is_set():
            return
        noticed.set()
        if callable(inner):
            inner(number, frame)
        raise KeyboardInterrupt

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    told = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, interrupt)
    helper = (reading, threading.get_ident(), noticed, ended, session)
    threading.Thread(target=see_interrupt_through, args=helper, daemon=True).start()
    try:
        yield
    except KeyboardInterrupt:
        raise Cancelled("dbt was interrupted") from None
    finally:
        ended.set()
        signal.set_wakeup_fd(told)
        signal.signal(signal.SIGTERM, inner)
        os.close(writing)


def see_interrupt_through(
    reading: int, main: int, noticed: threading.Event, ended: threading.Event, session: delta_plugin.Session
) -> None:
    """Wait for SIGTERM on the pipe, then see to it that the main thread notices and that no query goes on.

    A signal that comes just before the main thread waits for a lock, as dbt's does most of the time, does not end that
    wait: only another signal does. Queries are interrupted again and again: dbt does it once, and one that starts a
    moment later would run to its end.
    """
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while signal.SIGTERM not in (numbers := pipe.read(64)):
            if not numbers:
                return
    while not ended.wait(0.2):
        if not noticed.is_set():
            signal.pthread_kill(main, signal.SIGTERM)
        session.interrupt()


if __name__ == "__main__":
    run_child(body)
