"""Log text on its way out of a run: cleaned, redacted, cut, numbered."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.runtime.logs import CUTS_AT_ONCE, CUTS_PER_FLUSH, Chunk, LogBook, LogShipper, split_bytes
from executors.runtime.text import Redactor, clean_json, clean_text, secrets_in


def book_of(tmp_path: Path, *, chunk: int = 64, limit: int = 10_000, secrets: tuple[str, ...] = ()) -> LogBook:
    return LogBook(tmp_path / "logs.jsonl", chunk, limit, Redactor(secrets))


def chunks_of(book: LogBook) -> list[Chunk]:
    return [json.loads(line) for line in book.spool.read_text().splitlines()]


def text_of(book: LogBook, stream: str = "stdout") -> str:
    return "".join(chunk["text"] for chunk in chunks_of(book) if chunk["stream"] == stream)


def test_nul_is_shown_and_lone_surrogates_are_replaced_everywhere_in_a_document() -> None:
    assert clean_text("a\x00b\ud800c") == "a\\x00b?c"
    assert clean_json({"k\x00": ["\x00", {"x": "\udfff"}], "n": 1}) == {"k\\x00": ["\\x00", {"x": "?"}], "n": 1}


def test_secrets_are_found_by_the_name_of_their_key_however_deep() -> None:
    found = secrets_in({"lake": {"access_key": "AKIA1234", "secret_key": "s3cr3t!!", "endpoint": "http://host"}})
    assert found == {"AKIA1234", "s3cr3t!!"}


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_become_valid_text_whatever_way_they_are_cut(parts: list[bytes]) -> None:
    whole = clean_text(b"".join(parts).decode("utf-8", "replace"))
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        book = book_of(Path(folder), chunk=16)
        for part in parts:
            book.feed("stdout", part)
            book.flush()
        book.close()
        assert text_of(book) == whole


@given(st.text(max_size=200), st.integers(min_value=4, max_value=30))
def test_parts_never_break_a_character_and_never_pass_the_limit(text: str, limit: int) -> None:
    parts = split_bytes(text, limit)
    assert "".join(parts) == text
    assert all(0 < len(part.encode()) <= limit for part in parts)


def test_chunks_are_numbered_and_their_offsets_count_the_bytes_before_them(tmp_path: Path) -> None:
    book = book_of(tmp_path, chunk=8)
    book.feed("stdout", "ééééé\n".encode())
    book.feed("stderr", b"oops\n")
    book.close()
    out = [chunk for chunk in chunks_of(book) if chunk["stream"] == "stdout"]
    assert [(c["seq"], c["offset"], c["text"]) for c in out] == [(0, 0, "éééé"), (1, 8, "é\n")]
    assert [c["seq"] for c in chunks_of(book) if c["stream"] == "stderr"] == [0]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_secret_is_never_shipped_even_when_it_arrives_in_two_pieces(tmp_path: Path, cut: int) -> None:
    book = book_of(tmp_path, secrets=("hunter2secret",))
    line = b"key=hunter2secret;"
    book.feed("stdout", line[: 4 + cut])
    book.flush()
    book.feed("stdout", line[4 + cut :])
    book.close()
    assert text_of(book) == "key=***;"


def test_what_passes_the_cap_is_dropped_counted_and_said_in_the_log(tmp_path: Path) -> None:
    book = book_of(tmp_path, chunk=500, limit=3000)
    for _ in range(5):
        book.feed("stdout", b"x" * 700)
    book.close()
    assert text_of(book) == "x" * 2000
    assert book.observed == 3500
    assert text_of(book, "system") == "log cut here: cap log_bytes is 3000 bytes; later output is dropped\n"


def test_a_log_that_just_fits_its_cap_is_whole(tmp_path: Path) -> None:
    book = book_of(tmp_path, chunk=500, limit=3000)
    for part in ("é" * 1000, "y" * 700, "z" * 300):
        book.feed("stdout", part.encode())
        book.flush()
    book.close()
    assert text_of(book) == "é" * 1000 + "y" * 700 + "z" * 300
    assert not book.over


def test_a_stream_with_a_name_the_contract_forbids_goes_to_the_log_stream(tmp_path: Path) -> None:
    book = book_of(tmp_path)
    book.feed("../etc", b"hello\n")
    book.close()
    assert text_of(book, "log") == "hello\n"


def test_the_shipper_sends_everything_in_order_and_ends_with_the_book(tmp_path: Path) -> None:
    book = book_of(tmp_path, chunk=10)
    sent: list[Chunk] = []

    def send(chunks: list[Chunk]) -> bool:
        sent.extend(chunks)
        return True

    shipper = LogShipper(book, send)
    for number in range(100):
        book.feed("stdout", f"line {number:03}\n".encode())
    book.close()
    shipper.join()
    assert [chunk["seq"] for chunk in sent] == list(range(100))
    assert "".join(chunk["text"] for chunk in sent) == "".join(f"line {n:03}\n" for n in range(100))


def test_a_child_writes_on_while_nobody_takes_its_log(tmp_path: Path) -> None:
    book = book_of(tmp_path, chunk=1000, limit=10_000_000)
    open_again = threading.Event()
    taken: list[int] = []

    def send(chunks: list[Chunk]) -> bool:
        open_again.wait()
        taken.append(sum(len(chunk["text"]) for chunk in chunks))
        return True

    shipper = LogShipper(book, send)
    for _ in range(2000):
        book.feed("stdout", b"y" * 1000)
    book.close()
    assert taken == []
    open_again.set()
    shipper.join()
    assert sum(taken) == 2_000_000
    assert len(taken) < 2000, "chunks travel in batches"


def test_a_shipper_that_is_told_that_nobody_wants_the_log_stops(tmp_path: Path) -> None:
    book = book_of(tmp_path, chunk=4)
    calls: list[int] = []

    def refuse(chunks: list[Chunk]) -> bool:
        calls.append(len(chunks))
        return False

    book.feed("stdout", b"12345678")
    shipper = LogShipper(book, refuse)
    shipper.join()
    assert len(calls) == 1
    book.close()


def test_a_disk_that_is_full_costs_log_lines_and_raises_nothing() -> None:
    book = LogBook(Path("/dev/full"), 4, 10_000, Redactor())
    book.feed("stdout", b"12345678")
    book.note("a line of ours with \ud800 in it")
    book.close()
    assert book.failure is not None
    assert "No space left" in book.failure


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def timed_book(tmp_path: Path, clock: Callable[[], datetime], *, secrets: tuple[str, ...] = ()) -> LogBook:
    return LogBook(tmp_path / "logs.jsonl", 1000, 10_000_000, Redactor(secrets), clock)


def by_time(book: LogBook) -> list[Chunk]:
    """As the control room lists them."""
    return sorted(chunks_of(book), key=lambda chunk: (datetime.fromisoformat(chunk["at"]), chunk["stream"]))


def test_streams_that_alternate_keep_their_order_even_while_the_clock_stands_still(tmp_path: Path) -> None:
    book = timed_book(tmp_path, lambda: NOON)
    written = [(name, f"{name} {turn}\n") for turn in range(20) for name in ("stdout", "log", "stderr")]
    for name, line in written:
        book.feed(name, line.encode())
    book.close()
    assert [(chunk["stream"], chunk["text"]) for chunk in chunks_of(book)] == written
    assert by_time(book) == chunks_of(book)
    assert len({chunk["at"] for chunk in chunks_of(book)}) == 60


def test_a_clock_that_steps_back_does_not_turn_the_order_round(tmp_path: Path) -> None:
    times = iter([NOON, NOON - timedelta(hours=1), NOON - timedelta(hours=1)])
    book = timed_book(tmp_path, lambda: next(times))
    for name in ("stdout", "stderr", "stdout"):
        book.feed(name, b"x\n")
    book.close()
    assert [chunk["stream"] for chunk in by_time(book)] == ["stdout", "stderr", "stdout"]


def test_the_time_of_a_chunk_is_that_of_its_first_byte_not_of_the_flush(tmp_path: Path) -> None:
    times = iter(NOON + timedelta(seconds=second) for second in range(10))
    book = timed_book(tmp_path, lambda: next(times))
    book.feed("stdout", b"one\n")
    book.feed("stdout", b"two\n")
    book.flush()
    book.feed("stdout", b"three\n")
    book.close()
    found = [(datetime.fromisoformat(chunk["at"]) - NOON, chunk["text"]) for chunk in chunks_of(book)]
    assert found == [(timedelta(0), "one\ntwo\n"), (timedelta(seconds=2), "three\n")]


def test_a_stream_alone_is_not_cut_and_an_open_line_is_not_cut_in_two(tmp_path: Path) -> None:
    book = timed_book(tmp_path, lambda: NOON)
    for name, text in (("stdout", "a\n"), ("stdout", "b\nhe"), ("stderr", "warning\n"), ("stdout", "llo\n")):
        book.feed(name, text.encode())
    book.close()
    assert [chunk["text"] for chunk in by_time(book)] == ["a\nb\n", "hello\n", "warning\n"]


def test_a_note_of_the_executor_stands_where_it_was_written(tmp_path: Path) -> None:
    book = timed_book(tmp_path, lambda: NOON)
    book.feed("stdout", b"before\n")
    book.note("note")
    book.feed("stdout", b"after\n")
    book.close()
    assert [chunk["text"] for chunk in by_time(book)] == ["before\n", "note\n", "after\n"]


def alternate(book: LogBook, turns: int) -> None:
    for turn in range(turns):
        book.feed("stdout", f"out {turn}\n".encode())
        book.feed("stderr", f"err {turn}\n".encode())


def test_streams_that_alternate_without_end_make_no_flood_of_chunks_and_lose_nothing(tmp_path: Path) -> None:
    book = timed_book(tmp_path, lambda: NOON)
    alternate(book, 10_000)
    book.flush()
    first = len(chunks_of(book))
    alternate(book, 10_000)
    book.close()
    gathered = 2 * 2 * 10_000 * len("out 9999\n") // 1000  # full chunks, each with its remainder
    assert CUTS_AT_ONCE <= first <= CUTS_AT_ONCE + gathered
    assert CUTS_PER_FLUSH <= len(chunks_of(book)) - first <= CUTS_PER_FLUSH + gathered
    for name in ("out", "err"):
        text = "".join(f"{name} {turn}\n" for turn in range(10_000)) * 2
        assert text_of(book, f"std{name}") == text
        chunks = [chunk for chunk in chunks_of(book) if chunk["stream"] == f"std{name}"]
        assert [chunk["seq"] for chunk in chunks] == list(range(len(chunks)))
        assert all(text[chunk["offset"] :].startswith(chunk["text"]) for chunk in chunks)


def test_a_secret_of_two_lines_is_not_let_out_by_another_stream_between_them(tmp_path: Path) -> None:
    book = timed_book(tmp_path, lambda: NOON, secrets=("BEGIN-KEY\nabcdef",))
    book.feed("stdout", b"see\nBEGIN-KEY\n")
    book.feed("stderr", b"warning\n")
    book.feed("stdout", b"abcdef\n")
    book.close()
    assert text_of(book) == "see\n***\n"
