"""The embedded Spark Connect server: one warm driver on loopback that takes sessions which show its token.

Python functions of sessions run in it, so that the process is confined as runs are: of the data folder it reads its own
folder and nothing else. All sessions share its cores, its memory and its keys to the tables.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import sys
from pathlib import Path

from control_room.engines import findings
from control_room.engines.catalogue import chosen, installed_at
from control_room.engines.java import Java
from control_room.errors import ControlRoomError
from control_room.local import objectstore, ports, spark_config
from control_room.local.engines import heap_bytes
from control_room.local.folder import StackFolder, write_private
from control_room.local.processes import Identity
from control_room.local.rest import Rest
from control_room.local.service import Launch, NotReady, Service, files_fingerprint
from control_room.local.settings import settings_found
from control_room.local.state import StackState

ENGINE = "spark"
TOKEN = "spark-connect.token"  # noqa: S105 - a file name
DRIVER = "spark-driver.properties"
TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"  # noqa: S105
LOG_STORE_JAR = Path(findings.__file__).parent / "logstore" / "control-room-delta-log.jar"
# The client sends a token without TLS to the host of this name alone.
HOST = "localhost"
PROOF = """
import os, sys
from pyspark.sql import SparkSession
session = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
print(session.range(1000).repartition(2).count(), len(session.sql("show namespaces in iceberg").collect()) >= 0)
sys.stdout.flush()
os._exit(0)
"""
PROVEN = "1000 True"


class Spark(Service):
    """Spark Connect in `spark/` of the data folder: configuration, and what it writes there."""

    name = ENGINE
    needs = ("objectstore",)
    ports = ("spark",)
    core = False
    stop_seconds = 20.0
    hang_seconds = 120.0
    probe_interval = 10.0
    _proved: Identity | None = None  # the process that was seen to do a job
    _proof: asyncio.Task[None] | None = None
    _rest: Rest | None = None

    def __init__(self, folder: StackFolder, state: StackState) -> None:
        super().__init__(folder, state)
        self._settings = settings_found()
        self.start_seconds = self._settings.engine_start_seconds

    @property
    def memory_cap_bytes(self) -> int:
        return heap_bytes(self.state.engines[ENGINE])

    def prepare(self) -> None:
        _home(), _java(), _package()
        (self.folder.spark / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)

    def launch(self) -> Launch:
        written, java, key = _properties(self.folder), _java().home, self.folder.s3_key(objectstore.ENGINES_KEY)
        program = [str(_package() / "bin" / "spark-submit"), "--properties-file", str(written)]
        program += ["--class", spark_config.SERVER_CLASS]
        hidden = [path for path in self.folder.private if path != self.folder.spark]
        lists = [hidden, [self.folder.spark, Path(sys.prefix), Path(sys.base_prefix)], [self.folder.spark]]
        argv = [
            sys.executable,
            "-m",
            "executors.runtime.confined",
            *(os.pathsep.join(map(str, each)) for each in lists),
        ]
        env = self.environment(
            JAVA_HOME=str(java),
            SPARK_HOME=str(_package()),
            SPARK_NO_DAEMONIZE="1",
            PYSPARK_PYTHON=sys.executable,
            TMPDIR=str(self.folder.spark / "tmp"),
            AWS_ACCESS_KEY_ID=key["access_key"],
            AWS_SECRET_ACCESS_KEY=key["secret_key"],
            **{TOKEN_VARIABLE: self.folder.random_secret(TOKEN)},
        )
        log, fingerprint = self.folder.log(self.name), files_fingerprint(written)
        return Launch((*argv, *program, "spark-internal"), env, self.folder.spark, log, fingerprint)

    async def probe(self, identity: Identity) -> None:
        """Ready is a job of a session; a server that did one is only called up later."""
        await _reach(self.port("spark"))
        if self._proved == identity:
            return
        if self._proof is None or self._proof.done():
            self._proof = asyncio.create_task(self._prove(identity), name="proof of spark")
        await asyncio.shield(self._proof)

    def worn(self, identity: Identity) -> str:
        """When it has done much and has nothing to do: Java keeps what it took, and sessions leave things behind."""
        if self._rest is None or self._rest.pid != identity.pid:
            self._rest = Rest(identity.pid, self.port("spark"), self._settings.spark_idle_seconds)
        return self._rest.worn()

    async def _prove(self, identity: Identity) -> None:
        """In a process of its own: its client is large, and does not belong into the supervisor."""
        env = self.environment(**{TOKEN_VARIABLE: self.folder.random_secret(TOKEN)})
        argv = (sys.executable, "-c", PROOF, remote_of(self.state))
        child = await asyncio.create_subprocess_exec(
            *argv, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            told, errors = await child.communicate()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            raise
        if told.decode().strip() != PROVEN:
            lines = errors.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise NotReady(f"a session could do no job: {lines[-1][:300]}")
        self._proved = identity


async def _reach(port: int) -> None:
    try:
        _, writer = await asyncio.open_connection(ports.LOOPBACK, port)
    except OSError as error:
        raise NotReady(f"{ports.LOOPBACK}:{port}: {error}") from error
    writer.close()


def remote_of(state: StackState) -> str:
    """What a client calls it by; the token travels in the environment."""
    return f"sc://{HOST}:{state.ports['spark']}"


def executor_environment(folder: StackFolder, state: StackState) -> dict[str, str]:
    """What an executor is told: the stack's own server, or the one that OPS_SPARK_* of our environment name."""
    if ENGINE not in state.engines:
        return {name: value for name, value in os.environ.items() if name.startswith("OPS_SPARK_")}
    return {
        "OPS_SPARK_REMOTE": remote_of(state),
        "OPS_SPARK_TOKEN_FILE": str(folder.secret(TOKEN)),
        "OPS_SPARK_PROPERTIES_FILE": str(folder.secret(DRIVER)),
        "OPS_SPARK_OOM_FILE": str(spark_config.oom_note(folder.spark / "tmp")),
        "JAVA_HOME": str(_java().home),
    }


