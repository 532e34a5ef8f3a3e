"""Which version of a table a statement wrote, asked of the table: Iceberg's ``$snapshots``, Delta's ``$history``.

A snapshot is known by the id of the query that made it, so that another writer's is never taken for the run's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from executors.runtime.sql_script import Table
from executors.trino.binding import text

LOCATION = re.compile(r"^\s*location = '((?:[^']|'')*)'", re.MULTILINE)
FORMATS = {"iceberg": "iceberg", "delta_lake": "delta"}
CONNECTOR = "SELECT connector_name FROM system.metadata.catalogs WHERE catalog_name = {catalog}"
SNAPSHOT = (
    "SELECT snapshot_id FROM {table} WHERE summary['trino_query_id'] = {query} ORDER BY committed_at DESC LIMIT 1"
)
HISTORY = "SELECT version FROM {table} WHERE operation_parameters['queryId'] = {query} ORDER BY version DESC LIMIT 1"
Ask = Callable[[str], list[Any]]
Json = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """A table and the version of it that a query made. ``version`` is None where the connector has none."""

    catalog: str
    schema: str
    table: str
    format: str | None = None
    uri: str | None = None
    version: int | None = None

    @property
    def name(self) -> str:
        return f"{self.catalog}.{self.schema}.{self.table}"

    def record(self) -> Json:
        """Part of a statement's record in the run's result."""
        return {"name": self.name, "format": self.format, "uri": self.uri, "version": self.version}


def full_name(target: Table, catalog: str | None, schema: str | None) -> tuple[str, str, str] | None:
    """(catalog, schema, table) of a name as written; None when the session does not complete it."""
    parts = [catalog, schema][: 3 - len(target)] + list(target)
    return (str(parts[0]), str(parts[1]), str(parts[2])) if len(parts) == 3 and all(parts) else None


def written(name: tuple[str, str, str], query_id: str, ask: Ask) -> Written:
    """What the query made of the table. ``ask`` gives the rows of a query, none when it fails."""
    catalog, schema, table = name
    found = ask(CONNECTOR.format(catalog=text(catalog)))
    form = FORMATS.get(str(found[0][0])) if found else None
    if form is None:
        return Written(catalog, schema, table)
    version = (iceberg_snapshot if form == "iceberg" else delta_version)(name, query_id, ask)
    return Written(catalog, schema, table, form, location(name, ask), version)


def iceberg_snapshot(name: tuple[str, str, str], query_id: str, ask: Ask) -> int | None:
    """The snapshot that the query made."""
    rows = ask(SNAPSHOT.format(table=quoted(name, "$snapshots"), query=text(query_id)))
    return int(rows[0][0]) if rows else None


def delta_version(name: tuple[str, str, str], query_id: str, ask: Ask) -> int | None:
    rows = ask(HISTORY.format(table=quoted(name, "$history"), query=text(query_id)))
    return int(rows[0][0]) if rows else None


def location(name: tuple[str, str, str], ask: Ask) -> str | None:
    rows = ask(f"SHOW CREATE TABLE {quoted(name)}")
    found = LOCATION.search(str(rows[0][0])) if rows else None
    return found[1].replace("''", "'") if found else None


def quoted(name: tuple[str, str, str], suffix: str = "") -> str:
    catalog, schema, table = name
    return ".".join('"' + part.replace('"', '""') + '"' for part in (catalog, schema, table + suffix))
