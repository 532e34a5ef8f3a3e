"""What the catalog must look like: who may do what, and how functions are guarded."""

import psycopg
import pytest

FUNCTIONS = """
    select p.proname, p.prosecdef, p.prosqlbody is not null as bound_early,
           coalesce(p.proconfig, '{}') @> array['search_path=""'] as fixed_path,
           has_function_privilege('public', p.oid, 'execute') as everybody,
           has_function_privilege('ops_server', p.oid, 'execute') as server,
           has_function_privilege('ops_reader', p.oid, 'execute') as reader,
           pg_get_userbyid(p.proowner) as owner
      from pg_proc p where p.pronamespace = 'ops'::regnamespace
"""


def functions(database):
    with database.connect(row_factory=psycopg.rows.namedtuple_row) as connection:
        found = connection.execute(FUNCTIONS).fetchall()
    assert len(found) > 50
    return found


def tables(database):
    query = "select c.relname from pg_class c where c.relnamespace = 'ops'::regnamespace and c.relkind in ('r', 'p')"
    with database.connect() as connection:
        return [name for (name,) in connection.execute(query)]


def test_no_function_takes_names_from_a_search_path(pg):
    # A function whose body was bound when it was made needs no path of its own.
    assert [f.proname for f in functions(pg) if not (f.fixed_path or f.bound_early)] == []


def test_no_function_is_for_everybody(pg):
    assert [f.proname for f in functions(pg) if f.everybody] == []


def test_readers_call_no_function(pg):
    assert [f.proname for f in functions(pg) if f.reader] == []


def test_verbs_run_with_the_owners_rights_and_helpers_are_nobodys(pg):
    found = functions(pg)
    assert [f.proname for f in found if f.server and not f.prosecdef] == []
    owners_own = {"bootstrap_token", "revoke_tokens_named", "set_setting"}  # of ops_schema.migrate
    owners_own.add("settle_at_commit")  # a trigger that fires when the caller commits, outside its verb
    assert {f.proname for f in found if f.prosecdef and not f.server} == owners_own


def test_everything_belongs_to_the_owner_who_cannot_log_in(pg):
    assert {f.owner for f in functions(pg)} == {"ops_owner"}
    with pg.connect() as connection:
        owners = connection.execute(
            "select distinct pg_get_userbyid(relowner) from pg_class where relnamespace = 'ops'::regnamespace"
        ).fetchall()
        logins = connection.execute("select count(*) from pg_roles where rolname ~ '^ops_' and rolcanlogin").fetchone()
    assert owners == [("ops_owner",)]
    assert logins == (0,)


@pytest.mark.parametrize("role", ["ops_server", "ops_reader"])
@pytest.mark.parametrize(
    "statement",
    [
        "insert into ops.{} default values",
        "update ops.{} set {} = default",
        "delete from ops.{}",
        "truncate ops.{}",
        "select * from ops.{}",
    ],
)
def test_every_table_is_closed_to_everybody_but_the_functions(pg, role, statement):
    with pg.connect() as connection:
        names = tables(pg)
        assert len(names) >= 23
        column = "select attname from pg_attribute where attrelid = %s::regclass and attnum = 1"
        for name in names:
            first = connection.execute(column, (f"ops.{name}",)).fetchone()[0]
            connection.execute(f"set session authorization {role}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.format(name, f'"{first}"'))
            connection.execute("reset session authorization")


@pytest.mark.parametrize("role", ["ops_server", "ops_reader"])
def test_every_view_reads_for_both_groups(pg, role):
    with pg.connect() as connection:
        query = "select relname from pg_class where relnamespace = 'ops'::regnamespace and relkind = 'v'"
        views = [name for (name,) in connection.execute(query)]
        assert views
        connection.execute(f"set session authorization {role}")
        for view in views:
            connection.execute(f"select * from ops.{view}").fetchall()


def test_no_view_shows_a_secrets_hash(pg):
    with pg.connect() as connection:
        columns = connection.execute(
            "select a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid "
            "where c.relnamespace = 'ops'::regnamespace and c.relkind = 'v' and a.attname ~ 'token|session|code'"
        ).fetchall()
    assert columns == []


def test_events_refuse_change_also_from_the_owner(pg):
    with pg.connect() as connection:
        connection.execute("set role ops_owner")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("truncate ops.events")


def test_rows_are_kept_off_the_default_partitions(pg):
    with pg.connect() as connection:
        made = connection.execute(
            "select count(*) from pg_inherits where inhparent in ('ops.events'::regclass, 'ops.run_logs'::regclass)"
        ).fetchone()[0]
        assert made == 2 * (
            1 + 1 + connection.execute("select ops.setting_number('partitions_ahead')::int").fetchone()[0]
        )
