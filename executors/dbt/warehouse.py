"""The DuckDB file of a run after dbt has closed it: row counts, and models as Arrow streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from executors.dbt.delta_plugin import Session
from executors.dbt.project import Project

BATCH_ROWS = 100_000
COUNTED = ("model", "seed", "snapshot")


class Warehouse:
    """Opens the file for one question at a time; inputs that come in as views are registered each time."""

    def __init__(self, project: Project, session: Session) -> None:
        self._project, self._session = project, session

    def count_rows(self, nodes: Iterable[Any]) -> dict[str, int]:
        """unique_id -> rows, for nodes that are tables (to count a view would be to run it again)."""
        wanted = {node.unique_id: node for node in nodes if node.resource_type in COUNTED}
        if not wanted or not self._project.database.exists():
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

    @contextmanager
    def stream(self, node: Any) -> Iterator[Any]:
        """A model's rows, in the table's order, as a pyarrow RecordBatchReader."""
        with self._connect() as connection:
            yield connection.sql(f"select * from {node.relation_name}").to_arrow_reader(BATCH_ROWS)  # noqa: S608

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        connection = duckdb.connect(str(self._project.database), read_only=True, config=self._project.duckdb_options())
        try:
            connection.execute("SET TimeZone='UTC'")
            self._session.register_views(connection)
            yield connection
        finally:
            connection.close()
