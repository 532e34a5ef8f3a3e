"""Migrations: frozen, ordered, locked, and equal to the sources."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ops_schema import _migration_files as files
from ops_schema import migrate
from ops_schema.errors import (
    MigrationBusy,
    MigrationEdited,
    MigrationError,
    OpsError,
    SchemaTooNew,
    SchemaTooOld,
    StoreUnavailable,
)
from tests.support.ops import sha256
from tests.support.postgres import Database, cluster


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of migrations/ that a test may change."""
    return Path(shutil.copytree(files.MIGRATIONS, tmp_path / "migrations"))


def add(folder: Path, name: str, sql: str, *, compatible_from: int = 1) -> Path:
    """A frozen migration after the last one."""
    path = migrate.new(name, folder)
    path.write_text(f"-- {name}\n-- compatible-from: {compatible_from}\n{sql}\n")
    migrate.freeze(folder)
    return path


def dump(database: Database) -> str:
    """The schema and its grants as pg_dump of the newest version sees them."""
    pg_dump = cluster("18").binaries / "pg_dump"
    command = [str(pg_dump), "--schema-only", "--schema=ops", "-d", database.conninfo]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # \restrict carries a random key in each dump.
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


def test_the_migrations_and_the_sources_dump_to_the_same_schema(empty_pg):
    migrate.apply(empty_pg.conninfo)
    migrated = dump(empty_pg)
    with empty_pg.connect() as connection:
        connection.execute("drop schema ops cascade")
    migrate.install_sources(empty_pg.conninfo)
    assert "CREATE FUNCTION ops.claim_runs" in migrated
    assert migrated == dump(empty_pg), (
        "sql/ and migrations/ differ: add a migration (before the release: regenerate-initial)"
    )


def test_an_empty_database_is_migrated_once(empty_pg):
    assert [m.version for m in migrate.plan(empty_pg.conninfo)] == [m.version for m in files.known_migrations()]
    assert migrate.apply(empty_pg.conninfo)
    assert migrate.apply(empty_pg.conninfo) == ()
    status = migrate.status(empty_pg.conninfo)
    assert not status.pending
    assert not status.unknown
    migrate.check(empty_pg.conninfo)


def test_a_plain_role_that_may_create_roles_migrates(empty_pg):
    with empty_pg.connect() as connection:
        connection.execute("drop role if exists migrator")
        connection.execute("create role migrator login createrole")
        # On a fresh server the migrator makes the roles and so administers them; here they are there already.
        if connection.execute("select 1 from pg_roles where rolname = 'ops_owner'").fetchone():
            connection.execute("grant ops_owner to migrator")
        connection.execute(f"grant create on database {connection.info.dbname} to migrator")
    try:
        migrator = empty_pg.as_user("migrator")
        migrate.apply(migrator, lakehouse_root="s3://tables")
        migrate.check(empty_pg.conninfo)
        made = migrate.create_token(migrator, "first", "operator", sha256("secret"))
        assert migrate.revoke_token(migrator, "first") == [made["token_id"]]
    finally:
        with empty_pg.connect() as connection:
            connection.execute("drop owned by migrator")
            connection.execute("drop role migrator")


def test_a_role_without_the_right_is_told_which_right(empty_pg):
    with empty_pg.connect() as connection:
        connection.execute("drop role if exists powerless")
        connection.execute("create role powerless login")
    with pytest.raises(MigrationError, match="CREATEROLE"):
        migrate.apply(empty_pg.as_user("powerless"))
    with empty_pg.connect() as connection:
        connection.execute("drop role powerless")


def test_a_database_of_another_encoding_is_refused_with_what_to_do(pg18):
    with pg18.connect() as connection:
        connection.execute("drop database if exists narrow")
        connection.execute("create database narrow template template0 encoding 'SQL_ASCII' locale 'C'")
    try:
        narrow = make_conninfo(pg18.conninfo, dbname="narrow")
        with pytest.raises(MigrationError, match=r"SQL_ASCII.*create database NAME template template0 encoding 'UTF8'"):
            migrate.apply(narrow)
        assert migrate.status(narrow).pending
    finally:
        with pg18.connect() as connection:
            connection.execute("drop database narrow")


