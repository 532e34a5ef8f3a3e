"""Which version of a table a statement wrote, asked of the table: Delta's history, Iceberg's snapshots.

A version is known by a mark that the statement's session gave it, so that another writer's is never taken for the
run's own. The same settings make Delta do a statement once: repeated under the same mark, it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Ask = Callable[[str], list[dict[str, Any]]]
PROPERTY = "control-room.statement"
HISTORY_ROWS = 50
DELTA = "delta"


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
    detail = ask(f"DESCRIBE DETAIL {name}")
    if detail and detail[0].get("format") == DELTA:
        return delta(name, str(detail[0].get("location") or ""), mark, ask)
    query = f"SELECT snapshot_id, summary FROM {name}.snapshots WHERE summary['{PROPERTY}'] = '{mark}'"  # noqa: S608
    found = ask(f"{query} ORDER BY committed_at DESC LIMIT 1")
    if not found:
        return Written(name)
    summary = dict(found[0]["summary"] or {})
    rows = int(summary.get("added-records") or 0)
    return Written(name, "iceberg", location(name, ask), int(found[0]["snapshot_id"]), rows)


def delta(name: str, uri: str, mark: str, ask: Ask) -> Written:
    for row in ask(f"DESCRIBE HISTORY {name} LIMIT {HISTORY_ROWS}"):
        if row.get("userMetadata") == mark:
            figures = dict(row.get("operationMetrics") or {})
            rows = int(figures.get("numOutputRows") or figures.get("numTargetRowsInserted") or 0)
            return Written(name, DELTA, uri, int(row["version"]), rows)
    return Written(name, DELTA, uri)


def location(name: str, ask: Ask) -> str | None:
    for row in ask(f"DESCRIBE TABLE EXTENDED {name}"):
        if row.get("col_name") == "Location":
            return str(row.get("data_type"))
    return None
