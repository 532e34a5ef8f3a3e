"""Executors of the embedded stack: processes that get a contract URL, a token file and a connections file."""

from __future__ import annotations

import os
import sys

import httpx

from control_room.errors import MISUSE, ControlRoomError
from control_room.local import command, engines, objectstore, spark, trino
from control_room.local.folder import StackFolder
from control_room.local.processes import Identity
from control_room.local.server import OPERATOR_TOKEN, executor_token, url_of
from control_room.local.service import Launch, NotReady, Service, files_fingerprint
from control_room.local.state import DEFAULT_EXECUTORS, StackState

LIVE_STATES = ("active", "paused", "draining")


class Executor(Service):
    """`control-room-executor KIND`. It would wait for the server by itself; started after it, it is ready sooner."""

    needs = ("server",)
    core = False
    stop_seconds = 20.0
    start_seconds = 30.0
    hang_seconds = 120.0
    probe_interval = 10.0

    def __init__(self, folder: StackFolder, state: StackState, kind: str):
        super().__init__(folder, state)
        self.kind = kind
        self.name = f"executor-{kind}"

    def prepare(self) -> None:
        self.folder.work(self.name).mkdir(parents=True, exist_ok=True, mode=0o700)

    def launch(self) -> Launch:
        token, connections = self.folder.secret(executor_token(self.kind)), self.folder.secret(objectstore.CONNECTIONS)
        env = self.environment(
            OPS_URL=url_of(self.state),
            OPS_TOKEN_FILE=str(token),
            OPS_CONNECTIONS_FILE=str(connections),
            OPS_WORK_DIR=str(self.folder.work(self.name)),
            OPS_SLOTS=str(engines.executors_of(self.state)[self.kind]),
            OPS_NAME=f"{self.kind}-local",
            OPS_HIDE=os.pathsep.join(map(str, self.folder.private)),
            OPS_WRITABLE=os.environ.get("OPS_WRITABLE", ""),
            **self._engine(),
        )
        argv = (sys.executable, "-m", "executors.runtime.main", self.kind)
        written = files_fingerprint(token, connections)
        return Launch(argv, env, self.folder.work(self.name), self.folder.log(self.name), written)

    def _engine(self) -> dict[str, str]:
        """Where the engine of this kind is, for kinds that have one; dbt's projects may be on Trino, or on Spark."""
        told = {
            trino.ENGINE: (trino.executor_environment,),
            spark.ENGINE: (spark.executor_environment,),
            "dbt": (trino.executor_environment, spark.client_environment),
            command.KIND: (command.executor_environment,),
        }
        found: dict[str, str] = {}
        for environment in told.get(self.kind, ()):
            found |= environment(self.folder, self.state)
        return found

    async def probe(self, identity: Identity) -> None:
        """The server knows this very process as a live executor."""
        for executor in await self._registered():
            if executor.get("pid") == identity.pid and executor.get("state") in LIVE_STATES:
                return
        raise NotReady(f"executor {self.kind} (pid {identity.pid}) has not registered")

    async def _registered(self) -> list[dict[str, object]]:
        url = f"{url_of(self.state)}/api/v1/executors"
        headers = {"Authorization": f"Bearer {self.folder.random_secret(OPERATOR_TOKEN)}"}
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                answer = await client.get(url, headers=headers)
                answer.raise_for_status()
        except httpx.HTTPError as error:
            raise NotReady(f"{url}: {_first_line(error)}") from error
        items: list[dict[str, object]] = answer.json()["items"]
        return items


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def available_executors() -> dict[str, int]:
    """The default executors whose engine is installed: kind -> slots."""
    return {kind: slots for kind, slots in DEFAULT_EXECUTORS.items() if installed(kind)}


def installed(kind: str) -> bool:
    return engines.has_executor(kind)


def unknown_kind(kind: str) -> ControlRoomError:
    """What to say of a kind that there is not, with the one that may have been meant."""
    from control_room.api.names import near

    meant = "".join(f"; did you mean {name!r}?" for name in near(kind, engines.KINDS, limit=1))
    known = f"known kinds: {', '.join(engines.KINDS)}"
    return ControlRoomError(f"unknown executor kind {kind!r}{meant}", next_step=known, exit_code=MISUSE)


def check_wanted(wanted: dict[str, int]) -> dict[str, int]:
    """The executors asked for, refused by name when one is unknown, not installed, or has no slots."""
    for kind, slots in wanted.items():
        if kind not in engines.KINDS:
            raise unknown_kind(kind)
        if not installed(kind):
            raise ControlRoomError(
                f"the {kind} executor is not installed (package {engines.KINDS[kind]} is missing)",
                where=sys.prefix,
                next_step=f"pip install 'lakehouse-control-room[{kind}]'",
                exit_code=MISUSE,
            )
        if slots < 1:
            raise ControlRoomError(f"{kind}={slots}: an executor needs at least one slot", exit_code=MISUSE)
    return wanted
