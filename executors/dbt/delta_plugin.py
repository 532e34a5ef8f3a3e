"""dbt-duckdb plugin: the run's table inputs, each at its pinned version, as relations of the DuckDB database.

Every input that a source of the project names becomes ``<source schema>.<table>`` before dbt's first query, read
through deltalake and Arrow (DuckDB's own extension wants a download). Connections are taken from this process's memory:
in a profile or a source's meta they would end up in manifest.json and in logs.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from executors.dbt.config import SourceConfig
from executors.dbt.relation import Relation, quoted
from executors.duckdb.failure import verdict
from executors.runtime.failures import TaskError

MODULE = "executors.dbt.delta_plugin"


@dataclass
class Session:
    """What the plugin needs of the run; ``failure`` keeps the first error, which dbt would bury in its own."""

    job: Mapping[str, Any]
    relations: tuple[Relation, ...]
    options: Mapping[str, SourceConfig] = field(default_factory=dict)
    announce: Callable[[str], None] = lambda message: None
    failure: Exception | None = None
    kept: bool = False
    loaded: set[str] = field(default_factory=set)
    datasets: dict[str, Any] = field(default_factory=dict)
    cursors: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def load_all(self, connection: Any) -> None:
        """Create the relations that are not there yet; called for each opened database."""
        with self.lock:
            try:
                for relation in self.relations:
                    self._load(connection, relation)
            except Exception as error:
                self.failure = self.failure or failure_of(error)
                raise

    def _load(self, connection: Any, relation: Relation) -> None:
        options = self.options.get(relation.input, SourceConfig())
        if relation.name not in self.loaded and not self._is_kept(connection, relation, options):
            self.announce(f"reading input {relation.input}")
            from executors.runtime import child_data  # loads pyarrow, which starts threads: not before a fork

            dataset = child_data.dataset(self.job, relation.input)
            connection.register(relation.arrow_name, dataset)
            connection.execute(f"create schema if not exists {quoted(relation.schema)}")
            connection.execute(create_statement(relation, options))
            self.loaded.add(relation.name)
            if options.materialize == "view":
                self.datasets[relation.arrow_name] = dataset
            else:
                connection.unregister(relation.arrow_name)

    def _is_kept(self, connection: Any, relation: Relation, options: SourceConfig) -> bool:
        """Whether the database of an earlier attempt, at the same inputs, has it already."""
        if not self.kept or options.materialize == "view":
            return False
        sql = "select count(*) from information_schema.tables where table_schema = ? and table_name = ?"
        # All rows: as long as a result is not read to its end, the connection registers nothing.
        return bool(connection.execute(sql, [relation.schema, relation.table]).fetchall()[0][0])

    def register_views(self, connection: Any) -> None:
        """Arrow objects are known per connection, so each one is told of those that views read."""
        for name, dataset in self.datasets.items():
            connection.register(name, dataset)

    def interrupt(self) -> None:
        """Interrupt what runs on any cursor of dbt's threads.

        They are kept here since asking dbt for a connection's handle opens one where none is open yet: a thread that
        opens its own at that moment then works on a cursor that dbt has lost sight of.
        """
        try:
            cursors = list(self.cursors)
        except RuntimeError:  # one is added at this moment; whoever interrupts does so again
            return
        for cursor in cursors:
            with suppress(Exception):  # closed by now
                cursor.interrupt()


def failure_of(error: Exception) -> Exception:
    """The error of a run whose inputs did not come in. What DuckDB says of our own statements is no fault of the
    user's, but for a column that ``config.sources`` names."""
    if not isinstance(error, duckdb.Error) or isinstance(error, duckdb.BinderException):
        return error
    text = str(error).strip()
    failure_class, code = verdict(error, text)
    if failure_class == "user":
        failure_class, code = "internal", "input_not_read"
    return TaskError(failure_class, code, f"an input could not be brought into DuckDB: {text}", trace=text)


class Plugin(BasePlugin):  # type: ignore[misc]  # dbt-duckdb ships no types
    """Loaded by dbt-duckdb from the generated profile; :data:`session` is set before dbt starts."""

    def configure_connection(self, conn: Any) -> None:
        if session is not None:
            session.register_views(conn)
            session.load_all(conn)

    def configure_cursor(self, cursor: Any) -> None:
        if session is not None:
            session.cursors.add(cursor)
            session.register_views(cursor)


session: Session | None = None


def begin(new: Session) -> None:
    """Set the run that the plugin serves; a child process serves one."""
    global session
    session = new


def create_statement(relation: Relation, options: SourceConfig) -> str:
    columns = ", ".join(quoted(column) for column in options.columns) if options.columns else "*"
    kind = "view" if options.materialize == "view" else "table"
    return f"create or replace {kind} {relation.name} as select {columns} from {quoted(relation.arrow_name)}"  # noqa: S608
