"""Procrastinate: `run_procrastinate.py OPTIONS` (JSON: mode install|seed|work|submit, conninfo, …)."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import procrastinate
import uvloop
from pacing import Pacer

OPTIONS: dict[str, Any] = json.loads(sys.argv[1])
pace = Pacer()
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(
        conninfo=OPTIONS["conninfo"], min_size=2, max_size=OPTIONS.get("connections", 12)
    )
)


@app.task(name="noop", pass_context=False)
async def noop(n: int, path: str) -> None:
    pace.n += 1


async def seed() -> None:
    for start in range(0, OPTIONS["count"], 5000):
        some = range(start, min(start + 5000, OPTIONS["count"]))
        await noop.batch_defer_async(*({"n": n, "path": OPTIONS["payload"]} for n in some))


async def work() -> None:
    await pace.ready()
    worker = asyncio.create_task(
        app.run_worker_async(
            concurrency=OPTIONS["concurrency"],
            delete_jobs=OPTIONS.get("delete_jobs", "never"),
            install_signal_handlers=False,
            shutdown_graceful_timeout=5,
        )
    )
    await asyncio.wait({worker, asyncio.create_task(pace.stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
    worker.cancel()
    await asyncio.wait({worker})
    pace.say(done=pace.n)


async def main() -> None:
    async with app.open_async():
        match OPTIONS["mode"]:
            case "install":
                await app.schema_manager.apply_schema_async()
            case "seed":
                await seed()
            case "work":
                await work()


uvloop.run(main())
