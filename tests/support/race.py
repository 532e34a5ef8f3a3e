"""Two transactions that meet: statements on threads of their own, and waiting seen where Postgres shows it."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.support.core import Queue
from tests.support.ops import members

SECONDS = 30
Outcome = tuple[str, Any]


class Session:
    """A transaction of its own, in which statements run on a thread and so may block."""

    def __init__(self, queue: Queue):
        self.queue = queue
        self.connection = queue.database.connect(autocommit=False)
        self.pid = self.connection.info.backend_pid
        self._thread = ThreadPoolExecutor(1)

    def start(self, name: str, *arguments: Any) -> Future[Any]:
        """Call ops.<name>; the transaction stays open."""
        values = [Jsonb(a) if isinstance(a, dict | list) else a for a in arguments]
        statement = f"select ops.{name}({', '.join(['%s'] * len(values))})"

        def run() -> Any:
            row = self.connection.execute(statement, values).fetchone()
            return row[0] if row else None

        return self._thread.submit(run)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call ops.<name>, which must not wait for a lock."""
        running = self.start(name, *arguments)
        assert not self.waits(running), f"ops.{name} waits for a lock of another transaction"
        return running.result(timeout=SECONDS)

    def waits(self, running: Future[Any]) -> bool:
        """Look until the statement waits for a lock (True) or has ended (False)."""
        query = "select cardinality(pg_blocking_pids(%s)) > 0"
        end = time.monotonic() + SECONDS
        while not running.done():
            if self.queue.ops.value(query, self.pid):
                return True
            assert time.monotonic() < end, "was to wait for a lock or to end"
            time.sleep(0.001)
        return False

    def blocked(self, waiting: Future[Any]) -> None:
        """Wait until the statement waits for a lock."""
        assert self.waits(waiting), f"was to wait for a lock, but ended: {waiting.result()}"

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        self.connection.rollback()

    def close(self) -> None:
        self.connection.cancel()  # what still waits when a test has failed would wait for nobody
        self._thread.shutdown(wait=True)
        self.connection.close()


def outcome(running: Future[Any]) -> Outcome:
    """("ok", the answer) or (SQLSTATE, why)."""
    try:
        return "ok", running.result(timeout=SECONDS)
    except psycopg.Error as error:
        return error.sqlstate or "none", members(error).get("reason") if str(error.sqlstate).startswith("OP") else error
