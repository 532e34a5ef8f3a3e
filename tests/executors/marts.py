"""The plant's project on an engine that the tables belong to: what the tests of dbt on Trino and on Spark share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.executors.child_harness import ChildRun
from tests.executors.test_dbt_commands import Plant
from tests.support.trino import fresh


class Mart(Plant):
    """The plant in a schema of its own. engine: the adapter; connection: the executor's own for it."""

    def __init__(self, folder: Path, engine: str, connection: dict[str, Any], catalog: str | None = None) -> None:
        super().__init__(folder)
        self.engine, self.connection, self.catalog = engine, connection, catalog
        self.schema_name = fresh("mart")

    def job(self, config: dict[str, Any], **more: Any) -> dict[str, Any]:
        found = {"adapter": self.engine, "schema": self.schema_name, "docs": False, **config}
        found |= {"catalog": self.catalog} if self.catalog else {}
        fields: dict[str, Any] = {"connections": {self.engine: dict(self.connection)}, "number": 7}
        fields |= {"workspace": "default", "template_name": "mart"}
        return super().job(found, **{**fields, **more})


def nodes_beside_a_failed_test(run: ChildRun) -> dict[str, dict[str, Any]]:
    """The nodes by name of a run that failed with ``not_null_hourly_meter``, whose three rows are seen to be kept."""
    nodes = {node["name"]: node for node in run.of("result")[-1]["value"]["nodes"]}
    kept = nodes["not_null_hourly_meter"]["failing_rows"]
    assert (kept["columns"], kept["rows"][0]) == (["meter"], [None])
    assert json.loads(run.artifacts[kept["artifact"]])["row_count"] == 3
    assert (run.code, run.error["class"]) == (1, "user")
    return nodes


def assert_nowhere(secret: str, run: ChildRun, folder: Path) -> None:
    """In nothing that the run said, and in no file that it wrote."""
    assert secret not in run.output + json.dumps(run.messages)
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert {"profiles.yml", "dbt.log"} <= {path.name for path in written}
    assert [path for path in written if secret.encode() in path.read_bytes()] == []
