"""What the Trino tests share: submit SQL, look at what a run left."""

from __future__ import annotations

import json
import secrets
from io import BytesIO
from typing import Any

import pyarrow.parquet

from tests.executors.room import Executor, Room, wait_for
from tests.support.trino import Trino

Json = dict[str, Any]
RETRY = {"backoff_seconds": 0.1, "backoff_max_seconds": 0.2, "max_attempts": 3}


def serve_trino(room: Room, trino: Trino, **settings: str) -> Executor:
    """An executor for this Trino."""
    given = {"trino_url": trino.url, "trino_user": "tester", "trino_catalog": "tpch", "trino_schema": "tiny"}
    return room.executor("trino", **{**given, **settings})


def submit_sql(room: Room, sql: str | None, params: Json | None = None, config: Json | None = None, **spec: Any) -> str:
    """A template of its own with this SQL, and one run of it."""
    name = f"sql-{secrets.token_hex(4)}"
    config = {**({"sql": sql} if sql is not None else {}), **(config or {})}
    template = {"name": name, "kind": "trino", "config": config, "lease_seconds": 6, "retry": RETRY, **spec}
    room.call("put_template", room.operator, name, template)
    return str(room.call("submit_run", room.operator, {"template": name, "params": params or {}})["run_id"])


def done(room: Room, sql: str, params: Json | None = None, config: Json | None = None, **spec: Any) -> Json:
    """A run of this SQL once it has ended. A Spark that writes its first table takes its time."""
    seconds = 400.0 if spec.get("kind") == "spark" else 60.0
    return room.ended(submit_sql(room, sql, params, config, **spec), seconds)


def result(room: Room, sql: str, params: Json | None = None, config: Json | None = None, **spec: Any) -> Json:
    """The result of a run that succeeds."""
    run = done(room, sql, params, config, **spec)
    assert run["state"] == "succeeded", run["error"]
    found: Json = run["result"]
    return found


def artifacts(room: Room, run_id: str) -> dict[str, Json]:
    """The run's artifacts by name."""
    found = room.call("run_artifacts", room.operator, run_id)
    items = found["items"] if isinstance(found, dict) else found
    return {item["name"]: item for item in items}


def content(room: Room, run_id: str, name: str) -> bytes:
    """The bytes of an artifact."""
    found = artifacts(room, run_id)[name]
    with room.database.connect() as connection:
        key = connection.execute(
            "select object_key from ops.artifacts where artifact_id = %s", (found["artifact_id"],)
        ).fetchone()
    data: bytes = room.store.client().get_object(Bucket="artifacts", Key=key[0])["Body"].read()
    return data


def parquet(room: Room, run_id: str, name: str = "result.parquet") -> Any:
    """A Parquet artifact as a table."""
    return pyarrow.parquet.read_table(BytesIO(content(room, run_id, name)))


def queries(room: Room, run_id: str) -> list[Json]:
    """The statements of queries.json."""
    found: list[Json] = json.loads(content(room, run_id, "queries.json"))["statements"]
    return found


def wait_for_query(trino: Trino, like: str, state: str = "RUNNING", seconds: float = 60.0) -> str:
    """The id of a query at the engine whose text holds this, once it is in that state."""

    def found() -> str | None:
        sql = f"select query_id from system.runtime.queries where state = '{state}' and query like '%{like}%'"
        rows = trino.rows(sql + " and query not like '%system.runtime%' and query not like 'EXPLAIN%'")
        return str(rows[0][0]) if rows else None

    return str(wait_for(f"a query with {like} to be {state}", found, seconds))


def state_of(trino: Trino, query_id: str) -> tuple[str, str | None]:
    """(state, error code) of a query at the engine."""
    rows = trino.rows(f"select state, error_code from system.runtime.queries where query_id = '{query_id}'")
    return rows[0][0], rows[0][1]
