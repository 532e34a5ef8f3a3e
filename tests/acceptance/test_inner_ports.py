"""What user code reaches beside S3: the inner ports of the object store, and the memory of PostgreSQL.

The services are started as the stack starts them. Each attack that is refused passes with the store's own certificate,
so that a refusal is no mistake of the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import httpx
import psutil
import psycopg
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from control_room.local import objectstore, ports, postgres, processes
from control_room.local.folder import StackFolder
from control_room.local.objectstore import ARTIFACTS, ObjectStore
from control_room.local.postgres import Postgres
from control_room.local.processes import Identity
from control_room.local.service import NotReady, Service
from control_room.local.sockets import FOLDER
from control_room.local.state import StackState
from executors.runtime.sandbox import ABI_REFER, landlock_abi

GRPC = [name for name in objectstore.PORT_FLAGS if name.endswith("_grpc")]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # and empty settings
SETTINGS = 4
BODY = random.Random(1).randbytes(50_000)  # so that the store does not compress it
KEY = "runs/one/artifact"
START_SECONDS = 60


def ready(service: Service, process: subprocess.Popen[bytes]) -> Identity:
    identity = Identity.of(process.pid)
    assert identity is not None
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            asyncio.run(service.probe(identity))
            return identity
        except NotReady as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{error}\n{processes.tail(service.launch().log)}") from error
            time.sleep(0.05)


@contextlib.contextmanager
def started(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    service.prepare()
    launch = service.launch()
    with launch.log.open("ab") as log:
        process = subprocess.Popen(launch.argv, env=dict(launch.env), cwd=launch.cwd, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(service.stop_signal)
        try:
            process.wait(service.stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def running(service: Service) -> Iterator[Identity]:
    with started(service) as process:
        yield ready(service, process)


@dataclass
class Store:
    folder: StackFolder
    state: StackState

    @property
    def s3(self) -> boto3.client:
        key = self.folder.s3_key(objectstore.OWNER_KEY)
        return boto3.client(
            "s3",
            endpoint_url=objectstore.endpoint(self.state),
            region_name=objectstore.REGION,
            aws_access_key_id=key["access_key"],
            aws_secret_access_key=key["secret_key"],
            config=Config(retries={"max_attempts": 1}, proxies={}),
        )

    def address(self, part: str) -> str:
        """host:port.grpc, as the store's own commands take it."""
        return f"{ports.LOOPBACK}:{self.state.ports[part]}.{self.state.ports[f'{part}_grpc']}"

    def weed(self, work: Path, *words: str, line: str = "", seconds: float = 6) -> str:
        """What one of the store's own commands says; work: its folder, where a security.toml counts."""
        try:
            done = subprocess.run(
                [objectstore.program(), *words],
                input=f"{line}\nexit\n".encode(),
                capture_output=True,
                timeout=seconds,
                cwd=work,
            )
        except subprocess.TimeoutExpired as waiting:  # the shell tries for ever
            return (waiting.stdout or b"").decode()
        return (done.stdout + done.stderr).decode()

    def backup(self, work: Path) -> bytes:
        """The bytes of the volumes that `weed backup` gets."""
        collection, server = f"-collection={ARTIFACTS}", f"-server={self.address('s3_master')}"
        for volume in self.folder.s3.glob(f"{ARTIFACTS}_*.dat"):
            number = volume.stem.removeprefix(f"{ARTIFACTS}_")
            self.weed(work, "backup", server, f"-volumeId={number}", f"-dir={work}", collection)
        return b"".join(path.read_bytes() for path in work.glob("*.dat"))

    def shell(self, work: Path, line: str) -> str:
        words = (f"-master={self.address('s3_master')}", f"-filer={self.address('s3_filer')}")
        return self.weed(work, "shell", *words, line=line)

    def own(self, work: Path) -> Path:
        """A folder in which the commands have the store's certificate."""
        work.joinpath("security.toml").write_bytes((self.folder.s3 / "security.toml").read_bytes())
        return work


