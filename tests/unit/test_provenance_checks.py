"""What the checks of `verify` say of chains, bytes and differences, where no server is needed to see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from control_room.provenance.archive import Pieces
from control_room.provenance.check_bytes import MissingBytesError, UnreadableBytesError, check_bytes, gone
from control_room.provenance.check_events import START, Chain, check_events
from control_room.provenance.check_manifest import read
from control_room.provenance.differences import differences, shown
from control_room.provenance.findings import Finding, Told, holds
from control_room.provenance.lake import check_publication, file_places

RUN = "01a1fec1-66b9-736c-bfca-ebc5f17f8cd5"
TOLD = Told("1", "artifacts")
Json = dict[str, Any]


def events(count: int) -> list[Json]:
    """A sound chain."""
    found: list[Json] = []
    for seq in range(1, count + 1):
        event = {"seq": seq, "at": "2026-11-22T10:00:00Z", "type": "run.queued", "epoch": 0}
        canonical = json.dumps({**event, "run_id": RUN})
        before = found[-1]["hash"] if found else START
        digest = hashlib.sha256(bytes.fromhex(before) + canonical.encode()).hexdigest()
        found.append({**event, "canonical": canonical, "prev_hash": before, "hash": digest})
    return found


def place(event: Json) -> Json:
    return {"seq": event["seq"], "hash": event["hash"]}


def named(event: Json) -> Json:
    return {"length": event["seq"], "head": event["hash"]}


def judged(chain: Chain, manifest: Json | None) -> list[tuple[bool | None, str]]:
    return [(finding.ok, finding.where) for finding in check_events("1", RUN, chain, manifest)]


def test_a_chain_that_grew_after_its_manifest_holds() -> None:
    chain = events(5)
    assert judged(Chain(place(chain[4]), None, chain), named(chain[2])) == [(True, "head")]
    assert judged(Chain(place(chain[4]), None, chain), None) == [(True, "head")]


def test_a_run_without_an_event_says_that_all_are_gone() -> None:
    chain = events(3)
    found = list(check_events("1", RUN, Chain(place(chain[2]), None, []), named(chain[2])))
    assert [finding.ok for finding in found] == [False, False]
    assert found[0].text == "the chain ends at event 0, the run says 3: the last are gone"


def test_a_chain_that_retention_cut_is_unknown_where_it_is_gone_and_checked_where_it_is_not() -> None:
    chain = events(5)
    cut = place(chain[2]) | {"dropped_at": "2026-12-01T00:00:00Z"}
    rest = Chain(place(chain[4]), cut, chain[3:])
    assert judged(rest, named(chain[2])) == [(True, "head"), (None, "events 1 to 3")]
    assert judged(rest, named(chain[4])) == [(True, "head"), (None, "events 1 to 3")]
    assert judged(rest, named(chain[1])) == [(True, "head"), (False, "event 2"), (None, "events 1 to 3")]
    assert judged(Chain(place(chain[4]), cut, chain[4:]), named(chain[2]))[0] == (False, "event 5")


def test_an_event_of_another_run_is_told_by_its_text() -> None:
    chain = events(1)
    ((finding),) = check_events("1", RUN.replace("01a1", "01a2"), Chain(place(chain[0]), None, chain), None)
    assert (finding.ok, "its column run_id is" in finding.text) == (False, True)


def test_bytes_that_are_gone_by_retention_are_unknown_and_all_others_broken() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    wanted = {"size": 3, "sha256": "a" * 64}
    assert gone(TOLD, "x", wanted, now).ok is False
    assert gone(TOLD, "x", {**wanted, "expires_at": "2026-11-23T00:00:00Z"}, now).ok is False
    assert gone(TOLD, "x", {**wanted, "expires_at": "2026-11-21T00:00:00Z"}, now).ok is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MissingBytesError(), "its 3 bytes are gone from the store"),
        (UnreadableBytesError("AccessDenied"), "its bytes cannot be read: AccessDenied"),
    ],
)
def test_bytes_that_cannot_be_had_are_never_good(error: Exception, told: str) -> None:
    def fails() -> Iterator[bytes]:
        yield b"ab"
        raise error

    finding = check_bytes(TOLD, "x", {"size": 3, "sha256": "a" * 64}, fails)
    assert (finding.ok, finding.text) == (False, told)


def test_differences_name_each_place_and_tell_types_apart() -> None:
    one = {"a": {"b/c": 1, "d": [1, 2]}, "same": 1.0, "flag": True, "list": [1]}
    other = {"a": {"b/c": 2, "d": [1, 3]}, "same": 1, "flag": 1, "list": [1, 2], "more": None}
    assert list(differences(one, other)) == [
        ("/a/b~1c", 1, 2),
        ("/a/d/1", 2, 3),
        ("/flag", True, 1),
        ("/list", [1], [1, 2]),
    ]
    assert shown("x" * 500).endswith("…")


def test_what_is_unknown_breaks_nothing_and_what_is_broken_does() -> None:
    good, unknown, bad = (Finding("1", "events", ok, "", "") for ok in (True, None, False))
    assert holds([good, unknown])
    assert not holds([good, unknown, bad])


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        "[" * 100_000,
        '{"run": 1}',
        json.dumps({name: [] for name in ("run", "events", "artifacts", "publications")}),
    ],
)
def test_a_text_that_is_no_manifest_is_not_read_as_one(text: str) -> None:
    assert read(text) is None


def test_a_manifest_is_read_only_whole_and_with_numbers_that_are_kept() -> None:
    whole = {
        **{name: {} for name in ("run",)},
        **{"code": {"bundle": None}, "outcome": {"finished_at": "x"}, "events": {"length": 1, "head": "0"}},
        **{name: [] for name in ("inputs", "tasks", "artifacts")},
        "publications": [],
    }
    assert read(json.dumps(whole)) == whole
    assert read(json.dumps(whole | {"usage": 2**53 + 1})) is None
    assert read(json.dumps(whole).replace('"length": 1', '"length": 1e999')) is None
    for broken in ({"artifacts": [{"name": "x"}]}, {"tasks": [1]}, {"publications": {"files": []}}, {"events": {}}):
        assert read(json.dumps(whole | broken)) is None


def test_published_files_are_looked_for_where_each_format_has_them() -> None:
    files = [{"path": "part-0"}]
    delta = {"format": "delta", "uri": "s3://lakehouse/t", "files": files}
    assert file_places(delta, {}) == ["s3://lakehouse/t/part-0"]
    assert file_places(delta | {"format": "object"}, {}) == ["s3://lakehouse/t"]
    iceberg = {"format": "iceberg", "uri": "iceberg://lakehouse/gold/delay", "files": files}
    assert file_places(iceberg, {"storage_root": "s3://lake/x/"}) == ["s3://lake/x/gold/delay/data/part-0"]


def test_without_a_connection_published_data_is_unknown_and_what_failed_is_not_looked_for() -> None:
    publication = {"output": "t", "uri": "s3://lakehouse/t", "state": "committed", "format": "delta", "files": []}
    (found,) = check_publication("1", publication, {"other": {"root": "s3://elsewhere"}})
    assert (found.ok, "no connection has a root that holds s3://lakehouse/t" in found.text) == (None, True)
    (found,) = check_publication("1", publication | {"state": "failed"}, None)
    assert (found.ok, found.text) == (True, "it was not published: failed")


def test_pieces_are_read_as_one_stream_and_hashed_as_they_pass() -> None:
    stream = Pieces(iter([b"abc", b"", b"defgh"]))
    assert [stream.read(2), stream.read(4), stream.read(10), stream.read(1)] == [b"ab", b"cdef", b"gh", b""]
    assert stream.digest.hexdigest() == hashlib.sha256(b"abcdefgh").hexdigest()
    assert Pieces(iter([b"ab", b"c"])).read() == b"abc"
