"""Whether a snapshot that a run committed is in the Iceberg catalog, with the run's marker and exactly its files.

Snapshots expire and tables are dropped by right: what is no longer there is told as unknown, what is there and says
something else as broken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from control_room.provenance.findings import Finding, Told

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

Json = dict[str, Any]
# The property of a snapshot that names the publication, as who commits it writes it.
MARKER = "control-room.publication"
S3 = {"endpoint": "endpoint", "region": "region", "access_key": "access-key-id", "secret_key": "secret-access-key"}


class NotAskedError(Exception):
    """The catalog could not be asked; the text says why."""


def check_snapshot(told: Told, publication: Mapping[str, Any], connection: Mapping[str, Any]) -> Finding:
    """publication: committed, of a manifest; uri iceberg://<root>/<namespace>/<table>. connection: of kind iceberg."""
    where, version = f"{publication['output']} at {publication['uri']}", int(publication["table_version"])
    namespace, table = urlsplit(str(publication["uri"])).path.strip("/").split("/")[-2:]
    try:
        found = _snapshot(connection, (namespace, table), version)
    except NotAskedError as error:
        return told.unknown(where, str(error))
    if found is None:
        return told.unknown(where, f"the table has no snapshot {version} any more: it expired, or was removed")
    loaded, snapshot = found
    marker = _properties(snapshot).get(MARKER)
    if marker != publication["app_id"]:
        text = (
            f"snapshot {version} is another commit: its marker is {marker}, the manifest says {publication['app_id']}"
        )
        return told.bad(where, text)
    try:
        added = dict(_added(loaded, snapshot))
    except Exception as error:  # pyiceberg, fastavro and the store each raise their own
        return told.bad(where, f"the manifests of snapshot {version} cannot be read: {type(error).__name__}: {error}")
    return _compared(told, where, publication, added)


def check_table_snapshot(told: Told, where: str, table: Mapping[str, Any], name: str, connection: Json) -> Finding:
    """The same of a table that an engine wrote, of which no marker and no files are on record. name: of its artifact,
    catalog.namespace.table@version."""
    version = int(table["version"])
    namespace, short = name.rsplit("@", 1)[0].split(".")[-2:]
    try:
        found = _snapshot(connection, (namespace, short), version)
    except NotAskedError as error:
        return told.unknown(where, str(error))
    if found is None:
        return told.unknown(where, f"the table has no snapshot {version} any more: it expired, or was removed")
    return told.good(where, f"snapshot {version} is in the catalog")


def _compared(told: Told, where: str, publication: Mapping[str, Any], added: Mapping[str, int]) -> Finding:
    wanted = {file["path"]: file["size"] for file in publication["files"]}
    version = publication["table_version"]
    for path in sorted(added.keys() | wanted.keys()):
        if added.get(path) != wanted.get(path):
            sizes = f"{added.get(path)} bytes, the manifest says {wanted.get(path)}"
            return told.bad(where, f"snapshot {version} adds {path} with {sizes}: its manifests were changed")
    marker = publication["app_id"]
    return told.good(where, f"snapshot {version} holds the marker {marker} and adds the {len(wanted)} files")


def _snapshot(connection: Mapping[str, Any], name: tuple[str, str], version: int) -> tuple[Table, Snapshot] | None:
    """The table and its snapshot; None without such a table or snapshot. Raises NotAskedError."""
    try:
        from pyiceberg.catalog.rest import RestCatalog
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
    except ImportError:
        raise NotAskedError("the catalog was not asked: pip install pyiceberg") from None
    given = connection.get("catalog")
    if not isinstance(given, Mapping) or not given.get("uri"):
        raise NotAskedError("the catalog was not asked: the connection has none")
    told = {str(key): str(value) for key, value in given.items() if key != "type"}
    files = {f"s3.{name}": str(connection[key]) for key, name in S3.items() if connection.get(key)}
    try:
        table = RestCatalog("verify", **told | {"s3.region": "us-east-1"} | files).load_table(name)
    except (NoSuchTableError, NoSuchNamespaceError):
        return None
    except Exception as error:  # requests, pydantic and pyiceberg each raise their own
        raise NotAskedError(f"the catalog did not answer: {type(error).__name__}") from None
    snapshot = table.metadata.snapshot_by_id(version)
    return None if snapshot is None else (table, snapshot)


def _properties(snapshot: Snapshot) -> Mapping[str, str]:
    return snapshot.summary.additional_properties if snapshot.summary else {}


def _added(table: Table, snapshot: Snapshot) -> Iterator[tuple[str, int]]:
    """(name within the table's data folder, size in bytes) of each file that the snapshot added."""
    from pyiceberg.manifest import ManifestEntryStatus

    for manifest in snapshot.manifests(table.io):
        if manifest.added_snapshot_id != snapshot.snapshot_id:
            continue
        for entry in manifest.fetch_manifest_entry(table.io):
            if entry.status == ManifestEntryStatus.ADDED:
                file = entry.data_file
                yield str(file.file_path).rpartition("/data/")[2], int(file.file_size_in_bytes)
