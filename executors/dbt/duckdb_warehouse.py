"""The DuckDB file of a run: dbt's own while dbt works; after that row counts, failing rows, models as streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager

from executors.dbt import delta_plugin
from executors.dbt.outcome import COUNTED
from executors.dbt.project import SOURCE_NAME, Project, relations
from executors.dbt.warehouse import Json, Written
from executors.runtime.shown import shown_value

BATCH_ROWS = 100_000
MEMORY_SHARE = 0.6


class DuckDbWarehouse:
    """Opens the file for one question at a time; inputs that come in as views are registered each time."""

    private = True

    def __init__(self, project: Project, session: delta_plugin.Session, inputs: Mapping[str, Any]) -> None:
        self._project, self._session, self._inputs = project, session, inputs
        self.database = project.work_dir / "warehouse.duckdb"

    @property
    def failure(self) -> Exception | None:
        return self._session.failure

    def profile(self) -> Json:
        """A DuckDB file and the plugin that brings inputs in."""
        return {
            "type": "duckdb",
            "path": str(self.database),
            "threads": self._project.config.threads,
            "config_options": self._options(),
            # So that a date does not depend on the machine that computed it.
            "settings": {"TimeZone": "UTC"},
            "plugins": [{"module": delta_plugin.MODULE, "alias": SOURCE_NAME}],
        }

    def _options(self) -> Json:
        """Options of every connection to the database; DuckDB spills to the work folder before it fails."""
        options: Json = {
            "threads": self._project.config.threads,
            "temp_directory": str(self._project.work_dir / "duckdb_tmp"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        if self._project.memory_bytes:
            options["memory_limit"] = f"{int(self._project.memory_bytes * MEMORY_SHARE) // 1024**2}MiB"
        return options

    def begin(self, manifest: Any) -> None:
        self._session.relations = relations(manifest, self._inputs)
        delta_plugin.begin(self._session)

    def interrupt(self) -> None:
        self._session.interrupt()

    def release(self) -> None:
        """The file ends with the run's folder."""

    def close(self) -> None:
        """While dbt's connection is open no other one with other settings may be."""
        environment = DuckDBConnectionManager._ENV
        DuckDBConnectionManager.close_all_connections()
        if environment is not None:
            environment.close()

    def count_rows(self, nodes: Iterable[Any]) -> dict[str, int]:
        """As the protocol says; to count a view would be to run it again."""
        wanted = {node.unique_id: node for node in nodes if node.resource_type in COUNTED}
        if not wanted or not self.database.exists():
            return {}
        with self._connect() as connection:
            tables = set(
                connection.execute(
                    "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE'"
                ).fetchall()
            )
            return {
                unique_id: connection.execute(f"select count(*) from {node.relation_name}").fetchone()[0]  # noqa: S608
                for unique_id, node in wanted.items()
                if node.relation_name and (node.schema, node.alias) in tables
            }

    def written(self, results: Iterable[Any]) -> Iterable[Written]:
        """The file is the run's own; what leaves it is published."""
        return ()

    def sample(self, sql: str, limit: int) -> tuple[list[Json], list[list[Any]]]:
        with self._connect() as connection:
            found = connection.sql(sql)
            columns = [{"name": name, "type": str(kind)} for name, kind in zip(found.columns, found.types, strict=True)]
            return columns, [[shown_value(value) for value in row] for row in found.limit(limit).fetchall()]

    @contextmanager
    def stream(self, node: Any) -> Iterator[Any]:
        with self._connect() as connection:
            yield connection.sql(f"select * from {node.relation_name}").to_arrow_reader(BATCH_ROWS)  # noqa: S608

    def failure_of(self, message: str) -> tuple[str, str] | None:
        return None

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        connection = duckdb.connect(str(self.database), read_only=True, config=self._options())
        try:
            connection.execute("SET TimeZone='UTC'")
            self._session.register_views(connection)
            yield connection
        finally:
            connection.close()
