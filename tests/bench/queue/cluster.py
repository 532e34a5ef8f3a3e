"""A durable PostgreSQL 18 for one benchmark, and what its processes cost.

fsync, full_page_writes and synchronous_commit are on: the defaults, said aloud. Settings that size memory are those of
a small server, the same for everyone measured.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from tests.support import scratch
from tests.support.postgres import Cluster, _die_with_the_tests, _step_down

DURABLE = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "2GB",
    "effective_cache_size": "8GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "max_connections": "200",
    "timezone": "UTC",
    "log_checkpoints": "off",
    "jit": "off",
}


class DurableCluster(Cluster):
    """One server. Its data lies where the caller says: on a real disk, or fsync would mean nothing."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.settings = {**DURABLE, **more}
        self._folder = folder
        super().__init__("18")

    def _create(self, version: str) -> None:
        scratch.remove(self.home)
        self.home = Path(tempfile.mkdtemp(prefix="pg-", dir=self._folder))
        super()._create(version)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self.binaries / "postgres"), "-D", str(self.home / "data"), "-k", str(self.home), *settings]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, preexec_fn=_die_with_the_tests, **_step_down()
            )
        self._wait_until_it_answers(self._process)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.conninfo(database), autocommit=True)

    def conninfo_as(self, database: str, user: str) -> str:
        return make_conninfo(self.conninfo(database), user=user)

    def fresh(self, database: str, template: str = "template0") -> None:
        """A new database of this name, a copy of another, flushed to disk, so that the copy is not paid for later."""
        with self.connect() as connection:
            connection.execute(f'drop database if exists "{database}" with (force)')
            connection.execute(f'create database "{database}" template "{template}" strategy file_copy')
            connection.execute("checkpoint")

    def exists(self, database: str) -> bool:
        with self.connect() as connection:
            found = connection.execute("select 1 from pg_database where datname = %s", (database,)).fetchone()
        return found is not None