def client_environment(folder: StackFolder, state: StackState) -> dict[str, str]:
    """Of that, what an executor needs that starts no driver: the server, and the token for it."""
    told = executor_environment(folder, state)
    return {name: value for name, value in told.items() if name in ("OPS_SPARK_REMOTE", "OPS_SPARK_TOKEN_FILE")}


def write_configuration(folder: StackFolder, state: StackState) -> None:
    folder.spark.mkdir(exist_ok=True, mode=0o700)
    key = folder.s3_key(objectstore.ENGINES_KEY)
    layout = spark_config.Layout(
        jars=[*sorted((_home() / "jars").glob("*.jar")), LOG_STORE_JAR],
        scratch=folder.spark / "tmp",
        heap=heap_bytes(state.engines[ENGINE]),
        cores=os.cpu_count() or 1,
        port=state.ports["spark"],
        s3=objectstore.endpoint(state),
        region=objectstore.REGION,
        catalog=objectstore.catalog_url(state),
        credential=f"{key['access_key']}:{key['secret_key']}",
        warehouse=f"s3://{objectstore.WAREHOUSE}",
        lakehouse=objectstore.ROOT,
    )
    write_private(_properties(folder), spark_config.properties(layout))
    driver = spark_config.driver_properties(layout, key["access_key"], key["secret_key"])
    write_private(folder.secret(DRIVER), driver)


def _properties(folder: StackFolder) -> Path:
    return folder.spark / "spark.properties"


def _home() -> Path:
    [distribution] = chosen([ENGINE])
    home = installed_at(distribution)
    if home is None:
        raise ControlRoomError("Spark's jars are not installed", next_step="`control-room engines install spark`")
    return home


def _package() -> Path:
    """The folder of the package pyspark, which is Spark itself."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        [distribution] = chosen([ENGINE])
        raise ControlRoomError("pyspark is not installed", next_step=f"pip install pyspark=={distribution.version}")
    return Path(spec.origin).parent


def _java() -> Java:
    [distribution] = chosen([ENGINE])
    seen = findings.look(distribution)
    java = findings.judge(distribution, seen).java
    if java is None:
        raise ControlRoomError(
            f"Spark has {findings.no_java(distribution, seen.javas)}", next_step=findings.java_fix(distribution)
        )
    return java
