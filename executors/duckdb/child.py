"""The process of one duckdb run: its statements in order, then what the template publishes.

Nothing is published when a statement fails. The run's result::

    {"statements": [{"statement", "type", "rows", "seconds"}], "published": {output: rows},
     "columns": [{"name", "type"}], "rows": [[…]], "row_count": 5, "truncated": false, "parquet": "result.parquet"}

``columns`` and what follows are of the last statement that returned rows.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from executors.duckdb.config import DRILL, DuckdbConfig, parse_config
from executors.duckdb.failure import Scene, failure_of
from executors.runtime import child_data
from executors.runtime.arrow_result import store
from executors.runtime.child import Cancelled, Context, run_child
from executors.runtime.failures import TaskError

Json = dict[str, Any]
WRITERS = {
    ".parquet": "format parquet, compression zstd",
    ".csv": "format csv, header",
    ".json": "format json, array",
    ".ndjson": "format json",
}
# The rest of the cap is Python's, Arrow's, and what DuckDB does not count.
MEMORY_SHARE = 0.6
LEAST_MEMORY = 64 * 1024 * 1024
BATCH_ROWS = 100_000
LOOK_SECONDS = 0.2
PARQUET = "result.parquet"
# What a statement that returns no rows answers with.
COUNTS: tuple[list[str], ...] = ([], ["Count"], ["Success"])
READERS = {
    ".parquet": "read_parquet",
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".json": "read_json",
    ".ndjson": "read_json",
}


def body(context: Context) -> Json:
    """Execute the template's statements."""
    if context.entrypoint == DRILL:
        from executors.duckdb.drill import drill

        return drill(context)
    config = parse_config(context.job)
    with connection(context, config) as database, watched(context, database):
        return Run(context, config, database).execute()


@contextmanager
def connection(context: Context, config: DuckdbConfig) -> Iterator[Any]:
    """A database in memory that spills into the run's folder, with the run's inputs as views."""
    database = duckdb.connect(":memory:", config=settings(context, config))
    try:
        database.execute("set timezone = 'UTC'")
        # Counted, so that it can be asked for, and not drawn into the run's log.
        database.execute("set enable_progress_bar = true; set enable_progress_bar_print = false")
        for name, record in context.inputs.items():
            register(context, database, name, record)
        yield database
    finally:
        database.close()


def settings(context: Context, config: DuckdbConfig) -> Json:
    """Options of the database, from the template and the run's caps."""
    found: Json = {
        "temp_directory": str(context.work_dir / ".spill"),
        # No network beyond what the template names: nothing is fetched because a query mentions it.
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        # Nor are variables of this program, of whatever name, tables.
        "python_enable_replacements": "false",
    }
    if config.threads:
        found["threads"] = config.threads
    if memory := (context.job.get("caps") or {}).get("memory_bytes"):
        found["memory_limit"] = f"{max(LEAST_MEMORY, int(memory * MEMORY_SHARE)) // 1024**2}MiB"
    return found


def register(context: Context, database: Any, name: str, record: Json) -> None:
    """A view of an input. Tables are read as DuckDB asks for them, columns and filters first."""
    if record.get("kind") in ("artifact", "object"):
        path = context.input_file(name)
        suffix = Path(name).suffix or path.suffix
        if suffix not in READERS:
            text = f"input {name!r} is a file of no known kind ({', '.join(READERS)})"
            raise TaskError("user", "input_unreadable", text)
        quoted_path = str(path).replace("'", "''")
        database.execute(f"create view {quoted(name)} as from {READERS[suffix]}('{quoted_path}')")
        return
    database.register(name, child_data.dataset(context.job, name))


def reads(statement: Any) -> bool:
    """Whether all that it does is return rows. Of one that changes something, by RETURNING too, only its end tells."""
    return bool(statement.expected_result_type == [duckdb.ExpectedResultType.QUERY_RESULT])