def test_an_edited_migration_is_refused(pg18, folder):
    path = folder / "0001_initial.sql"
    path.write_text(path.read_text() + "-- a little change\n")
    with pytest.raises(MigrationEdited, match="0001_initial"):
        migrate.status(pg18.conninfo, folder)


def test_a_missing_migration_is_refused(pg18, folder):
    add(folder, "more", "select 1;").unlink()
    with pytest.raises(MigrationEdited, match="0002_more"):
        migrate.status(pg18.conninfo, folder)


def test_a_gap_in_the_numbers_is_refused(folder):
    add(folder, "more", "select 1;").rename(folder / "0003_more.sql")
    with pytest.raises(MigrationError, match="0002"):
        files.known_migrations(folder)


def test_a_migration_that_is_not_frozen_is_refused(folder):
    migrate.new("more", folder)
    with pytest.raises(MigrationEdited, match="freeze"):
        files.known_migrations(folder)


def test_a_database_that_was_migrated_with_another_text_is_refused(pg18, folder):
    with pg18.connect() as connection:
        connection.execute("update ops.schema_migrations set sha256 = repeat('0', 64)")
    with pytest.raises(MigrationEdited, match="another text"):
        migrate.plan(pg18.conninfo, folder)


def test_a_newer_schema_is_not_migrated_by_an_older_program(pg18, folder):
    add(folder, "more", "select 1;")
    migrate.apply(pg18.conninfo, folder)
    with pytest.raises(SchemaTooNew, match="0002_more"):
        migrate.apply(pg18.conninfo)


def test_an_older_program_runs_on_a_schema_that_was_only_widened(pg18, folder):
    add(folder, "expand", "create table ops.extra (id int);", compatible_from=1)
    migrate.apply(pg18.conninfo, folder)
    migrate.check(pg18.conninfo)
    add(folder, "contract", "drop table ops.extra;", compatible_from=2)
    migrate.apply(pg18.conninfo, folder)
    with pytest.raises(SchemaTooNew):
        migrate.check(pg18.conninfo)


def test_a_newer_program_asks_for_the_migration(pg18, folder):
    add(folder, "more", "select 1;")
    with pytest.raises(SchemaTooOld, match="migrate apply"):
        migrate.check(pg18.conninfo, folder)


def test_a_migration_that_fails_leaves_nothing_behind(pg18, folder):
    add(folder, "half", "create table ops.half (id int); select 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate.apply(pg18.conninfo, folder)
    with pg18.connect() as connection:
        assert connection.execute("select to_regclass('ops.half')").fetchone() == (None,)
    assert [m.version for m in migrate.plan(pg18.conninfo, folder)] == [2]


def test_what_a_later_migration_makes_belongs_to_the_owner(pg18, folder):
    add(folder, "more", "create table ops.more (id int);")
    migrate.apply(pg18.conninfo, folder)
    with pg18.connect() as connection:
        owner = connection.execute("select tableowner from pg_tables where tablename = 'more'").fetchone()
    assert owner == ("ops_owner",)


def test_a_locked_table_makes_a_migration_give_up_without_a_change(pg18, folder):
    add(folder, "alter", "create table ops.first (id int); alter table ops.settings add column note text;")
    with pg18.connect(autocommit=False) as other:
        other.execute("lock table ops.settings in access share mode")
        with pytest.raises(MigrationBusy, match="locked"):
            migrate.apply(pg18.conninfo, folder, lock_seconds=0.2)
    assert len(migrate.apply(pg18.conninfo, folder)) == 1


def test_two_migrations_at_once_take_turns(empty_pg):
    done: list[int] = []

    def run() -> None:
        done.append(len(migrate.apply(empty_pg.conninfo, lock_seconds=60)))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 0, len(files.known_migrations())]


