"""One run's session with a Spark Connect server: statements one after the other, results as batches of Arrow, all of it
interrupted by the run's tag from another thread.

Of the client's surface two members are used that are not public (``_execute_plan_request_with_metadata``,
``_execute_and_fetch_as_iterator``): the public ones hold a result whole in memory, or give it as Python objects. The
package pins the client's version.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql.connect.client import core
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.plan import SQL
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.connect.shell.progress import Progress
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from executors.runtime.failures import TaskError
from executors.spark.failure import spoken
from executors.spark.settings import Target

Json = dict[str, Any]
Heard = Callable[[Iterable[Any], int], None]
# Its own are for ten minutes: a server that is gone must not hold a run, or an executor, for so long.
RETRIES = {"max_retries": 5, "initial_backoff": 50, "max_backoff": 1500}
USER = "control-room"
SESSION_CONF = {"spark.sql.session.timeZone": "UTC"}
ROUNDS, ROUND_SECONDS = 10, 0.2
FAILURES = (PySparkException, core.grpc.RpcError)
LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger", core.logger.name)


class Interrupted(Exception):  # noqa: N818 - it says what happened
    """The statement was ended because the run is."""


@dataclass
class Query:
    """A statement at work. ``metrics``: ``(operator, name, value)`` of its plan, once it is over."""

    sent: bool = False
    metrics: list[tuple[str, str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Batches:
    """What a query returns: iterate for batches of Arrow."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches


def quiet() -> None:
    """The client writes each error to standard error; a run tells its own."""
    for name in LOGGERS:
        logging.getLogger(name).disabled = True


class OwnSession(SparkSession):  # type: ignore[misc]
    """A session that is closed by :meth:`stop` alone, never by the garbage collector.

    Its own ``__del__`` waits for the threads that release answers, of all sessions of the process. The collector calls
    it on any thread, on one for which such a release waits, too: then both wait for ever, and the run with them.
    Nor is it asked when the process ends: its client would stay until then, and try a server that is gone for minutes.
    What it held of a session's models goes with the session.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        atexit.unregister(self.client._cleanup_ml_cache)

    def __del__(self) -> None:
        pass


def connect(target: Target, conf: Mapping[str, str], schema: str | None = None) -> SparkSession:
    """A session of its own on the server. One of FAILURES when it cannot be had."""
    builder = core.DefaultChannelBuilder(target.remote)
    builder.set(core.ChannelBuilder.PARAM_USER_ID, USER)
    builder.set(core.ChannelBuilder.PARAM_USER_AGENT, USER)
    if target.token:
        authorize(builder, target.token)
    session = OwnSession(connection=builder)
    session.client.set_retry_policies([DefaultPolicy(**RETRIES)])
    try:
        session.conf._set_all({**SESSION_CONF, **conf}, silent=False)
        if schema:
            session.catalog.setCurrentDatabase(schema)
    except BaseException:
        session.stop()
        raise
    return session


def authorize(builder: Any, token: str) -> None:
    """Let the client show its token: with TLS, or on this machine. In the clear to another one, as between containers
    on a network of their own, only where the operator's URL says ``use_ssl=false``: the client never does by itself."""
    if builder.getDefault(core.ChannelBuilder.PARAM_USE_SSL, "").lower() == "false":
        builder.set("authorization", f"Bearer {token}")
    else:
        builder.set(core.ChannelBuilder.PARAM_TOKEN, token)