def made(root: Path) -> Store:
    folder, state = StackFolder.at(root), StackState()
    folder.ensure()
    state.ports = dict(zip(ports.NAMES, ports.choose(len(ports.NAMES)), strict=True))
    objectstore.write_configuration(folder, state)
    return Store(folder, state)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = made(tmp_path_factory.mktemp("store"))
    with running(ObjectStore(store.folder, store.state)):
        store.s3.put_object(Bucket=ARTIFACTS, Key=KEY, Body=BODY)
        yield store


def test_a_backup_reads_no_volume(store: Store, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    assert BODY not in store.backup(theirs)
    assert not list(theirs.iterdir())
    assert BODY in store.backup(store.own(ours))


def test_the_stores_shell_deletes_nothing(store: Store, tmp_path: Path) -> None:
    for key in ("safe", "gone"):
        store.s3.put_object(Bucket=ARTIFACTS, Key=key, Body=BODY)
    store.shell(tmp_path, f"fs.rm /buckets/{ARTIFACTS}/safe")
    store.shell(store.own(tmp_path), f"fs.rm /buckets/{ARTIFACTS}/gone")
    assert store.s3.get_object(Bucket=ARTIFACTS, Key="safe")["Body"].read() == BODY
    with pytest.raises(ClientError, match="NoSuchKey"):
        store.s3.get_object(Bucket=ARTIFACTS, Key="gone")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "call",
    [
        f"s3_master/col/delete?collection={ARTIFACTS}",
        "s3_master/dir/assign",
        "s3_master/dir/status",
        "s3_master/vol/grow?count=1",
        "s3_master/vol/vacuum",
        "s3_master/submit",
        f"s3_filer/buckets/{ARTIFACTS}/{KEY}",
        f"s3_filer/buckets/{ARTIFACTS}/?recursive=true",
        "s3_volume/1,01637037d6",
        "s3_volume/1,01637037d6?ts=1&type=replicate",
        "s3_admin/api/config",
    ],
)
def test_no_inner_http_takes_a_call_that_reads_or_changes(store: Store, method: str, call: str) -> None:
    name, path = call.split("/", 1)
    answer = httpx.request(method, f"http://{ports.LOOPBACK}:{store.state.ports[name]}/{path}", trust_env=False)
    assert answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.NOT_FOUND), answer.text
    assert store.s3.get_object(Bucket=ARTIFACTS, Key=KEY)["Body"].read() == BODY


def connection(store: Store, name: str, local: bool) -> socket.socket:
    if not local:
        return socket.create_connection((ports.LOOPBACK, store.state.ports[name]), 5)
    [path] = FOLDER.glob(f"seaweedfs-*-{store.state.ports[name]}.sock")
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect(str(path))
    return client


def settings_frame(client: socket.socket) -> bool:
    """Whether an HTTP/2 server answers, as gRPC's does to whom it takes."""
    try:
        client.sendall(PREFACE)
        head = client.recv(9)
    except (ssl.SSLError, ConnectionError):
        return False
    return len(head) == len(PREFACE) - 24 and head[3] == SETTINGS