def test_a_migration_waits_no_longer_than_told_for_another(pg18):
    with pg18.connect() as other:
        other.execute("select pg_advisory_lock(%s)", (migrate.LOCK_KEY,))
        with pytest.raises(MigrationBusy, match="another migration"):
            migrate.apply(pg18.conninfo, lock_seconds=0.1)


def test_an_unreachable_database_is_named_as_such(tmp_path):
    with pytest.raises(StoreUnavailable, match="cannot reach the database"):
        migrate.status(f"host={tmp_path}")


def test_the_initial_migration_stays_once_it_is_released(folder):
    migrate.regenerate_initial(folder)
    migrate.release(folder)
    with pytest.raises(MigrationError, match="released"):
        migrate.regenerate_initial(folder)


def test_the_frozen_hashes_hold():
    done = subprocess.run([sys.executable, "-m", "ops_schema.migrate", "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_login_is_a_member_of_its_group_and_its_password_is_kept_as_a_verifier(pg18):
    migrate.create_login(pg18.conninfo, "server_login", "s3cret'quoted")
    migrate.create_login(pg18.conninfo, "server_login", "another")
    try:
        with pg18.connect() as connection:
            stored = connection.execute("select rolpassword from pg_authid where rolname = 'server_login'").fetchone()[
                0
            ]
        assert stored.startswith("SCRAM-SHA-256$")
        with psycopg.connect(pg18.as_user("server_login")) as connection:
            assert connection.execute("select ops.info() ->> 'schema_version'").fetchone()[0] is not None
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("select * from ops.tokens")
    finally:
        with pg18.connect() as connection:
            connection.execute("drop role server_login")


def test_the_first_tokens_can_be_made_again_with_the_same_secret(pg18):
    first = migrate.create_token(pg18.conninfo, "operator", "operator", sha256("secret"))
    assert migrate.create_token(pg18.conninfo, "operator", "operator", sha256("secret")) == first
    with pg18.connect() as connection:
        assert connection.execute("select count(*) from ops.tokens").fetchone() == (1,)


def test_a_token_is_revoked_by_its_name_and_again_without_an_error(pg18):
    made = migrate.create_token(pg18.conninfo, "leaked", "operator", sha256("secret"))
    migrate.create_token(pg18.conninfo, "kept", "operator", sha256("other"))
    assert migrate.revoke_token(pg18.conninfo, "leaked") == [made["token_id"]]
    assert migrate.revoke_token(pg18.conninfo, "leaked") == []
    with pg18.connect() as connection:
        live = [connection.execute("select ops.authenticate(%s)", (sha256(s),)).fetchone() for s in ("secret", "other")]
    assert [found[0] and found[0]["name"] for found in live] == [None, "kept"]


def test_the_lakehouse_root_is_set_with_the_migration_or_after_it(empty_pg):
    def root() -> str:
        with empty_pg.connect() as connection:
            return connection.execute("select ops.info() ->> 'lakehouse_root'").fetchone()[0]

    assert migrate.apply(empty_pg.conninfo, lakehouse_root="s3://tables/a")
    assert root() == "s3://tables/a"
    assert migrate.apply(empty_pg.conninfo) == ()
    assert root() == "s3://tables/a"
    assert migrate.apply(empty_pg.conninfo, lakehouse_root="s3://tables/b") == ()
    assert (root(), migrate.set_lakehouse_root(empty_pg.conninfo, "s3://c-d")) == ("s3://tables/b", "s3://c-d")
    with pytest.raises(OpsError) as refused:
        migrate.set_lakehouse_root(empty_pg.conninfo, "no-root")
    assert (refused.value.sqlstate, root()) == ("OPV01", "s3://c-d")
