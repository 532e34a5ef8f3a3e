"""`verify` of Iceberg: the snapshot in a real catalog, its marker and its files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pyiceberg.catalog.rest import RestCatalog

from control_room.provenance.iceberg import MARKER
from control_room.reactor.commit_process import CommitProcess
from control_room.reactor.connections import read_connections
from executors.runtime.commit_iceberg import MARKER as WRITTEN
from executors.runtime.iceberg_storage import file_io_properties
from tests.contract.operator.conftest import EXECUTOR, Server, Worker, serving
from tests.contract.operator.proving import Proved, make_manifests
from tests.contract.operator.test_reactor import stage
from tests.support.ops import Ops, registration
from tests.support.postgres import Database
from tests.support.seaweed import IcebergSeaweed, iceberg_store

__all__ = ["iceberg_store"]
Json = dict[str, Any]


class Lake:
    """A run that committed a snapshot, and recorded it as one that an engine wrote, too."""

    def __init__(self, proved: Proved, connections: Json, uri: str, snapshot: int) -> None:
        self.proved, self.connections, self.uri, self.snapshot = proved, connections, uri, snapshot
        connection = connections["iceberg"]
        self.catalog = RestCatalog("tests", **connection["catalog"] | file_io_properties(connection))
        self.name = (*uri.split("/")[-2:],)

    async def told(self, step: str) -> list[tuple[bool | None, str]]:
        """(verdict, text) of what was found at the table."""
        found = await self.proved.verified(connections=self.connections)
        return [(each.ok, each.text) for each in found if each.step == step and self.uri in each.where]


@pytest.fixture
async def lake(pg18: Database, tokens: Ops, iceberg_store: IcebergSeaweed, tmp_path: Path) -> AsyncIterator[Lake]:
    known = {"lakehouse": {**iceberg_store.connection(), "kind": "s3", "root": "s3://lakehouse"}}
    known["iceberg"] = iceberg_store.connection()
    file = tmp_path / "known.json"
    file.write_text(json.dumps(known))
    async with serving(pg18, iceberg_store, tmp_path, connections_file=file) as server:
        yield await committed(server, iceberg_store, file)


async def committed(server: Server, store: IcebergSeaweed, file: Path) -> Lake:
    table = f"t_{uuid4().hex}"
    output = {"name": "numbers", "format": "iceberg", "mode": "append", "path": f"gold/{table}"}
    await server.template(outputs=[output], connections=["iceberg"])
    await server.submit()
    client = server.client(EXECUTOR)
    answer = await client.post("/executor/v1/executors", json=registration(capabilities={"publish": ["iceberg"]}))
    worker = Worker(client, answer.json()["executor_id"])
    run = await worker.claim()
    uri = run["outputs"][0]["uri"]
    told = stage(store, f"s3://lakehouse/_ws/_iceberg/gold/{table}/data", run, 7) | {"format": "iceberg", "uri": uri}
    job = told | {"run_id": run["run_id"], "epoch": 1, "app_id": f"{run['run_id']}/numbers", "app_version": 1}
    answer = await CommitProcess().commit(job, read_connections(file)["iceberg"])
    snapshot = answer["table_version"]
    engine = {"format": "iceberg", "uri": uri, "version": snapshot}
    begun = await worker.call(
        "artifacts", name=f"iceberg.gold.{table}@{snapshot}", kind="table", metadata={}, table=engine
    )
    await worker.call(f"artifacts/{begun['artifact_id']}/record")
    await worker.succeed(publications=[told])
    body = {"state": "committed", "table_version": snapshot, "rows": 7, "location": answer["location"]}
    await worker.call("publications/numbers/commit", **body)
    await make_manifests(server, None)
    return Lake(Proved(server, file.parent, run, {}, [], []), read_connections(file), uri, snapshot)


def test_the_marker_that_is_looked_for_is_the_one_that_is_written() -> None:
    assert MARKER == WRITTEN


async def test_a_snapshot_with_its_marker_and_files_holds(lake: Lake) -> None:
    marker = f"{lake.proved.first['run_id']}/numbers"
    assert await lake.told("publications") == [
        (True, f"snapshot {lake.snapshot} holds the marker {marker} and adds the 1 files")
    ]
    assert await lake.told("artifacts") == [(True, f"snapshot {lake.snapshot} is in the catalog")]


async def test_a_manifest_with_another_marker_or_other_files_than_the_snapshot_is_named(lake: Lake) -> None:
    admin = lake.proved
    path = lake.proved.server.ops.value("select files #>> '{0,path}' from ops.publications")
    admin.tamper("update ops.publications set app_id = 'somebody/else'")
    admin.tamper("delete from ops.manifests")
    admin.tamper("update ops.runs set manifest_root = null")
    await make_manifests(lake.proved.server, None)
    ((ok, text),) = await lake.told("publications")
    assert (ok, text.startswith(f"snapshot {lake.snapshot} is another commit")) == (False, True)
    admin.tamper("update ops.publications set app_id = run_id || '/numbers', files = jsonb_set(files, '{0,size}', '5')")
    admin.tamper("delete from ops.manifests")
    admin.tamper("update ops.runs set manifest_root = null")
    await make_manifests(lake.proved.server, None)
    ((ok, text),) = await lake.told("publications")
    assert (ok, f"adds {path} with" in text, "the manifest says 5" in text) == (False, True, True)


async def test_a_table_that_was_dropped_is_unknown_and_so_is_a_catalog_that_is_away(lake: Lake) -> None:
    lake.connections["iceberg"]["catalog"]["uri"] = "http://127.0.0.1:9"
    ((ok, text),) = await lake.told("publications")
    assert (ok, text.startswith("the catalog did not answer: ")) == (None, True)
    lake.connections["iceberg"]["catalog"]["uri"] = str(lake.catalog.uri)
    lake.catalog.drop_table(lake.name)
    for step in ("publications", "artifacts"):
        ((ok, text),) = await lake.told(step)
        assert (ok, text) == (None, f"the table has no snapshot {lake.snapshot} any more: it expired, or was removed")
