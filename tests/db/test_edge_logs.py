"""Logs: stored once, capped, read in order."""

import pytest

from tests.support.ops import members, refused
from tests.support.work import chunk, start


@pytest.fixture
def work(ops):
    return start(ops)


@pytest.fixture
def work18(ops18):
    return start(ops18)


def texts(work, **filters):
    return [item["text"] for item in work.ops.call("run_logs", work.operator, work.run_id, filters)["items"]]


def test_chunks_are_stored_once_however_often_they_are_sent(work):
    first, second = chunk(0, "one\n"), chunk(1, "twö\n", 4)
    assert work.logs(first) == {"accepted": 1, "next": {"stdout": {"seq": 1, "offset": 4}}, "log_bytes": 4}
    both = work.logs(first, second)
    assert both == {"accepted": 2, "next": {"stdout": {"seq": 2, "offset": 9}}, "log_bytes": 9}
    assert work.logs(first, second) == both
    assert texts(work) == ["one\n", "twö\n"]


@pytest.mark.parametrize("other", [chunk(0, "uno\n"), chunk(0, "one\n", 7), chunk(0, "")])
def test_a_chunk_sent_again_with_other_text_is_refused_with_all_that_came_beside_it(work, other):
    work.logs(chunk(0, "one\n"))
    error = refused("OPC10", work.logs, chunk(1, "two\n", 4), other, chunk(0, "err", stream="stderr"))
    assert members(error) == {"run_id": work.run_id, "stream": "stdout", "seq": 0}
    assert texts(work) == ["one\n"], "what is on record stands, and nothing beside the wrong chunk was taken"
    assert work.logs(chunk(1, "two\n", 4), chunk(0, "err", stream="stderr"))["accepted"] == 2


def test_a_chunk_that_contradicts_itself_within_a_call_is_refused(work18):
    error = refused("OPC10", work18.logs, chunk(0, "a"), chunk(3, "b", 5), chunk(3, "c", 5))
    assert members(error)["seq"] == 3
    assert texts(work18) == []


def test_a_chunk_sent_again_at_another_time_is_the_same_chunk(work18):
    work18.logs(chunk(0, "a"))
    assert work18.logs(chunk(0, "a", at="2026-11-21T12:30:00Z"))["accepted"] == 1


def test_a_gap_is_stored_and_shows(work18):
    answer = work18.logs(chunk(0, "a"), chunk(3, "d", 30))
    assert answer["next"] == {"stdout": {"seq": 4, "offset": 31}}
    items = work18.ops.call("run_logs", work18.operator, work18.run_id, {})["items"]
    assert [(i["seq"], i["offset"]) for i in items] == [(0, 0), (3, 30)]


def test_streams_have_positions_of_their_own(work18):
    answer = work18.logs(chunk(0, "out"), chunk(0, "err!", stream="stderr"))
    assert answer["next"] == {"stdout": {"seq": 1, "offset": 3}, "stderr": {"seq": 1, "offset": 4}}
    assert answer["log_bytes"] == 7


def test_no_chunks_is_a_question_for_the_positions(work18):
    assert work18.logs() == {"accepted": 0, "next": {}, "log_bytes": 0}


def test_logs_are_taken_up_to_the_cap_and_then_refused(ops):
    work = start(ops, caps={"log_bytes": 10})
    assert work.logs(chunk(0, "12345"), chunk(1, "6789", 5), chunk(2, "xx", 9))["accepted"] == 2
    error = refused("OPX01", work.logs, chunk(2, "xx", 9))
    assert members(error) == {"cap": "log_bytes", "limit": 10, "observed": 11}
    assert work.logs(chunk(0, "12345"))["accepted"] == 1, "what is stored stays accepted"
    assert work.logs(chunk(2, "x", 9))["log_bytes"] == 10, "what still fits is taken"
    assert texts(work) == ["12345", "6789", "x"]


@pytest.mark.parametrize("late", [chunk(1, "5678", 0), chunk(1, "5678", 3)])
def test_a_chunk_cannot_begin_inside_an_earlier_one_to_slip_under_the_cap(work18, late):
    refused("OPV01", work18.logs, chunk(0, "1234"), late)
    work18.logs(chunk(0, "1234"))
    refused("OPV01", work18.logs, late)
    assert texts(work18) == ["1234"]


def test_nothing_after_a_chunk_that_does_not_fit_is_taken(ops18):
    work = start(ops18, caps={"log_bytes": 5})
    assert work.logs(chunk(0, "1234"), chunk(1, "56789", 4), chunk(2, "", 9))["accepted"] == 1
    assert texts(work) == ["1234"]


