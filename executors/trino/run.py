"""One trino run: its statements in order, each watched, with what they return, wrote and cost.

The run's result::

    {"statements": [{"statement", "type", "query_id", "info_url", "rows", "seconds", "warnings", "table"}],
     "columns": [{"name", "type"}], "rows": [[…]], "row_count": 5, "truncated": false, "parquet": "result.parquet"}

``columns`` and what follows are of the last statement that returned rows; each has a Parquet file of its own. The
artifact ``queries.json`` has the same statements with SQL, statistics and plan. A failed run has both, too.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import requests
from trino.exceptions import Error as TrinoError
from trino.exceptions import HttpError, TrinoQueryError

from executors.runtime.child import Cancelled, Context
from executors.runtime.failures import TaskError
from executors.runtime.sql_config import values
from executors.runtime.text import clean_json
from executors.runtime.warm_child import WarmContext
from executors.trino import tables
from executors.trino.binding import bind
from executors.trino.config import TrinoConfig
from executors.trino.engine import Bound, Interrupted, Query, Session, Unsent, Who
from executors.trino.failure import Scene, breached_cap, failure_of
from executors.trino.result import ParquetFile, Preview
from executors.trino.settings import Target
from executors.trino.statements import Statement, placed
from executors.trino.watch import Tally, progress_of, session_properties

Json = dict[str, Any]
PROGRESS_SECONDS = 0.5
SHOWN_SQL = 2000
PLAN_SECONDS = 20.0
QUERIES = "queries.json"
FAILURES = (TrinoError, HttpError, Unsent, requests.exceptions.RequestException)


class Breached(Exception):  # noqa: N818 - it says what happened
    """A cap was passed; the runtime has been told."""


ENDINGS = (Interrupted, Breached)


class Run:
    """See the module's text."""

    def __init__(self, context: WarmContext, config: TrinoConfig, target: Target) -> None:
        self._context, self._config, self._target = context, config, target
        self._caps: Json = dict(context.job.get("caps") or {})
        self._values = values(context.job)
        self._session = Session(chosen(target, config), who(context), dict(config.session))
        self._tally = Tally()
        self._told = self._started = time.monotonic()
        self._wrote = self._ended = False
        self._plans = ThreadPoolExecutor(1, thread_name_prefix="plan")
        self._records: list[Json] = []
        self._details: list[Json] = []
        self._last: Json = {}

    def execute(self) -> Json:
        """All statements. What was reached is told in every case."""
        self._context.on_stop(self._session.cancel)
        try:
            for number in range(1, len(self._config.statements) + 1):
                self._one(number)
        except ENDINGS:
            raise Cancelled("the run was ended") from None
        except TaskError:
            self._context.tell_result(self._result())
            raise
        finally:
            self._context.usage(**self._tally.usage())
            self._keep()
            self._plans.shutdown(wait=False, cancel_futures=True)
        return self._result()

    def _result(self) -> Json:
        found: Json = clean_json({"statements": self._records, **self._last})
        return found

    def _one(self, number: int) -> None:
        statement = self._config.statements[number - 1]
        using = bind(statement.names, self._values, self._config.types, self._config.parameters)
        bound = Bound(*placed(statement.sql, using))
        self._session.set(session_properties(self._caps, time.monotonic() - self._started, self._tally.usage()))
        plan = self._planned(statement, using)
        query, began = Query(), time.monotonic()
        try:
            rows = self._read(number, bound, query)
        except (*FAILURES, *ENDINGS) as error:
            self._tally.end(query)
            self._noted(number, query, plan, began, 0)
            if isinstance(error, ENDINGS):
                self._ended = True
                raise
            raise self._failure(error, number, query, bound) from error
        finally:
            self._writing(False)
        self._tally.end(query)
        self._wrote = self._wrote or statement.kind == "write"
        self._noted(number, query, plan, began, rows)

    def _planned(self, statement: Statement, using: list[str]) -> Future[Any] | None:
        """The plan, asked for beside the statement; before it where the statement changes what would be planned."""
        if not self._config.plan or statement.planned is None:
            return None
        asked = Bound(*placed(statement.planned.sql, using[statement.planned.skip :]))
        plan = self._plans.submit(self._session.explain, asked)
        if statement.kind == "write":
            plan.exception(PLAN_SECONDS)
        return plan

    # One statement ------------------------------------------------------------------------------------------------

    def _read(self, number: int, bound: Bound, query: Query) -> int:
        """Read all pages; the number of rows that came (or were written)."""
        statement = self._config.statements[number - 1]
        self._writing(statement.kind == "write")
        heard = Listener(self, number, query)
        sink = Sink(self._context, self._config, number)
        try:
            for page in self._session.run(bound, query, heard):
                if statement.kind == "write" or query.update_type:
                    continue  # one row that says how many were written
                self._tally.rows_out += len(page)
                self.check()
                sink.add(query, page)
            sink.finish(query, returns=statement.kind == "read" and not query.update_type)
        except BaseException:
            sink.abandon()
            raise
        if sink.record:
            self._last = sink.record
        return query.update_count or 0 if query.update_type else sink.preview.count

    def check(self) -> None:
        """End the run when a cap is passed that Trino does not have, or has too late."""
        if found := self._tally.breach(self._caps):
            cap, limit, observed = found
            self._context.breach(cap, limit, observed, layer="watchdog")
            raise Breached(cap)

    def hear(self, number: int, query: Query) -> None:
        """With each answer of Trino."""
        self._tally.hear(query)
        self.check()
        if (now := time.monotonic()) - self._told >= PROGRESS_SECONDS:
            self._told = now
            head = self._head(number)
            self._context.progress(**progress_of(query, head, self._tally.rows_out))
            self._context.usage(**self._tally.usage())

    def log(self, number: int, text: str) -> None:
        self._context.log(f"{self._head(number)}{text}")

    def _head(self, number: int) -> str:
        many = len(self._config.statements)
        return f"statement {number} of {many}: " if many > 1 else ""

    def _writing(self, begins: bool) -> None:
        """Tell the runtime whether a statement is at work that may write: should this process die, nobody knows."""
        self._context.unsure(begins or self._wrote)

    def _failure(self, error: Exception, number: int, query: Query, bound: Bound) -> Exception:
        scene = Scene(
            self._config, number, self._target.url, query.sent, self._wrote, bool(bound.using) and not bound.prepared
        )
        found = failure_of(error, scene)
        if isinstance(error, TrinoQueryError) and (cap := breached_cap(error, self._caps)):
            observed = max(float(self._caps[cap]), self._observed(cap))
            self._context.breach(cap, float(self._caps[cap]), observed, layer="engine")
        self.log(number, f"failed: {found.message}")
        return found

    def _observed(self, cap: str) -> float:
        if cap == "wall_seconds":
            return time.monotonic() - self._started
        return self._tally.usage().get("memory_peak_bytes" if cap == "memory_bytes" else cap, 0.0)

    # What is kept -------------------------------------------------------------------------------------------------

    def _noted(self, number: int, query: Query, plan: Future[Any] | None, began: float, rows: int) -> None:
        statement = self._config.statements[number - 1]
        record: Json = {
            "statement": number,
            "type": query.update_type or " ".join(statement.words[:1]).upper(),
            "query_id": query.query_id,
            "info_url": query.info_url,
            "rows": rows,
            "seconds": round(time.monotonic() - began, 3),
            "warnings": [shown_warning(each) for each in query.warnings],
            "table": None,
        }
        self._records.append(record)
        self._details.append(
            {"record": record, "sql": statement.sql, "stats": without_stages(query.stats), "plan": plan}
        )
        if query.finished and statement.kind == "write" and statement.target and query.query_id:
            record["table"] = self._table(statement, query.query_id)

    def _table(self, statement: Statement, query_id: str) -> Json | None:
        """The version that the statement made, recorded as an artifact where the format has versions."""
        name = tables.full_name(statement.target or (), self._session.catalog, self._session.schema)
        if name is None:
            return None
        found = tables.written(name, query_id, self._session.rows)
        if found.format and found.uri and found.version is not None:
            self._context.table(f"{found.name}@{found.version}", found.format, found.uri, found.version, query_id)
        return found.record()

    def _keep(self) -> None:
        """Upload queries.json; a run that reached no statement has none."""
        if self._details and self._config.plan:
            # A run that was ended has no time to wait for a plan.
            patience = 0.0 if self._ended else PLAN_SECONDS
            told = [
                {**each["record"], "sql": each["sql"], "stats": each["stats"], "plan": plan_of(each["plan"], patience)}
                for each in self._details
            ]
            self._context.artifact(QUERIES, json.dumps(clean_json({"statements": told}), indent=1), "file")


