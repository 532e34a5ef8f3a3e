"""A real S3 for tests: SeaweedFS on loopback, ports given by the system, buckets `artifacts` and `lakehouse`.

    from tests.support.seaweed import object_store  # noqa: F401  in a conftest.py

One server per test process, started by the first test that asks for it; its data is deleted at the end.
"""

from __future__ import annotations

import ctypes
import json
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import tenacity
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pyiceberg.catalog.rest import RestCatalog

from control_room.local import sockets
from tests.support import scratch

BUCKETS = ("artifacts", "lakehouse")
REGION = "us-east-1"
START_SECONDS = 60.0
NOTED_PORTS = "ports.json"
PORTS = (
    *("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc"),
)
OFF = ("webdav=false", "admin.ui=false", "s3.port.iceberg=0", "s3.port.lance=0", "master.telemetry=false")


@dataclass
class Seaweed:
    """A running store. endpoint: its S3 URL; access_key, secret_key: of an identity that may do everything."""

    home: Path
    access_key: str = field(default_factory=lambda: secrets.token_hex(8))
    secret_key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    ports: dict[str, int] = field(default_factory=lambda: dict(zip(PORTS, free_ports(len(PORTS)), strict=True)))
    process: subprocess.Popen[bytes] | None = None
    more_flags: list[str] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3.port']}"

    def start(self) -> None:
        """Start (again) on the same ports and data, and wait until every bucket answers."""
        (self.home / "data").mkdir(exist_ok=True)
        self._write_identities()
        (self.home / NOTED_PORTS).write_text(json.dumps(list(self.ports.values())))
        flags = [f"-{name}={port}" for name, port in self.ports.items()]
        flags += [f"-{flag}" for flag in OFF if flag.partition("=")[0] not in self.ports] + self.more_flags
        flags += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self.home / 'data'}"]
        flags += [f"-s3.config={self.home / 'identities.json'}", f"-s3.localSocket={self.home / 's3.sock'}"]
        flags += [f"-filer.localSocket={self.home / 'filer.sock'}", f"-bucket={','.join(BUCKETS)}"]
        with (self.home / "log").open("ab") as log:
            command = [str(Path(sys.executable).with_name("weed")), "-logtostderr=true", "mini", *flags]
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.home, preexec_fn=_die_with_the_tests
            )
        self._wait_until_it_answers(self.process)

    def stop(self) -> None:
        """Kill it: what was stored stays in its folder."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=START_SECONDS)
            self.process = None
        _remove_sockets(self.home)

    def client(self) -> Any:
        """A boto3 S3 client."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(proxies={}, s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def storage_options(self) -> dict[str, str]:
        """deltalake's options for the bucket lakehouse."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
            "aws_conditional_put": "etag",
        }

    def _write_identities(self) -> None:
        credentials = [{"accessKey": self.access_key, "secretKey": self.secret_key}]
        identity = {"name": "tests", "credentials": credentials, "actions": ["Admin"]}
        (self.home / "identities.json").write_text(json.dumps({"identities": [identity]}))

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                for bucket in BUCKETS:
                    # Writable, not only there: the volume server comes up last.
                    self.client().put_object(Bucket=bucket, Key=".ready", Body=b"ready")
                    self.client().delete_object(Bucket=bucket, Key=".ready")
                return
            except (BotoCoreError, ClientError) as error:
                if process.poll() is not None or time.monotonic() > end:
                    log = (self.home / "log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"SeaweedFS did not start: {error}\n{log}") from error
            time.sleep(0.05)


class IcebergSeaweed(Seaweed):
    """A store with its Iceberg REST catalog: warehouse s3://warehouse."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.ports["s3.port.iceberg"] = free_ports(1)[0]
        self.more_flags = ["-tableBucket=warehouse"]

    @property
    def catalog_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3.port.iceberg']}"

    def connection(self) -> dict[str, Any]:
        """Of kind iceberg, for a connections file."""
        return {
            "kind": "iceberg",
            "root": "iceberg://lakehouse",
            "storage_root": "s3://lakehouse/_ws/_iceberg",
            "warehouse_root": "s3://warehouse",
            "endpoint": self.endpoint,
            "region": REGION,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "catalog": {
                "type": "rest",
                "uri": self.catalog_url,
                "warehouse": "s3://warehouse",
                "credential": f"{self.access_key}:{self.secret_key}",
                "oauth2-server-uri": f"{self.catalog_url}/v1/oauth/tokens",
                "scope": "catalog",
            },
        }

    def wait_for_catalog(self) -> None:
        """The table bucket is there a moment after the store."""
        retrying = tenacity.Retrying(wait=tenacity.wait_fixed(0.1), stop=tenacity.stop_after_delay(60), reraise=True)
        retrying(lambda: RestCatalog("tests", **self.connection()["catalog"]).list_namespaces())


def free_ports(count: int) -> list[int]:
    """Ports of loopback that were free a moment ago."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _run() -> Iterator[Seaweed]:
    home = scratch.make("control-room-s3-", forget=_remove_sockets)
    server = Seaweed(home)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        scratch.remove(home)


def running_lake() -> Iterator[IcebergSeaweed]:
    """A started store with an Iceberg REST catalog; for fixtures, which end it."""
    home = scratch.make("control-room-lake-", forget=_remove_sockets)
    store = IcebergSeaweed(home)
    try:
        store.start()
        store.wait_for_catalog()
        yield store
    finally:
        store.stop()
        scratch.remove(home)


running = contextmanager(_run)  # for what is no test


@pytest.fixture(scope="session")
def object_store() -> Iterator[Seaweed]:
    """The process's object store, shared: use keys of your own, and never stop it."""
    yield from _run()


@pytest.fixture
def own_object_store() -> Iterator[Seaweed]:
    """An object store of one test, which may stop and start it."""
    yield from _run()


@pytest.fixture(scope="session")
def iceberg_store() -> Iterator[IcebergSeaweed]:
    """The process's object store with an Iceberg REST catalog, shared: use names of your own, and never stop it."""
    yield from running_lake()


def _remove_sockets(home: Path) -> None:
    """What a store left in the common /tmp, by the ports noted in its folder."""
    with suppress(OSError, ValueError):
        sockets.remove_own(json.loads((home / NOTED_PORTS).read_text()))


def _die_with_the_tests() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
