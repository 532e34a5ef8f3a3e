"""The book of a published object: which publications were committed to it, and which one it holds.

A JSON object ``<uri>.staged/commits.json``::

    {"version": 3, "written": true, "markers": [["<16 hex digits>", epoch, version, "<time>"], …newest first],
     "dropped": "<time>" | null,
     "current": {"part", "size", "sha256", "run", "epoch", "mode"}}

Writing the book, on condition that it is still the one that was read, is the commit. The object itself cannot be that:
its ETag is a digest of its bytes, so that a condition on it also holds when others came between and the same bytes are
back, and two writers of the same bytes would both win. No two books of an object are equal: the version rises.

``current`` is written to the object after that, by whoever comes: ``written`` says that it was. ``dropped`` is when the
newest of the markers that are not kept was committed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from executors.runtime.delta_storage import is_missing, split_uri
from executors.runtime.places import STAGED

BOOK = "commits.json"
KEPT_MARKERS = 64
# Beyond those, markers so young stay: a publication that waits for a second try must find its own.
KEPT_FOR = timedelta(hours=1)
Json = dict[str, Any]
Marker = tuple[str, int, int, str]


def marker_of(app_id: str) -> str:
    return hashlib.sha256(app_id.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Book:
    """See the module's text. ``etag``: of the book that was read; None where there is none yet."""

    version: int = 0
    written: bool = True
    markers: tuple[Marker, ...] = ()
    dropped: str | None = None
    current: Json = field(default_factory=dict)
    etag: str | None = None

    def found(self, app_id: str) -> Marker | None:
        """The marker (digits, epoch, version, time) of a publication that was committed."""
        wanted = marker_of(app_id)
        return next((marker for marker in self.markers if marker[0] == wanted), None)

    def with_commit(self, app_id: str, epoch: int, current: Json, now: datetime) -> Book:
        """The book after one more commit."""
        version = self.version + 1
        every = ((marker_of(app_id), epoch, version, now.isoformat()), *self.markers)
        young = [n < KEPT_MARKERS or now - moment(marker[3]) < KEPT_FOR for n, marker in enumerate(every)]
        kept = tuple(marker for marker, stays in zip(every, young, strict=True) if stays)
        gone = [marker[3] for marker, stays in zip(every, young, strict=True) if not stays]
        dropped = max([*gone, *([self.dropped] if self.dropped else [])], key=moment, default=None)
        return replace(self, version=version, written=False, markers=kept, dropped=dropped, current=current)

    def without_last(self) -> Book:
        """The book after its last commit was taken back: the number stays used, so that no two books are equal."""
        return replace(self, written=True, markers=self.markers[1:], current={})

    def text(self) -> bytes:
        told = {name: getattr(self, name) for name in ("version", "written", "markers", "dropped", "current")}
        return json.dumps(told).encode()


def moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def place_of(uri: str) -> dict[str, str]:
    """Bucket and key of the book of an object."""
    bucket, key = split_uri(uri)
    return {"Bucket": bucket, "Key": f"{key}{STAGED}/{BOOK}"}


def read_book(client: Any, uri: str) -> Book:
    """The book of an object; an empty one where there is none."""
    try:
        answer = client.get_object(**place_of(uri))
    except Exception as error:
        if is_missing(error):
            return Book()
        raise
    return book_of(json.loads(answer["Body"].read()), answer["ETag"])


def book_of(told: Mapping[str, Any], etag: str) -> Book:
    markers = tuple((m[0], int(m[1]), int(m[2]), m[3]) for m in told["markers"])
    return Book(int(told["version"]), bool(told["written"]), markers, told["dropped"], dict(told["current"]), etag)


def put_book(client: Any, uri: str, book: Book) -> Book:
    """Write it in the place of the one it was made from; the store's 412 when another one stands there by now."""
    condition = {"IfMatch": book.etag} if book.etag else {"IfNoneMatch": "*"}
    answer = client.put_object(**place_of(uri), **condition, Body=book.text(), ContentType="application/json")
    return replace(book, etag=answer["ETag"])