class Listener:
    """Called with each answer about one statement: logs what changed, and lets the run look at it."""

    def __init__(self, run: Run, number: int, query: Query) -> None:
        self._run, self._number, self._query = run, number, query
        self._state = ""
        self._warned = 0

    def __call__(self, query: Query) -> None:
        state = str(query.stats.get("state", ""))
        if not self._state:
            self._run.log(self._number, f"query {query.query_id}, {query.info_url}")
        if state != self._state:
            self._state = state
            self._run.log(self._number, state)
        for warning in query.warnings[self._warned :]:
            self._run.log(self._number, f"warning {shown_warning(warning)}")
        self._warned = max(self._warned, len(query.warnings))
        self._run.hear(self._number, query)


class Sink:
    """Where the rows of one statement go. ``record`` is there when it returned a result."""

    def __init__(self, context: WarmContext, config: TrinoConfig, number: int) -> None:
        self._context, self._parquet = context, config.parquet
        several = sum(statement.kind == "read" for statement in config.statements) > 1
        self._name = f"result-{number}.parquet" if several else "result.parquet"
        self._path = context.work_dir / self._name
        self._file: ParquetFile | None = None
        self.preview = Preview()
        self.record: Json | None = None

    def add(self, query: Query, page: list[Any]) -> None:
        self._begin(query)
        self.preview.add(page)
        if self._file:
            self._file.add(page)

    def _begin(self, query: Query) -> None:
        if not self.preview.columns and query.columns:
            self.preview.begin(query.columns)
            self._file = ParquetFile(self._path, query.columns) if self._parquet else None

    def finish(self, query: Query, *, returns: bool) -> None:
        """The statement is over. A query without rows has a schema all the same."""
        if not returns or not query.columns:
            return
        self._begin(query)
        self.record = {**self.preview.record(), "parquet": self._name if self._file else None}
        if self._file:
            self._file.close()
            rows = self.preview.count
            self._context.hand_over(self._name, self._path, "application/vnd.apache.parquet", {"rows": rows})

    def abandon(self) -> None:
        if self._file:
            self._file.abandon()
            self._path.unlink(missing_ok=True)


