"""A real Spark Connect server for tests, with the jars that `control-room engines install spark` fetches: one per test
process, configured as the stack configures its own, on a SeaweedFS of its own (Iceberg REST catalog, bucket artifacts).

    from tests.support.spark import spark, spark_lake  # noqa: F401

Tests that ask for it are skipped, with the command that helps, where Spark is not installed.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from control_room.engines import catalogue, findings
from control_room.local import spark as stack_spark
from control_room.local import spark_config
from tests.support.seaweed import IcebergSeaweed, free_ports, running_lake
from tests.support.trino import _die_with_us, running_server

START_SECONDS = 300.0
HEAP = 1024 * 2**20
CORES = 2


@dataclass
class Spark:
    """A running server. `stop` and `start` keep its port."""

    java: Path
    jars: list[Path]
    home: Path
    store: IcebergSeaweed
    heap: int = HEAP
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None
    _before: int = 0  # characters that it had told when it was started

    @property
    def remote(self) -> str:
        return f"sc://localhost:{self.port}"

    @property
    def token_file(self) -> Path:
        return self.home / "token"

    @property
    def properties(self) -> Path:
        return self.home / "spark.properties"

    def layout(self) -> spark_config.Layout:
        return spark_config.Layout(
            jars=self.jars,
            scratch=self.home / "tmp",
            heap=self.heap,
            cores=CORES,
            port=self.port,
            s3=self.store.endpoint,
            region="us-east-1",
            catalog=self.store.catalog_url,
            credential=f"{self.store.access_key}:{self.store.secret_key}",
            warehouse="s3://warehouse",
            lakehouse="s3://artifacts/lake",
        )

    @property
    def keys(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": self.store.access_key, "AWS_SECRET_ACCESS_KEY": self.store.secret_key}

    def start(self) -> None:
        """Start it and wait until its port is open."""
        (self.home / "tmp").mkdir(exist_ok=True)
        self.properties.write_text(spark_config.properties(self.layout()))
        self.token_file.write_text(self.token)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_", "SPARK_"))}
        environment = kept | self.keys | {"JAVA_HOME": str(self.java), "SPARK_NO_DAEMONIZE": "1"}
        environment |= {"SPARK_CONNECT_AUTHENTICATE_TOKEN": self.token, "SPARK_HOME": str(stack_spark._package())}
        program = [str(stack_spark._package() / "bin" / "spark-submit"), "--properties-file", str(self.properties)]
        program += ["--class", spark_config.SERVER_CLASS, "spark-internal"]
        with (self.home / "log").open("ab") as log:
            self._before = len(self.told())
            self.process = subprocess.Popen(
                program, env=environment, cwd=self.home, stdout=log, stderr=log, preexec_fn=_die_with_us
            )
        self._await()

    def _await(self) -> None:
        assert self.process is not None
        end = time.monotonic() + START_SECONDS
        while "Spark Connect server started at: " not in self.told()[self._before :]:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"Spark did not start:\n{self.told()[-3000:]}")
            time.sleep(0.2)

    def told(self) -> str:
        """Its log."""
        return (self.home / "log").read_text(errors="replace")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=60)
            self.process = None


def installed_jars() -> list[Path]:
    """The jars that the stack's server gets; the test is skipped when pyspark or they are not there."""
    [distribution] = catalogue.chosen(["spark"])
    if findings.package_version("pyspark") != distribution.version:
        pytest.skip(f"pyspark {distribution.version} is not installed (extra spark)")
    if (home := catalogue.installed_at(distribution)) is None:
        pytest.skip(f"no Spark jars in {catalogue.cache_folder()}; install them: control-room engines install spark")
    return [*sorted((home / "jars").glob("*.jar")), stack_spark.LOG_STORE_JAR]


def installed_java() -> Path:
    """A Java that Spark takes; the test is skipped when there is none."""
    [distribution] = catalogue.chosen(["spark"])
    if (found := findings.judge(distribution, findings.look(distribution)).java) is None:
        pytest.skip("no Java that Spark takes; control-room engines doctor says how to get one")
    return Path(found.home)


@dataclass
class Standalone:
    """A standalone master with one worker, on loopback. ``rest``: of submissions in deploy mode cluster."""

    java: Path
    home: Path
    ports: list[int] = field(default_factory=lambda: free_ports(4))
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"spark://127.0.0.1:{self.ports[0]}"

    def start(self) -> None:
        """Start both, and wait until the master has the worker."""
        port, page, _, worker = map(str, self.ports)
        self._run("org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", page)
        options = ["--host", "127.0.0.1", "--webui-port", worker, "--cores", "2", "--memory", "2g"]
        options += ["--work-dir", str(self.home / "work")]
        self._run("org.apache.spark.deploy.worker.Worker", *options, self.url)
        end = time.monotonic() + START_SECONDS
        while not self._ready():
            if time.monotonic() > end or any(each.poll() is not None for each in self.processes):
                raise RuntimeError(f"the standalone master did not start:\n{self.told()[-3000:]}")
            time.sleep(0.2)

    def _run(self, name: str, *options: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_", "SPARK_"))}
        home = stack_spark._package()
        rest = f"-Dspark.master.rest.enabled=true -Dspark.master.rest.port={self.ports[2]}"
        kept |= {"JAVA_HOME": str(self.java), "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
        kept |= {"SPARK_MASTER_OPTS": rest}
        with (self.home / "log").open("ab") as log:
            command = [str(home / "bin" / "spark-class"), name, *options]
            process = subprocess.Popen(
                command, env=kept, cwd=self.home, stdout=log, stderr=log, preexec_fn=_die_with_us
            )
        self.processes.append(process)

    def _ready(self) -> bool:
        try:
            return any(worker["state"] == "ALIVE" for worker in self.state()["workers"])
        except (OSError, ValueError):
            return False

    def state(self) -> dict[str, Any]:
        """What the master tells of itself: ``workers``, ``activeapps``, ``completedapps``, ``activedrivers``."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[1]}/json/", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def told(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    def kill(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            process.wait(timeout=60)
        self.processes = []


def running_standalone(java: Path) -> Iterator[Standalone]:
    yield from running_server("control-room-standalone-", lambda home: Standalone(java, home))


@pytest.fixture(scope="session")
def spark_lake() -> Iterator[IcebergSeaweed]:
    """A store with an Iceberg REST catalog."""
    installed_jars()
    yield from running_lake()


@pytest.fixture(scope="session")
def spark(spark_lake: IcebergSeaweed) -> Iterator[Spark]:
    """The process's Spark, shared: use names of your own, and never stop it."""
    yield from _running(spark_lake)


@pytest.fixture
def own_spark(spark_lake: IcebergSeaweed) -> Iterator[Spark]:
    """A Spark of one test, which may kill it."""
    yield from _running(spark_lake)


def _running(store: IcebergSeaweed) -> Iterator[Spark]:
    java, jars = installed_java(), installed_jars()
    yield from running_server("control-room-spark-", lambda home: Spark(java, jars, home, store))
