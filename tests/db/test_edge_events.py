"""The event stream never skips, one leader holds a duty, partitions are made ahead."""

import psycopg
import pytest

from tests.support.ops import Ops, sha256


def types(answer):
    return [item["type"] for item in answer["items"]]


@pytest.fixture
def operator(ops):
    token = ops.token("operator")
    ops.template(token)
    return token


def test_a_stream_that_starts_now_sees_what_comes_and_nothing_before(ops, operator):
    ops.submit(operator)
    start = ops.call("events_since", None, 100)
    assert start["items"] == []
    run = ops.submit(operator)
    then = ops.call("events_since", start["cursor"], 100)
    assert types(then) == ["run.submitted"]
    assert {i["run_id"] for i in then["items"]} == {run["run_id"]}
    assert then["items"][-1]["state"] == "queued"
    assert ops.call("events_since", then["cursor"], 100) == {"items": [], "cursor": then["cursor"]}


def test_pages_of_the_stream_miss_and_repeat_nothing(ops, operator):
    cursor = ops.call("events_since", None, 100)["cursor"]
    runs = [ops.submit(operator)["run_id"] for _ in range(5)]
    whole = ops.call("events_since", cursor, 100)["items"]
    read = []
    while page := ops.call("events_since", cursor, 3)["items"]:
        read += page
        cursor = page[-1]["cursor"]
    assert read == whole
    assert [i["run_id"] for i in read if i["type"] == "run.submitted"] == runs


def test_an_event_that_commits_late_is_told_late_and_not_lost(ops, operator):
    ops.submit(operator)  # the queue's very first run makes shared rows, for which others wait
    cursor = ops.call("events_since", None, 100)["cursor"]
    with ops.database.connect(autocommit=False) as slow:
        late = Ops.call_on(slow, "submit_run", operator, {"template": "job", "params": {}})
        quick = ops.submit(operator)
        # Telling the quick run now, while an older transaction is open, would let a reader pass the late one.
        assert ops.call("events_since", cursor, 100)["items"] == []
        slow.commit()
    told = ops.call("events_since", cursor, 100)["items"]
    assert {i["run_id"] for i in told} == {late["run_id"], quick["run_id"]}


def test_the_events_of_a_run_come_in_their_order_whichever_transaction_began_first(ops, operator):
    executor = ops.token("executor")
    worker = ops.executor(executor)
    ops.submit(operator)
    cursor = ops.call("events_since", None, 100)["cursor"]
    with ops.database.connect(autocommit=False) as elder:
        # As an exchange that has written a report before it claims what a younger transaction has submitted meanwhile.
        elder.execute("select pg_current_xact_id()")
        run = ops.submit(operator, priority=1)
        body = {"request_id": "0197a3c4-5b6d-7e8f-9a0b-1c2d3e4f5a6b", "max_runs": 1, "queues": None}
        (claimed,) = Ops.call_on(elder, "claim_runs", executor, worker, body)["runs"]
        assert claimed["run_id"] == run["run_id"]
        assert ops.call("events_since", cursor, 100)["items"] == []
        elder.commit()
    assert types(ops.call("events_since", cursor, 100)) == ["run.submitted", "run.started"]
    done = {"epoch": 1, "outcome": "succeeded", "idempotency_key": "k", "usage": {}, "cap_ledger": [], "result": {}}
    ops.call(
        "report_attempt", executor, run["run_id"], done | {"finished_at": "2026-01-01T00:00:00Z", "publications": []}
    )
    told = ops.call("events_since", cursor, 100)["items"]
    assert [(item["seq"], item["type"]) for item in told] == [
        (1, "run.submitted"),
        (2, "run.started"),
        (3, "run.succeeded"),
    ]


@pytest.mark.parametrize("cursor", ["x", "1.2.3", "", "1; drop table", "1.01a1fe37-ac63-7e93-9f82-f6eac75dda06.-1"])
def test_a_wrong_cursor_is_refused(ops18, cursor):
    with pytest.raises(psycopg.Error) as caught:
        ops18.call("events_since", cursor, 10)
    assert caught.value.sqlstate == "OPV01"


def test_one_holder_leads_until_its_time_is_up(ops):
    assert ops.call("lead", "sweeper", "a", 10.5)
    assert not ops.call("lead", "sweeper", "b", 10.5)
    assert ops.call("lead", "sweeper", "a", 10.5)
    assert ops.call("lead", "notifier", "b", 10.5)
    assert ops.value("select term from ops.leadership where name = 'sweeper'") == 1
    ops.move_clock(11)
    assert ops.call("lead", "sweeper", "b", 10.5)
    assert not ops.call("lead", "sweeper", "a", 10.5)
    assert ops.value("select term from ops.leadership where name = 'sweeper'") == 2


def test_partitions_are_made_ahead_once(ops):
    assert ops.call("ensure_partitions") == {"created": [], "skipped": []}
    ops.move_clock(86400 * 31)
    made = ops.call("ensure_partitions")
    assert len(made["created"]) == 2
    assert made["skipped"] == []


def test_events_land_in_the_partition_of_their_month(ops, operator):
    ops.submit(operator)
    found = ops.value("select distinct tableoid::regclass::text from ops.events")
    assert found == ops.value("select 'ops.events_' || to_char(now() at time zone 'UTC', 'YYYY_MM')")


def test_a_month_whose_rows_already_lie_in_the_default_partition_stays_there(ops18):
    month = ops18.value("select to_char(now() at time zone 'UTC', 'YYYY_MM')")
    ops18.admin.execute(f"drop table ops.run_logs_{month}")
    ops18.admin.execute(
        'insert into ops.run_logs (run_id, epoch, stream, seq, "offset", at, text, received_at) '
        "values (ops.uuid7(), 1, 'stdout', 0, 0, now(), 'x', now())"
    )
    assert ops18.call("ensure_partitions") == {"created": [], "skipped": [f"run_logs_{month}"]}


def test_new_partitions_of_events_are_as_closed_as_the_table(ops):
    ops.move_clock(86400 * 31)
    names = ops.call("ensure_partitions")["created"]
    for name in names:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ops.server.execute(f"select * from ops.{name}")
    events = next(name for name in names if name.startswith("events"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        ops.admin.execute(f"truncate ops.{events}")


def test_unknown_callers_hear_nothing_they_could_use(ops18):
    assert ops18.call("authenticate", sha256("nobody")) is None
    assert ops18.call("session_principal", sha256("nobody")) is None
