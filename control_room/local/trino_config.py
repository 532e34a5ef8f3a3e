"""Trino's configuration files, as text. Secrets are not in them: they name variables of the process's environment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_room.local import ports

EXECUTOR = "executor"
OPERATOR = "operator"
SCHEMA = "main"
CATALOGS = ("iceberg", "delta")
READY_SCAN = "select count(*) from tpch.tiny.orders"
READY_ANSWER = 15000
# Of a heap: what one query may take, and what stays free of queries. With three eighths of 1 GB, an array_agg ended the
# server (out of memory) before it met its limit: an array that grows is there twice. A quarter is safe.
QUERY_SHARE = 1 / 4
HEADROOM_SHARE = 1 / 4
# With so little memory the first compiler alone: ready in half the time, and 100 MB less of compiled code.
C1_ONLY_BELOW = 2 * 2**30
CONCURRENT_QUERIES = 4
QUEUED_QUERIES = 200
LONGEST_QUERY = "12h"  # as long as a run's keys to the object store last
HASH_ROUNDS = 1000  # of passwords that are 256 random bits: stretching would add nothing
ACCESS_KEY = "${ENV:CONTROL_ROOM_S3_ACCESS_KEY}"
SECRET_KEY = "${ENV:CONTROL_ROOM_S3_SECRET_KEY}"  # noqa: S105 - where it is, not what it is
SHARED_SECRET = "${ENV:CONTROL_ROOM_TRINO_SHARED_SECRET}"  # noqa: S105
# Caps that an executor may lower for a run. Memory, CPU and scan cannot be raised above the server's own by them.
CAPS = "query_max_((run|execution|planning|cpu)_time|(total_)?memory|memory_per_node|scan_physical_bytes)"


@dataclass(frozen=True)
class Layout:
    """What the files are made from. etc, data: folders; server: PEM file with key and certificate; heap: bytes;
    urls: of S3 and of the Iceberg REST catalog; lakehouse, warehouse: s3:// roots; bind: address to listen on; address:
    its own, for its parts."""

    etc: Path
    data: Path
    server: Path
    passwords: Path
    node_id: str
    heap: int
    port: int
    internal_port: int
    s3: str
    region: str
    catalog: str
    lakehouse: str
    warehouse: str
    bind: str = ports.LOOPBACK
    address: str = ports.LOOPBACK


def files(layout: Layout) -> dict[str, str]:
    """Path below `etc` -> content."""
    return {
        "node.properties": properties(_node(layout)),
        "jvm.config": jvm(layout),
        "config.properties": properties(_config(layout)),
        "log.properties": properties({"io.trino": "INFO"}),
        "password-authenticator.properties": properties(
            {"password-authenticator.name": "file", "file.password-file": str(layout.passwords)}
        ),
        "access-control.properties": properties(
            {"access-control.name": "file", "security.config-file": str(layout.etc / "rules.json")}
        ),
        "rules.json": _json(rules()),
        "resource-groups.properties": properties(
            {
                "resource-groups.configuration-manager": "file",
                "resource-groups.config-file": str(layout.etc / "resource-groups.json"),
            }
        ),
        "resource-groups.json": _json(resource_groups()),
        "catalog/iceberg.properties": properties(_iceberg(layout)),
        "catalog/delta.properties": properties(_delta(layout)),
        "catalog/tpch.properties": properties({"connector.name": "tpch"}),
    }


def properties(values: Mapping[str, str]) -> str:
    """A Java properties file."""
    return "".join(f"{name}={_escaped(value)}\n" for name, value in values.items())


def jvm(layout: Layout) -> str:
    options = [
        "-server",
        f"-Xmx{layout.heap // 2**20}M",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        "-Djdk.attach.allowAttachSelf=true",
        "--enable-native-access=ALL-UNNAMED",
        f"-Djava.io.tmpdir={layout.data / 'tmp'}",
    ]
    if layout.heap < C1_ONLY_BELOW:
        options.append("-XX:TieredStopAtLevel=1")
    return "\n".join(options) + "\n"


def password_line(user: str, password: str) -> str:
    """A line of Trino's password file: PBKDF2, with a salt that stays the same while the password does."""
    salt = hashlib.sha256(f"salt of {user}:{password}".encode()).digest()[:16]
    digest = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, HASH_ROUNDS, 64)
    return f"{user}:{HASH_ROUNDS}:{salt.hex()}:{digest.hex()}\n"