class Run:
    """The statements of one run."""

    def __init__(self, context: Context, config: DuckdbConfig, database: Any) -> None:
        self._context, self._config, self._database = context, config, database
        self._records: list[Json] = []
        self._last: Json = {}
        self._several = False

    def execute(self) -> Json:
        try:
            found = self._statements()
            self._several = sum(reads(statement) for _, statement in found) > 1
            for scene, statement in found:
                self._one(scene, statement)
            published = {output: self._publish(output, relation) for output, relation in self._config.publish.items()}
        except TaskError:
            self._context._control.send("result", value=self._result({}))
            raise
        return self._result(published)

    def _result(self, published: dict[str, int]) -> Json:
        return {"statements": self._records, "published": published, **self._last}

    def _statements(self) -> list[tuple[Scene, Any]]:
        script = self._config.script
        try:
            found = self._database.extract_statements(script)
        except duckdb.Error as error:
            raise failure_of(
                error, Scene(1, 1, script, script, file=self._config.file, inputs=tuple(self._context.inputs))
            ) from None
        if not found:
            raise TaskError("user", "sql_missing", "the script holds no statement; write at least one")
        places = scenes(script, [each.query for each in found], self._config.file, tuple(self._context.inputs))
        return list(zip(places, found, strict=True))

    def _one(self, scene: Scene, statement: Any) -> None:
        self._context.progress(
            message=f"statement {scene.number} of {scene.of}", current=scene.number - 1, total=scene.of
        )
        began = time.monotonic()
        try:
            rows = self._rows(scene.number, statement, self._values(scene, statement))
        except (duckdb.Error, RuntimeError, OSError) as error:
            if self._context.is_cancelled():
                raise Cancelled("the run was interrupted") from None
            raise failure_of(error, scene) from None
        kind = statement.type.name.lower()
        self._records.append(
            {"statement": scene.number, "type": kind, "rows": rows, "seconds": round(time.monotonic() - began, 3)}
        )
        self._context.log(f"statement {scene.number} of {scene.of}: {kind}, {rows:,} rows")

    def _values(self, scene: Scene, statement: Any) -> Json:
        """The params that a statement names."""
        params = self._context.params
        if missing := sorted(set(statement.named_parameters) - params.keys()):
            text = f"the statement wants ${missing[0]}, which is not among the run's params"
            raise TaskError("user", "params_missing", text, position=scene.position())
        return {name: bound(params[name]) for name in statement.named_parameters}

    def _rows(self, number: int, statement: Any, values: Json) -> int:
        """How many rows it returned or changed."""
        self._database.execute(statement, values or None)
        if not reads(statement) and [column[0] for column in self._database.description or ()] in COUNTS:
            changed = self._database.fetchone()
            return int(changed[0]) if changed and type(changed[0]) is int else 0
        name = PARQUET if reads(statement) and not self._several else f"result-{number}.parquet"
        path = self._context.work_dir / name if self._config.parquet else None
        self._last = store(self._database.to_arrow_reader(BATCH_ROWS), path)
        self._last["parquet"] = name if path else None
        count: int = self._last["row_count"]
        if path:
            self._context.artifact(name, path, metadata={"rows": count})
        return count

    def _publish(self, output: str, relation: str) -> int:
        self._context.progress(message=f"publishing {output}")
        query = f"select * from {relation_name(relation)}"  # noqa: S608
        scene = Scene(len(self._records), 1, query, query)
        try:
            if self._context.outputs[output].get("format") == "object":
                return self._publish_file(output, query)
            self._database.execute(query)
            publication = self._context.publish(output, self._database.to_arrow_reader(BATCH_ROWS))
        except duckdb.CatalogException:
            text = f"output {output!r} publishes {relation!r}, which the script did not make"
            raise TaskError(
                "user", "relation_missing", f"{text}; create it, or name another in config.publish"
            ) from None
        except (duckdb.Error, RuntimeError) as error:
            if self._context.is_cancelled():
                raise Cancelled("the run was interrupted") from None
            raise failure_of(error, scene) from None
        rows: int = publication["rows"]
        return rows

    def _publish_file(self, output: str, query: str) -> int:
        """An object is the relation as a file, of the kind that its name says."""
        suffix = Path(self._context.outputs[output]["uri"]).suffix
        if suffix not in WRITERS:
            text = f"output {output!r} is an object of no known kind: end its path in {', '.join(WRITERS)}"
            raise TaskError("user", "output_unknown_kind", text)
        path = self._context.work_dir / f".object{suffix}"
        self._database.execute(f"copy ({query}) to '{str(path).replace(chr(39), chr(39) * 2)}' ({WRITERS[suffix]})")
        written = self._database.fetchone()
        self._context.publish(output, path)
        path.unlink()
        return int(written[0])


def scenes(script: str, queries: list[str], file: str | None, inputs: tuple[str, ...] = ()) -> Iterator[Scene]:
    """Each statement with where it begins in the script."""
    at = 0
    for number, query in enumerate(queries, 1):
        at = max(at, script.find(query, at))
        yield Scene(number, len(queries), query, script, at, file, inputs)
        at += len(query)


def bound(value: Any) -> Any:
    """A JSON value as DuckDB binds it: an object becomes a text of JSON."""
    return json.dumps(value) if isinstance(value, dict) else value


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def relation_name(name: str) -> str:
    """``marts.daily`` as two quoted names."""
    return ".".join(quoted(part) for part in name.split("."))


@contextmanager
def watched(context: Context, database: Any) -> Iterator[None]:
    """Show how far the query is, and interrupt it when the run is cancelled."""
    context.is_cancelled()  # from now on this process asks: Cancelled must not be raised somewhere inside DuckDB
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            if context.is_cancelled():
                database.interrupt()
            elif (percent := database.query_progress()) > 0:
                context.progress(percent / 100)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    run_child(body)
