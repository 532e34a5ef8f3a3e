"""The process of one dbt run: what the template's command does to a warehouse, then staging of what it publishes.

In this order: parse the project, read the inputs, run the command, upload dbt's own files (after a failure too), and
only when every node succeeded stage the published models. A failed test publishes nothing.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner

from executors.dbt.checkpoint import DATABASE, PROJECT, RESULTS, mark_of, merge, needed, place, project_of, start_of
from executors.dbt.config import DOCS, DRILL, FRESHNESS, DbtConfig, parse_config, project_folder
from executors.dbt.failing_rows import MOST_TESTS, document, failing_rows, has_rows, shown
from executors.dbt.interrupts import interrupted_by_sigterm
from executors.dbt.outcome import (
    FAILED,
    failure_of_exception,
    failure_of_nodes,
    kept_record,
    node_records,
    stands,
    totals,
)
from executors.dbt.progress import NodeProgress
from executors.dbt.project import Project, published_nodes, quiet_environment
from executors.dbt.warehouse import Json, Warehouse
from executors.runtime.child import Cancelled, Context, run_child
from executors.runtime.earlier import MARK
from executors.runtime.failures import TaskError

# File of dbt -> (name, kind, media type) of the artifact.
FILES = {
    "manifest.json": ("manifest.json", "file", "application/json"),
    "run_results.json": ("run_results.json", "file", "application/json"),
    "sources.json": ("sources.json", "file", "application/json"),
    "catalog.json": ("catalog.json", "file", "application/json"),
    "static_index.html": ("index.html", "report", "text/html"),
}

MOST_BYTES = 5 * 1024**3
MOST_KEPT_BYTES = 1024**3


def body(context: Context) -> Json:
    """Run the template's command.

    Returns ``{"command", "nodes": [record], "totals": {…}, "published": {output: rows}}``; records as in
    :func:`executors.dbt.outcome.node_record`. A failed run has the same result, without what was not reached.
    """
    if context.entrypoint == DRILL:
        from executors.duckdb.drill import drill

        return drill(context)
    sys.dont_write_bytecode = True
    # dbt's locks live until the process ends; Python's tracker of such things would call them leaked in the run's log.
    sys.warnoptions.append("ignore:resource_tracker")
    config = parse_config(context.job)
    folder = project_folder(context.bundle_dir, context.entrypoint)
    memory = (context.job.get("caps") or {}).get("memory_bytes")
    project = Project(folder, context.work_dir, config, memory)
    quiet_environment(context.work_dir)
    warehouse = warehouse_of(context, project)
    project.write_profile(warehouse.profile())
    try:
        with interrupted_by_sigterm(context, warehouse):
            return DbtRun(context, project, warehouse).execute()
    finally:
        warehouse.release()


def warehouse_of(context: Context, project: Project) -> Warehouse:
    """The adapter's part; each loads its engine's client."""
    config = project.config
    if config.adapter == "trino":
        from executors.dbt.trino_warehouse import TrinoWarehouse, chosen_target

        return TrinoWarehouse(context, project, chosen_target(config, context.connections))
    if config.adapter == "spark":
        from executors.dbt.spark_warehouse import SparkWarehouse

        return SparkWarehouse(context, project)
    from executors.dbt.delta_plugin import Session
    from executors.dbt.duckdb_warehouse import DuckDbWarehouse

    session = Session(context.job, (), config.sources, lambda message: context.progress(message=message))
    session.kept = start_of(context.job, config).goes_on
    return DuckDbWarehouse(project, session, context.inputs)


class DbtRun:
    """One run of a project. Attribute: ``summary``, the run's result so far."""

    def __init__(self, context: Context, project: Project, warehouse: Warehouse) -> None:
        self._context, self._project, self._warehouse = context, project, warehouse
        self._start = start_of(context.job, project.config)
        self._through = False  # dbt came to its end, so that its results tell of every node
        self.summary: Json = {"command": project.config.command, **self._start.record(), "nodes": [], "totals": {}}

    @property
    def _config(self) -> DbtConfig:
        return self._project.config

    def execute(self) -> Json:
        try:
            self._execute()
        except TaskError:
            self._keep_warehouse()
            # The failed run shows its nodes too: a result before the error belongs to the report.
            self._context._control.send("result", value=self.summary)
            raise
        return self.summary

    def _execute(self) -> None:
        if self._start.said:
            print(self._start.said, flush=True)  # noqa: T201 - the log of a run
        try:
            state = place(self._start, self._project.work_dir)
            manifest = self._parse()
            self._run(manifest, state)
            self._document(manifest)
        finally:
            self._warehouse.close()
            self._upload_files()
        self._publish_all(published_nodes(manifest, self._config.publish))
        if self._config.state:
            self._keep_warehouse()

    def _parse(self) -> Any:
        self._announce("parsing the project")
        manifest = self._dbt(self._project.arguments("parse")).result
        published_nodes(manifest, self._config.publish)
        self._warehouse.begin(manifest)
        return manifest

    def _run(self, manifest: Any, state: Path) -> None:
        outcome = self._invoked(manifest, state)
        self._warehouse.close()
        results = list(getattr(outcome.result, "results", None) or []) if outcome else []
        self._through = True
        self._tell(results, manifest)
        self._show_failing_rows(results, manifest)
        nodes = self.summary["nodes"]
        if any(node["status"] in FAILED for node in nodes):
            raise self._warehouse.failure or failure_of_nodes(nodes, self._warehouse.failure_of)
        if outcome and not outcome.success:
            raise TaskError("user", "dbt_failed", "dbt ended without success and named no node; see dbt.log")

    def _invoked(self, manifest: Any, state: Path) -> Any:
        """The command, or dbt's retry of it; None when an earlier attempt left nothing to do."""
        progress, start = NodeProgress(self._context), self._start
        written = self._project.target / RESULTS
        if start.how == "resumed" and not start.again:
            shutil.copyfile(state / RESULTS, written)
            return None
        if start.how == "resumed":
            outcome = self._dbt(self._project.retry_arguments(state), manifest, progress)
        else:
            outcome = self._dbt(self._project.main_arguments(start.chosen, state), manifest, progress)
        if start.goes_on:
            merge(written, [kept for kept in start.kept if stands(kept, manifest)])
        return outcome

    def _tell(self, results: list[Any], manifest: Any) -> None:
        """The nodes' records; those that an earlier attempt did come first."""
        done = {result.node.unique_id for result in results}
        stood = (kept for kept in self._start.kept if stands(kept, manifest) and kept["unique_id"] not in done)
        known = [(kept, manifest.nodes[kept["unique_id"]]) for kept in stood]
        rows = self._warehouse.count_rows([node for _, node in known] + [result.node for result in results])
        nodes = [kept_record(kept, node, rows.get(node.unique_id)) for kept, node in known]
        nodes += node_records(results, rows)
        self.summary |= {"nodes": nodes, "totals": totals(nodes)}
        for each in self._warehouse.written(results):
            self._context.table(f"{each.name}@{each.version}", each.format, each.uri, each.version, each.query_id)

    def _show_failing_rows(self, results: list[Any], manifest: Any) -> None:
        nodes = {node["unique_id"]: node for node in self.summary["nodes"]}
        for record in failing_rows(self._whole_rows(results, manifest), self._warehouse):
            if "error" not in record:
                self._context.artifact(record["artifact"], document(record), "report", "application/json")
            nodes[record["unique_id"]]["failing_rows"] = shown(record)

    def _whole_rows(self, results: list[Any], manifest: Any) -> list[Any]:
        """The failed tests once more, compiled for whole rows: dbt's own look at one column unless rows are stored.

        Only where a table more in the warehouse is nobody's business, which is the run's own file.
        """
        failed = [".".join(result.node.fqn) for result in results if has_rows(result)]
        if not failed or not self._warehouse.private:
            return results
        self._announce("keeping the rows of failed tests")
        with self._kept_results():
            words = ("test", "--store-failures", "--select", *failed[:MOST_TESTS])
            found = list(self._dbt(self._project.arguments(*words), manifest).result.results)
        self._warehouse.close()
        return found

    def _dbt(self, arguments: list[str], manifest: Any = None, progress: Any = None) -> Any:
        """Invoke dbt; raises what kept it from a result: our own part's error first, since dbt buries it in its own."""
        outcome = dbtRunner(manifest=manifest, callbacks=[progress] if progress else None).invoke(arguments)
        if self._context.is_cancelled():
            raise Cancelled("dbt was interrupted")
        if outcome.exception is not None:
            error = failure_of_exception(outcome.exception, self._project.folder, self._warehouse.failure_of)
            raise self._warehouse.failure or error
        return outcome

    def _document(self, manifest: Any) -> None:
        """The catalog and the page of it."""
        written = self._project.target / "run_results.json"
        if not self._config.docs or self._config.command in (FRESHNESS, DOCS) or not written.exists():
            return
        self._announce("writing the documentation")
        with self._kept_results():
            try:
                self._dbt(self._project.arguments("docs", "generate", "--no-compile", "--static"), manifest)
            except TaskError as error:
                # The data is right without its documentation.
                print(f"no documentation: {error}", file=sys.stderr)  # noqa: T201

    @contextmanager
    def _kept_results(self) -> Iterator[None]:
        """Another command of dbt replaces run_results.json, which is the run's own."""
        written, kept = self._project.target / "run_results.json", self._project.work_dir / "run_results.json"
        shutil.copyfile(written, kept)
        try:
            yield
        finally:
            shutil.copyfile(kept, written)

    def _upload_files(self) -> None:
        for name, (artifact, kind, media_type) in FILES.items():
            marked = self._marks() if name == RESULTS and self._through else {}
            self._upload(self._project.target / name, artifact, kind, media_type, marked)
        self._upload(self._project.logs / "dbt.log", "dbt.log", "log", "text/plain")

    def _marks(self) -> Json:
        """What tells another attempt whether it can go on from these results."""
        return {MARK: mark_of(self._context.job), PROJECT: project_of(self._context.job)}

    def _upload(self, path: Path, name: str, kind: str, media_type: str, metadata: Json | None = None) -> None:
        if path.is_file():
            self._context.artifact(name, path, kind, media_type, metadata)

    def _keep_warehouse(self) -> None:
        """The database of a run that another one may go on from, as far as the run's cap on artifacts has room."""
        path = self._project.work_dir / DATABASE
        if not self._through or DATABASE not in needed(self._config) or not path.is_file():
            return
        if not (self._config.takes_up or self._config.state):
            return
        most = min(MOST_KEPT_BYTES, ((self._context.job.get("caps") or {}).get("artifact_bytes") or MOST_BYTES) // 2)
        if path.stat().st_size > most:
            print(f"{DATABASE} is not kept: it has over {most:,} bytes; a retry runs everything", file=sys.stderr)  # noqa: T201
            return
        self._context.artifact(DATABASE, path, "file", "application/vnd.duckdb")

    def _publish_all(self, models: Mapping[str, Any]) -> None:
        if self._start.how == "modified":
            built = self._built()
            self.summary["unchanged"] = [output for output, model in models.items() if model.unique_id not in built]
            models = {output: model for output, model in models.items() if model.unique_id in built}
        self.summary["published"] = self._publish(models)

    def _built(self) -> set[str]:
        return {node["unique_id"] for node in self.summary["nodes"] if node["status"] == "success"}

    def _publish(self, models: Mapping[str, Any]) -> dict[str, int]:
        self._check_built(models)
        rows = {}
        for done, (output, model) in enumerate(models.items()):
            if self._context.is_cancelled():
                raise Cancelled("cancelled between two outputs")
            self._context.progress(0.9 + 0.1 * done / len(models), f"publishing {output}")
            with self._warehouse.stream(model) as reader:
                rows[output] = self._context.publish(output, reader)["rows"]
        return rows

    def _check_built(self, models: Mapping[str, Any]) -> None:
        """A model that this run did not build would publish nothing, or what another command left."""
        built = self._built()
        for output, model in models.items():
            if model.unique_id not in built:
                message = f"output {output!r} publishes {model.name!r}, which {self._config.command} did not build"
                raise TaskError("user", "model_not_built", f"{message}; widen config.select or config.command")

    def _announce(self, message: str) -> None:
        self._context.progress(message=message)


if __name__ == "__main__":
    run_child(body)
