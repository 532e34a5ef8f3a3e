"""pgqueuer: `run_pgqueuer.py OPTIONS` (JSON: mode install|seed|work, conninfo, …)."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import asyncpg
import uvloop
from pacing import Pacer
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

OPTIONS: dict[str, Any] = json.loads(sys.argv[1])
pace = Pacer()


async def queries() -> Queries:
    return Queries(AsyncpgDriver(await asyncpg.connect(**OPTIONS["connect"])))


async def seed() -> None:
    door = await queries()
    for start in range(0, OPTIONS["count"], 10_000):
        some = range(start, min(start + 10_000, OPTIONS["count"]))
        payloads: list[bytes | None] = [json.dumps({"n": n, "path": OPTIONS["payload"]}).encode() for n in some]
        await door.enqueue(["noop"] * len(payloads), payloads, [0] * len(payloads))


async def consumer() -> PgQueuer:
    door = await queries()
    pgq = PgQueuer(door.driver, queries=door)

    @pgq.entrypoint("noop")
    async def noop(job: Job) -> None:
        json.loads(job.payload or b"{}")
        pace.n += 1

    return pgq


async def work() -> None:
    consumers = [await consumer() for _ in range(OPTIONS["consumers"])]
    await pace.ready()
    running = [asyncio.create_task(pgq.run(batch_size=OPTIONS["batch"])) for pgq in consumers]
    await asyncio.wait({*running, asyncio.create_task(pace.stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
    for pgq in consumers:
        pgq.shutdown.set()
    await asyncio.wait(running, timeout=8)
    pace.say(done=pace.n)


async def main() -> None:
    match OPTIONS["mode"]:
        case "install":
            door = await queries()
            await door.install()
            await door.optimize_autovacuum()
        case "seed":
            await seed()
        case "work":
            await work()


uvloop.run(main())
