"""A real Trino for tests, from the folder that `control-room engines install trino` fills: one server per test process.

    from tests.support.trino import lake, trino  # noqa: F401  in a conftest.py

Catalogs: `iceberg` and `delta` on a SeaweedFS of their own (its Iceberg REST catalog, bucket artifacts), `tpch`,
`memory`. Tests that ask for it are skipped, with the command that helps, where no Trino is installed.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
import requests

from control_room.engines import findings
from control_room.engines.catalogue import cache_folder, chosen, installed_at
from tests.support import scratch
from tests.support.seaweed import IcebergSeaweed, free_ports, running_lake

START_SECONDS = 240.0
JVM = """-server
-Xmx1G
-XX:+ExitOnOutOfMemoryError
-Djdk.attach.allowAttachSelf=true
--enable-native-access=ALL-UNNAMED
-XX:TieredStopAtLevel=1
"""


@dataclass
class Trino:
    """A running server. `stop` and `start` keep its port; `home` holds etc/ and data/."""

    engine: Path
    java: Path
    home: Path
    store: IcebergSeaweed
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers a scan: `select 1` is answered seconds before that works."""
        write_settings(self)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPS_")}
        environment |= {"JAVA_HOME": str(self.java), "PATH": f"{self.java / 'bin'}:{os.environ['PATH']}"}
        command = [str(self.engine / "bin" / "launcher"), "run", "--etc-dir", str(self.home / "etc")]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, preexec_fn=_die_with_us)
        end = time.monotonic() + START_SECONDS
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > end:
                tail = (self.home / "log").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"Trino did not start:\n{tail}")
            time.sleep(0.2)

    def _ready(self) -> bool:
        try:
            return self.rows("select count(*) from tpch.tiny.orders") == [[15000]]
        except (requests.RequestException, AssertionError, KeyError):
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=60)
            self.process = None

    def rows(self, sql: str) -> list[list[Any]]:
        """All rows of a statement, by the plain protocol; AssertionError with Trino's message when it fails."""
        headers = {"X-Trino-User": "test", "X-Trino-Source": "tests"}
        page = requests.post(f"{self.url}/v1/statement", data=sql.encode(), headers=headers, timeout=30).json()
        found: list[list[Any]] = []
        while True:
            assert not page.get("error"), page["error"]["message"]
            found += page.get("data") or []
            if not page.get("nextUri"):
                return found
            page = requests.get(page["nextUri"], headers=headers, timeout=30).json()


def write_settings(trino: Trino) -> None:
    etc = trino.home / "etc"
    (etc / "catalog").mkdir(parents=True, exist_ok=True)
    (etc / "jvm.config").write_text(JVM)
    # Its own address, not one of the machine's networks, which may go while it runs.
    address = {"node.internal-address": "127.0.0.1", "node.bind-ip": "127.0.0.1"}
    node = {"node.environment": "test", "node.id": "one", "node.data-dir": trino.home / "data", **address}
    config = {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "http-server.http.port": trino.port,
        "discovery.uri": trino.url,
        "query.max-memory": "256MB",
        "query.max-memory-per-node": "256MB",
        "memory.heap-headroom-per-node": "256MB",
    }
    write_properties(etc / "node.properties", node)
    write_properties(etc / "config.properties", config)
    for name, properties in catalogs(trino.store).items():
        write_properties(etc / "catalog" / f"{name}.properties", properties)


def catalogs(store: IcebergSeaweed) -> dict[str, dict[str, Any]]:
    s3 = {
        "fs.native-s3.enabled": "true",
        "s3.endpoint": store.endpoint,
        "s3.region": "us-east-1",
        "s3.path-style-access": "true",
        "s3.aws-access-key": store.access_key,
        "s3.aws-secret-key": store.secret_key,
    }
    rest = {
        "connector.name": "iceberg",
        "iceberg.catalog.type": "rest",
        "iceberg.rest-catalog.uri": store.catalog_url,
        "iceberg.rest-catalog.warehouse": "s3://warehouse",
        "iceberg.rest-catalog.security": "OAUTH2",
        "iceberg.rest-catalog.oauth2.credential": f"{store.access_key}:{store.secret_key}",
        "iceberg.rest-catalog.oauth2.server-uri": f"{store.catalog_url}/v1/oauth/tokens",
        "iceberg.rest-catalog.oauth2.scope": "catalog",
        "iceberg.rest-catalog.view-endpoints-enabled": "false",
    }
    delta = {
        "connector.name": "delta_lake",
        "hive.metastore": "file",
        "hive.metastore.catalog.dir": "s3://artifacts/trino-metastore",
        "delta.register-table-procedure.enabled": "true",
    }
    plain = {name: {"connector.name": name} for name in ("tpch", "memory")}
    return {"iceberg": rest | s3, "delta": delta | s3, **plain}


def write_properties(path: Path, properties: dict[str, Any]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def installed_engine() -> Path:
    """The server's folder; the test is skipped when there is none."""
    (distribution,) = chosen(["trino"])
    if (found := installed_at(distribution)) is None:
        pytest.skip(f"no Trino in {cache_folder()}; install it: control-room engines install trino")
    return found


def installed_java() -> Path:
    """A Java that Trino takes; the test is skipped when there is none."""
    (distribution,) = chosen(["trino"])
    if (found := findings.judge(distribution, findings.look(distribution)).java) is None:
        pytest.skip("no Java that Trino takes; control-room engines doctor says how to get one")
    return Path(found.home)


def _die_with_us() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@pytest.fixture(scope="session")
def lake() -> Iterator[IcebergSeaweed]:
    """A store with an Iceberg REST catalog."""
    installed_engine()
    yield from running_lake()


@pytest.fixture(scope="session")
def trino(lake: IcebergSeaweed) -> Iterator[Trino]:
    """The process's Trino, shared: use names of your own, and never stop it."""
    yield from _running(lake)


@pytest.fixture
def own_trino(lake: IcebergSeaweed) -> Iterator[Trino]:
    """A Trino of one test, which may kill it."""
    yield from _running(lake)


def _running(store: IcebergSeaweed) -> Iterator[Trino]:
    engine, java = installed_engine(), installed_java()
    yield from running_server("control-room-trino-", lambda home: Trino(engine, java, home, store))


class Server(Protocol):
    """An engine of tests."""

    def start(self) -> None: ...

    def kill(self) -> None: ...


Made = TypeVar("Made", bound=Server)


def running_server(prefix: str, make: Callable[[Path], Made]) -> Iterator[Made]:
    """A started engine with a folder of its own; for fixtures, which end it."""
    home = scratch.make(prefix)
    server = make(home)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        scratch.remove(home)


def fresh(prefix: str = "t") -> str:
    """A name that no other test uses."""
    return f"{prefix}_{secrets.token_hex(4)}"
