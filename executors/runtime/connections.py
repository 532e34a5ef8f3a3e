"""Connections by name, read anew for each run, so that rotated keys take effect without a restart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from executors.runtime.failures import TaskError

Connection = dict[str, Any]


class Connections:
    """The connections file: name -> {kind, endpoint, region, access_key, secret_key, root}."""

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
    """The connection whose root is the longest prefix of ``uri``; TaskError when none is."""

    def fits(root: str) -> bool:
        return bool(root) and (uri == root or uri.startswith(root.rstrip("/") + "/"))

    fitting = [c for c in connections.values() if fits(str(c.get("root") or ""))]
    if not fitting:
        names = ", ".join(sorted(connections)) or "none"
        raise TaskError("user", "connection_missing", f"no declared connection holds {uri} (declared: {names})")
    return max(fitting, key=lambda c: len(str(c["root"])))
