"""Commit one accepted publication to its Iceberg table, exactly once; called by :mod:`executors.runtime.commit`.

1. Load the table, and look for the marker, two properties of a snapshot, in every snapshot of that metadata. There: it
   is committed already; done.
2. Not there: one commit of files, marker and schema on exactly that state. The catalog refuses it when the table's
   branch has moved since (``assert-ref-snapshot-id``), or when the table exists by now (``assert-create``).
3. Not now (NotNowError), because it was refused or the answer was lost: start again at 1.

The commit is given to the catalog directly: a transaction of pyiceberg would move a refused one on top of a newer
snapshot by itself, and remove the files of one that it takes for refused.

Modes: ``append`` wants the table's columns, by name and type. ``overwrite`` removes every data file, and its schema
replaces the table's: a column of the same name and type stays the column it is, any other becomes a new one.
Staged files name their columns and have no field ids; the table's name mapping says which is which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.exceptions import (
    BadRequestError,
    CommitFailedException,
    CommitStateUnknownException,
    NoSuchNamespaceError,
    NoSuchTableError,
    RESTError,
    TableAlreadyExistsError,
)
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile, DataFileContent, ManifestContent
from pyiceberg.schema import Schema
from pyiceberg.table import CreateTableTransaction, Table, TableProperties, Transaction
from pyiceberg.table.update import AssertCreate, AssertTableUUID

from executors.runtime.commit_parts import (
    NotNowError,
    Pause,
    as_schema,
    check_same_schema,
    forgotten_since,
    outcome_unknown,
    seen_head,
)
from executors.runtime.delta_storage import is_store_error, reason_of, s3_client, store_failed
from executors.runtime.failures import TaskError
from executors.runtime.iceberg_storage import file_io_properties
from executors.runtime.iceberg_types import described_types, iceberg_schema
from executors.runtime.places import identifier, staging_place

MARKER, EPOCH = "control-room.publication", "control-room.epoch"
TRANSIENT = (CommitFailedException, CommitStateUnknownException, TableAlreadyExistsError)
KNOWN_VERSIONS = (1, 2)
Json = dict[str, Any]


class Committer:
    """One publication and the table it goes to. ``before_commit`` runs between the check and the commit (for tests)."""

    def __init__(self, publication: Mapping[str, Any], connection: Mapping[str, Any], before_commit: Pause) -> None:
        self._publication, self._connection, self._before_commit = publication, connection, before_commit
        self._uri: str = publication["uri"]
        self._name = identifier(self._uri)
        self._place = staging_place(self._uri, "iceberg", connection)
        self._marker = {MARKER: str(publication["app_id"]), EPOCH: str(int(publication["app_version"]))}
        self._catalog: RestCatalog | None = None

    def run_once(self) -> Json:
        """Check and commit once; raises NotNowError to be called again, TaskError for good."""
        try:
            return self._check_and_commit()
        except (TaskError, NotNowError):
            raise
        except TRANSIENT as error:
            raise NotNowError(f"{self._uri}: {reason_of(error)}") from error
        except BadRequestError as error:
            raise TaskError("external", "catalog_refused", f"{self._uri}: {reason_of(error)}") from error
        except RESTError as error:
            # What a catalog refuses now (a key, a warehouse) may be put right; nothing was committed.
            raise NotNowError(f"{self._uri}: the catalog refused: {reason_of(error)}") from error
        except Exception as error:
            if is_store_error(error):
                raise NotNowError(str(store_failed(self._uri, error))) from error
            raise

    def _check_and_commit(self) -> Json:
        table = self._load()
        if table is None:
            self._check_staged()
            transaction: Transaction = self._new_table()
            return self._confirmed(self._commit(transaction, self._producer(transaction, None)))
        if (found := self._found(table)) is not None:
            return {"table_version": found, "already": True, "location": table.location()}
        check_history(table, self._publication)
        check_fits(table, self._publication)
        self._check_staged()
        transaction = table.transaction()
        if self._publication["mode"] == "overwrite":
            replace_schema(transaction, self._schema())
        ensure_name_mapping(transaction)
        return self._commit(transaction, self._producer(transaction, table))

    def _confirmed(self, done: Json) -> Json:
        """A new table, seen to be ours: of two who create one at the same moment SeaweedFS's catalog can tell both that
        they did, and keeps the later one's."""
        table = self._load()
        if table is None or self._found(table) != done["table_version"]:
            raise NotNowError(f"{self._publication['uri']}: another one created the table at the same moment")
        return done

    # The table ----------------------------------------------------------------------------------------------------

    def _open_catalog(self) -> RestCatalog:
        """The catalog asks for its token when it is opened: inside of what is tried again."""
        if self._catalog is None:
            given = self._connection.get("catalog")
            if not isinstance(given, Mapping) or not given.get("uri"):
                text = f"the connection of {self._uri} has no catalog with a uri; add it to the connections file"
                raise TaskError("external", "connection_incomplete", text)
            told = {str(name): str(value) for name, value in given.items() if name != "type"}
            self._catalog = RestCatalog("lakehouse", **told | file_io_properties(self._connection))
        return self._catalog

    def _load(self) -> Table | None:
        try:
            table: Table = self._open_catalog().load_table(self._name)
        except (NoSuchTableError, NoSuchNamespaceError):
            return None
        return table

    def _new_table(self) -> CreateTableTransaction:
        catalog = self._open_catalog()
        catalog.create_namespace_if_not_exists(self._name[0])
        properties = {TableProperties.FORMAT_VERSION: "2"}
        transaction: CreateTableTransaction = catalog.create_table_transaction(
            self._name, self._schema(), properties=properties
        )
        ensure_name_mapping(transaction)
        return transaction

    def _found(self, table: Table) -> int | None:
        """The snapshot of this publication. Not the current one's ancestors alone: a rollback undoes no commit."""
        for snapshot in table.metadata.snapshots:
            told = snapshot.summary.additional_properties if snapshot.summary else {}
            if told.get(MARKER) == self._marker[MARKER]:
                if told.get(EPOCH) != self._marker[EPOCH]:
                    message = (
                        f"{self._uri}: {self._marker[MARKER]} is committed under epoch {told.get(EPOCH)}, this "
                        f"publication is of epoch {self._marker[EPOCH]}"
                    )
                    raise TaskError("internal", "epoch_mismatch", message)
                return snapshot.snapshot_id
        return None

    # The commit ---------------------------------------------------------------------------------------------------

    def _producer(self, transaction: Transaction, table: Table | None) -> Any:
        """The new snapshot, with the staged files, and without those that an overwrite removes."""
        update = transaction.update_snapshot(self._marker)
        if table is None or self._publication["mode"] == "append":
            producer: Any = update.fast_append()
        else:
            producer = update.overwrite()
            for file in live_files(table):
                producer.delete_data_file(file)
        io, metadata = transaction._table.io, transaction.table_metadata
        for file in self._publication["files"]:
            producer.append_data_file(parquet_file_to_data_file(io, metadata, f"{self._place}/{file['path']}"))
        return producer

    def _commit(self, transaction: Transaction, producer: Any) -> Json:
        """One request to the catalog: all of it, or nothing."""
        producer.commit()
        table = transaction._table
        identity = AssertTableUUID(uuid=transaction.table_metadata.table_uuid)
        is_new = isinstance(transaction, CreateTableTransaction)
        requirements = (AssertCreate(),) if is_new else (*transaction._requirements, identity)
        self._before_commit()
        self._open_catalog().commit_table(table, requirements, transaction._updates)
        return {"table_version": producer.snapshot_id, "already": False, "location": table.location()}

    def _check_staged(self) -> None:
        client = s3_client(self._connection)
        for file in self._publication["files"]:
            seen_head(client, self._place, file)

    def _schema(self) -> Schema:
        return iceberg_schema(as_schema(self._publication["schema"]))


