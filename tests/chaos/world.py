"""A control room to break: its own Postgres, object store, server with reactor, and executors behind a bad network.

Beside the executors that ship, which claim and report one by one, stands one that exchanges (tests.chaos.exchanger).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from tests.chaos.exchanger import KIND
from tests.chaos.proxy import BadNetwork
from tests.executors.room import ROOT, Executor, Json, Room, pack, wait_for
from tests.support.postgres import TEMPLATE, Cluster, Database
from tests.support.seaweed import Seaweed

OPERATOR_PLANE = "/api/v1"
SKEWS = (0, 600, -600)  # one executor each: seconds that its wall clock is ahead
LEASE_SECONDS = 20
ROWS = 20
TABLES = 3
TASK = f"""
import random
import time
import pyarrow as pa

def main(context, table, seconds):
    print("epoch", context.epoch)
    context.artifact("note.txt", f"{{context.run_id}} {{context.epoch}}")
    columns = {{"run_id": [context.run_id] * {ROWS}, "epoch": [context.epoch] * {ROWS}, "row": list(range({ROWS}))}}
    context.publish("rows", pa.table(columns))
    time.sleep(random.uniform(0, seconds))
    if random.random() < 0.1:
        raise ConnectionError("the other side hung up")
    return {{"epoch": context.epoch}}
"""
LIGHT = """
import time

def main(context, seconds):
    context.artifact("note.txt", f"{context.run_id} {context.epoch}")
    print("working")
    time.sleep(seconds)
    return {"epoch": context.epoch}
