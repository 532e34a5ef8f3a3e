"""Bring a database to the schema this program knows, and say whether it is there.

    status(conninfo)  what is applied, what is pending
    plan(conninfo)    the pending migrations
    apply(conninfo)   run them, each in one transaction, under an advisory lock
    check(conninfo)   refuse to work on a schema that does not fit (called by a server at start)

conninfo is a libpq string or URL; empty means the PG* variables. The role needs CREATEROLE, and CREATE on the database.
For developers: `python -m ops_schema.migrate new|freeze|release|check|regenerate-initial`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql
from psycopg.types.json import Jsonb

from ops_schema._migration_files import (
    MIGRATIONS,
    Hashes,
    Migration,
    build_initial,
    known_migrations,
    read_hashes,
    read_migration,
    write_hashes,
)
from ops_schema._store_connection import ops_error
from ops_schema.errors import (
    MigrationBusy,
    MigrationEdited,
    MigrationError,
    SchemaTooNew,
    SchemaTooOld,
    StoreUnavailable,
)

LOCK_KEY = 0x6F70735F6D696772  # 'ops_migr'
Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Applied:
    """A row of ops.schema_migrations."""

    version: int
    name: str
    sha256: str
    compatible_from: int
    applied_at: datetime


@dataclass(frozen=True, slots=True)
class Status:
    """Where a database stands. unknown: applied there, not known here (a newer program did it)."""

    applied: tuple[Applied, ...]
    pending: tuple[Migration, ...]
    unknown: tuple[Applied, ...]


def status(conninfo: str = "", folder: Path = MIGRATIONS) -> Status:
    """What is applied and what is pending; raises MigrationEdited when a file and the database disagree."""
    with _connect(conninfo) as connection:
        return _status(connection, known_migrations(folder))


def plan(conninfo: str = "", folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """The migrations that `apply` would run, in order."""
    found = status(conninfo, folder)
    _refuse_unknown(found)
    return found.pending


def apply(
    conninfo: str = "", folder: Path = MIGRATIONS, lock_seconds: float = 10.0, lakehouse_root: str | None = None
) -> tuple[Migration, ...]:
    """Run the pending migrations and answer them. Waits at most `lock_seconds` for any lock.

    lakehouse_root: also set where tables live, as set_lakehouse_root does; None leaves it as it is.
    """
    known = known_migrations(folder)
    with _connect(conninfo) as connection, _migration_lock(connection, lock_seconds):
        _refuse_encoding(connection)
        found = _status(connection, known)
        _refuse_unknown(found)
        for migration in found.pending:
            _run(connection, migration)
        connection.execute("select ops.ensure_partitions()")
        if lakehouse_root is not None:
            _call(connection, "select ops.set_setting('lakehouse_root', %s)", Jsonb(lakehouse_root))
    return found.pending


def check(conninfo: str = "", folder: Path = MIGRATIONS) -> None:
    """Pass when this program may work on the database; else SchemaTooOld or SchemaTooNew with what to do."""
    found = status(conninfo, folder)
    if found.pending:
        names = ", ".join(migration.file_name for migration in found.pending)
        raise SchemaTooOld(f"the database misses {names}; run `control-room migrate apply`")
    newest = max((row.version for row in found.applied if row not in found.unknown), default=0)
    if any(row.compatible_from > newest for row in found.unknown):
        _refuse_unknown(found)


def _refuse_encoding(connection: Connection) -> None:
    """Any text that JSON may hold is kept and hashed as UTF-8; other encodings would refuse some of it later on."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise MigrationError(
            f"the database {connection.info.dbname!r} is encoded in {encoding}, and texts need UTF8; nothing was "
            "changed. Make one with: create database NAME template template0 encoding 'UTF8'"
        )


