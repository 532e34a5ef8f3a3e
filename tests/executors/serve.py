"""The real executor plane as a process of its own: `python -m tests.executors.serve CONNINFO` with OPS_ settings."""

from __future__ import annotations

import asyncio
import sys

import uvicorn

from contract.server.app import create_executor_app
from contract.server.object_store import ObjectStore
from contract.server.settings import ServerSettings
from ops_schema.store import PostgresStore


async def serve(conninfo: str) -> None:
    settings = ServerSettings()
    async with PostgresStore(conninfo) as store:
        app = create_executor_app(store, ObjectStore.from_settings(settings), settings)
        config = uvicorn.Config(app, host=settings.host, port=settings.port, log_level="warning", lifespan="on")
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
