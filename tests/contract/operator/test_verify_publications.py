"""`verify` of what was published: the files in the lakehouse, and the entry of the Delta log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from control_room.errors import FAILED, OK
from control_room.provenance import keys
from control_room.reactor.commit_process import CommitProcess
from control_room.reactor.connections import read_connections
from tests.contract.operator.conftest import EXECUTOR, Server, Worker, sha256_hex
from tests.contract.operator.proving import Proved, fresh, make_manifests
from tests.contract.operator.test_reactor import stage
from tests.contract.operator.test_submit_command import command
from tests.support.ops import registration
from tests.support.seaweed import Seaweed

VERIFY = ("verify",)
BUCKET = "lakehouse"


class Lake:
    """A run that published, and the lakehouse it published to."""

    def __init__(self, server: Server, seaweed: Seaweed, folder: Path, run: dict[str, Any], told: dict[str, Any]):
        self.proved = Proved(server, folder, run, {}, [], [])
        self.s3, self.told = seaweed.client(), told
        self.connections = read_connections(folder / "connections.json")

    def put(self, uri: str, data: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=uri.removeprefix("s3://lakehouse/"), Body=data)

    def get(self, uri: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=BUCKET, Key=uri.removeprefix("s3://lakehouse/"))["Body"].read()
        return body

    def delete(self, uri: str) -> None:
        self.s3.delete_object(Bucket=BUCKET, Key=uri.removeprefix("s3://lakehouse/"))

    @property
    def entry(self) -> str:
        return f"{self.told['uri']}/_delta_log/{0:020d}.json"

    @property
    def part(self) -> str:
        return f"{self.told['uri']}/{self.told['files'][0]['path']}"

    async def found(self, ok: bool | None) -> list[tuple[str, str]]:
        """(where, text) of publications with this verdict."""
        every = await self.proved.verified(connections=self.connections)
        return [(each.where, each.text) for each in every if each.step == "publications" and each.ok is ok]


async def publisher(server: Server) -> Worker:
    """An executor that publishes objects too."""
    client, body = server.client(EXECUTOR), registration(capabilities={"publish": ["delta", "object"]})
    answer = await client.post("/executor/v1/executors", json=body)
    return Worker(client, answer.json()["executor_id"])


async def published(server: Server, seaweed: Seaweed, folder: Path, output: dict[str, Any], make: Any) -> Lake:
    """A run whose only output was committed as the reactor does it. make: run -> publication, staged."""
    keys.ensure(folder / "signing.key")
    await server.template(outputs=[output], connections=["lakehouse"])
    await server.submit()
    worker = await publisher(server)
    run = await worker.claim()
    told: dict[str, Any] = make(run)
    await worker.succeed(publications=[told])
    job = told | {"run_id": run["run_id"], "epoch": 1, "app_id": f"{run['run_id']}/{told['output']}", "app_version": 1}
    connection = read_connections(folder / "connections.json")["lakehouse"]
    answer = await CommitProcess().commit(job, connection)
    body = {"state": "committed", "table_version": answer["table_version"], "rows": told["rows"]}
    await worker.call(f"publications/{told['output']}/commit", **body)
    await make_manifests(server, folder / "signing.key")
    return Lake(server, seaweed, folder, run, told)


@pytest.fixture
async def table(server: Server, object_store: Seaweed, tmp_path: Path) -> Lake:
    output = {"name": "numbers", "format": "delta", "mode": "append", "path": f"t-{uuid4().hex}"}
    return await published(
        server, object_store, tmp_path, output, lambda run: stage(object_store, run["outputs"][0]["uri"], run, 7)
    )


async def test_a_table_that_nobody_touched_holds(table: Lake, tmp_path: Path) -> None:
    file = str(tmp_path / "connections.json")
    code, out, err = await command(table.proved.server, tmp_path, "1", "--connections", file, verb=VERIFY)
    assert (code, err) == (OK, "")
    assert "all 8 checks hold" in out
    code, out, _ = await command(table.proved.server, tmp_path, "1", "--json", verb=VERIFY)
    (unread,) = [each for each in json.loads(out)["findings"] if each["ok"] is None]
    assert (code, unread["text"]) == (OK, "its files were not read: no connections file was given (--connections)")


async def test_a_published_file_that_was_changed_or_is_gone_is_named(table: Lake, tmp_path: Path) -> None:
    data = bytearray(table.get(table.part))
    data[10] ^= 1
    table.put(table.part, bytes(data))
    ((where, text),) = await table.found(False)
    assert (where, text.startswith(f"bytes 0 to {len(data) - 1} have sha256 ")) == (table.part, True)
    table.delete(table.part)
    assert await table.found(False) == [(table.part, f"its {len(data)} bytes are gone from the store")]
    code, _, _ = await command(
        table.proved.server, tmp_path, "1", "--connections", str(tmp_path / "connections.json"), verb=VERIFY
    )
    assert code == FAILED


async def test_an_entry_of_the_log_that_was_changed_is_named(table: Lake) -> None:
    text = table.get(table.entry).decode()
    size = table.told["files"][0]["size"]
    table.put(table.entry, text.replace(f'"size":{size}', f'"size":{size + 1}').encode())
    path = table.told["files"][0]["path"]
    assert await table.found(False) == [
        (
            table.entry,
            f"version 0 adds {path} with {size + 1} bytes, the manifest says {size}: the entry was changed",
        )
    ]
    table.put(table.entry, text.replace(table.proved.first["run_id"] + "/", "somebody/").encode())
    ((_, told),) = await table.found(False)
    assert told.startswith("version 0 is another commit: it does not hold the marker ")
    table.put(table.entry, b"{no json")
    ((_, told),) = await table.found(False)
    assert "the entry of version 0 cannot be read" in told
    table.delete(table.entry)
    assert await table.found(False) == []
    ((where, told),) = await table.found(None)
    assert (where, told.startswith("the log has no entry of version 0 any more")) == (table.entry, True)


async def test_an_object_that_only_its_run_may_make_holds_or_is_named(
    server: Server, object_store: Seaweed, tmp_path: Path
) -> None:
    data, name = fresh(300), f"m-{uuid4().hex}.bin"

    def staged(run: dict[str, Any]) -> dict[str, Any]:
        uri = run["outputs"][0]["uri"]
        file = {"path": f"part-{run['run_id']}-1-00000", "size": 300, "sha256": sha256_hex(data), "rows": 0}
        key = f"{uri.removeprefix('s3://lakehouse/')}.staged/{file['path']}"
        object_store.client().put_object(Bucket=BUCKET, Key=key, Body=data, Metadata={"sha256": file["sha256"]})
        told = {"output": "model", "format": "object", "mode": "create", "uri": uri, "schema": {}, "rows": 0}
        return told | {"files": [file], "partition_by": []}

    output = {"name": "model", "format": "object", "mode": "create", "path": name}
    lake = await published(server, object_store, tmp_path, output, staged)
    assert await lake.found(False) == await lake.found(None) == []
    lake.put(lake.told["uri"], data[:-1])
    assert await lake.found(False) == [(lake.told["uri"], "it ends at byte 299 of 300: bytes 299 to 299 are gone")]


async def test_a_version_of_a_table_that_an_engine_wrote_is_looked_for_in_its_log(
    server: Server, object_store: Seaweed, tmp_path: Path
) -> None:
    uri, s3 = f"s3://lakehouse/e-{uuid4().hex}", object_store.client()
    entry = f"{uri.removeprefix('s3://lakehouse/')}/_delta_log/{3:020d}.json"
    s3.put_object(Bucket=BUCKET, Key=entry, Body=b'{"commitInfo": {}}\n{"remove": {"path": "x"}}\n')
    await server.template()
    await server.submit()
    worker = await Worker.start(server)
    run = await worker.claim()
    for name, table in (
        ("made@3", {"format": "delta", "uri": uri, "version": 3}),
        ("ice", {"format": "iceberg", "uri": "iceberg://lakehouse/a/b", "version": 2**62}),
    ):
        begun = await worker.call("artifacts", name=name, kind="table", metadata={}, table=table)
        await worker.call(f"artifacts/{begun['artifact_id']}/record")
    await worker.succeed()
    await make_manifests(server, None)
    lake = Proved(server, tmp_path, run, {}, [], [])
    connections = read_connections(tmp_path / "connections.json")

    async def told() -> list[tuple[bool | None, str]]:
        found = await lake.verified(connections=connections)
        return [(each.ok, each.text) for each in found if each.step == "artifacts"]

    assert sorted(await told(), key=str) == [
        (
            None,
            f"that it has version {2**62} was not looked up: no connection has a root that holds "
            "iceberg://lakehouse/a/b; known: lakehouse",
        ),
        (True, "version 3 is in the table's log, with 2 actions"),
    ]
    s3.put_object(Bucket=BUCKET, Key=entry, Body=b"{no json")
    assert (False, True) in [
        (ok, text.startswith("the entry of version 3 cannot be read")) for ok, text in await told()
    ]
    s3.delete_object(Bucket=BUCKET, Key=entry)
    assert [text for ok, text in await told() if ok is False] == []
