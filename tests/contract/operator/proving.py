"""A run with all that a manifest names, and ways to look at it and to tamper with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from control_room.client import OperatorClient
from control_room.provenance import keys
from control_room.provenance.findings import Finding
from control_room.provenance.online import Online
from control_room.provenance.verify import verify
from control_room.reactor.clock import SystemClock
from control_room.reactor.manifests import ManifestMaker
from tests.contract.operator.conftest import OPERATOR, Server, Worker


def fresh(size: int) -> bytes:
    """Bytes that no other test stored: the store outlives a test, and tampering with it must not."""
    return (uuid4().bytes + b"all is well " * size)[:size]


async def make_manifests(server: Server, key: Path | None) -> None:
    """What the reactor does, now."""
    maker = ManifestMaker(server.app.state.context.store, key, SystemClock())
    while await maker.make():
        pass


@dataclass
class Proved:
    """Two runs of a server that have ended, with manifests signed by the key of `folder`."""

    server: Server
    folder: Path
    first: dict[str, Any]
    second: dict[str, Any]
    artifacts: list[str]
    data: list[bytes]

    @property
    def key(self) -> Path:
        return self.folder / "signing.key"

    def tamper(self, statement: str, *values: Any) -> None:
        """As a superuser who has turned the triggers off."""
        admin = self.server.ops.admin
        admin.execute("set session_replication_role = replica")
        admin.execute(statement, values)
        admin.execute("set session_replication_role = origin")

    async def verified(self, ref: str = "1", trusted: Sequence[str] = (), connections: Any = None) -> list[Finding]:
        """Every finding about a run."""
        return await asyncio.to_thread(self._verified, ref, trusted, connections)

    def _verified(self, ref: str, trusted: Sequence[str], connections: Any) -> list[Finding]:
        with OperatorClient(self.server.url, OPERATOR) as client:
            return list(verify(Online(client, connections), ref, trusted))

    async def broken(self, ref: str = "1", **more: Any) -> list[tuple[str, str, str]]:
        """(step, where, text) of what does not hold."""
        return [(f.step, f.where, f.text) for f in await self.verified(ref, **more) if f.ok is False]


async def run_with(worker: Worker, data: bytes) -> tuple[dict[str, Any], str]:
    """A run that leaves one report; (the run, its artifact)."""
    run = await worker.claim()
    artifact = await worker.artifact("report.html", data)
    await worker.succeed(usage={"cpu_seconds": 0.25})
    return run, artifact


async def proved(server: Server, folder: Path) -> Proved:
    """Two runs of which everything holds."""
    keys.ensure(folder / "signing.key")
    await server.template(params_schema={"type": "object", "properties": {"size": {"type": "integer"}}})
    worker = await Worker.start(server)
    runs, artifacts = [], []
    reports = [fresh(14_000), fresh(500)]
    for data in reports:
        await server.submit(params={"size": len(data)})
        run, artifact = await run_with(worker, data)
        runs.append(run)
        artifacts.append(artifact)
    await make_manifests(server, folder / "signing.key")
    return Proved(server, folder, runs[0], runs[1], artifacts, reports)