@pytest.mark.parametrize("local", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("name", GRPC)
def test_grpc_takes_the_stores_own_certificate_and_nobody_without_it(store: Store, name: str, local: bool) -> None:
    authority, certificate, key = objectstore.certificates(store.folder)
    context = ssl.create_default_context(cafile=authority)
    context.set_alpn_protocols(["h2"])

    def secured() -> socket.socket:
        return context.wrap_socket(connection(store, name, local), server_hostname=ports.LOOPBACK)

    with connection(store, name, local) as plain:
        assert not settings_frame(plain)
    with secured() as nameless:
        assert not settings_frame(nameless)
    context.load_cert_chain(certificate, key)
    with secured() as own:
        assert settings_frame(own)


CONFINED = """
import sys
from executors.runtime.sandbox import confine
held = confine(sys.argv[2:])
try:
    print(held, open(sys.argv[1]).read())
except PermissionError:
    print(held, "refused")
"""


@pytest.mark.skipif(landlock_abi() < ABI_REFER, reason="no Landlock in this kernel")
def test_confined_code_reads_neither_key_nor_configuration(store: Store) -> None:
    key = objectstore.certificates(store.folder)[-1]
    for path in (key, store.folder.s3 / "security.toml"):
        words = [sys.executable, "-c", CONFINED, str(path)]
        seen = subprocess.run(words, capture_output=True, text=True, check=True)
        assert seen.stdout == f"landlock {path.read_text()}\n"
        hidden = subprocess.run([*words, *map(str, store.folder.private)], capture_output=True, text=True, check=True)
        assert hidden.stdout == "landlock refused\n"


def test_s3_does_all_that_the_platform_asks_of_it(store: Store) -> None:
    s3, place = store.s3, {"Bucket": ARTIFACTS, "Key": "large"}
    large = BODY * 400
    parts = TransferConfig(multipart_threshold=5 * 2**20, multipart_chunksize=5 * 2**20)
    path = store.folder.root / "large"
    path.write_bytes(large)
    s3.upload_file(str(path), *place.values(), Config=parts)
    assert s3.get_object(**place)["Body"].read() == large
    assert s3.get_object(**place, Range="bytes=9000000-9000099")["Body"].read() == large[9_000_000:9_000_100]
    s3.copy_object(Bucket=ARTIFACTS, Key="copy", CopySource=f"{ARTIFACTS}/large")
    assert s3.head_object(Bucket=ARTIFACTS, Key="copy")["ContentLength"] == len(large)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(**place, Body=b"", IfNoneMatch="*")
    s3.delete_objects(Bucket=ARTIFACTS, Delete={"Objects": [{"Key": "copy"}, {"Key": "large"}]})
    assert "large" not in {found["Key"] for found in s3.list_objects_v2(Bucket=ARTIFACTS)["Contents"]}


def put_when_up(store: Store) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            store.s3.create_bucket(Bucket=ARTIFACTS)
            store.s3.put_object(Bucket=ARTIFACTS, Key=KEY, Body=BODY)
            return
        except (BotoCoreError, ClientError):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_store_without_the_certificate_is_not_ready_and_its_data_are_read_with_it_and_with_the_next(
    tmp_path: Path,
) -> None:
    store = made(tmp_path / "store")
    security, service = store.folder.s3 / "security.toml", ObjectStore(store.folder, store.state)
    security.write_text(security.read_text().split("[grpc]")[0])
    with started(service) as process:
        put_when_up(store)
        with pytest.raises(NotReady, match="no TLS"):
            asyncio.run(service.probe(Identity(process.pid, 0)))
    for _ in range(2):
        before = service.launch().digest
        store.folder.secret("s3-grpc.key").unlink()
        objectstore.write_configuration(store.folder, store.state)
        assert service.launch().digest != before  # so a store that runs is restarted
        with running(service):
            assert store.s3.get_object(Bucket=ARTIFACTS, Key=KEY)["Body"].read() == BODY


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Postgres, Identity]]:
    folder, state = StackFolder.at(tmp_path_factory.mktemp("database")), StackState()
    for path in (folder.root, *folder.root.parents):
        if path.owner() != "root":
            break
        path.chmod(path.stat().st_mode | 0o011)  # a server that steps down from root passes through
    folder.ensure()
    state.ports = dict(zip(ports.NAMES, ports.choose(len(ports.NAMES)), strict=True))
    postgres.write_passfiles(folder)
    service = Postgres(folder, state)
    with running(service) as identity:
        yield service, identity


def mapped(identity: Identity) -> set[str]:
    """Files that the server and its processes have in memory."""
    process = psutil.Process(identity.pid)
    return {m.path for p in [process, *process.children(recursive=True)] for m in p.memory_maps()}


def test_parallel_workers_share_memory_that_user_code_cannot_cut_short(database: tuple[Postgres, Identity]) -> None:
    service, identity = database
    with psycopg.connect(postgres.admin_conninfo(service.folder, service.state, "postgres")) as connection:
        connection.execute("set debug_parallel_query = on")
        query = "explain (analyze, costs off, timing off) select count(*) from pg_class"
        plan = "\n".join(line for (line,) in connection.execute(query))
        assert "Workers Launched: 1" in plan
        files = mapped(identity)
    assert any(path.startswith(f"{service.folder.pg}/pg_dynshmem/mmap.") for path in files), files
    assert not [path for path in files if path.startswith("/dev/shm/")]
    assert service.folder.pg in service.folder.private
