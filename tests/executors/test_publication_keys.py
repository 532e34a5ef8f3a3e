"""A run's keys, narrowed by a real store: they stage and read what the run declares, and open nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from contract import models
from executors.runtime import child_data
from executors.runtime.commit import publish
from executors.runtime.delta_storage import s3_client
from executors.runtime.run_keys import run_connections, wide_iceberg_policy
from tests.executors.lake import IcebergLake, ObjectLake, column_x
from tests.support import scratch
from tests.support.postgres import Database, pg18  # noqa: F401
from tests.support.seaweed import IcebergSeaweed, _remove_sockets

ROLE = "arn:aws:iam::role/run"


class StoreWithRoles(IcebergSeaweed):
    """The role may do everything in both buckets; what a run may do is its policy's."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.more_flags.append(f"-s3.iam.config={home / 'roles.json'}")

    def _write_identities(self) -> None:
        super()._write_identities()
        statement = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}
        user = "arn:aws:iam::000000000000:user/tests"
        trust = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": ["sts:AssumeRole"]}
        role = {"roleName": "run", "roleArn": ROLE, "attachedPolicies": ["all"], "trustPolicy": policy(trust)}
        key = base64.b64encode(b"k" * 32).decode()
        sts = {"tokenDuration": "1h", "maxSessionLength": "12h", "issuer": "tests", "signingKey": key}
        roles = {"sts": sts, "policy": {"defaultEffect": "Deny", "storeType": "memory"}, "providers": []}
        roles |= {"policies": [{"name": "all", "document": policy(statement)}], "roles": [role]}
        (self.home / "roles.json").write_text(json.dumps(roles))


def policy(statement: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.fixture(scope="module")
def store() -> Iterator[StoreWithRoles]:
    home = scratch.make("control-room-roles-", forget=_remove_sockets)
    made = StoreWithRoles(home)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        scratch.remove(home)


def narrowed(job: dict[str, Any], connection: dict[str, Any]) -> dict[str, Any]:
    """The job with the keys that a run of its inputs and outputs would get."""
    blank = {"version": None, "artifact_id": None, "sha256": None, "size": None, "from_run_id": None}
    run = SimpleNamespace(
        run_id=job["run_id"],
        epoch=job["epoch"],
        workspace="default",
        inputs=[models.RunInput(**blank | item) for item in job["inputs"]],
        outputs=[models.RunOutput(**item) for item in job["outputs"]],
    )
    known = {"lakehouse": connection | {"role_arn": ROLE}}
    return job | {"connections": run_connections(cast(models.ClaimedRun, run), known)}


def refused(client: Any, bucket: str, key: str) -> str:
    """What a PUT there is answered; "" when it is done."""
    try:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_keys_of_an_iceberg_run_stage_and_read_its_tables_and_write_nowhere_else(
    store: StoreWithRoles, tmp_path: Path
) -> None:
    lake = IcebergLake(store, tmp_path)
    first = publish(lake.staged(column_x(1, 2)), lake.connection)
    job = narrowed(lake.job({"table": "append"}, {"table": first["table_version"]}), lake.connection)
    (connection,) = job["connections"].values()
    assert "catalog" not in connection
    assert "role_arn" not in connection
    assert child_data.read_table(job, "table").column("x").to_pylist() == [1, 2]
    publication = child_data.stage(job, "table", column_x(3))
    publish(publication | {"app_id": f"{job['run_id']}/table", "app_version": 1}, lake.connection)
    assert lake.rows() == [1, 2, 3]
    client, data = s3_client(connection), f"_ws/_iceberg/{lake.namespace}"
    metadata = lake.table().metadata_location.removeprefix("s3://warehouse/")
    places = [
        ("lakehouse", f"{data}/table/data/other.parquet"),
        ("lakehouse", f"{data}/more/data/{publication['files'][0]['path']}"),
        ("lakehouse", "elsewhere"),
        ("warehouse", metadata),
        ("artifacts", "x"),
    ]
    assert {refused(client, *place) for place in places} == {"AccessDenied"}


def test_keys_of_an_object_run_stage_one_file_and_write_neither_the_object_nor_its_book(
    store: StoreWithRoles, tmp_path: Path
) -> None:
    lake = ObjectLake(store, tmp_path)
    published = lake.staged(b"1", "overwrite", "in")
    publish(published, lake.connection)
    record = {"name": "in", "kind": "object", "format": "object", "uri": lake.uri("in"), "version": 1}
    record |= {"sha256": published["files"][0]["sha256"], "size": 1}
    job = narrowed(lake.job({"table": "overwrite"}) | {"inputs": [record]}, lake.connection)
    assert child_data.object_path(job, "in").read_bytes() == b"1"
    publication = child_data.stage(job, "table", b"2")
    publish(publication | {"app_id": f"{job['run_id']}/table", "app_version": 1}, lake.connection)
    assert lake.bytes_of() == b"2"
    client = s3_client(job["connections"]["lakehouse"])
    places = ["table", "table.staged/commits.json", "table.staged/part-other-1-00000", "in", "in.staged/commits.json"]
    assert {refused(client, "lakehouse", f"{lake.folder}/{place}") for place in places} == {"AccessDenied"}
    with pytest.raises(ClientError, match="AccessDenied"):
        client.get_object(Bucket="lakehouse", Key=f"{lake.folder}/table")


def test_a_connection_without_a_role_gives_its_catalog_to_no_run_either() -> None:
    run = cast(models.ClaimedRun, SimpleNamespace(inputs=[], outputs=[], run_id="r", epoch=1, workspace="default"))
    given = {"kind": "iceberg", "root": "iceberg://x", "access_key": "a", "catalog": {"credential": "a:b"}}
    trino = {"kind": "trino", "catalog": "iceberg"}
    found = run_connections(run, {"iceberg": given, "trino": trino})
    assert found == {"iceberg": {"kind": "iceberg", "root": "iceberg://x", "access_key": "a"}, "trino": trino}


def test_the_database_names_the_namespaces_of_a_workspace_as_its_keys_do(pg18: Database) -> None:  # noqa: F811
    with pg18.connect() as connection:
        row = connection.execute("select ops.workspace_namespace('a-b_c', 'gold')").fetchone()
    wide = wide_iceberg_policy({"storage_root": "s3://lake"}, "a-b_c", "*")
    assert row is not None
    assert f"arn:aws:s3:::lake/{row[0].removesuffix('gold')}*" in wide
