"""Whether what a run published still lies in the lakehouse: its files, and the entry of the table's log.

Reads by the connections file, as the reactor does. What later runs may replace or remove by right (an object with mode
overwrite, files of an overwritten table) is told as unknown when it is no longer there, never as good.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from contract.canonical import BLOCK
from control_room.provenance.check_bytes import MissingBytesError, UnreadableBytesError, check_bytes, hashed, judged
from control_room.provenance.findings import Finding, Told
from control_room.provenance.iceberg import check_snapshot, check_table_snapshot
from control_room.reactor.connections import ConnectionsError, connection_for

Json = dict[str, Any]
Connections = Mapping[str, Mapping[str, Any]]
Reader = Callable[[str], Iterator[bytes]]
MOST_LOG_BYTES = 64 * 2**20


def check_publication(run: str, publication: Mapping[str, Any], connections: Connections | None) -> Iterator[Finding]:
    """publication: of a manifest. connections: name -> connection; None: nothing of the lakehouse can be read."""
    told, where = Told(run, "publications"), f"{publication['output']} at {publication['uri']}"
    if publication["state"] != "committed":
        yield told.good(where, f"it was not published: {publication['state']}")
        return
    try:
        if connections is None:
            raise ConnectionsError("no connections file was given (--connections)")
        connection = connection_for(publication["uri"], connections)
        reader = s3_reader(connection)
        places = file_places(publication, connection)
    except ConnectionsError as error:
        yield told.unknown(where, f"its files were not read: {error}")
        return
    for file, uri in zip(publication["files"], places, strict=True):
        yield _file(told, publication, file, uri, reader)
    if publication["format"] == "delta":
        yield _delta_entry(told, publication, reader)
    elif publication["format"] == "iceberg":
        yield check_snapshot(told, publication, connection)


def check_table(run: str, artifact: Mapping[str, Any], connections: Connections | None) -> Finding:
    """Whether a version of a table that an engine wrote is in the table's log. artifact: of a manifest."""
    told, table = Told(run, "artifacts"), artifact["table"] or {}
    uri, version = str(table.get("uri")), table.get("version")
    where = f"{artifact['name']} at {uri}"
    try:
        if connections is None:
            raise ConnectionsError("no connections file was given (--connections)")
        connection = connection_for(uri, connections)
    except ConnectionsError as error:
        return told.unknown(where, f"that it has version {version} was not looked up: {error}")
    if table.get("format") == "iceberg":
        return check_table_snapshot(told, where, table, str(artifact["name"]), connection)
    reader = s3_reader(connection)
    entry = f"{uri}/_delta_log/{int(version or 0):020d}.json"
    try:
        found = sum(1 for _ in _actions(reader(entry)))
    except MissingBytesError:
        return told.unknown(entry, f"the log has no entry of version {version} any more: it was cleaned up, or removed")
    except (UnreadableBytesError, ValueError) as error:
        return told.bad(entry, f"the entry of version {version} cannot be read: {error}")
    return told.good(entry, f"version {version} is in the table's log, with {found} actions")


def file_places(publication: Mapping[str, Any], connection: Mapping[str, Any]) -> list[str]:
    """Where each published file lies: s3:// URIs. Raises ConnectionsError."""
    uri, form = str(publication["uri"]), publication["format"]
    if form == "object":
        return [uri for _ in publication["files"]]
    if form == "iceberg":
        root = str(connection.get("storage_root") or "").rstrip("/")
        if not root:
            raise ConnectionsError("the connection has no storage_root")
        namespace, table = urlsplit(uri).path.strip("/").split("/")[-2:]
        uri = f"{root}/{namespace}/{table}/data"
    return [f"{uri}/{file['path']}" for file in publication["files"]]


def _file(told: Told, publication: Mapping[str, Any], file: Mapping[str, Any], uri: str, reader: Reader) -> Finding:
    if publication["mode"] != "overwrite":
        return check_bytes(told, uri, file, lambda: reader(uri))
    try:
        found = judged(told, uri, file, hashed(reader(uri)))
    except MissingBytesError:
        return told.unknown(uri, "it is gone: a later run that overwrites the output may have removed it by right")
    except UnreadableBytesError as error:
        return told.bad(uri, f"its bytes cannot be read: {error}")
    if found.ok is False and publication["format"] == "object":
        return told.unknown(uri, f"{found.text}; a later run that overwrites the object may have done so by right")
    return found


def _delta_entry(told: Told, publication: Mapping[str, Any], reader: Reader) -> Finding:
    version = int(publication["table_version"])
    uri = f"{publication['uri']}/_delta_log/{version:020d}.json"
    try:
        actions = list(_actions(reader(uri)))
    except MissingBytesError:
        return told.unknown(uri, f"the log has no entry of version {version} any more: it was cleaned up, or removed")
    except (UnreadableBytesError, ValueError) as error:
        return told.bad(uri, f"the entry of version {version} cannot be read: {error}")
    return _entry_names(told, uri, publication, actions)


def _actions(pieces: Iterator[bytes]) -> Iterator[Json]:
    text = bytearray()
    for piece in pieces:
        text += piece
        if len(text) > MOST_LOG_BYTES:
            raise ValueError(f"it is longer than {MOST_LOG_BYTES} bytes")
    yield from (json.loads(line) for line in bytes(text).splitlines() if line.strip())


def _entry_names(told: Told, uri: str, publication: Mapping[str, Any], actions: list[Json]) -> Finding:
    """Whether an entry holds the run's marker and adds exactly its files, with their sizes."""
    version, app_id = publication["table_version"], publication["app_id"]
    if not any(action.get("txn", {}).get("appId") == app_id for action in actions):
        return told.bad(uri, f"version {version} is another commit: it does not hold the marker {app_id}")
    added = {action["add"]["path"]: action["add"].get("size") for action in actions if "add" in action}
    wanted = {file["path"]: file["size"] for file in publication["files"]}
    for path in sorted(added.keys() | wanted.keys()):
        if added.get(path) != wanted.get(path):
            sizes = f"{added.get(path)} bytes, the manifest says {wanted.get(path)}"
            return told.bad(uri, f"version {version} adds {path} with {sizes}: the entry was changed")
    return told.good(uri, f"version {version} holds the marker {app_id} and adds the {len(wanted)} files")


def s3_reader(connection: Mapping[str, Any]) -> Reader:
    """Opens an s3:// URI by a connection of kind s3 or iceberg."""
    import boto3  # slow to load: only where the lakehouse is read
    from botocore.config import Config

    client = boto3.session.Session().client(
        "s3",
        endpoint_url=connection.get("endpoint") or None,
        region_name=connection.get("region") or "us-east-1",
        aws_access_key_id=connection.get("access_key") or None,
        aws_secret_access_key=connection.get("secret_key") or None,
        aws_session_token=connection.get("session_token") or None,
        config=Config(
            s3={"addressing_style": "path"}, retries={"mode": "standard"}, connect_timeout=5, read_timeout=60
        ),
    )
    return lambda uri: _read(client, uri)


def _read(client: Any, uri: str) -> Iterator[bytes]:
    from botocore.exceptions import BotoCoreError, ClientError

    parts = urlsplit(uri)
    try:
        with closing(client.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"]) as body:
            yield from body.iter_chunks(BLOCK)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code in ("404", "NoSuchKey", "NotFound"):
            raise MissingBytesError(uri) from None
        raise UnreadableBytesError(f"the store refused: {code}") from None
    except (BotoCoreError, OSError) as error:
        raise UnreadableBytesError(type(error).__name__) from None
