"""Connections by name, read anew for each run, so that rotated keys take effect without a restart."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from executors.runtime.failures import TaskError

Connection = dict[str, Any]


class Connections:
    """The connections file: name -> {kind, endpoint, region, access_key, secret_key, root}, and of kind ``iceberg``
    also {catalog, storage_root, warehouse_root}."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def named(self, names: Iterable[str]) -> dict[str, Connection]:
        """The declared connections of a run. TaskError (external, connection_undefined) when one is not here."""
        wanted = list(names)
        known = self._read() if wanted else {}
        if missing := [name for name in wanted if name not in known]:
            have = ", ".join(sorted(known)) or "none"
            text = (
                f"connection {missing[0]!r} is not in this executor's connections file (it has: {have}); add it there"
            )
            raise TaskError("external", "connection_undefined", text)
        return {name: known[name] for name in wanted}

    def publishes(self) -> list[str]:
        """The formats that this executor's runs can publish; see :func:`formats`."""
        try:
            return formats(self._read().values())
        except TaskError:  # no file, or an unreadable one: the runs that need it are told
            return formats(())

    def _read(self) -> dict[str, Connection]:
        if self._path is None:
            raise TaskError(
                "external", "connection_undefined", "the executor has no connections: set OPS_CONNECTIONS_FILE"
            )
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            text = f"the connections file {self._path} cannot be read as JSON ({type(error).__name__}); mend it"
            raise TaskError("external", "connections_unreadable", text) from None
        return {name: value for name, value in found.items() if isinstance(value, dict)}


def connection_for(uri: str, connections: Mapping[str, Connection]) -> Connection:
    """The connection of which a root is the longest prefix of ``uri``; TaskError when there is none."""
    fitting = [(len(root), n, c) for n, c in enumerate(connections.values()) for root in roots(c) if holds(root, uri)]
    if not fitting:
        names = ", ".join(sorted(connections)) or "none"
        raise TaskError("user", "connection_missing", f"no declared connection holds {uri} (declared: {names})")
    return max(fitting, key=lambda found: found[:2])[2]


def roots(connection: Mapping[str, Any]) -> list[str]:
    """What a connection leads to: the addresses of tables, and for Iceberg the folders of their files too."""
    return [str(connection[name]) for name in ("root", "storage_root", "warehouse_root") if connection.get(name)]


def holds(root: str, uri: str) -> bool:
    return uri == root or uri.startswith(root.rstrip("/") + "/")


def formats(connections: Iterable[Mapping[str, Any]]) -> list[str]:
    """What runs with these connections can publish. Iceberg wants a connection of that kind, and pyiceberg."""
    reached = any(connection.get("kind") == "iceberg" for connection in connections)
    has_library = importlib.util.find_spec("pyiceberg") is not None
    return ["delta", "object", *(["iceberg"] if reached and has_library else [])]
