"""A control room for executor tests: real Postgres, real object store, real server process, real executor processes.

What an operator does goes through the schema's own functions; what an executor does goes through the contract.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.postgres import Database
from tests.support.seaweed import IcebergSeaweed, Seaweed, free_ports

ROOT = Path(__file__).parents[2]
Json = dict[str, Any]


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The condition's first true value; AssertionError naming ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:g} s for: {what}")


def pack(files: Mapping[str, str]) -> bytes:
    """A code bundle; what begins with ``#!`` may be executed."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            info.mode = 0o755 if text.startswith("#!") else 0o644
            tar.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()


@dataclass
class Executor:
    """A `control-room-executor` process and what it wrote."""

    process: subprocess.Popen[bytes]
    log: Path
    work_dir: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def lines(self) -> list[Json]:
        text = self.log.read_text(errors="replace")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def said(self, action: str) -> list[Json]:
        return [line for line in self.lines() if line["action"] == action]

    def stop(self, number: int = signal.SIGTERM, seconds: float = 40.0) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=seconds)


@dataclass
class Room:
    """One control room. ``start_server`` may be called again after ``stop_server``: the port stays."""

    database: Database
    store: Seaweed
    folder: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    server: subprocess.Popen[bytes] | None = None
    executors: list[Executor] = field(default_factory=list)
    server_settings: dict[str, str] = field(default_factory=dict)  # OPS_ variables for its next start

    def __post_init__(self) -> None:
        self.secrets = self.folder / "secrets"
        self.secrets.mkdir(mode=0o700)
        self.open = self.folder / "open"  # where children may write beside their own folders
        self.open.mkdir()
        self.token = "exec-" + secrets.token_hex(16)
        self._write("executor.token", self.token)
        lakehouse = {"kind": "s3", "endpoint": self.store.endpoint, "region": "us-east-1", "root": "s3://lakehouse"}
        keys = {"access_key": self.store.access_key, "secret_key": self.store.secret_key}
        known: Json = {"lakehouse": lakehouse | keys, "other": {"secret_key": "not-declared"}}
        if isinstance(self.store, IcebergSeaweed):
            known["iceberg"] = self.store.connection()
        self._write("connections.json", json.dumps(known))
        self._write("s3.json", json.dumps(keys))
        self._bootstrap("executor", self.token)
        self.operator = self._bootstrap("operator", "op-" + secrets.token_hex(16))

    def _write(self, name: str, text: str) -> None:
        path = self.secrets / name
        path.touch(mode=0o600)
        path.write_text(text)

    def _bootstrap(self, role: str, token: str) -> str:
        digest = hashlib.sha256(token.encode()).digest()
        return str(self.call("bootstrap_token", digest, {"name": role, "role": role})["token_id"])

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the schema: dicts become jsonb."""
        given = [json.dumps(a) if isinstance(a, dict) else a for a in arguments]
        marks = ", ".join("%s::jsonb" if isinstance(a, dict) else "%s" for a in arguments)
        with self.database.connect() as connection:
            row = connection.execute(f"select ops.{function}({marks})", given).fetchone()
        return row[0] if row else None

    # The server -----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start_server(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_", "AWS_"))}
        environment |= {
            "OPS_PORT": str(self.port),
            "OPS_S3_ENDPOINT": self.store.endpoint,
            "OPS_S3_CREDENTIALS_FILE": str(self.secrets / "s3.json"),
            **self.server_settings,
        }
        with (self.folder / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.executors.serve", self.database.conninfo]
            self.server = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        wait_for("the server to answer", self._answers, 120)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/executor/v1/openapi.yaml", trust_env=False).status_code < 500
        except httpx.TransportError:
            return False

    def stop_server(self, number: int = signal.SIGKILL) -> None:
        if self.server is not None:
            self.server.send_signal(number)
            self.server.wait(timeout=30)
            self.server = None

    # Executors ------------------------------------------------------------------------------------------------

    def executor(self, kind: str = "python", url: str | None = None, **settings: str) -> Executor:
        """Start an executor process; settings are OPS_ variables in lower case."""
        number = len(self.executors)
        work_dir = Path(settings.pop("work_dir", str(self.folder / f"work-{number}")))
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPS_", "AWS_"))}
        given = {
            "url": url or self.url,
            "token_file": str(self.secrets / "executor.token"),
            "connections_file": str(self.secrets / "connections.json"),
            "work_dir": str(work_dir),
            "drain_seconds": "30",
            "writable": str(self.open),
            **settings,
        }
        environment |= {f"OPS_{name.upper()}": value for name, value in given.items()}
        log = self.folder / f"executor-{number}.log"
        with log.open("ab") as out:
            command = [sys.executable, "-m", "executors.runtime.main", kind]
            process = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=out, stderr=out)
        self.executors.append(Executor(process, log, work_dir))
        return self.executors[-1]

    # Runs -----------------------------------------------------------------------------------------------------

    def submit(self, files: Mapping[str, str], entrypoint: str = "task:main", **spec: Any) -> str:
        """A template of its own with this bundle, and one run of it; ``params`` and the like are the run's."""
        submitted = {"params": {}} | {
            name: spec.pop(name) for name in ("params", "depends_on", "traceparent") if name in spec
        }
        bundle = pack(files)
        sha256 = hashlib.sha256(bundle).hexdigest()
        key = self.call("put_bundle", self.operator, {"sha256": sha256, "size": len(bundle)})["object_key"]
        self.store.client().put_object(Bucket="artifacts", Key=key, Body=bundle)
        self.call("put_bundle", self.operator, {"sha256": sha256, "size": len(bundle), "stored": True})
        name = f"task-{secrets.token_hex(4)}"
        template = {"name": name, "kind": "python", "entrypoint": entrypoint}
        template |= {"bundle": {"sha256": sha256, "size": len(bundle)}, "lease_seconds": 6}
        template |= {"retry": {"backoff_seconds": 0.1, "backoff_max_seconds": 0.2, "max_attempts": 3}, **spec}
        self.call("put_template", self.operator, name, template)
        return str(self.call("submit_run", self.operator, {"template": name, **submitted})["run_id"])

    def run(self, run_id: str) -> Json:
        found: Json = self.call("get_run", self.operator, run_id)
        return found

    def ended(self, run_id: str, seconds: float = 40.0) -> Json:
        """The run once it is terminal. Plays the reactor meanwhile."""

        def terminal() -> Json | None:
            self.call("expire_leases", 100)
            self.call("promote_due", 100)
            run = self.run(run_id)
            return run if run["state"] in ("succeeded", "failed", "cancelled", "skipped") else None

        try:
            found: Json = wait_for(f"run {run_id} to end", terminal, seconds)
        except AssertionError as error:
            logs = "\n".join(executor.log.read_text(errors="replace")[-3000:] for executor in self.executors)
            raise AssertionError(f"{error}\n{json.dumps(self.run(run_id), default=str)[:3000]}\n{logs}") from None
        return found

    def running(self, run_id: str) -> Json:
        """The run once it is running."""
        found: Json = wait_for("the run to start", lambda: self.run(run_id)["state"] == "running" and self.run(run_id))
        return found

    def logged(self, run_id: str, stream: str = "stdout") -> str:
        """The stored log text of a run's stream, all attempts."""
        filters: Json = {"stream": stream, "limit": 1000}
        text = ""
        while True:
            page = self.call("run_logs", self.operator, run_id, filters)
            text += "".join(item["text"] for item in page["items"])
            if not page["items"] or not page.get("next"):
                return text
            filters = {**filters, "after": page["next"]}

    def artifacts(self, run_id: str) -> dict[str, bytes]:
        """Contents of the visible artifacts, by name."""
        items = self.call("run_artifacts", self.operator, run_id)["items"]
        keys = {item["name"]: item["object_key"] for item in items if item["state"] == "visible"}
        client = self.store.client()
        return {name: client.get_object(Bucket="artifacts", Key=key)["Body"].read() for name, key in keys.items()}

    def tables_with(self, text: str, but: Sequence[str] = ()) -> list[str]:
        """Names of the schema's tables of which a row holds this text anywhere."""
        named = "select oid::regclass::text from pg_class where relnamespace = 'ops'::regnamespace and relkind = 'r'"
        with self.database.connect() as connection:
            tables = [name for (name,) in connection.execute(named) if name not in but]
            return [
                name
                for name in tables
                if connection.execute(f"select from {name} t where position(%s in t::text) > 0", [text]).fetchone()
            ]

    def close(self) -> None:
        for executor in self.executors:
            if executor.process.poll() is None:
                executor.process.kill()
                executor.process.wait()
        self.stop_server()


def ledger(room: Room, run: Json) -> Json:
    """The one cap that the executor enforced."""
    with room.database.connect() as connection:
        rows = connection.execute(
            "select to_jsonb(c) from ops.cap_ledger c where run_id = %s and layer = 'watchdog'", [run["run_id"]]
        ).fetchall()
    assert len(rows) == 1
    found: Json = rows[0][0]
    return found


@contextmanager
def room(database: Database, store: Seaweed, folder: Path) -> Iterator[Room]:
    opened = Room(database, store, folder)
    try:
        opened.start_server()
        yield opened
    finally:
        opened.close()
