"""Prefect 3: its server, a process worker, a deployment of a trivial flow."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.bench.executors.bench import Contender
from tests.bench.executors.peers import install
from tests.bench.executors.peers.processes import Processes
from tests.bench.queue.cluster import DurableCluster
from tests.support.seaweed import free_ports

LIMIT = 4
NAME = "Prefect 3, process worker"
CONTENDER = Contender(
    NAME,
    "server and worker on PostgreSQL over asyncpg, no UI, no analytics, no late-run service; the worker asks every "
    f"second and starts at most {LIMIT} at a time; results not persisted, events not stored, logs not sent to the "
    "server; timed from the first flow's start, which leaves out the start of its process",
    "no log on record; no lease or fencing token; no cap; the flow's process has the server's address, all of the "
    "worker's environment and rights",
)


class Prefect:
    """``start``, then ``rate`` as often as wanted, ``end``."""

    def __init__(self, folder: Path, cluster: DurableCluster) -> None:
        self._bin = install.ensure("prefect") / "bin"
        folder.mkdir()
        cluster.fresh("prefect")
        self._cluster, self._port = cluster, free_ports(1)[0]
        self.processes = Processes(folder, self._environment(folder))

    def _environment(self, folder: Path) -> dict[str, str]:
        return {
            "PREFECT_HOME": str(folder),
            "PREFECT_API_URL": f"http://127.0.0.1:{self._port}/api",
            "PREFECT_API_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://postgres@/prefect?host={self._cluster.home}",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
            "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
            "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
            "PYTHONPATH": "",
        }

    def start(self) -> None:
        prefect, quiet = str(self._bin / "prefect"), ["--no-ui", "--analytics-off", "--no-late-runs"]
        self.processes.start("server", prefect, "server", "start", "--port", str(self._port), *quiet)
        self.processes.wait("Prefect's server", self._healthy, 600)
        self._do("deploy")
        limit = ["--limit", str(LIMIT), "--install-policy", "never"]
        self.processes.start("worker", prefect, "worker", "start", "--pool", "bench", "--type", "process", *limit)
        self.rate(1)

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/api/health", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _do(self, *words: str) -> None:
        # In a folder of its own: Python finds what lies beside a script first, and this file is called prefect, too.
        script = Path(__file__).with_name("prefect_flow") / "run_prefect.py"
        self.processes.call(str(self._bin / "python"), str(script), *words)

    def rate(self, count: int, seconds: float = 600.0) -> float:
        """Finished a minute, from the first start to the last end on record."""
        with self._cluster.connect("prefect") as connection:
            connection.execute("delete from flow_run")
        self._do("submit", str(count))
        self.processes.wait("Prefect's runs", lambda: self._done()[0] == count, seconds)
        _, took = self._done()
        return count / took * 60

    def _done(self) -> tuple[int, float]:
        sql = (
            "select count(*), extract(epoch from max(end_time) - min(start_time)) from flow_run "
            "where state_type = 'COMPLETED'"
        )
        with self._cluster.connect("prefect") as connection:
            row = connection.execute(sql).fetchone()
        assert row is not None
        return int(str(row[0])), float(str(row[1] or 0))


__all__ = ["CONTENDER", "NAME", "Prefect"]