def test_a_cap_that_came_later_holds_too(work18):
    work18.ops.admin.execute("insert into ops.caps (scope, cap, \"limit\") values ('platform', 'log_bytes', 3)")
    refused("OPX01", work18.logs, chunk(0, "1234"))


def test_a_chunk_costs_the_same_however_long_the_log_is_also_before_the_table_has_statistics(work):
    for first in range(0, 10_000, 250):
        work.logs(*[chunk(seq, "x", seq) for seq in range(first, first + 250)])
    admin = work.ops.admin
    with admin.transaction():
        work.ops.call_on(
            admin,
            "append_logs",
            work.token,
            work.run_id,
            {"epoch": work.epoch, "chunks": [chunk(seq, "x", seq) for seq in range(9_990, 10_010)]},
        )
        read = admin.execute(
            "select sum(seq_tup_read) + sum(coalesce(idx_tup_fetch, 0)) from pg_stat_xact_user_tables "
            "where relname like 'run_logs%'"
        ).fetchone()
    assert read is not None
    assert read[0] < 500, "rows of the log read for 20 chunks"


def test_a_lost_lease_writes_no_logs(work):
    work.logs(chunk(0, "before\n"))
    work.revoke()
    error = refused("OPC01", work.logs, chunk(1, "after\n", 7))
    assert members(error)["epoch_sent"] == work.epoch
    assert members(error)["epoch_current"] > work.epoch
    assert texts(work) == ["before\n"]


@pytest.mark.parametrize("epoch", [0, 99])
def test_another_epoch_writes_no_logs(work18, epoch):
    refused("OPC01", work18.logs, chunk(0, "x"), epoch=epoch)


@pytest.mark.parametrize("epoch", [None, "one", 1.5, {}])
def test_an_epoch_is_a_whole_number(work18, epoch):
    refused("OPV01", work18.logs, chunk(0, "x"), epoch=epoch)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": -1},
        {"seq": "x"},
        {"offset": -5},
        {"at": "yesterday-ish"},
        {"stream": "../etc"},
        {"text": None},
        {"seq": None},
    ],
)
def test_a_chunk_with_a_wrong_field_is_refused_whole(work18, wrong):
    refused("OPV01", work18.logs, chunk(0, "fine"), chunk(1, "x", 4) | wrong)
    assert texts(work18) == []


@pytest.mark.parametrize("chunks", [None, {}, "x", ["x"]])
def test_chunks_are_a_list_of_objects(work18, chunks):
    refused("OPV01", work18.logs, chunks=chunks)


def test_another_token_writes_no_logs(work18):
    work18.token = work18.ops.token("executor")
    refused("OPU02", work18.logs, chunk(0, "x"))


def test_pages_of_two_streams_miss_and_repeat_nothing(work):
    for seq in range(10):
        at = f"2026-11-21T12:00:{seq:02}Z"
        work.logs(chunk(seq, f"o{seq}", seq * 2, at=at), chunk(seq, f"e{seq}", seq * 2, "stderr", at=at))
    read, after = [], None
    while True:
        page = work.ops.call("run_logs", work.operator, work.run_id, {"limit": 3, "after": after})
        if not page["items"]:
            break
        read += [item["text"] for item in page["items"]]
        after = page["next"]
    assert read == [f"{name}{seq}" for seq in range(10) for name in "eo"]
    work.logs(chunk(10, "late", 20))
    page = work.ops.call("run_logs", work.operator, work.run_id, {"after": after})
    assert [item["text"] for item in page["items"]] == ["late"]


def test_a_clock_that_steps_back_loses_no_chunk(work18):
    work18.logs(chunk(0, "a", 0, at="2026-11-21T12:00:09Z"), chunk(1, "b", 1, at="2026-11-21T12:00:01Z"))
    first = work18.ops.call("run_logs", work18.operator, work18.run_id, {"limit": 1})
    then = work18.ops.call("run_logs", work18.operator, work18.run_id, {"limit": 1, "after": first["next"]})
    assert [first["items"][0]["text"], then["items"][0]["text"]] == ["a", "b"]


def test_one_stream_can_be_read_alone(work18):
    work18.logs(chunk(0, "out"), chunk(0, "err", stream="stderr"))
    assert texts(work18, stream="stderr") == ["err"]
    assert texts(work18, stream="none") == []


@pytest.mark.parametrize("filters", [{"after": "x"}, {"limit": 0}, {"limit": "many"}, {"after": "1:s:1;drop"}])
def test_a_wrong_filter_is_refused(work18, filters):
    refused("OPV01", texts, work18, **filters)
