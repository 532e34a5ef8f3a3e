"""Airflow 3: API server, scheduler with LocalExecutor, DAG processor, a DAG of mapped tasks that do nothing."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import httpx

from tests.bench.executors.bench import Contender
from tests.bench.executors.peers import install
from tests.bench.executors.peers.processes import PeerFailed, Processes
from tests.bench.queue.cluster import DurableCluster
from tests.support.seaweed import free_ports

PARALLELISM = 4
NAME = "Airflow 3, LocalExecutor"
CONTENDER = Contender(
    NAME,
    f"PostgreSQL, one DAG run of mapped tasks (no scheduling between them), parallelism {PARALLELISM}; tasks "
    " forked from the executor's workers, not started anew; no pause of an idle scheduler, 64 task instances a "
    "query; timed from the first task's start, which leaves out its queueing",
    "logs in files, not served with the run; no lease or fencing token; no cap; tasks have the scheduler's environment "
    "and rights",
)


class Airflow:
    """``start``, then ``rate`` as often as wanted, ``end``."""

    def __init__(self, folder: Path, cluster: DurableCluster) -> None:
        self._bin = install.ensure("airflow") / "bin"
        folder.mkdir()
        cluster.fresh("airflow")
        self._cluster, self._runs = cluster, 0
        self._port, self._log_port = free_ports(2)
        self.processes = Processes(folder, self._environment(folder))

    def _environment(self, folder: Path) -> dict[str, str]:
        address = f"http://127.0.0.1:{self._port}"
        settings = {
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": PARALLELISM,
            "CORE__MAX_ACTIVE_TASKS_PER_DAG": 64,
            "CORE__LOAD_EXAMPLES": False,
            "CORE__DAGS_FOLDER": Path(__file__).with_name("airflow_dags"),
            "CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
            "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://postgres@/airflow?host={self._cluster.home}",
            "API__PORT": self._port,
            "API__HOST": "127.0.0.1",
            "API__BASE_URL": address,
            "API__WORKERS": 1,
            "API__SECRET_KEY": secrets.token_hex(16),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0,
            "SCHEDULER__MAX_TIS_PER_QUERY": 64,
            "LOGGING__WORKER_LOG_SERVER_PORT": self._log_port,
            "USAGE_DATA_COLLECTION__ENABLED": False,
        }
        named = {f"AIRFLOW__{name}": str(value) for name, value in settings.items()}
        path = {"PATH": f"{self._bin}:/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": ""}
        return {**named, **path, "AIRFLOW_HOME": str(folder), "NO_PROXY": "127.0.0.1"}

    def start(self) -> None:
        airflow = str(self._bin / "airflow")
        self.processes.call(airflow, "db", "migrate")
        self.processes.start("api", airflow, "api-server")
        self.processes.wait("Airflow's API server", self._healthy, 600)
        self.processes.start("scheduler", airflow, "scheduler")
        self.processes.start("dags", airflow, "dag-processor")
        self.processes.wait("the DAG", lambda: self._count("select count(*) from serialized_dag"), 600)
        self.rate(1)

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/api/v2/monitor/health", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def rate(self, count: int, seconds: float = 600.0) -> float:
        """Finished a minute, from the first start to the last end on record."""
        self._runs += 1
        name = f"run-{self._runs}"
        conf = json.dumps({"count": count})
        self.processes.call(str(self._bin / "airflow"), "dags", "trigger", "trivial", "--run-id", name, "--conf", conf)
        found = f"from task_instance where run_id = '{name}' and task_id = 'one' and state = 'success'"
        self.processes.wait("Airflow's tasks", lambda: self._done(name, found, count), seconds)
        return count / self._count(f"select extract(epoch from max(end_date) - min(start_date)) {found}") * 60

    def _done(self, name: str, found: str, count: int) -> bool:
        if self._count(f"select count(*) from dag_run where run_id = '{name}' and state = 'failed'"):
            raise PeerFailed(f"Airflow's DAG run {name} failed; see its logs")
        return self._count(f"select count(*) {found}") == count

    def _count(self, sql: str) -> float:
        with self._cluster.connect("airflow") as connection:
            row = connection.execute(sql).fetchone()
        return float(str(row[0] or 0)) if row else 0.0
