"""dbt's connection to Spark: one session of Spark Connect for all of dbt's threads.

dbt-spark speaks no Connect of its own. Its method ``session`` asks a global builder for a session at each statement,
writes the values of seeds into SQL without escaping them, and cancels nothing; here it gets connections of ours in
their place, and keeps its macros.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from decimal import Decimal
from typing import Any

from dbt.adapters.contracts.connection import AdapterResponse, Connection, ConnectionState
from dbt.adapters.spark.connections import SparkConnectionManager
from dbt.adapters.spark.impl import SparkAdapter
from dbt_common.exceptions import DbtDatabaseError

from executors.spark.binding import literal
from executors.spark.failure import classified, shown, told_by
from executors.spark.session import FAILURES, connect, quiet
from executors.spark.settings import Target

# dbt-spark's snapshots of Iceberg tables stage their rows in a view without a schema, which a catalog without views
# refuses. A temporary one does as well: it is dropped by the same statement, and nobody else sees it.
STAGING = re.compile(r"(\A\s*(?:/\*.*?\*/\s*)?create or replace) (view `?\w+__dbt_tmp`?\s)", re.DOTALL | re.IGNORECASE)
# Non-ANSI as dbt-spark sets it, whose macros are written for it: a cast that cannot be done gives null.
CONF = {"spark.sql.ansi.enabled": "false", "spark.sql.parser.escapedStringLiterals": "false"}
LOST = ("external", "connection_lost")


class Engine:
    """The run's session. ``interrupt`` may come from any thread."""

    def __init__(self, target: Target, tag: str, conf: Mapping[str, str]) -> None:
        quiet()
        self._tag, self._stopped = tag, threading.Event()
        self._told: list[tuple[str, tuple[str, str]]] = []
        self._session = connect(target, {**CONF, **conf})

    def frame(self, sql: str) -> Any:
        """The data frame of a statement. Commands are executed now, queries when their rows are asked for."""
        if self._stopped.is_set():
            raise DbtDatabaseError("the run was ended")
        self._session.addTag(self._tag)  # tags are of a thread
        return self._session.sql(sql)

    def interrupt(self) -> None:
        """End what is at work at Spark, and let nothing begin after it."""
        self._stopped.set()
        with suppress(*FAILURES):
            self._session.client.interrupt_tag(self._tag)

    def release(self) -> None:
        """The server forgets the session, and ends what it still does for it."""
        with suppress(*FAILURES):
            self._session.stop()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Spark's errors as dbt's, without plans and traces; what they were is kept for :meth:`failure_of`."""
        try:
            yield
        except FAILURES as error:
            told = told_by(error)
            text = shown(told)
            self._told.append((first_line(text), LOST if told.gone else classified(told)))
            raise DbtDatabaseError(text) from error

    def failure_of(self, message: str) -> tuple[str, str] | None:
        """(failure class, code) of the error of Spark that a node's message holds."""
        return next((found for line, found in reversed(self._told) if line and line in message), None)


def first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "").strip()


class Cursor:
    """A statement of dbt, with as much of Python's cursors as dbt asks for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._frame: Any = None

    def execute(self, sql: str, bindings: Sequence[Any] | None = None) -> None:
        text = STAGING.sub(r"\1 temporary \2", sql.strip().removesuffix(";"))
        with self._engine.told():
            self._frame = self._engine.frame(text % tuple(map(value, bindings)) if bindings else text)

    @property
    def description(self) -> list[tuple[Any, ...]]:
        if self._frame is None:
            return []
        with self._engine.told():
            fields = self._frame.schema.fields
        return [(each.name, each.dataType.simpleString(), None, None, None, None, each.nullable) for each in fields]

    def fetchall(self) -> list[Any]:
        return self.fetchmany(None)

    def fetchmany(self, limit: int | None) -> list[Any]:
        if self._frame is None:
            return []
        with self._engine.told():
            found: list[Any] = (self._frame if limit is None else self._frame.limit(limit)).collect()
        return found

    def fetchone(self) -> Any:
        return next(iter(self.fetchmany(1)), None)

    def close(self) -> None:
        self._frame = None


def value(given: Any) -> str:
    """A value of a seed as a literal; the seed's statement casts it to the column's type."""
    if given is None or isinstance(given, bool):
        return literal(given)
    if isinstance(given, Decimal):  # what agate makes of all numbers; as a double a large one would be another
        return quoted(format(given, "f"))
    return quoted(given.isoformat() if isinstance(given, date) else str(given))


def quoted(text: str) -> str:
    """As a session has it that heeds escapes: see CONF. No expression may stand in a table of values."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Handle:
    """What dbt holds for each of its threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def cursor(self) -> Cursor:
        return Cursor(self._engine)

    def cancel(self) -> None:
        self._engine.interrupt()

    def close(self) -> None:
        """The session is the run's, and stays."""

    def rollback(self) -> None:
        """Spark has none."""


class Manager(SparkConnectionManager):  # type: ignore[misc]  # dbt-spark ships no types
    """dbt-spark's, with connections of ours."""

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        assert engine is not None, "begin() comes first"
        connection.handle = Handle(engine)
        connection.state = ConnectionState.OPEN
        return connection

    @contextmanager
    def exception_handler(self, sql: str) -> Iterator[None]:
        """The cursor has told all."""
        yield

    @classmethod
    def get_response(cls, cursor: Any) -> AdapterResponse:
        return AdapterResponse(_message="OK")


engine: Engine | None = None


def begin(new: Engine) -> None:
    """Set the run that dbt's connections serve; a child process serves one."""
    global engine
    engine = new
    SparkAdapter.ConnectionManager = Manager
