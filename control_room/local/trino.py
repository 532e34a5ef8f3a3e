"""The embedded Trino: one server on loopback, wired to the stack's object store, Iceberg catalog and lakehouse.

Clients speak HTTPS and show a password; the certificate's authority is `trino-ca.pem` in the data folder.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import httpx

from control_room.engines import findings
from control_room.engines.catalogue import chosen, installed_at
from control_room.engines.java import Java
from control_room.errors import ControlRoomError
from control_room.local import objectstore, ports, trino_config
from control_room.local.engines import heap_bytes
from control_room.local.folder import StackFolder, write_private
from control_room.local.processes import Identity
from control_room.local.service import Launch, NotReady, Service, files_fingerprint
from control_room.local.settings import settings_found
from control_room.local.state import StackState
from control_room.local.trino_config import EXECUTOR, OPERATOR, READY_ANSWER, READY_SCAN, SCHEMA

ENGINE = "trino"
AUTHORITY = "trino-ca.pem"


class Trino(Service):
    """Trino in `trino/` of the data folder: configuration, and what it writes there. Tables are in the store."""

    name = ENGINE
    needs = ("objectstore",)
    ports = ("trino", "trino_internal")
    core = False
    stop_seconds = 20.0
    hang_seconds = 120.0
    probe_interval = 10.0
    _proved: Identity | None = None  # the process that was seen to scan

    def __init__(self, folder: StackFolder, state: StackState) -> None:
        super().__init__(folder, state)
        self.start_seconds = settings_found().engine_start_seconds

    @property
    def memory_cap_bytes(self) -> int:
        return heap_bytes(self.state.engines[ENGINE])

    def prepare(self) -> None:
        _home(), _java()
        (self.folder.trino / "data" / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)

    def launch(self) -> Launch:
        home, java, etc = _home(), _java().home, self.folder.trino / "etc"
        argv = (str(home / "bin" / "launcher"), "run", "--etc-dir", str(etc))
        key = self.folder.s3_key(objectstore.ENGINES_KEY)
        env = self.environment(
            JAVA_HOME=str(java),
            PATH=f"{java / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            CONTROL_ROOM_S3_ACCESS_KEY=key["access_key"],
            CONTROL_ROOM_S3_SECRET_KEY=key["secret_key"],
            CONTROL_ROOM_TRINO_SHARED_SECRET=self.folder.random_secret("trino-internal.secret"),
        )
        written = files_fingerprint(*sorted(p for p in etc.rglob("*") if p.is_file()), _passwords(self.folder))
        return Launch(argv, env, self.folder.trino, self.folder.log(self.name), written)

    async def probe(self, identity: Identity) -> None:
        """Ready is a scan and both catalogs; a server that did that once is asked for its state only."""
        async with client_of(self.folder, self.state) as client:
            if self._proved != identity:
                await prove(client)
                self._proved = identity
            answer = await _asked(client, "GET", f"{url_of(self.state)}/v1/info")
            if answer.get("starting") is not False:
                raise NotReady("Trino is starting")


async def prove(client: httpx.AsyncClient) -> None:
    """A real scan, and a schema in each catalog, made when it is missing: so store and catalog are wired right."""
    counted = await execute(client, READY_SCAN)
    if counted != [[READY_ANSWER]]:
        raise NotReady(f"Trino counts {counted} orders of {READY_ANSWER}")
    for catalog in trino_config.CATALOGS:
        await execute(client, f"create schema if not exists {catalog}.{SCHEMA}")


async def execute(client: httpx.AsyncClient, statement: str) -> list[list[Any]]:
    """The rows of a statement. When we are cut short, the query is cancelled. Raises NotReady with what went wrong."""
    page = await _asked(client, "POST", "/v1/statement", content=statement)
    rows: list[list[Any]] = []
    following: str | None = page.get("nextUri")
    try:
        while following:
            page = await _asked(client, "GET", following)
            rows += page.get("data", [])
            following = page.get("nextUri")
    except BaseException:
        if following:
            await _cancel(client, following)
        raise
    if "error" in page:
        raise NotReady(f"{statement}: {page['error'].get('message')}")
    return rows


async def _cancel(client: httpx.AsyncClient, following: str) -> None:
    try:
        await client.delete(following, timeout=2)
    except httpx.HTTPError:
        return  # it ends by itself when nobody asks for its rows


async def _asked(client: httpx.AsyncClient, verb: str, url: str, content: str | None = None) -> dict[str, Any]:
    try:
        answer = await client.request(verb, url, content=content)
    except httpx.HTTPError as error:
        raise NotReady(f"{client.base_url}: {error or type(error).__name__}") from error
    if answer.status_code != httpx.codes.OK:
        raise NotReady(f"{client.base_url}: HTTP {answer.status_code}")
    told: dict[str, Any] = answer.json()
    return told


def client_of(folder: StackFolder, state: StackState, user: str = OPERATOR) -> httpx.AsyncClient:
    """A client that trusts the stack's Trino, as one of its users. Raises NotReady when the authority is not there."""
    try:
        context = ssl.create_default_context(cafile=authority(folder))
    except OSError as error:  # of TLS as well
        raise NotReady(f"{authority(folder)}: {error}") from error
    password = folder.random_secret(password_name(user))
    return httpx.AsyncClient(
        base_url=url_of(state), auth=(user, password), headers={"X-Trino-User": user, "X-Trino-Source": "control-room"},
        verify=context, trust_env=False, timeout=30,
    )  # fmt: skip


