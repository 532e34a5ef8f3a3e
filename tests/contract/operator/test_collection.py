"""The collector on a real object store: what goes, what stays, what people are told."""

from __future__ import annotations

from pathlib import Path

from contract.server.object_store import ObjectStore
from control_room.reactor.collector import Collector
from ops_schema.store import PostgresStore
from tests.contract.operator.conftest import API, Server, Worker, problem, server_conninfo, settings_for
from tests.support.seaweed import Seaweed

DAYS = 5 * 86_400.0


async def test_an_artifact_over_its_retention_is_gone_and_says_so_and_its_bytes_can_come_again(
    server: Server, object_store: Seaweed, tmp_path: Path
) -> None:
    await server.template(retention={"artifact_days": 1}, lease_seconds=3600)
    run = await server.submit()
    worker = await Worker.start(server)
    await worker.claim()
    artifact_id = await worker.artifact("report.html", b"<p>hello</p>")
    await worker.succeed()
    path = f"{API}/artifacts/{artifact_id}"
    assert (await server.operator.get(f"{path}/download")).status_code == 307
    async with PostgresStore(server_conninfo(server.database)) as store:
        objects = ObjectStore.from_settings(settings_for(server.url, object_store, tmp_path))
        collector = Collector(store, objects)
        await collector.collect()
        assert (await server.operator.get(f"{path}/verify")).json()["ok"], "before its time nothing goes"
        server.ops.move_clock(DAYS)
        await collector.collect()
        server.ops.move_clock(2 * DAYS)
        await collector.collect()
        await collector.collect()
    gone = problem(await server.operator.get(f"{path}/download"), 410, "artifact_expired")
    assert "retention" in gone["detail"]
    (shown,) = (await server.operator.get(f"{API}/runs/{run['number']}/artifacts")).json()["items"]
    assert (shown["state"], shown["size"]) == ("expired", 12), "what it was stays on record"
    key = f"default/sha256/{shown['sha256'][:2]}/{shown['sha256']}"
    assert await objects.head(key) is None
    again = await server.submit()
    await worker.claim()
    artifact_id = await worker.artifact("report.html", b"<p>hello</p>")
    await worker.succeed()
    assert (await server.operator.get(f"{API}/artifacts/{artifact_id}/verify")).json()["ok"]
    held = await server.operator.put(f"{API}/runs/{again['number']}/legal-hold", json={"reason": "an audit"})
    assert held.json()["legal_hold"]["reason"] == "an audit"
    shown = (await server.operator.get(f"{API}/collection")).json()
    assert (shown["held"], shown["items"]) == (1, [])
    released = await server.operator.delete(f"{API}/runs/{again['number']}/legal-hold")
    assert released.json()["legal_hold"] is None
