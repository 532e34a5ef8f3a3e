"""Trino by a run beside Trino by its client: short statements, and a million rows into a Parquet file."""

from __future__ import annotations

import importlib.metadata
import statistics
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as parquet
import requests
import trino.dbapi
from trino.auth import BasicAuthentication

from control_room.engines import catalogue
from control_room.local import state
from control_room.local import trino as stack_trino
from control_room.local.folder import StackFolder
from control_room.local.trino_config import EXECUTOR
from executors.runtime.settings import ExecutorSettings
from tests.bench.executors import idle
from tests.bench.executors.bench import OURS, Bench, Contender, timed
from tests.bench.executors.room import Room

SHORT = "short statement, p50 (ms)"
ADDED = "short statement, p50 added by the run (ms)"
KEPT = "short statement with plan and Parquet file kept, p50 (ms)"
ROWS = "{:,} rows to Parquet (s)"
STATEMENT = "select regionkey, name from tpch.tiny.region"
MANY = "select orderkey, partkey, extendedprice, shipdate, comment from tpch.sf1.lineitem limit {}"
POLL_SECONDS = 0.1
FETCH = 50_000
CLIENT = Contender(
    "trino client",
    "trino.dbapi, one connection kept open, answers not packed on loopback; cursor.execute and fetchall; for the file "
    "fetchmany of 50,000 rows, a record batch of each by pyarrow, zstd level 1",
    "no run, events, log, caps or progress; the file stays on this disk, a run's is in the store by its digest",
)


def measure(bench: Bench) -> None:
    """Alternating blocks of short statements; then the rows, one after the other."""
    [engine] = catalogue.chosen(["trino"])
    if catalogue.installed_at(engine) is None:
        bench.leave_out("Trino", "it is not installed; `control-room engines install trino`")
        return
    bench.meet(CLIENT, Trino=engine.version, **{"trino client": importlib.metadata.version("trino")})
    with Room(bench.folder / "trino", "trino=1", engine="trino") as room:
        connection = connected(room)
        try:
            short(bench, room, connection)
            rows(bench, room, connection)
        finally:
            connection.close()
        idle.measure(bench, room, "trino", rest=ExecutorSettings().warm_seconds)


def connected(room: Room) -> Any:
    """The client's connection to the stack's Trino, as the user that the executor is."""
    folder = StackFolder.at(room.stack.data_dir)
    stack = state.load(folder)
    url = urlsplit(stack_trino.url_of(stack))
    session = requests.Session()
    session.trust_env, session.verify = False, str(stack_trino.authority(folder))
    session.headers["Accept-Encoding"] = "identity"  # as the executor: packing costs more than loopback does
    return trino.dbapi.connect(
        host=url.hostname,
        port=url.port,
        user=EXECUTOR,
        http_scheme=url.scheme,
        auth=BasicAuthentication(EXECUTOR, folder.random_secret(stack_trino.password_name(EXECUTOR))),
        source="bench",
        http_session=session,
    )


def ask(connection: Any, sql: str) -> list[Any]:
    cursor = connection.cursor()
    try:
        cursor.execute(sql)
        return list(cursor.fetchall())
    finally:
        cursor.close()


def short(bench: Bench, room: Room, connection: Any) -> None:
    """The rows come with the run's record, as the client has them; a second template keeps plan and file too."""
    plain = {"sql": STATEMENT, "read_only": True, "plan": False, "parquet": False}
    room.apply("bench-short", {"kind": "trino", "config": plain})
    room.apply("bench-kept", {"kind": "trino", "config": {"sql": STATEMENT, "read_only": True}})
    for _ in range(max(3, bench.sizes.statements // 5)):  # Java compiles what is used often
        ask(connection, STATEMENT)
        room.run("bench-short", poll=POLL_SECONDS)
    room.run("bench-kept", poll=POLL_SECONDS)
    for _ in range(bench.sizes.repeat):
        theirs, ours, kept = [], [], []
        for _ in range(bench.sizes.statements):
            theirs.append(timed(lambda: ask(connection, STATEMENT)) * 1000)
            ours.append(room.run("bench-short", poll=POLL_SECONDS)["seconds"] * 1000)
        for _ in range(max(1, bench.sizes.statements // 5)):
            kept.append(room.run("bench-kept", poll=POLL_SECONDS)["seconds"] * 1000)
        bench.add(SHORT, CLIENT.name, statistics.median(theirs))
        bench.add(SHORT, OURS, statistics.median(ours))
        bench.add(KEPT, OURS, statistics.median(kept))
        bench.add(ADDED, OURS, statistics.median(ours) - statistics.median(theirs))


def rows(bench: Bench, room: Room, connection: Any) -> None:
    """By the wall: from submit to the end of the run, file in the store; the client's until its file is closed."""
    count = bench.sizes.rows
    sql, name = MANY.format(count), ROWS.format(count)
    room.apply("bench-rows", {"kind": "trino", "config": {"sql": sql, "read_only": True, "plan": False}})
    path = bench.folder / "by-hand.parquet"
    by_hand(connection, sql, path)
    room.run("bench-rows")
    for _ in range(bench.sizes.repeat):
        bench.add(name, CLIENT.name, timed(lambda: by_hand(connection, sql, path)))
        found = room.run("bench-rows")
        if found["result"]["row_count"] != count or parquet.ParquetFile(path).metadata.num_rows != count:
            raise RuntimeError(f"not {count} rows: {found['result']['row_count']}")
        bench.add(name, OURS, found["seconds"])


def by_hand(connection: Any, sql: str, path: Path) -> None:
    """As a careful script does it: pages, a batch of each, no more in memory than that."""
    cursor = connection.cursor()
    cursor.execute(sql)
    writer, schema = None, None
    while found := cursor.fetchmany(FETCH):
        columns = [list(column) for column in zip(*found, strict=True)]
        names = [each.name for each in cursor.description]
        batch = pa.RecordBatch.from_arrays([pa.array(column) for column in columns], names)
        schema = schema or batch.schema
        writer = writer or parquet.ParquetWriter(path, schema, compression="zstd", compression_level=1)
        writer.write_batch(batch)
    if writer:
        writer.close()
    cursor.close()