def url_of(state: StackState) -> str:
    return f"https://{ports.LOOPBACK}:{state.ports['trino']}"


def authority(folder: StackFolder) -> Path:
    """The certificate that clients trust; no secret, and outside of the folder that runs must not read."""
    return folder.root / AUTHORITY


def password_name(user: str) -> str:
    """File name of a user's password among the secrets."""
    return f"trino-{user}.password"


def executor_environment(folder: StackFolder, state: StackState) -> dict[str, str]:
    """What an executor is told: the stack's own Trino, or the one that OPS_TRINO_* of our environment name."""
    if ENGINE not in state.engines:
        return {name: value for name, value in os.environ.items() if name.startswith("OPS_TRINO_")}
    return {
        "OPS_TRINO_URL": url_of(state),
        "OPS_TRINO_USER": EXECUTOR,
        "OPS_TRINO_PASSWORD_FILE": str(folder.secret(password_name(EXECUTOR))),
        "OPS_TRINO_CA_FILE": str(authority(folder)),
        "OPS_TRINO_CATALOG": trino_config.CATALOGS[0],
        "OPS_TRINO_SCHEMA": SCHEMA,
    }


def write_configuration(folder: StackFolder, state: StackState) -> None:
    """Certificates, passwords and all of `etc`, made anew; what does not change leaves a running Trino alone."""
    layout = _layout(folder, state)
    for path in (layout.etc / "catalog", layout.data):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.trino.chmod(0o700)
    _write_certificate(folder, layout.server)
    users = (EXECUTOR, OPERATOR)
    lines = [trino_config.password_line(user, folder.random_secret(password_name(user))) for user in users]
    write_private(layout.passwords, "".join(lines))
    for name, content in trino_config.files(layout).items():
        write_private(layout.etc / name, content)


def _layout(folder: StackFolder, state: StackState) -> trino_config.Layout:
    return trino_config.Layout(
        etc=folder.trino / "etc",
        data=folder.trino / "data",
        server=folder.secret("trino-server.pem"),
        passwords=_passwords(folder),
        node_id=f"control-room-{state.stack_id}",
        heap=heap_bytes(state.engines[ENGINE]),
        port=state.ports["trino"],
        internal_port=state.ports["trino_internal"],
        s3=objectstore.endpoint(state),
        region=objectstore.REGION,
        catalog=objectstore.catalog_url(state),
        lakehouse=objectstore.ROOT,
        warehouse=f"s3://{objectstore.WAREHOUSE}",
    )


def _write_certificate(folder: StackFolder, server: Path) -> None:
    """Trino reads key and certificate from one file."""
    from control_room.local.certificates import CertificateFiles, ensure

    files = CertificateFiles(authority(folder), folder.secret("trino.pem"), folder.secret("trino.key"), "Trino")
    ensure(files)
    write_private(server, files.key.read_text() + files.certificate.read_text())


def _passwords(folder: StackFolder) -> Path:
    return folder.secret("trino-passwords.db")


def _home() -> Path:
    [distribution] = chosen([ENGINE])
    home = installed_at(distribution)
    if home is None:
        raise ControlRoomError(
            f"Trino {distribution.version} is not installed", next_step="`control-room engines install trino`"
        )
    return home


def _java() -> Java:
    [distribution] = chosen([ENGINE])
    seen = findings.look(distribution)
    java = findings.judge(distribution, seen).java
    if java is None:
        raise ControlRoomError(
            f"Trino has {findings.no_java(distribution, seen.javas)}", next_step=findings.java_fix(distribution)
        )
    return java
