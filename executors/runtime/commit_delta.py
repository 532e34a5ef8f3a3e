"""Commit one accepted publication to its Delta table, exactly once; called by :mod:`executors.runtime.commit`.

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
from collections.abc import Mapping
from typing import Any

from deltalake import DeltaTable, Schema, TableFeatures
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, CommitProperties, Transaction, create_table_with_add_actions

from executors.runtime.commit_parts import NotNowError, Pause, as_schema, check_same_schema, seen_head
from executors.runtime.delta_log import version_of_transaction
from executors.runtime.delta_storage import is_store_error, reason_of, s3_client, storage_options, store_failed
from executors.runtime.failures import TaskError

EXISTS_ALREADY = "already exists at that location"


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


def staged_file(client: Any, uri: str, file: Mapping[str, Any]) -> AddAction:
    """The add action of one staged object; TaskError (internal) when it is gone or another."""
    head = seen_head(client, uri, file)
    stats = file.get("stats") or {"numRecords": file["rows"]}
    changed = int(head["LastModified"].timestamp() * 1000)
    return AddAction(file["path"], int(file["size"]), {}, changed, True, json.dumps(stats))