class Session:
    """See the module's text. ``cancel`` may come from any thread. Use as a context."""

    def __init__(self, target: Target, tag: str, conf: Mapping[str, str], schema: str | None = None) -> None:
        quiet()
        self._interrupted = threading.Event()
        self._quiet = threading.Event()
        self._quiet.set()
        self._tag = tag
        self._heard: Heard = lambda stages, inflight: None
        self._session = connect(target, conf, schema)
        self._session.addTag(tag)
        self._session.registerProgressHandler(self._progress)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        """Release the session: the server ends what it still does, and forgets its views."""
        with suppress(*FAILURES):
            self._session.stop()

    def hear(self, heard: Heard) -> None:
        """Call this with the stages of the statement at work. What it raises ends the statement."""
        self._heard = heard

    def _progress(self, *, stages: Iterable[Any] | None, inflight_tasks: int, **_: Any) -> None:
        self._heard(stages or (), inflight_tasks)

    def conf(self, settings: Mapping[str, str]) -> None:
        self._session.conf._set_all(dict(settings), silent=False)

    def ask(self, sql: str) -> None:
        """A statement of the executor's own, which an order to stop interrupts."""
        with self.working():
            self._session.sql(sql)

    @contextmanager
    def working(self) -> Iterator[None]:
        """While the engine does something: from here on an order to stop interrupts it."""
        self._quiet.clear()
        try:
            self._check()
            yield
        except FAILURES as error:
            if self._interrupted.is_set():
                raise Interrupted from error
            raise
        finally:
            self._quiet.set()

    def _check(self) -> None:
        if self._interrupted.is_set():
            raise Interrupted

    def run(self, sql: str, query: Query) -> Any:
        """The statement's data frame. Commands are executed now, queries when their rows are asked for."""
        query.sent = True
        found = self._session.sql(sql)
        if (info := getattr(found, "_execution_info", None)) is not None:
            query.metrics = [*_figures(info.metrics)]
        return found

    def query(self, sql: str, query: Query) -> Any:
        """The data frame of a statement that only asks: nothing is sent before its rows, or its plan, are asked for."""
        query.sent = True
        return DataFrame(SQL(sql), self._session)

    def batches(self, frame: Any, query: Query) -> Batches:
        """The rows of a data frame as they come."""
        client = self._session.client
        request = client._execute_plan_request_with_metadata()
        request.plan.CopyFrom(frame._plan.to_proto(client))
        pages = self._pages(request, query)
        first = next(pages)
        schema = to_arrow_schema(first) if isinstance(first, StructType) else first.schema
        batch = next(pages, None) if isinstance(first, StructType) else first
        return Batches(batch.schema if batch is not None else schema, _chained(batch, pages))

    def _pages(self, request: Any, query: Query) -> Iterator[Any]:
        client = self._session.client
        with Progress(handlers=client._progress_handlers, operation_id=request.operation_id) as progress:
            for response in client._execute_and_fetch_as_iterator(request, {}, progress):
                if isinstance(response, StructType | pa.RecordBatch):
                    yield response
                elif isinstance(response, core.PlanMetrics):
                    query.metrics += _figures([response])

    def explain(self, frame: Any) -> str:
        """The plan of a query's data frame."""
        return str(frame._explain_string(mode="formatted"))

    def rows(self, sql: str) -> list[Json]:
        """All rows of a small statement of the executor's own; none when it fails."""
        try:
            return [row.asDict(recursive=True) for row in self._session.sql(sql).collect()]
        except FAILURES:
            return []

    def cancel(self) -> None:
        """Interrupt what is at work, and let nothing begin after it. The thread that waits for it gets Interrupted."""
        self._interrupted.set()
        for _ in range(ROUNDS):  # what was just being sent is not at work yet
            if self._quiet.is_set():
                return
            with suppress(*FAILURES):
                self._session.client.interrupt_tag(self._tag)
            self._quiet.wait(ROUND_SECONDS)


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
    for page in rest:
        if isinstance(page, pa.RecordBatch):
            yield page


def _figures(plans: Any) -> Iterator[tuple[str, str, float]]:
    for plan in getattr(plans, "_metrics", plans) or ():
        for metric in plan.metrics:
            with suppress(TypeError, ValueError):
                yield plan.name, metric.name, float(metric.value)


def unreachable(target: Target, error: Exception) -> TaskError:
    text = f"Spark at {target.remote} cannot be reached; is it up, and is OPS_SPARK_REMOTE right? ({first_line(error)})"
    return TaskError("external", "spark_unreachable", text)


def first_line(error: Exception) -> str:
    return next(iter(spoken(error).strip().splitlines()), type(error).__name__)[:300]
