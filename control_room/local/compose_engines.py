"""Trino and Spark of compose (profiles trino and spark): what their servers and executors are told.

As in the embedded stack, but that they listen on the network of the containers: Trino by HTTPS with passwords, Spark
with a token. Keys to the tables are in the environment of the servers' processes, sourced from a file of their volume.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import ssl
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from control_room.local import certificates, objectstore, spark_config, trino, trino_config
from control_room.local.compose_volumes import Volumes, catalog_url, endpoint, kept
from control_room.local.engines import DEFAULT_HEAPS, heap_bytes
from control_room.local.folder import StackFolder, write_private
from control_room.local.service import NotReady

ANY = "0.0.0.0"  # noqa: S104 - of a container's own networks
ENVIRONMENT = "environment"
TRINO_HOST, TRINO_PORT, TRINO_INTERNAL = "trino-server", 8443, 8080
# Where the volumes are in the containers of the engines; Trino's are those of its public image.
TRINO_ETC, TRINO_DATA = Path("/etc/trino"), Path("/data/trino")
AUTHORITY, TRINO_PASSWORD = "ca.pem", "trino.password"
SPARK_HOST, SPARK_PORT = "spark-server", 15002
SPARK_JARS, SPARK_SCRATCH = Path("/opt/engine/jars/*.jar"), Path("/work/tmp")
SPARK_TOKEN, SPARK_DRIVER = "spark.token", "spark-driver.properties"
READY_SECONDS = 600.0


def heaps(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Engine -> heap, such as 1G: TRINO_HEAP, SPARK_HEAP."""
    return {engine: environment.get(f"{engine.upper()}_HEAP") or heap for engine, heap in DEFAULT_HEAPS.items()}


def make_secrets(volumes: Volumes, store: StackFolder) -> None:
    """Fill the engines' volumes, and those of their executors. What is secret stays as it was made."""
    key = store.s3_key(objectstore.ENGINES_KEY)
    _make_trino(volumes, key)
    _make_spark(volumes, key)
    # dbt's projects may be on either, as in the embedded stack.
    for kind, name in (("trino", TRINO_PASSWORD), ("spark", SPARK_TOKEN)):
        write_private(volumes.executor("dbt") / name, (volumes.executor(kind) / name).read_text())


def _make_trino(volumes: Volumes, key: Mapping[str, str]) -> None:
    home = volumes.trino_server
    for folder in (home / "catalog", volumes.trino_data / "tmp"):
        folder.mkdir(exist_ok=True, mode=0o700)
    issued = certificates.CertificateFiles(
        volumes.trino_authority / AUTHORITY, home / "trino.pem", home / "trino.key", "Trino", (TRINO_HOST,)
    )
    certificates.ensure(issued)
    issued.authority.chmod(0o644)
    write_private(home / "server.pem", issued.key.read_text() + issued.certificate.read_text())
    passwords = {
        trino_config.EXECUTOR: kept(volumes.executor("trino") / TRINO_PASSWORD),
        trino_config.OPERATOR: kept(volumes.operator / TRINO_PASSWORD),
    }
    lines = [trino_config.password_line(user, password) for user, password in passwords.items()]
    write_private(home / "passwords.db", "".join(lines))
    for name, content in trino_config.files(_trino_layout()).items():
        write_private(home / name, content)
    shared = kept(home / "internal.secret")
    told = {"ACCESS_KEY": key["access_key"], "SECRET_KEY": key["secret_key"]}
    variables = {f"CONTROL_ROOM_S3_{name}": value for name, value in told.items()}
    write_private(home / ENVIRONMENT, exports({**variables, "CONTROL_ROOM_TRINO_SHARED_SECRET": shared}))


def _trino_layout() -> trino_config.Layout:
    return trino_config.Layout(
        etc=TRINO_ETC,
        data=TRINO_DATA,
        server=TRINO_ETC / "server.pem",
        passwords=TRINO_ETC / "passwords.db",
        node_id="control-room-compose",
        heap=heap_bytes(heaps()["trino"]),
        port=TRINO_PORT,
        internal_port=TRINO_INTERNAL,
        s3=endpoint(),
        region=objectstore.REGION,
        catalog=catalog_url(),
        lakehouse=objectstore.ROOT,
        warehouse=f"s3://{objectstore.WAREHOUSE}",
        bind=ANY,
        address=TRINO_HOST,
    )


def _make_spark(volumes: Volumes, key: Mapping[str, str]) -> None:
    layout = spark_config.Layout(
        jars=[SPARK_JARS],
        scratch=SPARK_SCRATCH,
        heap=heap_bytes(heaps()["spark"]),
        cores=os.cpu_count() or 1,
        port=SPARK_PORT,
        s3=endpoint(),
        region=objectstore.REGION,
        catalog=catalog_url(),
        credential=f"{key['access_key']}:{key['secret_key']}",
        warehouse=f"s3://{objectstore.WAREHOUSE}",
        lakehouse=objectstore.ROOT,
        bind=ANY,
    )
    write_private(volumes.spark_server / "spark.properties", spark_config.properties(layout))
    token = kept(volumes.executor("spark") / SPARK_TOKEN)
    told = {"AWS_ACCESS_KEY_ID": key["access_key"], "AWS_SECRET_ACCESS_KEY": key["secret_key"]}
    told |= {"SPARK_CONNECT_AUTHENTICATE_TOKEN": token}
    write_private(volumes.spark_server / ENVIRONMENT, exports(told))
    driver = spark_config.driver_properties(layout, key["access_key"], key["secret_key"])
    write_private(volumes.executor("spark") / SPARK_DRIVER, driver)


def exports(variables: Mapping[str, str]) -> str:
    """Lines for a shell to source."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def await_trino(volumes: Volumes) -> None:
    """Until Trino scans and both catalogs answer; NotReady with the last reason when that does not come."""
    asyncio.run(_await_trino(volumes))


async def _await_trino(volumes: Volumes) -> None:
    user = trino_config.OPERATOR
    context = ssl.create_default_context(cafile=volumes.trino_authority / AUTHORITY)
    headers = {"X-Trino-User": user, "X-Trino-Source": "control-room"}
    auth = (user, (volumes.operator / TRINO_PASSWORD).read_text().strip())
    url, end = f"https://{TRINO_HOST}:{TRINO_PORT}", time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient(
        base_url=url, auth=auth, headers=headers, verify=context, trust_env=False, timeout=30
    ) as client:
        while True:
            try:
                return await trino.prove(client)
            except NotReady:
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(1)
