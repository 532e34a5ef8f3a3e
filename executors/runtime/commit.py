"""Commit one accepted publication to its Delta table, exactly once: ``python -m executors.runtime.commit``.

stdin   ``{"publication": {output, uri, format, mode, files, schema, rows, partition_by, app_id, app_version},
          "connection": {…}}``  (the contract's Publication with its marker, and a resolved connection)
stdout  ``{"table_version": int, "already": bool}`` with exit 0; ``{"error": {class, code, message}}`` otherwise:
        exit 2, for good (asking again gives the same answer), exit 75, for now (ask again later)

How a row cannot appear twice, whoever repeats this and whenever it is killed:

1. Open the table, and with that snapshot ask for the transaction ``app_id``. Set: it is committed already; done.
2. Unset: commit the files together with the transaction on that same snapshot, and on no other
   (``max_commit_retries=0``). delta-rs would otherwise move a commit on top of a newer version by itself: two creators
   of a table then both win, with the same marker even, and an overwrite leaves the rows of a concurrent append.
3. Not now (NotNowError), because another commit came between or the answer was lost: start again at 1.

Modes: ``append`` wants the table's columns, by name and type. ``overwrite`` removes every file of the snapshot, and
its schema replaces the table's (columns may come, go and change type). A missing table is created with the data in
version 0.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import tenacity
from deltalake import DeltaTable, Schema, TableFeatures
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, CommitProperties, Transaction, create_table_with_add_actions

from executors.runtime.delta_log import version_of_transaction
from executors.runtime.delta_storage import (
    is_missing,
    is_store_error,
    reason_of,
    s3_client,
    split_uri,
    storage_options,
    store_failed,
)
from executors.runtime.failures import TaskError

EXIT_DONE, EXIT_FAILED, EXIT_LATER = 0, 2, 75
PATIENCE_SECONDS = 45.0
EXISTS_ALREADY = "already exists at that location"
PLAIN_PATH = re.compile(r"^(?!.*\.\.)[A-Za-z0-9_=.-]+(/[A-Za-z0-9_=.-]+)*$")
PUBLICATION_FIELDS = ("output", "uri", "mode", "files", "schema", "app_id", "app_version")
Pause = Callable[[], None]


class NotNowError(Exception):
    """Another commit came first, or the store did not answer: look again."""


class Committer:
    """One publication and the table it goes to. ``before_commit`` runs between the check and the commit (for tests)."""

    def __init__(self, publication: Mapping[str, Any], connection: Mapping[str, Any], before_commit: Pause) -> None:
        self._publication, self._connection, self._before_commit = publication, connection, before_commit
        self._uri: str = publication["uri"]
        self._options = storage_options(connection)
        self._marker: tuple[str, int] = (publication["app_id"], int(publication["app_version"]))
        self._adds: list[AddAction] | None = None

    def run_once(self) -> dict[str, Any]:
        """Check and commit once; raises NotNowError to be called again, TaskError for good."""
        try:
            return self._check_and_commit()
        except (TaskError, NotNowError):
            raise
        except CommitFailedError as error:
            raise NotNowError(f"{self._uri}: {reason_of(error)}") from error
        except DeltaError as error:
            if EXISTS_ALREADY in str(error):
                raise NotNowError(f"{self._uri}: {reason_of(error)}") from error
            raise TaskError("internal", "commit_failed", f"{self._uri}: {reason_of(error)}") from error
        except Exception as error:
            if is_store_error(error):
                raise NotNowError(str(store_failed(self._uri, error))) from error
            raise

    def _check_and_commit(self) -> dict[str, Any]:
        table = self._open()
        if table is None:
            adds = self._staged()
            self._before_commit()
            return {"table_version": self._create(adds), "already": False}
        if (found := table.transaction_version(self._marker[0])) is not None:
            return {"table_version": self._committed_version(found), "already": True}
        check_fits(table, self._publication)
        adds = self._staged()
        table = self._with_features(table)
        self._before_commit()
        return {"table_version": self._write(table, adds), "already": False}

    def _open(self) -> DeltaTable | None:
        try:
            return DeltaTable(self._uri, storage_options=self._options)
        except TableNotFoundError:
            return None

    def _committed_version(self, found: int) -> int:
        app_id, app_version = self._marker
        if found != app_version:
            message = (
                f"{self._uri}: {app_id} is committed under epoch {found}, this publication is of epoch {app_version}"
            )
            raise TaskError("internal", "epoch_mismatch", message)
        return version_of_transaction(s3_client(self._connection), self._uri, app_id)

    def _staged(self) -> list[AddAction]:
        """The add actions; each object is seen to stand in the store, with the size and digest that were reported."""
        if self._adds is None:
            client = s3_client(self._connection)
            self._adds = [staged_file(client, self._uri, file) for file in self._publication["files"]]
        return self._adds

    def _with_features(self, table: DeltaTable) -> DeltaTable:
        """Add the table feature that timestamps without a zone need; without it delta-rs makes the table unreadable."""
        if "timestamp_ntz" not in json.dumps(self._publication["schema"]):
            return table
        if "timestampNtz" in (table.protocol().writer_features or []):
            return table
        table.alter.add_feature([TableFeatures.TimestampWithoutTimezone], allow_protocol_versions_increase=True)
        raise NotNowError("the table feature timestampNtz was added first")

    def _create(self, adds: list[AddAction]) -> int:
        create_table_with_add_actions(
            self._uri,
            self._schema(),
            adds,
            mode="error",
            storage_options=self._options,
            commit_properties=self._properties(),
        )
        return 0

    def _write(self, table: DeltaTable, adds: list[AddAction]) -> int:
        append = self._publication["mode"] == "append"
        schema = table.schema() if append else self._schema()
        table.create_write_transaction(adds, self._publication["mode"], schema, commit_properties=self._properties())
        # Exact, because the commit was tried on the version after the snapshot's and on no other.
        return int(table.version()) + 1

    def _schema(self) -> Schema:
        return Schema.from_json(json.dumps(as_schema(self._publication["schema"])))

    def _properties(self) -> CommitProperties:
        app_id, app_version = self._marker
        note = f"lakehouse-control-room {app_id} epoch {app_version}"
        return CommitProperties(
            custom_metadata={"userMetadata": note},
            max_commit_retries=0,
            app_transactions=[Transaction(app_id, app_version)],
        )


def publish(
    publication: Mapping[str, Any],
    connection: Mapping[str, Any],
    *,
    before_commit: Pause = lambda: None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> dict[str, Any]:
    """Commit once and for all; returns ``{"table_version": int, "already": bool}``.

    Raises TaskError for good, NotNowError when ``patience_seconds`` of conflicts or silence went by.
    """
    check_publication(publication)
    committer = Committer(publication, connection, before_commit)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(NotNowError),
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=2.0),
        stop=tenacity.stop_after_delay(patience_seconds),
        reraise=True,
    )
    return retrying(committer.run_once)


def check_publication(publication: Mapping[str, Any]) -> None:
    """Refuse a record that cannot be committed, before the table is touched."""
    if missing := [name for name in PUBLICATION_FIELDS if publication.get(name) is None]:
        raise TaskError("internal", "publication_invalid", f"the publication lacks {', '.join(missing)}")
    if publication.get("format", "delta") != "delta" or publication["mode"] not in {"append", "overwrite"}:
        message = f"format {publication.get('format')!r} with mode {publication['mode']!r}; only delta append|overwrite"
        raise TaskError("internal", "publication_invalid", message)
    if publication.get("partition_by"):
        raise TaskError(
            "user", "partitioning_unsupported", "partitioned publications are not supported: leave it empty"
        )
    if odd := [file["path"] for file in publication["files"] if not PLAIN_PATH.match(file["path"])]:
        raise TaskError("internal", "publication_invalid", f"file {odd[0]!r} is no plain path below the table's root")


def check_fits(table: DeltaTable, publication: Mapping[str, Any]) -> None:
    """Refuse what the table does not take; TaskError (user) says both sides."""
    metadata = table.metadata()
    if metadata.partition_columns:
        by = ", ".join(metadata.partition_columns)
        raise TaskError("user", "partitioning_unsupported", f"{publication['uri']} is partitioned by {by}")
    if special := [
        key for key in metadata.configuration if key.startswith(("delta.constraints.", "delta.columnMapping."))
    ]:
        message = f"{publication['uri']} has {special[0]}, which files added from outside would not keep"
        raise TaskError("user", "table_unsupported", message)
    if publication["mode"] == "append":
        check_same_schema(json.loads(table.schema().to_json()), as_schema(publication["schema"]), publication["uri"])
    elif metadata.configuration.get("delta.appendOnly") == "true":
        raise TaskError(
            "user", "table_append_only", f"{publication['uri']} is append-only: the output's mode is overwrite"
        )


def check_same_schema(table: Mapping[str, Any], data: Mapping[str, Any], uri: str) -> None:
    """Columns must agree by name and type, in any order; a NOT NULL column of the table is a difference too."""
    if described(table) != described(data):
        raise TaskError(
            "user",
            "schema_mismatch",
            f"append to {uri} with other columns; the table has ({', '.join(sorted(described(table)))}), "
            f"the data has ({', '.join(sorted(described(data)))}); change the model, or publish with mode overwrite",
        )


def described(schema: Mapping[str, Any]) -> set[str]:
    """``{"name type", …}`` of a Delta schema, nested types spelled out."""
    return {
        f"{field['name']} {type_text(field['type'])}{'' if field.get('nullable', True) else ' not null'}"
        for field in schema["fields"]
    }


def type_text(kind: Any) -> str:
    if isinstance(kind, str):
        return kind
    if kind["type"] == "struct":
        return f"struct<{', '.join(sorted(described(kind)))}>"
    if kind["type"] == "map":
        return f"map<{type_text(kind['keyType'])}, {type_text(kind['valueType'])}>"
    return f"array<{type_text(kind['elementType'])}>"


def as_schema(schema: Any) -> dict[str, Any]:
    """A Delta schema given as an object or as its JSON text."""
    value: dict[str, Any] = json.loads(schema) if isinstance(schema, str) else dict(schema)
    return value


def staged_file(client: Any, uri: str, file: Mapping[str, Any]) -> AddAction:
    """The add action of one staged object; TaskError (internal) when it is gone or another."""
    bucket, prefix = split_uri(uri)
    try:
        head = client.head_object(Bucket=bucket, Key=f"{prefix}/{file['path']}")
    except Exception as error:
        if is_missing(error):
            raise TaskError("internal", "staged_missing", f"{uri}/{file['path']} was staged and is gone") from error
        raise
    if (
        head["ContentLength"] != file["size"]
        or head.get("Metadata", {}).get("sha256", file["sha256"]) != file["sha256"]
    ):
        raise TaskError("internal", "staged_differs", f"{uri}/{file['path']} is not the file that was reported")
    stats = file.get("stats") or {"numRecords": file["rows"]}
    changed = int(head["LastModified"].timestamp() * 1000)
    return AddAction(file["path"], int(file["size"]), {}, changed, True, json.dumps(stats))


def answer(text: str) -> tuple[int, dict[str, Any]]:
    """From the request's text to (exit code, answer)."""
    try:
        request = json.loads(text)
        return EXIT_DONE, publish(request["publication"], request["connection"])
    except TaskError as error:
        return EXIT_FAILED, failed(error.failure_class, error.code, error.message)
    except NotNowError as error:
        return EXIT_LATER, failed("external", "commit_not_now", str(error))
    except (ValueError, KeyError, TypeError) as error:
        return EXIT_FAILED, failed("internal", "request_invalid", f"the request is not as documented: {error!r}")
    except Exception as error:
        return EXIT_FAILED, failed("internal", "commit_failed", f"{type(error).__name__}: {reason_of(error)}")


def failed(failure_class: str, code: str, message: str) -> dict[str, Any]:
    return {"error": {"class": failure_class, "code": code, "message": message}}


def main() -> None:
    """Answer one request on stdin."""
    code, value = answer(sys.stdin.read())
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
    # Not sys.exit: delta-rs's threads can abort an ordinary interpreter exit (SIGABRT), and the answer is out.
    os._exit(code)


if __name__ == "__main__":
    main()