"""


class World(Room):
    """A room with the whole server, whose database may be away."""

    def __init__(self, database: Database, store: Seaweed, folder: Path, chance: random.Random) -> None:
        super().__init__(database, store, folder)
        self.chance = chance
        self.networks: list[BadNetwork] = []
        self.retired: list[Executor] = []
        self.exchanger: subprocess.Popen[bytes] | None = None
        with database.connect() as connection:
            connection.execute("update ops.settings set value = '1000' where key = 'max_expirations'")
        self.operator_token = "op-" + "0" * 32
        self._bootstrap("operator", self.operator_token)

    def start_server(self) -> None:
        self.launch_server()
        self.await_server()

    def await_server(self) -> None:
        wait_for("the server to answer", self._answers, 240)

    def launch_server(self) -> None:
        """Start it and go on at once."""
        environment = {n: v for n, v in os.environ.items() if not n.startswith(("OPS_", "AWS_", "PG"))}
        known = psycopg.conninfo.conninfo_to_dict(self.database.conninfo)
        environment |= {
            "OPS_PORT": str(self.port),
            "OPS_S3_ENDPOINT": self.store.endpoint,
            "OPS_S3_CREDENTIALS_FILE": str(self.secrets / "s3.json"),
            "OPS_CONNECTIONS_FILE": str(self.secrets / "connections.json"),
            "PGHOST": str(known["host"]),
            "PGUSER": str(known["user"]),
            "PGDATABASE": str(known["dbname"]),
            "PGOPTIONS": "-c role=ops_server",
        }
        with (self.folder / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "control_room.api.serve"]
            self.server = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)

    def start_executors(self) -> None:
        for number, skew in enumerate(SKEWS):
            self.networks.append(BadNetwork(self.port, self.chance))
            self.executors.append(self.start_executor(number, skew))
        self.networks.append(BadNetwork(self.port, self.chance))
        self.start_exchanger()

    def start_executor(self, number: int, skew: int) -> Executor:
        """An executor in its own work folder, which an earlier one may have left behind."""
        work = self.folder / f"work-{number}"
        environment = {n: v for n, v in os.environ.items() if not n.startswith(("OPS_", "AWS_"))}
        environment |= {
            "PYTHONPATH": str(ROOT),
            "SKEW_SECONDS": str(skew),
            "OPS_URL": self.networks[number].url,
            "OPS_TOKEN_FILE": str(self.secrets / "executor.token"),
            "OPS_CONNECTIONS_FILE": str(self.secrets / "connections.json"),
            "OPS_WORK_DIR": str(work),
            "OPS_SLOTS": "2",
            "OPS_NAME": f"skewed by {skew} s",
        }
        log = self.folder / f"executor-{number}.log"
        with log.open("ab") as out:
            module = "tests.chaos.skewed" if skew else "executors.runtime.main"
            command = [sys.executable, "-m", module, "python"]
            process = subprocess.Popen(command, env=environment, cwd=self.folder, stdout=out, stderr=out)
        return Executor(process, log, work)

    def start_exchanger(self) -> None:
        environment = {n: v for n, v in os.environ.items() if not n.startswith(("OPS_", "AWS_"))}
        environment |= {
            "OPS_URL": self.networks[-1].url,
            "OPS_TOKEN_FILE": str(self.secrets / "executor.token"),
            "OPS_TOLD": str(self.folder / "told.jsonl"),
        }
        with (self.folder / "exchanger.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.chaos.exchanger"]
            self.exchanger = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)

    def stop_exchanger(self, number: int = signal.SIGTERM) -> int:
        """Its exit code, once it has reported what it holds; a kill leaves that to the sweeper."""
        assert self.exchanger is not None
        self.exchanger.send_signal(number)
        return self.exchanger.wait(timeout=60)

    def told(self) -> list[Json]:
        """What every exchanger was told, in the order of each; see tests.chaos.exchanger."""
        return [json.loads(line) for line in (self.folder / "told.jsonl").read_text().splitlines()]

    # Load -----------------------------------------------------------------------------------------------------

    def templates(self) -> None:
        """Two tasks: one that appends to a table and one that does not; one that takes turns; one to exchange."""
        retry = {"backoff_seconds": 0.2, "backoff_max_seconds": 1, "max_attempts": 100}
        params = {"type": "object", "properties": {"seconds": {"type": "number"}, "table": {"type": "string"}}}
        common: Json = {
            "params_schema": params,
            "kind": "python",
            "entrypoint": "task:main",
            "lease_seconds": LEASE_SECONDS,
            "retry": retry,
        }
        outputs = [{"name": "rows", "format": "delta", "mode": "append", "path": "chaos/{params.table}"}]
        append: Json = {"outputs": outputs, "connections": ["lakehouse"], "rerun": "safe", "bundle": self.bundle(TASK)}
        light: Json = {"bundle": self.bundle(LIGHT)}
        for name, spec in (
            ("append", append),
            ("light", light),
            ("turns", light | {"concurrency": {"key": "one-at-a-time", "limit": 1}}),
            ("swap", {"kind": KIND, "concurrency": {"key": "some-at-a-time", "limit": 8}}),
        ):
            self.call("put_template", self.operator, name, common | spec | {"name": name})

    def bundle(self, text: str) -> Json:
        packed = pack({"task.py": text})
        known = {"sha256": hashlib.sha256(packed).hexdigest(), "size": len(packed)}
        key = self.call("put_bundle", self.operator, dict(known))["object_key"]
        self.store.client().put_object(Bucket="artifacts", Key=key, Body=packed)
        self.call("put_bundle", self.operator, known | {"stored": True})
        return known

    def submit_some(self, client: httpx.Client, name: str, number: int) -> str | None:
        """One run; its id when the server accepted it, None when nothing is known."""
        params: Json = {"seconds": 1.0}
        if name == "append":
            params |= {"table": f"t{number % TABLES}", "seconds": 1.5}
        body = {"template": name, "params": params, "idempotency_key": f"{name}-{number}"}
        try:
            answer = client.post(f"{self.url}{OPERATOR_PLANE}/runs", json=body)
        except httpx.TransportError:
            return None
        assert answer.status_code < 300 or answer.status_code >= 500, answer.text
        return str(answer.json()["run_id"]) if answer.status_code < 300 else None

    def client(self) -> httpx.Client:
        """An operator's."""
        headers = {"Authorization": f"Bearer {self.operator_token}"}
        return httpx.Client(headers=headers, trust_env=False, timeout=10)

    # Breaking -------------------------------------------------------------------------------------------------

    def kill_executor(self) -> bool:
        number = self.chance.randrange(len(SKEWS))
        executor = self.executors[number]
        executor.process.kill()
        executor.process.wait()
        self.executors[number] = self.start_executor(number, SKEWS[number])
        return True

    def kill_exchanger(self) -> bool:
        self.stop_exchanger(signal.SIGKILL)
        self.start_exchanger()
        return True

    def kill_child(self) -> bool:
        """A process that runs user code, if there is one right now."""
        for executor in self.chance.sample(self.executors, len(self.executors)):
            with contextlib.suppress(psutil.Error):
                for process in psutil.Process(executor.pid).children(recursive=True):
                    if any(word.endswith((".child", ".commit")) for word in process.cmdline()):
                        process.kill()
                        return True
        return False

    def kill_server(self) -> bool:
        self.stop_server(signal.SIGKILL)
        self.launch_server()
        return True

    def kill_backend(self) -> bool:
        """A process that serves a connection: the postmaster takes all others down and recovers."""
        found = []
        with contextlib.suppress(psutil.Error):
            processes = psutil.Process(self.database.cluster.pid).children()
            found = [p for p in processes if "test_" in "".join(p.cmdline()) or "postgres test_" in p.name()]
        if found:
            self.chance.choice(found).kill()
            self.await_database()
        return bool(found)

    def kill_postmaster(self) -> bool:
        cluster = self.database.cluster
        cluster.stop(signal.SIGKILL)
        wait_for("the postmaster to start again", lambda: start_again(cluster), 120)
        return True

    def await_database(self) -> None:
        wait_for("the database to answer", self._database_answers, 120)

    def _database_answers(self) -> bool:
        try:
            self.database.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    # What became of it ----------------------------------------------------------------------------------------

    def query(self, text: str, *parameters: Any) -> list[Any]:
        with self.database.connect() as connection:
            return connection.execute(text, parameters).fetchall()

    def written(self) -> Counter[tuple[str, int]]:
        """{(run, epoch): rows of it in all tables}."""
        rows: Counter[tuple[str, int]] = Counter()
        for number in range(TABLES):
            with contextlib.suppress(TableNotFoundError):
                uri = f"s3://lakehouse/chaos/t{number}"
                table = DeltaTable(uri, storage_options=self.store.storage_options()).to_pyarrow_table()
                rows.update(zip(table["run_id"].to_pylist(), table["epoch"].to_pylist(), strict=True))
        return rows

    def close(self) -> None:
        super().close()
        if self.exchanger is not None and self.exchanger.poll() is None:
            self.exchanger.kill()
            self.exchanger.wait()
        for network in self.networks:
            network.close()


def start_again(cluster: Cluster) -> bool:
    """Whether it came up; orphaned backends keep its memory for a moment."""
    try:
        cluster.start()
    except RuntimeError:
        return False
    return True


@contextmanager
def world(store: Seaweed, folder: Path, chance: random.Random) -> Iterator[World]:
    """Processes are killed, not machines: what was committed must be in the kernel's hands, not on the disk."""
    with ExitStack() as stack:
        cluster = Cluster("18", synchronous_commit="on", restart_after_crash="on")
        stack.callback(cluster.remove)
        database = Database(cluster.conninfo(cluster.create_database(TEMPLATE)), "18", cluster)
        opened = World(database, store, folder, chance)
        stack.callback(opened.close)
        opened.start_server()
        opened.templates()
        opened.start_executors()
        yield opened
