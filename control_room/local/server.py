"""The server (both planes, dashboard, reactor) of the embedded stack, and what it must find in the database."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import httpx
import psycopg
from psycopg import sql

import control_room
from control_room.errors import UNAVAILABLE, ControlRoomError
from control_room.local import engines, objectstore, ports, postgres
from control_room.local.folder import StackFolder
from control_room.local.processes import Identity
from control_room.local.service import Launch, NotReady, Service, files_fingerprint
from control_room.local.state import StackState
from ops_schema import migrate
from ops_schema.errors import MigrationError, StoreError

OPERATOR_TOKEN = "operator.token"  # noqa: S105 - a file name
SIGNING_KEY = "signing.key"


class Server(Service):
    """`control-room server` with everything it needs in its environment; secrets by file."""

    name = "server"
    needs = ("postgres",)
    ports = ("server",)
    stop_seconds = 15.0
    hang_seconds = 45.0

    def prepare(self) -> None:
        from control_room.provenance import keys  # its libraries are of no use to those that only ask for the address

        provision(self.folder, self.state)
        keys.ensure(self.folder.secret(SIGNING_KEY))

    def launch(self) -> Launch:
        argv = (sys.executable, "-m", "control_room.cli", "server")
        read = ("server.pgpass", objectstore.OWNER_KEY, objectstore.CONNECTIONS)
        written = files_fingerprint(*map(self.folder.secret, read))
        env = self.environment(**server_environment(self.folder, self.state))
        return Launch(argv, env, self.folder.root, self.folder.log(self.name), written)

    async def probe(self, identity: Identity) -> None:
        url = f"{url_of(self.state)}/healthz"
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                answer = await client.get(url)
        except httpx.HTTPError as error:
            raise NotReady(f"{url}: {error or type(error).__name__}") from error
        if answer.status_code != httpx.codes.OK:
            raise NotReady(f"{url}: HTTP {answer.status_code}")


def url_of(state: StackState) -> str:
    return f"http://{ports.LOOPBACK}:{state.ports['server']}"


def server_environment(folder: StackFolder, state: StackState) -> dict[str, str]:
    env = {
        **postgres.server_environment(folder, state),
        "OPS_ENVIRONMENT": "embedded",
        "OPS_HOST": ports.LOOPBACK,
        "OPS_PORT": str(state.ports["server"]),
        "OPS_PUBLIC_URL": url_of(state),
        "OPS_S3_ENDPOINT": objectstore.endpoint(state),
        "OPS_S3_REGION": objectstore.REGION,
        "OPS_S3_BUCKET": objectstore.ARTIFACTS,
        "OPS_S3_CREDENTIALS_FILE": str(folder.secret(objectstore.OWNER_KEY)),
        "OPS_CONNECTIONS_FILE": str(folder.secret(objectstore.CONNECTIONS)),
        "OPS_SIGNING_KEY_FILE": str(folder.secret(SIGNING_KEY)),
    }
    web = Path(control_room.__file__).parent / "web_dist"
    return {**env, "OPS_WEB_DIR": str(web)} if web.is_dir() else env


def provision(folder: StackFolder, state: StackState) -> None:
    """Database, schema, the server's login and the tokens. Everything may be there already, or nothing."""
    try:
        _ensure_database(folder, state)
        conninfo = postgres.admin_conninfo(folder, state)
        migrate.apply(conninfo)
        migrate.set_lakehouse_root(conninfo, objectstore.ROOT)
        password = folder.random_secret(f"pg-{postgres.SERVER_LOGIN.replace('_', '-')}.password")
        migrate.create_login(conninfo, postgres.SERVER_LOGIN, password)
        _ensure_tokens(folder, state, conninfo)
    except MigrationError as error:
        raise ControlRoomError(
            f"the database and this version of Control Room do not fit: {error}",
            where=str(folder.pg),
            next_step="use the version that last ran on this folder, or another --data-dir",
        ) from error
    except (StoreError, psycopg.Error) as error:
        raise ControlRoomError(
            f"the database could not be prepared: {error}",
            where=f"{ports.LOOPBACK}:{state.ports['postgres']}/{postgres.DATABASE}",
            next_step=f"see {folder.log('postgres')}",
            exit_code=UNAVAILABLE,
        ) from error


def executor_token(kind: str) -> str:
    """File name of the token of an executor kind."""
    return f"executor-{kind}.token"


def token_for(folder: StackFolder, state: StackState, kind: str) -> Path:
    """The file with the token of a kind's executors, made when a running stack has none of that kind yet."""
    try:
        _ensure_token(folder, postgres.admin_conninfo(folder, state), executor_token(kind), "executor")
    except (StoreError, psycopg.Error) as error:
        raise ControlRoomError(
            f"no token for a {kind} executor could be made: {error}",
            next_step="see `control-room status`: the stack's database must be ready",
            exit_code=UNAVAILABLE,
        ) from error
    return folder.secret(executor_token(kind))


def _ensure_database(folder: StackFolder, state: StackState) -> None:
    with psycopg.connect(postgres.admin_conninfo(folder, state, "postgres"), autocommit=True) as connection:
        found = connection.execute("select 1 from pg_database where datname = %s", (postgres.DATABASE,)).fetchone()
        if found is None:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(postgres.DATABASE)))


def _ensure_tokens(folder: StackFolder, state: StackState, conninfo: str) -> None:
    """A fresh database gets the tokens on file, a missing file a new token; one that somebody put there is refused."""
    kinds = engines.executors_of(state)
    wanted = {OPERATOR_TOKEN: "operator", **{executor_token(kind): "executor" for kind in kinds}}
    for file_name, role in wanted.items():
        _ensure_token(folder, conninfo, file_name, role)


def _ensure_token(folder: StackFolder, conninfo: str, file_name: str, role: str) -> None:
    name = f"embedded {file_name.removesuffix('.token')}"
    on_file = folder.secret(file_name).exists()
    digest = hashlib.sha256(folder.random_secret(file_name).encode()).digest()
    if not on_file:
        migrate.revoke_token(conninfo, name)
    elif _is_foreign(conninfo, name, digest):
        raise ControlRoomError(
            f"{file_name} does not hold the token that this stack made; somebody or something changed it",
            where=str(folder.secret(file_name)),
            next_step="remove that file and start again: a new token is made, and the old one is revoked",
        )
    migrate.create_token(conninfo, name, role, digest)


def _is_foreign(conninfo: str, name: str, digest: bytes) -> bool:
    """Whether a live token of this name is on record, and none with this digest."""
    query = "select token_sha256 from ops.tokens where name = %s and revoked_at is null"
    with psycopg.connect(conninfo) as connection:
        known = [bytes(row[0]) for row in connection.execute(query, (name,))]
    return bool(known) and digest not in known
