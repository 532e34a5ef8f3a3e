"""One run of SQL: its statements in order, each watched, with what they return, wrote and cost.

The run's result::

    {"mode": "connect", "statements": [{"statement", "type", "rows", "seconds", "table"}],
     "columns": [{"name", "type"}], "rows": [[…]], "row_count": 5, "truncated": false, "parquet": "result.parquet"}

``columns`` and what follows are of the last statement that returned rows; each has a Parquet file of its own. Where the
template asks for plans, the artifact ``queries.json`` has the same statements with SQL, plan and figures. A failed run
has both, too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from executors.runtime.arrow_result import store
from executors.runtime.child import Cancelled, Context
from executors.runtime.failures import TaskError
from executors.runtime.sql_config import values
from executors.runtime.text import clean_json
from executors.runtime.warm_child import WarmContext
from executors.spark import tables
from executors.spark.binding import Bound, bind
from executors.spark.config import SparkConfig
from executors.spark.failure import Scene, failure_of
from executors.spark.inputs import named, show
from executors.spark.session import FAILURES, Batches, Interrupted, Query, Session, first_line, unreachable
from executors.spark.settings import Target
from executors.spark.statements import Statement
from executors.spark.watch import Tally, progress_of

Json = dict[str, Any]
PROGRESS_SECONDS = 0.5
QUERIES = "queries.json"


class Breached(Exception):  # noqa: N818 - it says what happened
    """A cap was passed; the runtime has been told."""


ENDINGS = (Interrupted, Breached)


class Run:
    """See the module's text. died: why the run's own driver is no more, None while it is there."""

    def __init__(
        self,
        context: WarmContext,
        config: SparkConfig,
        target: Target,
        died: Callable[[], TaskError | None] = lambda: None,
    ) -> None:
        self._context, self._config, self._target, self._died = context, config, target, died
        self._caps: Json = dict(context.job.get("caps") or {})
        self._values = values(context.job)
        self._tally = Tally()
        self._told = 0.0
        self._wrote = False
        self._number = 0
        self._records: list[Json] = []
        self._details: list[Json] = []
        self._last: Json = {}

    def execute(self) -> Json:
        """All statements. What was reached is told in every case."""
        self._context.log(f"mode {self._target.mode}: {self._target.why}")
        try:
            with opened(self._context, self._config, self._target) as session:
                self._show_inputs(session)
                session.hear(self._hear)
                for number in range(1, len(self._config.statements) + 1):
                    self._number = number
                    self._one(session, number)
        except ENDINGS:
            raise Cancelled("the run was ended") from None
        except TaskError:
            self._context.tell_result(self._result())
            raise
        finally:
            self._context.usage(**self._tally.usage())
            self._keep()
        return self._result()

    def _show_inputs(self, session: Session) -> None:
        """Those that the script names; before its first statement, which may write."""
        inputs = named(self._context.job.get("inputs") or [], self._config.statements, self._context.params)
        if unread := show(session.ask, inputs):
            raise next(iter(unread.values()))

    def _result(self) -> Json:
        found: Json = clean_json({"mode": self._target.mode, "statements": self._records, **self._last})
        return found

    # One statement ------------------------------------------------------------------------------------------------

    def _one(self, session: Session, number: int) -> None:
        statement = self._config.statements[number - 1]
        bound = bind(statement.part.tokens, self._values, self._config.types, self._config.parameters)
        detail: Json = {"sql": statement.sql, "plan": None}
        query, began = Query(), time.monotonic()
        self._details.append(detail)
        try:
            self._writing(statement.kind == "write")
            with session.working():
                rows = self._work(session, statement, bound.sql, query, detail)
        except (*FAILURES, *ENDINGS) as error:
            self._ended(statement, query, detail, began, 0)
            if isinstance(error, ENDINGS):
                raise
            raise self._failure(error, number, query, bound) from error
        finally:
            self._writing(False)
        self._wrote = self._wrote or statement.kind == "write"
        record = self._ended(statement, query, detail, began, rows)
        if statement.kind == "write" and statement.target:
            self._table(session, statement, record)

    def _work(self, session: Session, statement: Statement, sql: str, query: Query, detail: Json) -> int:
        """Execute it; how many rows it returned."""
        if statement.kind == "write":
            if self._config.plan and statement.planned:
                explained = session.rows(f"EXPLAIN FORMATTED {sql}")
                detail["plan"] = explained[0].get("plan") if explained else None
            if statement.target:
                session.conf(tables.marks(self._mark(self._number)))
            session.run(sql, query)
            return 0
        frame = session.query(sql, query) if statement.lazy else session.run(sql, query)
        if not statement.returns:
            return 0
        if self._config.plan:
            detail["plan"] = session.explain(frame)
        batches = session.batches(frame, query)
        return self._store(batches) if batches.schema.names else 0

    def _store(self, batches: Batches) -> int:
        several = sum(each.returns for each in self._config.statements) > 1
        name = f"result-{self._number}.parquet" if several else "result.parquet"
        path = self._context.work_dir / name if self._config.parquet else None
        try:
            found = store(Batches(batches.schema, self._counted(batches)), path)
        except BaseException:
            if path:
                path.unlink(missing_ok=True)
            raise
        self._last = {**found, "parquet": name if path else None}
        if path:
            metadata = {"rows": found["row_count"]}
            self._context.hand_over(name, path, "application/vnd.apache.parquet", metadata)
        return int(found["row_count"])

    def _counted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self._tally.rows_out += batch.num_rows
            self._check()
            yield batch

    def _check(self) -> None:
        """End the run when a cap is passed that Spark does not have."""
        if found := self._tally.breach(self._caps):
            cap, limit, observed = found
            self._context.breach(cap, limit, observed, layer="watchdog")
            raise Breached(cap)

    def _hear(self, stages: Iterable[Any], inflight: int) -> None:
        """With each answer of Spark about the statement at work."""
        self._tally.hear(stages)
        if (now := time.monotonic()) - self._told >= PROGRESS_SECONDS:
            self._told = now
            self._context.progress(**progress_of(stages, inflight, self._head(), self._tally.rows_out))
            self._context.usage(**self._tally.usage())

    def _head(self) -> str:
        many = len(self._config.statements)
        return f"statement {self._number} of {many}: " if many > 1 else ""

    def _writing(self, begins: bool) -> None:
        """Tell the runtime whether a statement is at work that may write: should this process die, nobody knows."""
        self._context.unsure(begins or self._wrote)

    def _mark(self, number: int) -> str:
        """The same in every attempt: what one of them wrote to Delta, the next one does not write again."""
        return f"control-room/{self._context.run_id}/{number}"

    def _failure(self, error: Exception, number: int, query: Query, bound: Bound) -> TaskError:
        scene = Scene(self._config, number, self._target.remote, query.sent, self._wrote, self._died(), bound)
        found = failure_of(error, scene)
        self._context.log(f"{self._head()}failed: {found.message}")
        return found

    # What is kept -------------------------------------------------------------------------------------------------

    def _ended(self, statement: Statement, query: Query, detail: Json, began: float, rows: int) -> Json:
        self._tally.end(query.metrics)
        record: Json = {
            "statement": self._number,
            "type": statement.type,
            "rows": rows,
            "seconds": round(time.monotonic() - began, 3),
            "table": None,
        }
        self._records.append(record)
        detail |= {"record": record, "figures": figures(query)}
        self._context.log(f"{self._head()}{record['type']}, {rows:,} rows, {record['seconds']} s")
        return record

    def _table(self, session: Session, statement: Statement, record: Json) -> None:
        """The version that the statement made, recorded as an artifact where the format has versions."""
        name, mark = ".".join(statement.target or ()), self._mark(self._number)
        found = tables.written(name, mark, session.rows)
        self._tally.rows_written += found.rows
        record |= {"table": found.record(), "rows": found.rows}
        if found.format and found.uri and found.version is not None:
            self._context.table(f"{found.label}@{found.version}", found.format, found.uri, found.version, mark)

    def _keep(self) -> None:
        """Upload queries.json; a run that reached no statement has none."""
        if self._details and self._config.plan:
            told = [{**each.pop("record", {}), **each} for each in self._details]
            self._context.artifact(QUERIES, json.dumps(clean_json({"statements": told}), indent=1), "file")


def opened(context: Context, config: SparkConfig, target: Target) -> Session:
    """The run's session; an order to stop interrupts what it does. TaskError when it cannot be had."""
    try:
        session = Session(target, tag_of(context), conf_of(config), config.schema)
    except FAILURES as error:
        raise unopened(error, target) from None
    if isinstance(context, WarmContext):
        context.on_stop(session.cancel)
    return session


def unopened(error: Exception, target: Target) -> TaskError:
    """Why there is no session: Spark is away, refuses the token, or does not take a setting."""
    status = getattr(getattr(error, "getGrpcStatusCode", lambda: None)(), "name", "")
    if status in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        text = f"Spark at {target.remote} refused the executor's token; check OPS_SPARK_TOKEN_FILE"
        return TaskError("external", "credentials_refused", text)
    if getattr(error, "getSqlState", lambda: None)():
        return TaskError(
            "user",
            "config_invalid",
            f"Spark does not take conf, catalog or schema of the template: {first_line(error)}",
        )
    return unreachable(target, error)


def conf_of(config: SparkConfig) -> dict[str, str]:
    """Settings of the session."""
    return {**config.conf, **({"spark.sql.defaultCatalog": config.catalog} if config.catalog else {})}


def tag_of(context: Context) -> str:
    """What Spark shows of the run, and by which its operations are interrupted."""
    return f"control-room-run-{context.number}-{context.run_id}-{context.epoch}"


def figures(query: Query) -> list[Json]:
    return [{"operator": operator, "name": name, "value": value} for operator, name, value in query.metrics if value]
