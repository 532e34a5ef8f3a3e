"""A Spark that the project's tables live in, by its Connect server: profile, failing rows, what was written, and the
end of the jobs of a run that is stopped.

The token is in this process's memory alone: neither profiles.yml nor the environment, which macros read, has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from executors.dbt import spark_handle
from executors.dbt.outcome import COUNTED
from executors.dbt.project import Project
from executors.dbt.spark_target import chosen_target
from executors.dbt.warehouse import Json, Written
from executors.runtime.arrow_result import rows_of
from executors.runtime.child import Context
from executors.runtime.shown import shown_value
from executors.spark import tables
from executors.spark.inputs import quoted
from executors.spark.run import tag_of, unopened
from executors.spark.session import FAILURES

SESSION_CATALOG = "spark_catalog"
VIEWS = ("view", "ephemeral", "materialized_view")


class SparkWarehouse:
    """See the module's text."""

    private = False
    failure = None

    def __init__(self, context: Context, project: Project) -> None:
        self._project, self._config = project, project.config
        self._mark = f"control-room/{context.run_id}/{context.epoch}"
        self._tables: dict[str, tables.Written] = {}
        target = chosen_target(self._config, context.connections)
        try:
            self._engine = spark_handle.Engine(target, tag_of(context), self._conf())
        except FAILURES as error:
            raise unopened(error, target) from None
        spark_handle.begin(self._engine)

    def _conf(self) -> dict[str, str]:
        """The catalog, which dbt-spark's names never say, and the run's mark on what it writes. No Delta transaction:
        one model may write its table several times."""
        marks = {name: text for name, text in tables.marks(self._mark).items() if ".write.txn" not in name}
        return marks | ({"spark.sql.defaultCatalog": self._config.catalog} if self._config.catalog else {})

    def profile(self) -> Json:
        return {
            "type": "spark",
            "method": "session",
            "host": "spark-connect",  # asked for, and not used
            "schema": self._config.schema,
            "threads": self._config.threads,
        }

    def begin(self, manifest: Any) -> None:
        """Sources are tables that Spark knows: nothing is brought in."""

    def interrupt(self) -> None:
        self._engine.interrupt()

    def close(self) -> None:
        """dbt's connections are all one session, which is asked again."""

    def release(self) -> None:
        self._engine.release()

    def count_rows(self, nodes: Iterable[Any]) -> dict[str, int]:
        """Of the nodes whose tables this attempt wrote: what the tables' own history tells of it."""
        wrote = {node.unique_id: self._written(node) for node in nodes if is_table(node)}
        self._tables = {name: found for name, found in wrote.items() if found.version is not None}
        return {name: found.rows for name, found in self._tables.items()}

    def _written(self, node: Any) -> tables.Written:
        # A schema may be one below another, a.b: dbt-spark writes names without quotes.
        parts = (self._config.catalog or SESSION_CATALOG, *node.schema.split("."), node.alias)
        return tables.written(".".join(map(quoted, parts)), self._mark, self._ask)

    def _ask(self, sql: str) -> list[Json]:
        """The rows of a small statement; none when it fails: what dbt made is there all the same."""
        try:
            return [row.asDict(recursive=True) for row in self._engine.frame(sql).collect()]
        except FAILURES:
            return []

    def written(self, results: Iterable[Any]) -> Iterable[Written]:
        for result in results:
            found = self._tables.get(result.node.unique_id)
            if found and found.format and found.uri and found.version is not None:
                yield Written(found.label, found.format, found.uri, found.version, self._mark)

    def sample(self, sql: str, limit: int) -> tuple[list[Json], list[list[Any]]]:
        with self._engine.told():
            found = self._engine.frame(sql).limit(limit).toArrow()
        columns = [{"name": field.name, "type": str(field.type)} for field in found.schema]
        return columns, [[shown_value(value) for value in row] for row in rows_of(found)]

    def stream(self, node: Any) -> AbstractContextManager[Any]:
        raise NotImplementedError("outputs are refused by the template's check")

    def failure_of(self, message: str) -> tuple[str, str] | None:
        return self._engine.failure_of(message)


def is_table(node: Any) -> bool:
    return str(node.resource_type) in COUNTED and str(node.config.materialized) not in VIEWS