def _status(connection: Connection, known: Sequence[Migration]) -> Status:
    applied = _applied(connection)
    by_version = {migration.version: migration for migration in known}
    for row in applied:
        migration = by_version.get(row.version)
        if migration is not None and migration.sha256 != row.sha256:
            raise MigrationEdited(
                f"{migration.file_name}: the database was migrated with another text (sha256 {row.sha256[:12]}…, here "
                f"{migration.sha256[:12]}…). Use the program that migrated it, or start from an empty database"
            )
    done = {row.version for row in applied}
    return Status(
        applied=applied,
        pending=tuple(migration for migration in known if migration.version not in done),
        unknown=tuple(row for row in applied if row.version not in by_version),
    )


def _applied(connection: Connection) -> tuple[Applied, ...]:
    row = connection.execute("select pg_catalog.to_regclass('ops.schema_migrations') is not null").fetchone()
    if row is None or not row[0]:
        return ()
    query = "select version, name, sha256, compatible_from, applied_at from ops.schema_migrations order by version"
    return tuple(Applied(*found) for found in connection.execute(query))


def _refuse_unknown(found: Status) -> None:
    if found.unknown:
        names = ", ".join(f"{row.version:04d}_{row.name}" for row in found.unknown)
        raise SchemaTooNew(f"the database has {names}, which this program does not know; use a newer control-room")


def _run(connection: Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            if migration.version > 1:
                connection.execute("set local role ops_owner")
            connection.execute(migration.sql)
            _record(connection, migration)
    except errors.LockNotAvailable as error:
        raise MigrationBusy(
            f"{migration.file_name}: a table stayed locked by other work; nothing was changed, run it again"
        ) from error
    except errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"{migration.file_name}: {error.diag.message_primary}; nothing was changed. Migrate as a role with "
            "CREATEROLE and with CREATE on the database"
        ) from error


def _record(connection: Connection, migration: Migration) -> None:
    connection.execute(
        "insert into ops.schema_migrations (version, name, sha256, compatible_from) values (%s, %s, %s, %s)",
        (migration.version, migration.name, migration.sha256, migration.compatible_from),
    )


@contextmanager
def _connect(conninfo: str) -> Iterator[Connection]:
    try:
        connection = psycopg.connect(conninfo, autocommit=True, connect_timeout=10, client_encoding="utf8")
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"cannot reach the database: {str(error).strip()}") from error
    with connection:
        yield connection


@contextmanager
def _migration_lock(connection: Connection, seconds: float) -> Iterator[None]:
    connection.execute("select pg_catalog.set_config('lock_timeout', %s, false)", (f"{int(seconds * 1000)}ms",))
    try:
        connection.execute("select pg_catalog.pg_advisory_lock(%s)", (LOCK_KEY,))
    except errors.LockNotAvailable as error:
        raise MigrationBusy("another migration of this database is running; run it again when it is done") from error
    try:
        yield
    finally:
        connection.execute("select pg_catalog.pg_advisory_unlock(%s)", (LOCK_KEY,))


def create_login(conninfo: str, user: str, password: str, role: str = "ops_server") -> None:
    """Make (or give a new password to) a login that is a member of `role`: ops_server or ops_reader.

    The server gets the SCRAM verifier, so the password is in no statement and no server log.
    """
    with _connect(conninfo) as connection, connection.transaction():
        verifier = connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
        found = connection.execute("select 1 from pg_catalog.pg_roles where rolname = %s", (user,)).fetchone()
        verb = sql.SQL("alter role" if found else "create role")
        attributes = sql.SQL("login nosuperuser nocreatedb nocreaterole noreplication password")
        parts = (verb, sql.Identifier(user), attributes, sql.Literal(verifier))
        connection.execute(sql.SQL("{} {} {} {}").format(*parts))
        connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(user)))


def create_token(
    conninfo: str, name: str, role: str, token_sha256: bytes, workspaces: Sequence[str] | None = None
) -> dict[str, Any]:
    """Register the first tokens of an installation, as the schema's owner or a superuser; only the sha256 is stored.

    role: operator, viewer or executor; workspaces: names, None for all. The same sha256 again answers the same token.
    """
    body = {"name": name, "role": role, "workspaces": None if workspaces is None else list(workspaces)}
    with _connect(conninfo) as connection:
        return _call(connection, "select ops.bootstrap_token(%s, %s)", token_sha256, Jsonb(body))