def rules() -> dict[str, Any]:
    """Who may do what. Nobody raises what protects the server; the executor alone lowers it, for a run."""
    everything = "|".join(CATALOGS)
    return {
        "catalogs": [
            {"catalog": everything, "allow": "all"},
            {"catalog": "tpch|system", "allow": "read-only"},
        ],
        "system_session_properties": [
            {"user": EXECUTOR, "property": CAPS, "allow": True},
            {"property": "query_max_.*|query_priority|resource_overcommit", "allow": False},
            {"allow": True},
        ],
        "functions": [{"catalog": everything, "schema": "system", "privileges": ["EXECUTE"]}],
        "procedures": [
            {"catalog": everything, "schema": "system", "privileges": ["EXECUTE"]},
            {"catalog": "system", "schema": "runtime", "procedure": "kill_query", "privileges": ["EXECUTE"]},
        ],
        "queries": [{"user": OPERATOR, "allow": ["execute", "view", "kill"]}, {"allow": ["execute"]}],
        "system_information": [{"user": OPERATOR, "allow": ["read"]}],
    }


def resource_groups() -> dict[str, Any]:
    group = {
        "name": "all",
        "softMemoryLimit": "100%",
        "hardConcurrencyLimit": CONCURRENT_QUERIES,
        "maxQueued": QUEUED_QUERIES,
    }
    return {"rootGroups": [group], "selectors": [{"group": "all"}]}


def _node(layout: Layout) -> dict[str, str]:
    return {
        "node.environment": "embedded",
        "node.id": layout.node_id,
        "node.data-dir": str(layout.data),
        "node.bind-ip": layout.bind,
        "node.internal-address": layout.address,
    }


def _config(layout: Layout) -> dict[str, str]:
    """HTTPS with passwords for clients; HTTP is for Trino's own parts, which know the shared secret."""
    per_query = f"{int(layout.heap * QUERY_SHARE) // 2**20}MB"
    return {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "http-server.http.port": str(layout.internal_port),
        "http-server.https.enabled": "true",
        "http-server.https.port": str(layout.port),
        "http-server.https.keystore.path": str(layout.server),
        "http-server.authentication.type": "PASSWORD",
        "http-server.log.enabled": "false",
        "internal-communication.shared-secret": SHARED_SECRET,
        "discovery.uri": f"http://{layout.address}:{layout.internal_port}",
        "query.max-memory": per_query,
        "query.max-memory-per-node": per_query,
        "memory.heap-headroom-per-node": f"{int(layout.heap * HEADROOM_SHARE) // 2**20}MB",
        "query.max-run-time": LONGEST_QUERY,
    }


def _iceberg(layout: Layout) -> dict[str, str]:
    return {
        "connector.name": "iceberg",
        "iceberg.catalog.type": "rest",
        "iceberg.rest-catalog.uri": layout.catalog,
        "iceberg.rest-catalog.warehouse": layout.warehouse,
        "iceberg.rest-catalog.security": "OAUTH2",
        "iceberg.rest-catalog.oauth2.credential": f"{ACCESS_KEY}:{SECRET_KEY}",
        "iceberg.rest-catalog.oauth2.server-uri": f"{layout.catalog}/v1/oauth/tokens",
        "iceberg.rest-catalog.oauth2.scope": "catalog",
        "iceberg.rest-catalog.view-endpoints-enabled": "false",  # this catalog has no views
        **_s3(layout),
    }


def _delta(layout: Layout) -> dict[str, str]:
    """Tables that Trino makes lie below `trino/` of the lakehouse; those of others are registered where they are."""
    return {
        "connector.name": "delta_lake",
        "hive.metastore": "file",
        "hive.metastore.catalog.dir": f"{layout.lakehouse}/trino",
        "delta.register-table-procedure.enabled": "true",
        **_s3(layout),
    }


def _s3(layout: Layout) -> dict[str, str]:
    return {
        "fs.native-s3.enabled": "true",
        "s3.endpoint": layout.s3,
        "s3.region": layout.region,
        "s3.path-style-access": "true",
        "s3.aws-access-key": ACCESS_KEY,
        "s3.aws-secret-key": SECRET_KEY,
    }


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
