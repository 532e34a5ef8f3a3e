"""The store's connections: the warmest is used next, nobody waits for one that is kept, old ones are replaced."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ops_schema import _store_connection, _store_queries
from ops_schema.errors import OpsError
from ops_schema.store import PostgresStore


async def backend(store: PostgresStore) -> int:
    (row,) = await store._connections.rows("pid")
    return int(row[0])


async def test_the_connection_used_last_is_used_next(pg18, monkeypatch):
    monkeypatch.setitem(_store_queries.QUERIES, "pid", "select pg_backend_pid() from pg_sleep(0.05)")
    async with PostgresStore(pg18.conninfo, min_size=6, max_size=6) as store:
        opened = set(await asyncio.gather(*(backend(store) for _ in range(6))))
        assert len(opened) == 6
        assert len({await backend(store) for _ in range(5)}) == 1
        # together, more of them; nobody waits while a connection is to be had
        assert len(set(await asyncio.gather(*(backend(store) for _ in range(6))))) == 6


async def test_who_waits_for_a_connection_gets_the_next_one(pg18, monkeypatch):
    monkeypatch.setitem(_store_queries.QUERIES, "pid", "select pg_backend_pid() from pg_sleep(0.01)")
    async with PostgresStore(pg18.conninfo, max_size=1, wait_seconds=5) as store:
        found = await asyncio.gather(*(backend(store) for _ in range(20)))
    assert len(set(found)) == 1


async def test_a_connection_that_was_used_often_is_shown_to_the_pool(pg18, monkeypatch):
    """Which is who replaces those that have lived for long."""
    monkeypatch.setattr(_store_connection, "RECYCLE", 3)
    monkeypatch.setitem(_store_queries.QUERIES, "pid", "select pg_backend_pid()")
    async with PostgresStore(pg18.conninfo, max_size=1) as store:
        pool = store._connections._pool
        before = pool.get_stats().get("requests_num", 0)
        for _ in range(9):
            await backend(store)
        assert pool.get_stats().get("requests_num", 0) - before == 3  # the first, the fourth, the seventh


async def test_a_new_connection_is_warm_before_anybody_gets_it(pg18, monkeypatch):
    monkeypatch.setitem(_store_queries.QUERIES, "warm", "select current_setting('ops.gather', true)")
    for warm, found in ((True, "off"), (False, None)):
        async with PostgresStore(pg18.conninfo, warm_up=warm) as store:
            assert await store._connections.value("warm") in (found, "")


async def test_a_database_without_the_schema_is_no_reason_to_have_no_connection(pg18):
    async with PostgresStore(pg18.cluster.conninfo("postgres"), warm_up=True, wait_seconds=5) as store:
        with pytest.raises(psycopg.errors.InvalidSchemaName):
            await store.info()


async def test_nothing_is_compiled_on_connections_of_our_own(pg18, monkeypatch):
    """Behind a pooler that hands sessions around a setting would reach others."""
    monkeypatch.setitem(_store_queries.QUERIES, "jit", "select current_setting('jit')")
    asked = make_conninfo(pg18.conninfo, options="-c jit=on -c application_name=mine")
    for threshold, warm, found in ((5, True, "off"), (5, False, "off"), (None, False, "on")):
        async with PostgresStore(asked, prepare_threshold=threshold, warm_up=warm) as store:
            assert await store._connections.value("jit") == found


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("select to_tsvector(string_agg(md5(i::text), ' ')) from generate_series(1, 60000) i", "too long for tsvector"),
        ("select repeat('[', 100000)::jsonb", "stack depth limit exceeded"),
    ],
)
async def test_what_is_beyond_a_limit_of_postgres_is_refused_and_no_outage(pg18, monkeypatch, query, says):
    """An outage invites to send the same again, which would fail again."""
    monkeypatch.setitem(_store_queries.QUERIES, "large", query)
    async with PostgresStore(pg18.conninfo) as store:
        with pytest.raises(OpsError, match=f"a value is too large: .*{says}") as refusal:
            await store._connections.value("large")
    assert refusal.value.sqlstate == "OPV01"
