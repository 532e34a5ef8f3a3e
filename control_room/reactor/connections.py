"""The connections file: how to reach the lakehouse. Read anew for each use, so that rotated keys take effect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ConnectionsError(Exception):
    """The connections file is missing, unreadable, or knows no connection for a table; the text says which."""


def read_connections(path: Path | None) -> dict[str, dict[str, Any]]:
    """name -> connection. Raises ConnectionsError; its text never holds a secret."""
    if path is None:
        raise ConnectionsError("no connections file: set OPS_CONNECTIONS_FILE")
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConnectionsError(f"{path} cannot be read as JSON: {type(error).__name__}") from None
    if not isinstance(found, dict) or not all(isinstance(value, dict) for value in found.values()):
        raise ConnectionsError(f"{path} must hold an object of connections by name")
    return found


def connection_for(uri: str, connections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The connection of which a root is the longest prefix of `uri`. Raises ConnectionsError."""
    fitting = [
        (len(root), name) for root, name in _roots(connections) if uri == root or uri.startswith(root.rstrip("/") + "/")
    ]
    if not fitting:
        raise ConnectionsError(f"no connection has a root that holds {uri}; known: {', '.join(sorted(connections))}")
    return dict(connections[max(fitting)[1]])


def _roots(connections: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Of a connection of kind iceberg also where its files lie."""
    names = ("root", "storage_root", "warehouse_root")
    return [(str(value[root]), name) for name, value in connections.items() for root in names if value.get(root)]
