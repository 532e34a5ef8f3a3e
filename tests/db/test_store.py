"""The Python door: answers, errors, and life through a restart of Postgres."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ops_schema import _store_queries
from ops_schema.errors import OpsError, StoreUnavailable
from ops_schema.store import PostgresStore, Principal
from tests.support.ops import Ops, registration, sha256
from tests.support.postgres import Cluster, Database
from tests.support.work import artifact, chunk


@pytest.fixture
async def store(pg18: Database) -> AsyncIterator[PostgresStore]:
    found = await PostgresStore.open(pg18.conninfo, max_size=4)
    yield found
    await found.close()


@pytest.fixture
def operator(ops18: Ops) -> Principal:
    return Principal(ops18.token("operator", "anna"), "operator", "anna", None)


@pytest.fixture
def executor(ops18: Ops) -> Principal:
    return Principal(ops18.token("executor", "worker"), "executor", "worker", None)


@pytest.fixture
def own_cluster() -> AsyncIterator[Cluster]:
    """A server that a test may stop, so that it disturbs no other."""
    found = Cluster("18")
    yield found
    found.remove()


SPEC = {"name": "job", "kind": "python", "entrypoint": "main:run"}


def test_every_query_calls_a_function_that_is_there_with_as_many_arguments(ops):
    found = ops.admin.execute(
        "select proname, pronargs from pg_proc where pronamespace = 'ops'::regnamespace"
    ).fetchall()
    for name, query in _store_queries.QUERIES.items():
        rows = "ordinal, code, detail from " if name.endswith("_each") else ""
        assert query.startswith(f"select {rows}ops.{name}(")
        assert (name, query.count("%s")) in found


def of(caller: Principal) -> dict[str, Any]:
    return {"ordinal": 0, "token_id": str(caller.token_id)}


async def alone(store: PostgresStore, reports: Sequence[Any] = (), claims: Sequence[Any] = ()) -> dict[str, Any]:
    """The answer to the only member of an exchange."""
    (answer,) = [one for one in await store.exchange_each(reports, claims) if one.ordinal == 0]
    assert answer.code is None, answer.detail
    found: dict[str, Any] = json.loads(answer.detail)
    return found


async def test_a_run_goes_through_the_store_from_submit_to_success(store, operator, executor):
    put = await store.put_template(operator, "job", SPEC | {"params_schema": {"type": "object"}})
    assert put["created"]
    run = await store.submit_run(operator, {"template": "job", "params": {"x": 1}, "idempotency_key": "once"})
    again = await store.submit_run(operator, {"template": "job", "params": {"x": 1}, "idempotency_key": "once"})
    assert again["repeated"]
    assert again["run_id"] == run["run_id"]

    me = (await store.register_executor(executor, registration()))["executor_id"]
    claim = {"request_id": str(uuid.uuid4()), "max_runs": 5, "wait_seconds": 0, "queues": None}
    (claimed,) = (await alone(store, claims=[{**of(executor), "executor_id": me, "body": claim}]))["runs"]
    epoch, run_id = claimed["epoch"], claimed["run_id"]
    beat = {
        "state": "active",
        "runs": [{"run_id": run_id, "epoch": epoch, "progress": {"fraction": 0.5}, "usage": None}],
    }
    assert (await store.heartbeat(executor, me, beat))["runs"][0]["directive"] == "continue"
    assert (await store.append_logs(executor, run_id, {"epoch": epoch, "chunks": [chunk(0, "hi")]}))["accepted"] == 1
    begun = await store.begin_artifact(executor, run_id, artifact("a", b"x") | {"epoch": epoch})
    await store.record_artifact(executor, run_id, begun["artifact_id"], {"epoch": epoch})
    report = {
        "epoch": epoch,
        "outcome": "succeeded",
        "idempotency_key": "k",
        "usage": {},
        "finished_at": "2026-11-21T12:00:00Z",
        "cap_ledger": [],
        "result": {"rows": 3},
        "publications": [],
    }
    reported = await alone(store, reports=[{**of(executor), "run_id": run_id, "body": report}])
    assert reported["run_state"] == "succeeded"

    assert (await store.get_artifact(executor, begun["artifact_id"]))["state"] == "visible"
    assert (await store.get_run(operator, str(run["number"])))["state"] == "succeeded"
    assert [r["run_id"] for r in (await store.list_runs(operator, {"state": ["succeeded"]}))["items"]] == [run_id]
    assert (await store.run_logs(operator, run_id, {}))["items"][0]["text"] == "hi"
    assert (await store.run_events(operator, run_id, {}))["items"][-1]["type"] == "run.succeeded"
    assert len((await store.run_artifacts(operator, run_id))["items"]) == 1
    assert (await store.why_run(operator, run_id))["state"] == "succeeded"
    retried = await store.retry_run(operator, run_id, {})
    assert retried["retry_of"] == run_id
    assert (await store.cancel_run(operator, retried["run_id"], {"reason": "enough"}))["state"] == "cancelled"
    await store.leave_executor(executor, me)
    assert (await store.list_executors(operator))["items"][0]["state"] == "left"


async def test_the_catalog_reads_through_the_store(store, operator):
    body = {"sha256": "ab" * 32, "size": 1}
    assert not (await store.put_bundle(operator, body))["already_stored"]
    assert (await store.put_bundle(operator, body | {"stored": True}))["already_stored"]
    assert (await store.get_bundle(operator, "ab" * 32))["size"] == 1
    await store.put_template(operator, "job", SPEC)
    assert (await store.get_template(operator, "job"))["spec"] == SPEC
    assert (await store.get_template(operator, "job", 1))["version"] == 1
    assert len((await store.list_templates(operator))["items"]) == 1
    assert (await store.list_caps(operator))["items"] == []
    cap = await store.put_cap(operator, {"scope": "platform", "scope_ref": None, "cap": "log_bytes", "limit": 9})
    assert (await store.list_caps(operator))["items"] == [cap]
    assert (await store.put_workspace(operator, {"workspace": "lab"}))["name"] == "lab"
    setting = await store.put_setting(operator, {"key": "lakehouse_root", "value": "s3://other"})
    assert (setting["value"], (await store.info())["lakehouse_root"]) == ("s3://other", "s3://other")
    assert (await store.list_workspaces(operator))["items"][0]["name"] == "default"
    assert (await store.health())["schema_version"] >= 1


async def test_tokens_and_sessions_become_principals(store, operator):
    assert await store.authenticate(sha256("anna")) == operator
    assert await store.authenticate(sha256("nobody")) is None
    await store.create_login_code(operator, sha256("code"))
    opened = await store.redeem_login_code(sha256("code"), sha256("cookie"))
    assert opened["expires_at"].endswith("Z")
    assert await store.session(sha256("cookie")) == operator
    await store.end_session(sha256("cookie"))
    assert await store.session(sha256("cookie")) is None
    body = {"name": "reader", "role": "viewer", "workspaces": ["default"]}
    made = await store.create_token(operator, sha256("reader"), body)
    found = await store.authenticate(sha256("reader"))
    assert found == Principal(uuid.UUID(made["token_id"]), "viewer", "reader", ("default",))
    await store.revoke_token(operator, made["token_id"])
    assert await store.authenticate(sha256("reader")) is None


async def test_the_reactors_duties_answer(store, operator):
    assert await store.lead("sweeper", "me", 5)
    assert not await store.lead("sweeper", "you", 5.5)
    assert (await store.expire_leases(10))["expired"] == []
    assert isinstance(await store.promote_due(10), dict)
    assert await store.pending_publications(10, [("run", "out")]) == []
    assert (await store.ensure_partitions())["created"] == []
    assert await store.drop_partitions() == {"dropped": [], "skipped": []}
    start = await store.events_since(None)
    await store.put_template(operator, "job", SPEC)
    await store.submit_run(operator, {"template": "job", "params": {}})
    assert (await store.events_since(start["cursor"]))["items"][0]["type"] == "run.submitted"
    with pytest.raises(OpsError):
        await store.commit_publication_as_reactor(uuid.uuid4(), "out", {"epoch": 1, "state": "committed"})


async def test_a_refusal_carries_its_code_members_and_hint(store, executor):
    with pytest.raises(OpsError) as caught:
        await store.register_executor(executor, registration(contract={"min": "7.0", "max": "7.0"}))
    assert caught.value.sqlstate == "OPC08"
    assert caught.value.members["supported"] == ["1.0", "1.1"]
    assert "7.0" in caught.value.message
    assert caught.value.hint


async def test_a_refusal_without_members_or_hint_has_none(store, operator):
    with pytest.raises(OpsError) as caught:
        await store.list_runs(operator, {"limit": 0})
    assert caught.value.hint is None
    assert caught.value.members["errors"][0]["path"] == "/limit"


@pytest.mark.parametrize("body", [{"name": "a\u0000b"}, {"instance_id": "no uuid"}, {"slots": "many"}, {"pid": 10**30}])
async def test_values_that_cannot_be_stored_are_invalid_requests(store, executor, body):
    with pytest.raises(OpsError) as caught:
        await store.register_executor(executor, registration(**body))
    assert caught.value.sqlstate == "OPV01"


async def test_an_id_that_is_no_uuid_is_an_invalid_request(store, executor):
    with pytest.raises(OpsError) as caught:
        await store.get_artifact(executor, "42")
    assert caught.value.sqlstate == "OPV01"


async def test_a_database_that_is_not_there_is_unavailable_and_says_so(tmp_path):
    store = await PostgresStore.open(f"host={tmp_path}", wait_seconds=0.3)
    try:
        with pytest.raises(StoreUnavailable, match="info: the database"):
            await store.info()
    finally:
        await store.close()


async def test_a_closed_store_is_unavailable(pg18):
    async with PostgresStore(pg18.conninfo) as store:
        await store.info()
    with pytest.raises(StoreUnavailable):
        await store.info()


async def until_it_answers(store: PostgresStore) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await store.info()
                return
            except StoreUnavailable:
                continue


async def test_the_store_lives_through_a_crash_and_a_restart_of_postgres(own_cluster):
    name = own_cluster.create_database()
    async with PostgresStore(own_cluster.conninfo(name), min_size=3, max_size=3, wait_seconds=0.5) as store:
        await asyncio.gather(*(store.info() for _ in range(10)))
        await asyncio.to_thread(own_cluster.stop, 3)  # SIGQUIT: all connections die at once
        with pytest.raises(StoreUnavailable):
            await store.info()
        own_cluster.start()
        await until_it_answers(store)
        await asyncio.gather(*(store.info() for _ in range(10)))


async def test_after_a_quick_restart_no_call_meets_a_dead_connection(own_cluster):
    name = own_cluster.create_database()
    async with PostgresStore(own_cluster.conninfo(name), min_size=3, max_size=3) as store:
        await asyncio.gather(*(store.info() for _ in range(10)))
        await asyncio.to_thread(own_cluster.stop)
        own_cluster.start()
        await asyncio.gather(*(store.info() for _ in range(10)))


async def test_the_listener_hears_and_lives_through_a_restart(own_cluster):
    name = own_cluster.create_database()
    conninfo = own_cluster.conninfo(name)
    async with PostgresStore(conninfo) as store, asyncio.timeout(60):
        heard = store.listen()
        assert [await anext(heard) for _ in range(2)] == [("ops_ready", ""), ("ops_orders", "")]
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("select pg_notify('ops_ready', 'python')")
        assert await anext(heard) == ("ops_ready", "python")
        await asyncio.to_thread(own_cluster.stop)
        own_cluster.start()
        while (told := await anext(heard)) == ("", ""):
            pass
        assert told == ("ops_ready", "")
        assert await anext(heard) == ("ops_orders", "")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("select pg_notify('ops_ready', 'dbt')")
        assert await anext(heard) == ("ops_ready", "dbt")
        await heard.aclose()


async def test_a_submitted_run_wakes_the_listener_with_its_kind(store, operator):
    async with asyncio.timeout(30):
        heard = store.listen()
        assert [(await anext(heard))[1] for _ in range(2)] == ["", ""]
        await store.put_template(operator, "job", SPEC)
        await store.submit_run(operator, {"template": "job", "params": {}})
        assert await anext(heard) == ("ops_ready", "python:1")
        await heard.aclose()


async def test_the_store_tells_its_own_process_when_it_may_have_written_events(store, operator):
    told: list[str] = []
    end = store.on_events(lambda: told.append("look"))
    await store.put_template(operator, "job", SPEC)
    await store.list_runs(operator, {})
    assert told == []
    run = await store.submit_run(operator, {"template": "job", "params": {}})
    assert told == ["look"]
    await store.cancel_run(operator, run["run_id"], {})
    assert told == ["look"] * 2
    with pytest.raises(OpsError):
        await store.cancel_run(operator, "77", {})
    end()
    await store.submit_run(operator, {"template": "job", "params": {}})
    assert told == ["look"] * 2


async def test_a_store_with_somebody_who_tells_notifies_nothing_itself(store, operator):
    heard, told = store.listen(), []
    assert [(await anext(heard))[1] for _ in range(2)] == ["", ""]
    await store.put_template(operator, "job", SPEC)
    end = store.on_ready(told.append)
    run = await store.submit_run(operator, {"template": "job", "params": {}})
    assert (told, run["state"]) == (["python:1"], "queued")
    await store.cancel_run(operator, run["run_id"], {})
    (answer,) = await store.replay_each(operator, [run["run_id"]])
    assert (told, answer.ordinal, answer.code) == (["python:1"], 0, "OPC05")
    end()
    await store.retry_run(operator, run["run_id"], {})
    async with asyncio.timeout(30):
        assert await anext(heard) == ("ops_ready", "python:1")
    assert told == ["python:1"]
    await heard.aclose()


def callers_of(ops: Ops, found: str) -> set[str]:
    """Functions whose source, or that of what they call, holds this text."""
    query = "select proname, prosrc from pg_proc where pronamespace = 'ops'::regnamespace and prokind = 'f'"
    sources = ops.admin.execute(query).fetchall()
    reach, before = {name for name, source in sources if found in source}, set()
    while reach != before:
        before = reach
        reach = before | {name for name, source in sources if set(re.findall(r"ops\.(\w+)\(", source)) & before}
    return reach


def test_the_statements_whose_caller_may_tell_are_those_that_notify_with_a_number(ops18):
    reach = callers_of(ops18, "ops.notify_gathered(") & set(_store_queries.QUERIES)
    asked = {"exchange_each", "submit_each", "warm_up"}  # the first two are asked to gather, the last one runs them
    assert reach - asked == _store_queries.READY_MAKERS


def test_the_statements_that_wake_readers_of_events_are_those_that_reach_the_events(ops18):
    reach = callers_of(ops18, "insert into ops.events ")
    # A warm-up runs the verbs' statements for no rows: tests/db/test_core_plans.py. A heartbeat hardly ever finds that
    # a cost passed its cap: readers then look for themselves.
    assert reach & set(_store_queries.QUERIES) == _store_queries.EVENT_WRITERS | {"warm_up", "heartbeat"}


async def until_somebody_waits(ops: Ops) -> None:
    query = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    async with asyncio.timeout(30):
        while ops.value(query) is None:  # noqa: ASYNC110 - the event is the server's, it can only be asked
            await asyncio.sleep(0.01)


async def test_a_deadlock_victim_goes_again_by_itself(pg18, store, ops18):
    ops18.admin.execute(
        "create table public.pair (id int primary key); insert into public.pair values (1), (2);"
        "create or replace function ops.info() returns jsonb language plpgsql set search_path = '' as $$ begin "
        "set local deadlock_timeout = '2s'; "
        "perform 1 from public.pair where id = 2 for update; perform 1 from public.pair where id = 1 for update; "
        "return '{\"done\": true}'; end $$"
    )
    with psycopg.connect(pg18.conninfo) as other:
        other.execute("set deadlock_timeout = '20s'")
        other.execute("select from public.pair where id = 1 for update")
        call = asyncio.create_task(store.info())
        await until_somebody_waits(ops18)
        # This closes the circle. The store's call looks for one after 2 s and gives way; then it goes again.
        await asyncio.to_thread(other.execute, "select from public.pair where id = 2 for update")
        other.rollback()
        async with asyncio.timeout(30):
            assert (await call)["done"]


async def test_a_statement_that_takes_too_long_is_cut_off(pg18, ops18):
    ops18.admin.execute(
        "create or replace function ops.info() returns jsonb language sql as $$ select '{}'::jsonb from pg_sleep(60) $$"
    )
    async with PostgresStore(pg18.conninfo, wait_seconds=0.1, call_seconds=0.2) as store:
        with pytest.raises(StoreUnavailable, match="did not answer"):
            await store.info()
        running = (
            "select count(*) from pg_stat_activity where query like '%%ops.info%%' and state = 'active' and pid <> %s"
        )
        assert ops18.value(running, ops18.admin.info.backend_pid) == 0


async def test_a_login_of_the_servers_group_is_all_that_the_store_needs(pg18, ops18, operator):
    ops18.admin.execute("drop role if exists store_login")
    ops18.admin.execute("create role store_login login in role ops_server")
    try:
        async with PostgresStore(make_conninfo(pg18.conninfo, user="store_login")) as store:
            await store.put_template(operator, "job", SPEC)
            await store.submit_run(operator, {"template": "job", "params": {}})
            assert (await store.list_runs(operator, {}))["items"]
    finally:
        ops18.admin.execute("drop role store_login")
