"""The embedded object store as it is beside an engine, without the engine: the connection `iceberg` works as written.

The store alone, with the stack's own identities, roles, flags and connections file.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from contract import models
from control_room.local import objectstore
from control_room.local.folder import StackFolder
from control_room.local.objectstore import PORT_FLAGS, ObjectStore
from control_room.local.processes import Identity
from control_room.local.service import NotReady
from control_room.local.state import StackState
from executors.runtime import child_data
from executors.runtime.commit import publish
from executors.runtime.connections import connection_for, formats
from executors.runtime.delta_storage import s3_client
from executors.runtime.run_keys import run_connections
from tests.executors.lake import column_x
from tests.support.seaweed import free_ports

RUN = "0197a3c4-7000-7000-8000-000000000001"
URI = "iceberg://lakehouse/gold/numbers"


@dataclass
class Store:
    folder: StackFolder
    state: StackState

    @property
    def connections(self) -> dict[str, dict[str, Any]]:
        return objectstore.connections(self.folder, self.state)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    names = [*PORT_FLAGS, "s3_iceberg"]
    state = StackState(ports=dict(zip(names, free_ports(len(names)), strict=True)), engines={"trino": "1G"})
    folder = StackFolder.at(tmp_path / "stack")
    folder.ensure()
    objectstore.write_configuration(folder, state)
    service = ObjectStore(folder, state)
    service.prepare()
    launch = service.launch()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(launch.argv, env=dict(launch.env), cwd=launch.cwd, stdout=log, stderr=log)
    try:
        wait_until_ready(service, process)
        yield Store(folder, state)
    finally:
        process.kill()
        process.wait()
        objectstore.sockets.remove_own(state.ports.values())


def wait_until_ready(service: ObjectStore, process: subprocess.Popen[bytes]) -> None:
    identity = Identity.of(process.pid)
    assert identity is not None
    end = time.monotonic() + 120
    while True:
        try:
            return asyncio.run(service.probe(identity))
        except NotReady:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.2)


def job(store: Store, work_dir: Path, outputs: list[dict[str, Any]], inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """A job with the keys that the executor gives to the run."""
    blank = {"artifact_id": None, "sha256": None, "size": None, "from_run_id": None}
    run = SimpleNamespace(
        run_id=RUN,
        epoch=1,
        workspace="default",
        inputs=[models.RunInput(**blank | item) for item in inputs],
        outputs=[models.RunOutput(**item) for item in outputs],
    )
    keys = run_connections(cast(models.ClaimedRun, run), store.connections)
    return {"run_id": RUN, "epoch": 1, "inputs": inputs, "outputs": outputs, "connections": keys, "work_dir": work_dir}


def refused(client: Any, bucket: str, key: str) -> str:
    try:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_a_run_publishes_and_reads_an_iceberg_table_with_keys_that_open_nothing_else(
    store: Store, tmp_path: Path
) -> None:
    assert "iceberg" in formats(store.connections.values())
    output = {"name": "numbers", "format": "iceberg", "mode": "append", "uri": URI}
    writing = job(store, tmp_path, [output], [])
    marker = {"app_id": f"{RUN}/numbers", "app_version": 1}
    publication = child_data.stage(writing, "numbers", column_x(1, 2)) | marker
    done = publish(publication, connection_for(URI, store.connections))
    assert publish(publication, connection_for(URI, store.connections)) == done | {"already": True}
    version, location = done["table_version"], done["location"]
    taken = {"name": "numbers", "kind": "table", "format": "iceberg", "uri": location, "version": version}
    assert child_data.read_table(job(store, tmp_path, [], [taken]), "numbers").column("x").to_pylist() == [1, 2]
    for each in writing["connections"].values():
        assert {"catalog", "role_arn"}.isdisjoint(each)
    client = s3_client(writing["connections"]["iceberg"])
    places = [("warehouse", "gold/numbers/metadata/x"), ("lakehouse", "x"), ("lakehouse", "_ws/_iceberg/gold/x/data/x")]
    assert {refused(client, *place) for place in places} == {"AccessDenied"}
    role = {"RoleArn": objectstore.ICEBERG_RUN_ROLE, "RoleSessionName": "again"}
    with pytest.raises(ClientError):
        sts_of(writing["connections"]["iceberg"]).assume_role(**role)


def test_the_identity_of_the_lakehouse_cannot_take_the_role_of_iceberg(store: Store) -> None:
    role = {"RoleArn": objectstore.ICEBERG_RUN_ROLE, "RoleSessionName": "other"}
    with pytest.raises(ClientError):
        sts_of(store.connections["lakehouse"]).assume_role(**role)
    assert sts_of(store.connections["iceberg"]).assume_role(**role)["Credentials"]


def sts_of(connection: dict[str, Any]) -> Any:
    import boto3

    return boto3.client(
        "sts",
        endpoint_url=connection["endpoint"],
        region_name=connection["region"],
        aws_access_key_id=connection["access_key"],
        aws_secret_access_key=connection["secret_key"],
        aws_session_token=connection.get("session_token"),
    )


def test_a_stack_without_an_engine_has_no_such_connection(tmp_path: Path) -> None:
    folder = StackFolder.at(tmp_path / "stack")
    folder.ensure()
    state = StackState(ports={"s3": 1})
    objectstore.write_configuration(folder, state)
    found = objectstore.connections(folder, state)
    assert list(found) == ["lakehouse"]
    assert formats(found.values()) == ["delta", "object"]
