"""A lakehouse of one test: its own folder in the real store, and jobs that read from it and write to it."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.table import Table

from executors.runtime import child_data
from executors.runtime.delta_storage import storage_options
from executors.runtime.iceberg_storage import file_io_properties
from tests.support.seaweed import IcebergSeaweed, Seaweed


@dataclass
class Lake:
    """``root``: the folder of this test below the bucket lakehouse."""

    store: Seaweed
    work_dir: Path
    folder: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    form: str = "delta"

    @property
    def connection(self) -> dict[str, Any]:
        return {
            "kind": "s3",
            "endpoint": self.store.endpoint,
            "region": "us-east-1",
            "access_key": self.store.access_key,
            "secret_key": self.store.secret_key,
            "root": f"s3://lakehouse/{self.folder}",
        }

    def uri(self, name: str = "table") -> str:
        return f"s3://lakehouse/{self.folder}/{name}"

    def job(
        self, outputs: dict[str, str] | None = None, inputs: dict[str, int] | None = None, **more: Any
    ) -> dict[str, Any]:
        """A job document: ``outputs`` name -> mode, ``inputs`` name -> version; each table is named after itself."""
        job: dict[str, Any] = {
            "run_id": str(uuid.uuid4()),
            "number": 1,
            "epoch": 1,
            "attempt": 1,
            "kind": "python",
            "params": {},
            "config": {},
            "inputs": [self.input(name, version) for name, version in (inputs or {}).items()],
            "outputs": [
                {"name": name, "format": self.form, "mode": mode, "uri": self.uri(name)}
                for name, mode in (outputs or {}).items()
            ],
            "connections": {"lakehouse": self.connection},
            "work_dir": str(self.work_dir),
            "bundle_dir": None,
            "input_files": {},
        }
        return job | more

    def input(self, name: str, version: int) -> dict[str, Any]:
        return {"name": name, "kind": "table", "format": "delta", "uri": self.uri(name), "version": version}

    def staged(self, data: Any, mode: str = "append", output: str = "table", **job: Any) -> dict[str, Any]:
        """Stage ``data`` as a run of its own and give its publication the marker that the control room gives."""
        document = self.job({output: mode}, **job)
        publication = child_data.stage(document, output, data)
        return publication | {"app_id": f"{document['run_id']}/{output}", "app_version": document["epoch"]}

    def open(self, name: str = "table", version: int | None = None) -> DeltaTable:
        return DeltaTable(self.uri(name), version=version, storage_options=storage_options(self.connection))

    def rows(self, name: str = "table") -> list[Any]:
        """The sorted values of column x of the newest version."""
        return sorted(self.open(name).to_pyarrow_table().column("x").to_pylist())

    def objects(self, name: str = "table") -> list[str]:
        prefix = f"{self.folder}/{name}/"
        listed = self.store.client().list_objects_v2(Bucket="lakehouse", Prefix=prefix).get("Contents", [])
        return sorted(item["Key"].removeprefix(prefix) for item in listed)


@dataclass
class ObjectLake(Lake):
    """Outputs are objects."""

    form: str = "object"

    def bytes_of(self, name: str = "table") -> bytes:
        body: bytes = self.get(name)["Body"].read()
        return body

    def get(self, name: str = "table") -> dict[str, Any]:
        answer: dict[str, Any] = self.store.client().get_object(Bucket="lakehouse", Key=f"{self.folder}/{name}")
        return answer


@dataclass
class IcebergLake(Lake):
    """Outputs are Iceberg tables in a namespace of this test."""

    store: IcebergSeaweed
    form: str = "iceberg"

    @property
    def connection(self) -> dict[str, Any]:
        return self.store.connection()

    @property
    def namespace(self) -> str:
        return f"n{self.folder}"

    def uri(self, name: str = "table") -> str:
        return f"iceberg://lakehouse/{self.namespace}/{name}"

    def catalog(self) -> RestCatalog:
        return RestCatalog("tests", **self.connection["catalog"] | file_io_properties(self.connection))

    def table(self, name: str = "table") -> Table:
        found: Table = self.catalog().load_table((self.namespace, name))
        return found

    def rows(self, name: str = "table") -> list[Any]:
        """The sorted values of column x of the current snapshot."""
        return sorted(self.table(name).scan().to_arrow().column("x").to_pylist())

    def input(self, name: str, version: int) -> dict[str, Any]:
        return super().input(name, version) | {"format": "iceberg", "uri": self.table(name).location()}


def column_x(*values: int) -> pa.Table:
    return pa.table({"x": pa.array(values, pa.int64())})


def start_commit(publication: dict[str, Any], connection: dict[str, Any]) -> subprocess.Popen[str]:
    """Start the commit process as the executor and the reactor do."""
    process = subprocess.Popen(
        [sys.executable, "-m", "executors.runtime.commit"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"publication": publication, "connection": connection}))
    process.stdin.close()
    process.stdin = None
    return process


def end_of(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    """Wait for a commit process: (exit code, its answer)."""
    out, err = process.communicate(timeout=120)
    assert err == "", err
    answer: dict[str, Any] = json.loads(out)
    return process.returncode, answer


def of_next_epoch(publication: dict[str, Any]) -> dict[str, Any]:
    """The same publication, as the second epoch would have staged and reported it."""
    files = [file | {"path": "-2-".join(file["path"].rsplit("-1-", 1))} for file in publication["files"]]
    return publication | {"app_version": 2, "files": files}
