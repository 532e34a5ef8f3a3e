"""Which version of a table a statement wrote, asked of the table: Delta's history, Iceberg's snapshots.

A version is known by a mark that the statement's session gave it, so that another writer's is never taken for the
run's own. The same settings make Delta do a statement once: repeated under the same mark, it changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Ask = Callable[[str], list[dict[str, Any]]]
PROPERTY = "control-room.statement"
HISTORY_ROWS = 50
DELTA, ICEBERG = "delta", "iceberg"
DETAILS = "# Detailed Table Information"


@dataclass(frozen=True)
class Written:
    """A table and the version of it that a statement made. ``version`` is None where none was found."""

    name: str
    format: str | None = None
    uri: str | None = None
    version: int | None = None
    rows: int = 0

    @property
    def label(self) -> str:
        """The name as of an artifact: of a table named by its path that path, below the name of its store's kind."""
        return self.name.replace("`", "").replace("://", "/").replace("//", "/")

    def record(self) -> dict[str, Any]:
        """Part of a statement's record in the run's result."""
        return {"name": self.name, "format": self.format, "uri": self.uri, "version": self.version}


def marks(mark: str) -> Mapping[str, str]:
    """Settings of the session for one statement that writes one table."""
    return {
        "spark.databricks.delta.commitInfo.userMetadata": mark,
        "spark.databricks.delta.write.txnAppId": mark,
        "spark.databricks.delta.write.txnVersion": "1",
        f"spark.sql.iceberg.snapshot-property.{PROPERTY}": mark,
    }


def written(name: str, mark: str, ask: Ask) -> Written:
    """What the statement with this mark made of the table. ``ask`` gives the rows of a query, none when it fails.
    name: as in the statement, quoted as there."""
    # Not DESCRIBE DETAIL, which counts the table's files: a second and more of a Delta table.
    told = details(ask(f"DESCRIBE TABLE EXTENDED {name}"))
    format_, uri = told.get("Provider"), told.get("Location")
    if format_ == DELTA:
        return delta(name, str(uri or ""), mark, ask)
    if format_ != ICEBERG:
        return Written(name)
    query = f"SELECT snapshot_id, summary FROM {name}.snapshots WHERE summary['{PROPERTY}'] = '{mark}'"  # noqa: S608
    found = ask(f"{query} ORDER BY committed_at DESC LIMIT 1")
    if not found:
        return Written(name)
    rows = int(dict(found[0]["summary"] or {}).get("added-records") or 0)
    return Written(name, ICEBERG, uri, int(found[0]["snapshot_id"]), rows)


def details(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What is told of a table after its columns, which may have any name."""
    own = itertools.dropwhile(lambda row: row.get("col_name") != DETAILS, rows)
    return {str(row.get("col_name")): str(row.get("data_type")) for row in own}


def delta(name: str, uri: str, mark: str, ask: Ask) -> Written:
    for row in ask(f"DESCRIBE HISTORY {name} LIMIT {HISTORY_ROWS}"):
        if row.get("userMetadata") == mark:
            figures = dict(row.get("operationMetrics") or {})
            rows = int(figures.get("numOutputRows") or figures.get("numTargetRowsInserted") or 0)
            return Written(name, DELTA, uri, int(row["version"]), rows)
    return Written(name, DELTA, uri)
