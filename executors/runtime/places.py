"""Where the parts of a publication lie: derived from its address and its connection, never taken from a report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from executors.runtime.failures import TaskError

STAGED = ".staged"
# What a catalog adds to a table's folder so that it is new each time.
UNIQUE_END = re.compile(r"-[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$")
NAME = re.compile(r"^[a-z][a-z0-9_]*$")


def part_name(job: Mapping[str, Any], number: int, suffix: str = "") -> str:
    """Of a staged file: no other attempt stages under it, and the run's keys write no other."""
    return f"part-{job['run_id']}-{job['epoch']}-{number:05d}{suffix}"


def staging_place(uri: str, form: str, connection: Mapping[str, Any]) -> str:
    """The s3:// folder for the staged files of an output: Delta's in the table's, an object's beside it, Iceberg's
    ``<storage_root>/<namespace>/<table>/data``, which may be outside of the catalog's own warehouse."""
    if form == "iceberg":
        return data_folder(*identifier(uri), connection)
    return f"{uri}{STAGED}" if form == "object" else uri


def data_folder(namespace: str, table: str, connection: Mapping[str, Any]) -> str:
    root = str(connection.get("storage_root") or "").rstrip("/")
    if not root.startswith("s3://"):
        text = "a connection of kind iceberg has no storage_root (s3://…); add it to the connections file"
        raise TaskError("external", "connection_incomplete", text)
    return f"{root}/{namespace}/{table}/data"


def identifier(uri: str) -> tuple[str, str]:
    """(namespace, table) of ``iceberg://catalog/namespace/table``; TaskError (internal) for another address."""
    parts = urlsplit(uri).path.strip("/").split("/")
    if urlsplit(uri).scheme != "iceberg" or len(parts) < 2 or not all(NAME.match(part) for part in parts[-2:]):
        raise TaskError("internal", "publication_invalid", f"{uri!r} is no address of an Iceberg table")
    return parts[-2], parts[-1]


def read_places(location: str, connection: Mapping[str, Any]) -> list[str]:
    """The s3:// folders of an Iceberg table at ``location``, which ends in namespace and table: its own, and that of
    files that were published."""
    own = location.rstrip("/")
    namespace, _, table = UNIQUE_END.sub("", own).removeprefix("s3://").partition("/")[2].rpartition("/")
    data = data_folder(namespace.rpartition("/")[2], table, connection)
    return [own] if data.startswith(f"{own}/") else [own, data]


def check_place(uri: str, form: str) -> None:
    """Refuse an object among staged ones: it would replace what other publications rely on."""
    if form == "object" and any(part.endswith(STAGED) for part in uri.split("/")):
        text = f"{uri}: folders whose name ends in {STAGED} are the control room's own; choose another path"
        raise TaskError("user", "path_reserved", text)