def chosen(target: Target, config: TrinoConfig) -> Target:
    """The target with the template's catalog and schema."""
    catalog = config.catalog or target.catalog
    schema = config.schema or (target.schema if catalog == target.catalog else None)
    return replace(target, catalog=catalog, schema=schema)


def who(context: Context) -> Who:
    """What Trino shows of the run: in its list of queries, in its events, to its resource groups."""
    job = context.job
    tags = (f"run={context.run_id}", f"number={context.number}", f"epoch={context.epoch}")
    info = {"run_id": context.run_id, "number": context.number, "epoch": context.epoch, "attempt": context.attempt}
    source = f"control-room/{job.get('workspace', 'default')}/{job.get('template_name', '')}/{context.number}"
    return Who(source, tags, info, job.get("traceparent"))


def plan_of(plan: Future[Any] | None, seconds: float) -> Any:
    """The plan, None when there is none in time."""
    try:
        return plan.result(seconds) if plan else None
    except Exception:  # a plan is an addition: the run's own outcome stands
        return None


def shown_warning(warning: Json) -> str:
    code = (warning.get("warningCode") or {}).get("name", "WARNING")
    return f"{code}: {warning.get('message', '')}"


def without_stages(stats: Json) -> Json:
    return {name: value for name, value in stats.items() if name != "rootStage"}