def revoke_token(conninfo: str, name: str) -> list[str]:
    """End every live token of this name, as the owner or a superuser; answers their ids, none when repeated."""
    with _connect(conninfo) as connection:
        revoked: list[str] = _call(connection, "select ops.revoke_tokens_named(%s)", name)["revoked"]
    return revoked


def set_lakehouse_root(conninfo: str, root: str) -> str:
    """Say where tables live (s3://bucket/prefix) for runs submitted from now on; OpsError (OPV01) for another."""
    with _connect(conninfo) as connection:
        value: str = _call(connection, "select ops.set_setting('lakehouse_root', %s)", Jsonb(root))["value"]
    return value


def _call(connection: Connection, query: LiteralString, *arguments: Any) -> dict[str, Any]:
    try:
        row = connection.execute(query, arguments).fetchone()
    except psycopg.Error as error:
        raise ops_error(error) or error from error
    answer: dict[str, Any] = row[0] if row else {}
    return answer


def install_sources(conninfo: str) -> None:
    """Build an empty database straight from sql/, as if every known migration were applied: for tests."""
    with _connect(conninfo) as connection, connection.transaction():
        connection.execute(build_initial())
        for path in sorted(MIGRATIONS.glob("*.sql")):
            _record(connection, read_migration(path))
        connection.execute("select ops.ensure_partitions()")


# For developers -------------------------------------------------------------------------------------------------------


def new(name: str, folder: Path = MIGRATIONS) -> Path:
    """Start the next migration: an empty file with its header, not yet frozen."""
    version = len(list(folder.glob("*.sql"))) + 1
    path = folder / f"{version:04d}_{name}.sql"
    path.write_text(f"-- What changes, and why.\n-- compatible-from: {version - 1}\n", encoding="utf-8")
    read_migration(path)
    return path


def freeze(folder: Path = MIGRATIONS) -> list[str]:
    """Freeze the hashes of migrations that have none yet; answers their file names."""
    frozen = read_hashes(folder)
    fresh = {
        m.file_name: m.sha256 for m in map(read_migration, folder.glob("*.sql")) if m.file_name not in frozen.files
    }
    write_hashes(replace(frozen, files=frozen.files | fresh), folder)
    return sorted(fresh)


def release(folder: Path = MIGRATIONS) -> int:
    """Mark every frozen migration as gone out to users; answers the highest version."""
    version = len(known_migrations(folder))
    write_hashes(replace(read_hashes(folder), released=version), folder)
    return version


def regenerate_initial(folder: Path = MIGRATIONS) -> Path:
    """Before the first release only: write 0001_initial.sql anew from sql/ and freeze it."""
    if (folder / "hashes.json").exists() and read_hashes(folder).released:
        raise MigrationError("0001_initial.sql is released and stays as it is; start the next with `new NAME`")
    path = folder / "0001_initial.sql"
    path.write_text(build_initial(), encoding="utf-8")
    write_hashes(Hashes({path.name: read_migration(path).sha256}, released=0), folder)
    return path


def main(arguments: Sequence[str]) -> int:
    """Entry point for developers; operators use `control-room migrate`."""
    match list(arguments):
        case ["new", name]:
            print(new(name))  # noqa: T201 - a command's answer
        case ["freeze"]:
            print("\n".join(freeze()))  # noqa: T201
        case ["release"]:
            print(f"released through {release():04d}")  # noqa: T201
        case ["check"]:
            print(f"{len(known_migrations())} migrations match their frozen hashes")  # noqa: T201
        case ["regenerate-initial"]:
            print(regenerate_initial())  # noqa: T201
        case _:
            print(__doc__, file=sys.stderr)  # noqa: T201
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except MigrationError as problem:
        sys.exit(f"error: {problem}")
