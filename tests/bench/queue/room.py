"""This product under test: its database, a real server process, and load over HTTP."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from ops_schema import migrate
from tests.bench.queue import cpu, install
from tests.bench.queue.cluster import DurableCluster
from tests.bench.queue.worker import Worker
from tests.support.postgres import _die_with_the_tests

LOGIN = "control_room"
TOKENS = {
    "executor_token": ("executor", "bench-executor-token"),
    "operator_token": ("operator", "bench-operator-token"),
}
TEMPLATE = "noop"
SEEDED = "room_seeded"
EMPTY = "room_empty"
HISTORY = "room_history"
CHUNK = 20_000
SPEC = {
    "name": TEMPLATE,
    "kind": "python",
    "entrypoint": "task:main",
    "params_schema": {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "path": {"type": "string", "maxLength": 1024}},
        "required": ["n", "path"],
        "additionalProperties": False,
    },
}
PATH = "s3://lakehouse/bronze/flights/year=2013/month=01/part-00000-0197a3c4-7000-7000-8000-000000000042.parquet"


def prepare(cluster: DurableCluster, queued: int, finished: int = 0) -> None:
    """The databases that measures copy: empty; seeded with queued runs; and, when finished is given, one with both."""
    _make_empty(cluster)
    _with_queued(cluster, SEEDED, EMPTY, queued)
    if finished:
        cluster.fresh(HISTORY, SEEDED)
        _seed_finished(cluster, HISTORY, finished)


def _make_empty(cluster: DurableCluster) -> None:
    cluster.fresh(EMPTY)
    conninfo = cluster.conninfo(EMPTY)
    migrate.apply(conninfo)
    migrate.create_login(conninfo, LOGIN, "trusted-on-a-socket-alone")
    made = {}
    for role, token in TOKENS.values():
        digest = hashlib.sha256(token.encode()).digest()
        made[role] = migrate.create_token(conninfo, f"bench {role}", role, digest)["token_id"]
    with cluster.connect(EMPTY) as connection:
        connection.execute("select ops.put_template(%s, %s, %s)", (made["operator"], TEMPLATE, Jsonb(SPEC)))


def add_budgets(cluster: DurableCluster, name: str) -> None:
    """A budget of each level, of different units, that no run exceeds."""
    with cluster.connect(name) as connection:
        operator = _value(connection, "select token_id from ops.tokens where role = 'operator'")
        connection.execute(
            "select ops.put_prices(%s, %s)",
            (operator, Jsonb({"currency": "EUR", "prices": {"*": {"wall_seconds": 0.01}}})),
        )
        for scope, ref, unit in (
            ("platform", None, "cost"),
            ("workspace", "default", "runs"),
            ("template", f"default/{TEMPLATE}", "wall_seconds"),
        ):
            body = {"scope": scope, "scope_ref": ref, "unit": unit, "period": "month", "limit": 1e9}
            connection.execute("select ops.put_budget(%s, %s)", (operator, Jsonb(body)))


def _with_queued(cluster: DurableCluster, name: str, template: str, count: int) -> None:
    """Runs as submits leave them: the row of a real one, copied, with a chained first event each."""
    cluster.fresh(name, template)
    with cluster.connect(name) as connection:
        operator = _value(connection, "select token_id from ops.tokens where role = 'operator'")
        body = {"template": TEMPLATE, "params": {"n": 0, "path": PATH}}
        model = _value(connection, "select (ops.submit_run(%s, %s) ->> 'run_id')::uuid", operator, Jsonb(body))
        fresh = {"run_id": "ops.uuid7()", "ready_seq": "nextval('ops.ready_seq')", "event_seq": "0"}
        fresh |= {"event_head": "decode(repeat('00', 32), 'hex')", "params": "r.params || jsonb_build_object('n', g.n)"}
        for start in range(1, count, CHUNK):
            numbers = f"generate_series({start}, {min(start + CHUNK, count) - 1}) g (n)"
            ids = _copy(connection, "runs", fresh, f"ops.runs r cross join {numbers} where r.run_id = '{model}'")
            connection.execute("select ops.append_events(%s::uuid[], 'run.submitted', 'operator:bench')", (ids,))
        connection.execute("vacuum (analyze)")


def _seed_finished(cluster: DurableCluster, name: str, count: int) -> None:
    """Runs, attempts and first events of runs that are over."""
    with cluster.connect(name) as connection:
        model = _value(connection, "select run_id from ops.runs order by number limit 1")
        now = "ops.now()"
        fresh = {"run_id": "ops.uuid7()", "ready_seq": "null::bigint", "event_seq": "0", "state": "'succeeded'"}
        fresh |= {"event_head": "decode(repeat('00', 32), 'hex')", "epoch": "1", "attempt": "1"}
        fresh |= {"started_at": now, "finished_at": now, "executor_id": "r.template_id"}
        connection.execute("set session_replication_role = replica")  # rows of the past, not steps towards them
        for start in range(0, count, CHUNK):
            numbers = f"generate_series({start}, {min(start + CHUNK, count) - 1}) g (n)"
            ids = _copy(connection, "runs", fresh, f"ops.runs r cross join {numbers} where r.run_id = '{model}'")
            connection.execute(
                "insert into ops.attempts (run_id, epoch, attempt, executor_id, outcome, started_at, finished_at,"
                " reported_at, report_digest, idempotency_key) select i, 1, 1, i, 'succeeded', now(), now(), now(),"
                " sha256(''), i || '/1' from unnest(%s::uuid[]) i",
                (ids,),
            )
            connection.execute("select ops.append_events(%s::uuid[], 'run.succeeded', 'executor:bench')", (ids,))
        connection.execute("vacuum (analyze)")


def _copy(connection: psycopg.Connection[Any], table: str, fresh: dict[str, str], source: str) -> list[Any]:
    # Whatever columns the table has: those not named in `fresh` are copied.
    rows = connection.execute(
        "select attname from pg_attribute where attrelid = ('ops.' || %s)::regclass and attnum > 0"
        " and not attisdropped and attidentity = '' and attgenerated = '' order by attnum",
        (table,),
    )
    names = [str(row[0]) for row in rows]
    values = ", ".join(fresh.get(name, f'r."{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    query = f"insert into ops.{table} ({columns}) select {values} from {source} returning run_id"
    return [row[0] for row in connection.execute(sql.SQL(query))]  # type: ignore[arg-type]


def _value(connection: psycopg.Connection[Any], query: str, *parameters: object) -> Any:
    row = connection.execute(query, parameters).fetchone()  # type: ignore[arg-type]
    return row[0] if row else None


class Server:
    """`python -m control_room.api.serve` on a database; the command of a user, nothing left out."""

    def __init__(self, cluster: DurableCluster, database: str, folder: Path) -> None:
        self.port = _free_port()
        self.log = folder / "server.log"
        key = folder / "s3.json"
        key.write_text('{"access_key": "nobody", "secret_key": "nothing"}')
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_", "PG"))}
        environment |= {"PGHOST": str(cluster.home), "PGUSER": LOGIN, "PGDATABASE": database}
        environment |= {"OPS_PORT": str(self.port), "OPS_S3_ENDPOINT": "http://127.0.0.1:9"}
        environment |= {"OPS_S3_CREDENTIALS_FILE": str(key), "OPS_ENVIRONMENT": "embedded"}
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "control_room.api.serve"]
            self._process = subprocess.Popen(
                command, env=environment, cwd=install.ROOT, stdout=log, stderr=log, preexec_fn=_die_with_the_tests
            )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + 180
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2):
                    return
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError(f"the server did not start: {self.log.read_text(errors='replace')[-2000:]}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu(self) -> float:
        return cpu.seconds(self.pid)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def load(self, mode: str, **options: Any) -> Worker:
        """A load generator on this server, not yet ready: use it in a `with`."""
        options |= {"mode": mode, "port": self.port, "template": TEMPLATE}
        options |= {name: token for name, (_, token) in TOKENS.items()}
        log = self.log.with_name(f"load-{mode}.log")
        return Worker(install.python("run_control_room.py"), options, log, install.ROOT)


@contextmanager
def server(cluster: DurableCluster, database: str, folder: Path) -> Iterator[Server]:
    running = Server(cluster, database, folder)
    try:
        yield running
    finally:
        running.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
