"""Log text on its way out of a run: cleaned, redacted, cut, numbered."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.runtime.logs import Chunk, LogBook, LogShipper, split_bytes
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
