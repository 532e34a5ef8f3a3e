"""Months of events and logs that are over their time are dropped: whole chains, whose heads stay on the runs."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from tests.support.core import Json, Queue, Worker, refused, report
from tests.support.invariants import broken_chains

# Run ids of the time that the test says it is, so that a month of theirs is a month of the moved clock.
IDS_FOLLOW_THE_CLOCK = """
    create or replace function ops.uuid7() returns uuid language sql volatile set search_path = ''
    as $$ select (left(ops.uuid7_floor(ops.now())::text, 14) || '7'
                  || lpad(to_hex(nextval('public.test_ids')), 3, '0') || '-8'
                  || substr(gen_random_uuid()::text, 21))::uuid $$
"""


@pytest.fixture
def aged(queue: Queue) -> Queue:
    queue.ops.admin.execute("create sequence public.test_ids")
    queue.ops.admin.execute("grant usage on sequence public.test_ids to ops_owner")
    queue.ops.admin.execute(IDS_FOLLOW_THE_CLOCK)
    queue.template()
    go_to(queue, 1)
    return queue


def month(months: int) -> datetime:
    """The middle of the month so many months from now."""
    year, number = divmod(datetime.now(UTC).year * 12 + datetime.now(UTC).month - 1 + months, 12)
    return datetime(year, number + 1, 15, tzinfo=UTC)


def go_to(queue: Queue, months: int) -> None:
    """Be in a coming month, with the partitions that the reactor would have made by then."""
    queue.forward((month(months) - datetime.now(UTC)).total_seconds() - queue.elapsed)
    queue.ops.call("ensure_partitions")


def keep(queue: Queue, **settings: int) -> None:
    for key, value in settings.items():
        queue.ops.call("put_setting", queue.operator, {"key": key, "value": value})


def ended(queue: Queue, worker: Worker | None = None) -> Json:
    """A run that was claimed, wrote a line and succeeded."""
    queue.submit()
    worker = worker or Worker(queue)
    run = worker.claim_one()
    chunk = {"stream": "stdout", "seq": 0, "offset": 0, "at": "2026-01-01T00:00:00Z", "text": "x"}
    queue.ops.call("append_logs", worker.token, run["run_id"], {"epoch": run["epoch"], "chunks": [chunk]})
    worker.report(run)
    return run


def name_of(parent: str, months: int) -> str:
    return f"{parent}_{month(months):%Y_%m}"


def drop_all(queue: Queue) -> list[str]:
    """What was dropped, one partition a call."""
    names: list[str] = []
    while dropped := queue.ops.call("drop_partitions")["dropped"]:
        names += dropped
    return names


def verified(queue: Queue, run: Json) -> Json:
    answer: Json = queue.ops.call("verify_events", run["run_id"])
    return answer


def head(queue: Queue, run: Json) -> tuple[int, bytes]:
    query = "select event_seq, event_head from ops.runs where run_id = %s"
    found: tuple[int, bytes] = queue.ops.admin.execute(query, (run["run_id"],)).fetchone()  # type: ignore[assignment]
    return found


def count(queue: Queue, table: str, run: Json) -> int:
    found: int = queue.ops.value(f"select count(*) from ops.{table} where run_id = %s", run["run_id"])
    return found


def test_a_dropped_month_leaves_its_heads_and_is_told_from_a_broken_chain_and_other_months_verify_whole(
    aged: Queue,
) -> None:
    old = [ended(aged) for _ in range(3)]
    heads = [head(aged, run) for run in old]
    go_to(aged, 2)
    kept = [ended(aged) for _ in range(3)]
    keep(aged, events_kept_months=2)
    go_to(aged, 4)
    newest = ended(aged)
    partition = aged.ops.value("select tableoid::regclass::text from ops.events where run_id = %s", old[0]["run_id"])
    assert partition == f"ops.{name_of('events', 1)}"

    # the months before it, in which nothing happened, are over their time, too
    assert drop_all(aged) == [name_of("events", 0), name_of("events", 1)]
    assert aged.ops.value("select to_regclass(%s)", partition) is None
    assert [count(aged, "events", run) for run in old] == [0, 0, 0]
    assert [head(aged, run) for run in old] == heads
    when = aged.ops.value(
        "select ops.iso(dropped_at) from ops.dropped_partitions where name = %s", name_of("events", 1)
    )
    for run in old:
        assert verified(aged, run) == {
            "ok": None,
            "events": 0,
            "problem": "the first 3 of 3 events were dropped with their month",
            "broken_at": None,
            "dropped_at": when,
        }
    for run in (*kept, newest):
        whole = {"ok": True, "events": 3, "problem": None, "broken_at": None, "dropped_at": None}
        assert verified(aged, run) == whole
    assert broken_chains(aged.ops.admin, [run["run_id"] for run in (*kept, newest)]) == []


def test_what_happens_to_a_run_after_its_month_was_dropped_goes_on_from_its_head(aged: Queue) -> None:
    worker = Worker(aged)
    run = ended(aged, worker)
    keep(aged, events_kept_months=1)
    go_to(aged, 3)
    assert name_of("events", 1) in drop_all(aged)
    assert worker.report(run, result={"rows": 7})["repeated"] is True  # noted as report.differs
    assert aged.event_types(run) == ["report.differs"]
    assert (verified(aged, run)["ok"], verified(aged, run)["events"]) == (None, 1)
    assert verified(aged, run)["problem"] == "the first 3 of 4 events were dropped with their month"

    aged.ops.admin.execute("set session_replication_role = replica")  # a forger: the triggers are out of the way
    aged.ops.admin.execute("update ops.events set canonical = replace(canonical, 'worker', 'nobody')")
    assert (verified(aged, run)["ok"], verified(aged, run)["broken_at"]) == (False, 4)
    aged.ops.admin.execute("delete from ops.events where run_id = %s", (run["run_id"],))
    assert verified(aged, run) == {
        "ok": False,
        "events": 0,
        "problem": "the chain does not end at the run's head",
        "broken_at": 3,
        "dropped_at": verified(aged, run)["dropped_at"],
    }, "what came after the dropped month did not go with it"


def test_an_end_cut_off_after_a_dropped_month_is_missing_and_one_that_was_dropped_is_not(aged: Queue) -> None:
    worker = Worker(aged)
    before, after, quiet = (ended(aged, worker) for _ in range(3))
    worker.report(before, result={"rows": 7})  # differs, in the month that goes
    keep(aged, events_kept_months=1)
    go_to(aged, 3)
    drop_all(aged)
    worker.report(after, result={"rows": 7})
    assert [verified(aged, run)["ok"] for run in (before, after, quiet)] == [None, None, None]
    assert verified(aged, before)["problem"] == "the first 4 of 4 events were dropped with their month"
    assert verified(aged, after)["problem"] == "the first 3 of 4 events were dropped with their month"
    for statement in ("update ops.dropped_heads set seq = 4", "delete from ops.dropped_heads"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            aged.ops.admin.execute(statement)
    aged.ops.admin.execute("set session_replication_role = replica")
    forged = (
        "insert into ops.events (run_id, seq, at, type, epoch, canonical, prev_hash, hash) select %s, 3, at, type, "
    )
    forged += "epoch, canonical, prev_hash, hash from ops.events where run_id = %s"
    aged.ops.admin.execute(forged, (quiet["run_id"], after["run_id"]))
    aged.ops.admin.execute("delete from ops.events where run_id = %s", (after["run_id"],))
    assert [verified(aged, run)["ok"] for run in (before, after, quiet)] == [None, False, False]


def test_events_that_are_gone_without_a_record_of_it_are_a_broken_chain(aged: Queue) -> None:
    run = ended(aged)
    go_to(aged, 3)
    aged.ops.admin.execute(f"drop table ops.{name_of('events', 1)}")
    assert verified(aged, run) == {
        "ok": False,
        "events": 0,
        "problem": "the chain does not end at the run's head",
        "broken_at": 0,
        "dropped_at": None,
    }
    logs = "insert into ops.dropped_partitions values ('x', 'run_logs', %s, ops.uuid7(), now())"
    aged.ops.admin.execute(logs, (run["run_id"],))
    for statement in ("update ops.dropped_partitions set name = 'y'", "delete from ops.dropped_partitions"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            aged.ops.admin.execute(statement)
    assert verified(aged, run)["ok"] is False, "logs that were dropped excuse no event"


def test_a_run_that_has_not_ended_keeps_its_month_and_one_that_ended_late_keeps_it_longer(aged: Queue) -> None:
    ended(aged)
    late = aged.submit()
    keep(aged, events_kept_months=1)
    go_to(aged, 5)
    assert name_of("events", 1) not in drop_all(aged)
    worker = Worker(aged)
    run = worker.claim_one()
    assert run["run_id"] == late["run_id"]
    worker.report(run)
    go_to(aged, 6)
    assert drop_all(aged) == [name_of("events", 4)], "it ended in the month before this one"
    go_to(aged, 7)
    assert name_of("events", 1) in drop_all(aged)


def test_logs_have_a_time_of_their_own(aged: Queue) -> None:
    run = ended(aged)
    keep(aged, logs_kept_months=1)
    go_to(aged, 3)
    assert drop_all(aged) == [name_of("run_logs", 0), name_of("run_logs", 1)]
    assert (count(aged, "run_logs", run), count(aged, "events", run)) == (0, 3)
    assert verified(aged, run)["ok"] is True


def test_nothing_is_dropped_unless_somebody_says_how_long_it_is_kept(aged: Queue) -> None:
    ended(aged)
    go_to(aged, 600)
    assert drop_all(aged) == []
    keep(aged, events_kept_months=1200)
    for value in (0, 1201, 1.5, "1", None):
        with refused("OPV01"):
            keep(aged, events_kept_months=value)  # type: ignore[arg-type]


def test_a_partition_that_somebody_reads_is_dropped_another_time_and_the_others_now(aged: Queue) -> None:
    run = ended(aged)
    keep(aged, events_kept_months=1, logs_kept_months=1)
    go_to(aged, 3)
    with aged.database.connect(autocommit=False) as reader:
        reader.execute("select 1 from ops.events where run_id = %s", (run["run_id"],))
        first = aged.ops.call("drop_partitions")
        assert first == {"dropped": [name_of("run_logs", 0)], "skipped": [name_of("events", 0)]}
    assert drop_all(aged) == [name_of("events", 0), name_of("events", 1), name_of("run_logs", 1)]


def test_a_late_report_of_a_dropped_run_is_still_judged_by_its_epoch(aged: Queue) -> None:
    worker = Worker(aged)
    run = ended(aged, worker)
    keep(aged, events_kept_months=1)
    go_to(aged, 3)
    drop_all(aged)
    assert worker.report(run)["repeated"] is True
    with refused("OPC02"):
        aged.ops.call("report_attempt", worker.token, run["run_id"], report(run, "failed"))