def check_history(table: Table, publication: Mapping[str, Any]) -> None:
    """Refuse for good when a snapshot that is not kept any more can have been this publication's."""
    since = forgotten_since(publication)
    kept = {snapshot.snapshot_id for snapshot in table.metadata.snapshots}
    for snapshot in table.metadata.snapshots:
        if snapshot.parent_snapshot_id is None or snapshot.parent_snapshot_id in kept:
            continue
        made = datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)
        if since is None or made >= since:
            text = f"snapshots before {snapshot.snapshot_id} of {made.isoformat()} have expired"
            raise outcome_unknown(publication["uri"], text)


def check_fits(table: Table, publication: Mapping[str, Any]) -> None:
    """Refuse what the table does not take; TaskError (user) says both sides."""
    uri = publication["uri"]
    if table.format_version not in KNOWN_VERSIONS:
        text = f"{uri} is of Iceberg's format version {table.format_version}; known: 1 and 2"
        raise TaskError("user", "table_unsupported", text)
    if table.spec().fields:
        by = ", ".join(field.name for field in table.spec().fields)
        raise TaskError("user", "partitioning_unsupported", f"{uri} is partitioned by {by}")
    data = iceberg_schema(as_schema(publication["schema"]))
    if publication["mode"] == "append":
        check_same_schema(described_types(table.schema()), described_types(data), uri)
    elif table.schema().identifier_field_ids and described_types(table.schema()) != described_types(data):
        text = f"{uri} has identifier columns, which an overwrite with other columns would not keep"
        raise TaskError("user", "table_unsupported", text)


def live_files(table: Table) -> Iterator[DataFile]:
    """The data files of the current snapshot."""
    snapshot = table.current_snapshot()
    for manifest in snapshot.manifests(table.io) if snapshot else []:
        if manifest.content == ManifestContent.DATA:
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                if entry.data_file.content == DataFileContent.DATA:
                    yield entry.data_file


def replace_schema(transaction: Transaction, new: Schema) -> None:
    """Make ``new`` the table's columns, in the same commit."""
    old = transaction.table_metadata.schema()
    before, after = described_types(old)["fields"], described_types(new)["fields"]
    stays = {field["name"] for field in before if field in after}
    gone = [field["name"] for field in before if field["name"] not in stays]
    come = [field for field in new.fields if field.name not in stays]
    if not gone and not come:
        return
    with transaction.update_schema(allow_incompatible_changes=True) as update:
        for name in gone:
            update.delete_column((name,))
        for field in come:
            update.add_column((field.name,), field.field_type)


def ensure_name_mapping(transaction: Transaction) -> None:
    """Files without field ids are read by the table's name mapping: it must know every column as it is."""
    metadata = transaction.table_metadata
    schema, mapping = metadata.schema(), metadata.name_mapping()
    known = mapped(mapping.root) if mapping else {}
    if any(known.get(name) != schema.find_field(name).field_id for name in schema.column_names):
        told = schema.name_mapping.model_dump_json()
        transaction.set_properties({TableProperties.DEFAULT_NAME_MAPPING: told})


def mapped(fields: Iterable[Any], above: str = "") -> dict[str, int]:
    """``{"point.lat": 7, …}`` of a name mapping."""
    found: dict[str, int] = {}
    for field in fields:
        for name in field.names:
            found |= {f"{above}{name}": field.field_id, **mapped(field.fields, f"{above}{name}.")}
    return found
