"""What `infra/compose.yaml` needs before and beside its services: `python -m control_room.local.compose STEP`.

secrets: keys, passwords and tokens at random, each into the volume of those alone who need it; nothing is made twice.
database: schema, the server's login, tokens and buckets, once Postgres and the object store answer.
trino: wait until its Trino scans, and make the schemas that executors begin in.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
from psycopg.conninfo import make_conninfo

from control_room.errors import ControlRoomError
from control_room.local import compose_engines, objectstore
from control_room.local.compose_volumes import CATALOG_PORT, STORE_PORT, Volumes, catalog_url, endpoint, kept
from control_room.local.folder import StackFolder, write_private, write_private_json
from control_room.local.service import NotReady
from control_room.local.state import StackState
from control_room.provenance import keys
from ops_schema import migrate
from ops_schema.errors import MigrationError, StoreError

MISUSE, FAILED = 2, 1
SERVER_LOGIN = "control_room_server"
ADMIN_PASSWORD, SERVER_PASSWORD, TOKEN = "postgres.password", "server.password", "token"


def make_secrets(volumes: Volumes) -> None:
    """Fill the volumes."""
    kept(volumes.database / ADMIN_PASSWORD)
    # The image of Postgres reads it as its own user; nobody else has this volume but the server's set-up.
    (volumes.database / ADMIN_PASSWORD).chmod(0o644)
    password = kept(volumes.server / SERVER_PASSWORD)
    write_private(volumes.server / "pgpass", f"*:*:*:{SERVER_LOGIN}:{password}\n")
    store = StackFolder.at(volumes.store)
    store.ensure()
    state = StackState(ports={"s3": STORE_PORT, "s3_iceberg": CATALOG_PORT}, engines=compose_engines.heaps())
    objectstore.write_configuration(store, state)
    write_private_json(volumes.server / "s3.json", store.s3_key(objectstore.OWNER_KEY))
    keys.ensure(volumes.server / "signing.key")
    connections = _connections(store, state)
    write_private_json(volumes.server / "connections.json", connections)
    kept(volumes.operator / TOKEN)
    for kind in volumes.kinds:
        kept(volumes.executor(kind) / TOKEN)
        write_private_json(volumes.executor(kind) / "connections.json", connections)
    compose_engines.make_secrets(volumes, store)


def _connections(store: StackFolder, state: StackState) -> dict[str, dict[str, object]]:
    """As in the embedded stack, by the names that containers know."""
    text = json.dumps(objectstore.connections(store, state))
    names = {objectstore.endpoint(state): endpoint(), objectstore.catalog_url(state): catalog_url()}
    for loopback, name in names.items():
        text = text.replace(f'"{loopback}', f'"{name}')
    found: dict[str, dict[str, object]] = json.loads(text)
    return found


def prepare_database(volumes: Volumes) -> None:
    """Schema, login, tokens, buckets. What is there already stays."""
    conninfo = make_conninfo("", password=kept(volumes.database / ADMIN_PASSWORD))
    migrate.apply(conninfo)
    migrate.set_lakehouse_root(conninfo, objectstore.ROOT)
    migrate.create_login(conninfo, SERVER_LOGIN, kept(volumes.server / SERVER_PASSWORD))
    _token(conninfo, volumes.operator / TOKEN, "compose operator", "operator")
    for kind in volumes.kinds:
        _token(conninfo, volumes.executor(kind) / TOKEN, f"compose executor {kind}", "executor")
    asyncio.run(objectstore.ensure_buckets(endpoint(), json.loads((volumes.server / "s3.json").read_text())))


def _token(conninfo: str, path: Path, name: str, role: str) -> None:
    migrate.create_token(conninfo, name, role, hashlib.sha256(kept(path).encode()).digest())


def main(argv: Sequence[str] | None = None) -> int:
    """One step; 0, 1 when it failed, 2 when there is no such step."""
    steps = {"secrets": make_secrets, "database": prepare_database, "trino": compose_engines.await_trino}
    (step,) = (sys.argv[1:] if argv is None else argv) or ("",)
    if step not in steps:
        sys.stderr.write(f"unknown step {step!r}: one of {', '.join(steps)}\n")
        return MISUSE
    os.umask(0o077)
    try:
        steps[step](Volumes())
    except (ControlRoomError, MigrationError, StoreError, NotReady, httpx.HTTPError, OSError) as error:
        sys.stderr.write(f"compose {step}: {error}\n")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
