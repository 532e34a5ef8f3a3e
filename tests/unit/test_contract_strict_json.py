"""Request bodies: what is JSON, what is storable, what keeps the contract; and how the server says it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contract import models
from contract.errors import Invalid
from contract.server import strict_json
from contract.server.strict_json import parse, validate

REPORT: TypeAdapter[Any] = TypeAdapter(models.Report)
CLAIM: TypeAdapter[Any] = TypeAdapter(models.ClaimRequest)


def refusal(raw: bytes, adapter: TypeAdapter[Any] = CLAIM) -> Invalid:
    with pytest.raises(Invalid) as caught:
        validate(adapter, raw, parse(raw))
    return caught.value


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "expecting value at line 1 column 1"),
        (b"{", "line 1 column 2"),
        (b"{'a': 1}", "line 1 column 2"),
        (b'{"a": 1} x', "extra data"),
        (b'{"a": 1, "a": 2}', "'a' comes twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "strict JSON"),
        (b'{"a": "\x00"}', "control character"),
        (b"[" * 40_000 + b"]" * 40_000, "nested too deeply"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
    ],
)
def test_what_is_no_strict_json_is_malformed(raw: bytes, says: str) -> None:
    error = refusal(raw)
    assert (error.code, error.status) == ("malformed_json", 400)
    assert says.lower() in error.detail.lower()
    assert len(error.detail) < 400


@pytest.mark.parametrize(
    ("raw", "offset"), [(b'{"a": "\xff"}', 7), (b'"\xc3"', 1), (b'"\xed\xa0\x80"', 1), (b"\xfe\xff", 0)]
)
def test_broken_utf8_is_told_with_its_place(raw: bytes, offset: int) -> None:
    error = refusal(raw)
    assert (error.code, error.status) == ("invalid_encoding", 400)
    assert error.members["offset"] == offset


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (r'{"a": {"b": [0, "x\u0000y"]}}', "/a/b/1"),
        (r'{"a": {"x\u0000": 1}}', "/a"),
        (r'{"a/b~": "\u0000"}', "/a~1b~0"),
        (r'"\u0000"', ""),
        (r'{"a": "\ud800"}', "/a"),
        (r'{"a": "\udfff x"}', "/a"),
    ],
)
def test_text_that_cannot_be_stored_is_refused_with_its_path(value: str, path: str) -> None:
    error = refusal(value.encode())
    assert (error.code, error.status) == ("invalid_request", 422)
    assert [one["path"] for one in error.errors] == [path]


def test_surrogate_pairs_and_escaped_backslashes_are_fine() -> None:
    assert parse(rb'{"a": "\ud83d\ude00", "b": "\\u0000"}') == {"a": "😀", "b": "\\u0000"}


def test_the_place_of_an_error_is_a_pointer_into_the_body() -> None:
    body = {
        "epoch": "7",
        "outcome": "succeeded",
        "idempotency_key": "k",
        "finished_at": "2026-11-21T12:00:00Z",
        "publications": [{"output": "x", "secret/name": "hunter2"}],
    }
    error = refusal(json.dumps(body).encode(), REPORT)
    paths = {one["path"] for one in error.errors}
    assert {"/epoch", "/publications/0/secret~1name", "/publications/0/uri"} <= paths
    assert "hunter2" not in json.dumps(error.problem())


def test_an_unknown_outcome_and_a_missing_one_are_told() -> None:
    assert "outcome" in refusal(b'{"outcome": "exploded"}', REPORT).detail
    assert "outcome" in refusal(b'{"epoch": 1}', REPORT).detail


def test_no_value_of_the_body_is_ever_echoed_whole() -> None:
    error = refusal(json.dumps({"outcome": "x" * 100_000}).encode(), REPORT)
    assert len(json.dumps(error.problem())) < 2000


def test_there_is_an_end_to_the_errors_told() -> None:
    error = refusal(json.dumps({f"k{i}": 1 for i in range(1000)}).encode())
    assert len(error.errors) == strict_json.MAX_ERRORS


@pytest.mark.parametrize("value", ["1", 1.5, True, None, [1], 2**70, -1, 101])
def test_numbers_are_not_made_of_other_things(value: object) -> None:
    body = {"request_id": "7d1f0c52-8a55-4f3c-9a43-5f8c2f3a9e10", "max_runs": value}
    assert refusal(json.dumps(body).encode()).errors[0]["path"] == "/max_runs"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_makes_the_reader_fail_in_another_way(raw: bytes) -> None:
    error = refusal(raw, REPORT)
    assert error.status in (400, 422)
    json.dumps(error.problem(), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"[" + b"[]," * 60_000 + b"{}]", "60002 objects and lists in one body, at most 50000"),
        (b"{" + b",".join(b'"k%d":1' % n for n in range(100_001)) + b"}", "100001 members of objects"),
    ],
)
def test_a_body_of_punctuation_is_refused_before_it_is_read(raw: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        parse(raw)


def test_what_stands_in_strings_is_no_punctuation() -> None:
    text = '[{:\\"' * 60_000
    assert parse(json.dumps({"text": text}).encode()) == {"text": text}


def test_very_many_errors_are_counted_and_not_listed() -> None:
    found = refusal(json.dumps({f"k{n}": n for n in range(3_000)}).encode())
    assert "3002 places break the contract" in str(found)
