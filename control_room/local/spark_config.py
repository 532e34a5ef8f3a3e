"""Configuration of the embedded Spark Connect server, as text of a properties file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from control_room.local import ports

MOST_CORES = 4
JAVA_OPTIONS = "-XX:-UsePerfData -XX:+ExitOnOutOfMemoryError"
LOG_STORE = "io.controlroom.delta.ConditionalPutLogStore"
SERVER_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
EXTENSIONS = (
    "io.delta.sql.DeltaSparkSessionExtension",
    "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
)
# The keys are in the environment of the process, so that no session reads them in its configuration.
KEYS_FROM_ENVIRONMENT = "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider"


@dataclass(frozen=True)
class Layout:
    """What it is made from. jars: their paths; scratch: a folder; heap: bytes; endpoints as URLs; roots as s3://;
    bind: the address that it listens on."""

    jars: Sequence[Path]
    scratch: Path
    heap: int
    cores: int
    port: int
    s3: str
    region: str
    catalog: str
    credential: str
    warehouse: str
    lakehouse: str
    bind: str = ports.LOOPBACK


def properties(layout: Layout) -> str:
    """A file for spark-submit's --properties-file."""
    told = {**_server(layout), **_tables(layout), **_iceberg(layout), **_s3(layout)}
    return "".join(f"{name}={value}\n" for name, value in told.items())


def driver_properties(layout: Layout, access_key: str, secret_key: str) -> str:
    """For drivers that an executor starts for single runs: the same tables, with keys in them."""
    keys = {
        "spark.jars": ",".join(map(str, layout.jars)),
        "spark.hadoop.fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        "spark.hadoop.fs.s3a.access.key": access_key,
        "spark.hadoop.fs.s3a.secret.key": secret_key,
    }
    told = {**_tables(layout), **_iceberg(layout), **_s3(layout), **keys}
    told.pop("spark.hadoop.fs.s3a.buffer.dir")  # of the server; a driver writes below the folder of its run
    return "".join(f"{name}={value}\n" for name, value in told.items())


def _server(layout: Layout) -> Mapping[str, str]:
    return {
        "spark.app.name": "control-room",
        "spark.master": f"local[{min(layout.cores, MOST_CORES)}]",
        "spark.driver.memory": f"{layout.heap // 2**20}m",
        "spark.driver.host": ports.LOOPBACK,
        "spark.driver.bindAddress": ports.LOOPBACK,
        "spark.driver.extraJavaOptions": _java_options(layout),
        "spark.local.dir": str(layout.scratch),
        "spark.jars": ",".join(map(str, layout.jars)),
        "spark.authenticate": "true",  # the ports of its own parts
        "spark.ui.enabled": "false",
        "spark.connect.grpc.binding.address": layout.bind,
        "spark.connect.grpc.binding.port": str(layout.port),
        # What a client that is gone left at work ends soon: nobody else would end it. That it is gone is noticed when
        # the stream of its answers is to be asked for anew.
        "spark.connect.execute.reattachable.senderMaxStreamDuration": "10s",
        "spark.connect.execute.manager.detachedTimeout": "10s",
        "spark.connect.execute.manager.maintenanceInterval": "5s",
        "spark.connect.progress.reportInterval": "500ms",
    }


def oom_note(scratch: Path) -> Path:
    """The file that the server touches when it runs out of memory, before it ends."""
    return scratch / "out-of-memory"


def _java_options(layout: Layout) -> str:
    told = f"""-XX:OnOutOfMemoryError='touch "{oom_note(layout.scratch)}"'"""
    return f"{JAVA_OPTIONS} {told} -Djava.io.tmpdir={layout.scratch}"


def _tables(layout: Layout) -> Mapping[str, str]:
    """Small clusters of one machine: few partitions, or each Delta statement waits for hundreds of tiny tasks."""
    return {
        "spark.sql.extensions": ",".join(EXTENSIONS),
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": f"{layout.lakehouse}/spark",
        "spark.delta.logStore.s3.impl": LOG_STORE,
        "spark.delta.logStore.s3a.impl": LOG_STORE,
        "spark.sql.shuffle.partitions": "4",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    }


def _iceberg(layout: Layout) -> Mapping[str, str]:
    catalog = {
        "": "org.apache.iceberg.spark.SparkCatalog",
        ".type": "rest",
        ".uri": layout.catalog,
        ".warehouse": layout.warehouse,
        ".credential": layout.credential,
        ".oauth2-server-uri": f"{layout.catalog}/v1/oauth/tokens",
        ".scope": "catalog",
        ".io-impl": "org.apache.iceberg.hadoop.HadoopFileIO",
    }
    return {f"spark.sql.catalog.iceberg{name}": value for name, value in catalog.items()}


def _s3(layout: Layout) -> Mapping[str, str]:
    file_system = {
        "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.s3a.endpoint": layout.s3,
        "fs.s3a.endpoint.region": layout.region,
        "fs.s3a.path.style.access": "true",
        "fs.s3a.connection.ssl.enabled": "false",
        "fs.s3a.aws.credentials.provider": KEYS_FROM_ENVIRONMENT,
        "fs.s3a.buffer.dir": str(layout.scratch),
    }
    return {f"spark.hadoop.{name}": value for name, value in file_system.items()}
