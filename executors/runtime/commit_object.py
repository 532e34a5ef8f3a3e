"""Commit one accepted publication to its object, exactly once; called by :mod:`executors.runtime.commit`.

1. Read the book (:mod:`executors.runtime.object_book`). What it says is current and not written yet is written first.
   The publication is in the book: it is committed already; done.
2. Write the book with the publication as current, in the place of the book that was read and of no other. That is the
   commit. Then write the bytes, in the place of the object that is seen, and note in the book that they are.
3. Not now (NotNowError), because another commit came between or the answer was lost: start again at 1.

Modes: ``overwrite`` replaces what stands there, whoever put it there. ``create`` wants nothing there: its bytes are
written on condition that there is still nothing (``If-None-Match: *``), whoever writes them. Where somebody else's
object came between the commit and its bytes, it stays, and the commit is taken out of the book again.

The bytes are written on condition that the object's ETag is the one seen before. Only a writer of bytes that stalls
there, until another has finished its commit and a further one has brought back the very bytes of before, can put older
bytes over newer ones; their digest tells every reader, and the next publication mends it.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from executors.runtime.commit_parts import NotNowError, Pause, forgotten_since, outcome_unknown, seen_head
from executors.runtime.delta_storage import is_missing, is_store_error, s3_client, s3_code, split_uri, store_failed
from executors.runtime.failures import TaskError
from executors.runtime.media import guess_media_type
from executors.runtime.object_book import Book, marker_of, moment, put_book, read_book
from executors.runtime.places import staging_place

CONFLICTS = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
CHUNK = 1024 * 1024
# So long whoever committed is left to write its bytes; then it may be dead.
ITS_TURN = timedelta(seconds=2)
CREATE = "create"
Json = dict[str, Any]


class Committer:
    """One publication and the object it becomes. ``before_commit`` runs between the check and the commit."""

    def __init__(self, publication: Mapping[str, Any], connection: Mapping[str, Any], before_commit: Pause) -> None:
        self._publication, self._before_commit = publication, before_commit
        self._uri: str = publication["uri"]
        self._place = staging_place(self._uri, "object", connection)
        self._app_id, self._epoch = str(publication["app_id"]), int(publication["app_version"])
        self._client = s3_client(connection)
        bucket, key = split_uri(self._uri)
        self._object = {"Bucket": bucket, "Key": key}
        self._ours: int | None = None

    def run_once(self) -> Json:
        """Check and commit once; raises NotNowError to be called again, TaskError for good."""
        try:
            return self._check_and_commit()
        except (TaskError, NotNowError):
            raise
        except Exception as error:
            if s3_code(error) in CONFLICTS:
                raise NotNowError(f"{self._uri}: another commit came first") from error
            if is_store_error(error):
                raise NotNowError(str(store_failed(self._uri, error))) from error
            raise

    def _check_and_commit(self) -> Json:
        book = self._written(read_book(self._client, self._uri))
        if found := book.found(self._app_id):
            return self._already(found[1], found[2])
        self._check_not_forgotten(book)
        with self._checked(book) as copy:
            self._before_commit()
            book = self._commit(book)
            self._ours = book.version
            self._written(book, copy)
        return {"table_version": book.version, "already": False}

    def _checked(self, book: Book) -> IO[bytes]:
        """The staged bytes, once nothing is against this commit. Whoever commits the same publication beside us makes
        the object stand and the staged bytes go: then what we saw is no reason to fail, and the book tells."""
        try:
            self._check_mode()
            return self._staged()
        except TaskError as error:
            if read_book(self._client, self._uri).etag != book.etag:
                raise NotNowError(f"{self._uri}: another commit came first") from error
            raise

    def _already(self, epoch: int, version: int) -> Json:
        if epoch != self._epoch:
            message = (
                f"{self._uri}: {self._app_id} is committed under epoch {epoch}, this publication is of epoch "
                f"{self._epoch}"
            )
            raise TaskError("internal", "epoch_mismatch", message)
        return {"table_version": version, "already": version != self._ours}

    def _check_not_forgotten(self, book: Book) -> None:
        since = forgotten_since(self._publication)
        if book.dropped and (since is None or moment(book.dropped) >= since):
            raise outcome_unknown(self._uri, f"commits up to {book.dropped} are not on record any more")

    def _check_mode(self) -> None:
        head = self._head() if self._publication["mode"] == CREATE else None
        if head is not None:
            raise self._exists(head)

    def _exists(self, head: Mapping[str, Any]) -> TaskError:
        run = head.get("Metadata", {}).get("ops-run")
        who = f"run {run} put it there" if run else "it is not of the control room"
        message = f"{self._uri} exists ({who}) and the output's mode is create; choose another path, or overwrite"
        return TaskError("user", "object_exists", message)

    def _commit(self, book: Book) -> Book:
        file = self._publication["files"][0]
        current = {"part": file["path"], "size": file["size"], "sha256": file["sha256"]}
        current |= {"run": self._app_id.partition("/")[0], "epoch": self._epoch, "mode": self._publication["mode"]}
        return put_book(
            self._client, self._uri, book.with_commit(self._app_id, self._epoch, current, datetime.now(UTC))
        )

    # The bytes ----------------------------------------------------------------------------------------------------

    def _staged(self) -> IO[bytes]:
        """A copy of the staged bytes, seen to be those that were reported; TaskError (internal) when they are not."""
        file = self._publication["files"][0]
        seen_head(self._client, self._place, file)
        copy = self._fetched(file["path"], file["sha256"])
        if copy is None:
            text = f"{self._place}/{file['path']} is not the file that was reported"
            raise TaskError("internal", "staged_differs", text)
        return copy

    def _written(self, book: Book, copy: IO[bytes] | None = None) -> Book:
        """The book once the object holds what it says is current."""
        if book.written:
            return book
        if copy is None and abs(datetime.now(UTC) - moment(book.markers[0][3])) < ITS_TURN:
            raise NotNowError(f"{self._uri}: another one is about to write it")
        head = self._head()
        # Looked at after the object: who comes back to this after others have committed must not put old bytes over
        # theirs. A commit that comes from now on changes the object, and the condition below with it.
        if read_book(self._client, self._uri).etag != book.etag:
            raise NotNowError(f"{self._uri}: another commit came first")
        if not holds(head, book):
            if head and book.current.get("mode") == CREATE:
                return self._taken_back(book, head)
            if copy:
                self._write(book, head, copy)
            else:
                self._write_staged(book, head)
        done = put_book(self._client, self._uri, replace(book, written=True))
        self._forget(book.current["part"])
        return done

    def _taken_back(self, book: Book, head: Mapping[str, Any]) -> Book:
        """The book without a commit that was to create the object and finds another one there, which stays."""
        done = put_book(self._client, self._uri, book.without_last())
        if book.markers[0][0] == marker_of(self._app_id):
            raise self._exists(head)
        return done

    def _write_staged(self, book: Book, head: Mapping[str, Any] | None) -> None:
        """Finish a commit of which nobody is known to hold the bytes any more.

        Where they are lost, of another publication, what stands there stays until the next commit: the digests tell.
        """
        copy = self._fetched(book.current["part"], book.current["sha256"])
        if copy:
            with copy:
                self._write(book, head, copy)
        elif read_book(self._client, self._uri).etag != book.etag:
            raise NotNowError(f"{self._uri}: another one has finished the commit")
        elif (found := book.found(self._app_id)) and found[2] == book.version:
            text = f"{self._place}/{book.current['part']} was staged and is gone"
            raise TaskError("internal", "staged_missing", text)

    def _write(self, book: Book, head: Mapping[str, Any] | None, copy: IO[bytes]) -> None:
        current = book.current
        copy.seek(0)
        self._client.put_object(
            **self._object,
            **({"IfMatch": head["ETag"]} if head else {"IfNoneMatch": "*"}),
            Body=copy,
            ContentLength=current["size"],
            ContentType=guess_media_type(self._object["Key"]),
            ChecksumSHA256=base64.b64encode(bytes.fromhex(current["sha256"])).decode(),
            Metadata={
                "sha256": current["sha256"],
                "ops-version": str(book.version),
                "ops-run": current["run"],
                "ops-epoch": str(current["epoch"]),
            },
        )

    def _fetched(self, part: str, sha256: str) -> IO[bytes] | None:
        """A local copy of staged bytes; None when they are gone, or others."""
        bucket, prefix = split_uri(self._place)
        try:
            body = self._client.get_object(Bucket=bucket, Key=f"{prefix}/{part}")["Body"]
        except Exception as error:
            if is_missing(error):
                return None
            raise
        copy = tempfile.TemporaryFile(prefix="publication-")  # noqa: SIM115 - the caller closes it
        digest = hashlib.sha256()
        while chunk := body.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
        if digest.hexdigest() == sha256:
            return copy
        copy.close()
        return None

    def _head(self) -> Mapping[str, Any] | None:
        try:
            head: Mapping[str, Any] = self._client.head_object(**self._object)
        except Exception as error:
            if is_missing(error):
                return None
            raise
        return head

    def _forget(self, part: str) -> None:
        """The staged copy is of no use any more; one that stays costs room only."""
        bucket, prefix = split_uri(self._place)
        with suppress(Exception):
            self._client.delete_object(Bucket=bucket, Key=f"{prefix}/{part}")


def holds(head: Mapping[str, Any] | None, book: Book) -> bool:
    """Whether the object is what the book says is current."""
    told = head.get("Metadata", {}) if head else {}
    return told.get("ops-version") == str(book.version) and told.get("sha256") == book.current["sha256"]
