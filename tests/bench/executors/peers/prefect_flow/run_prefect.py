"""In Prefect's own environment: ``deploy`` a trivial flow, ``submit N`` runs of it."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists


def deploy() -> None:
    asyncio.run(make_pool())
    source = str(Path(__file__).parent)
    trivial = flow.from_source(source=source, entrypoint="trivial_flow.py:trivial")
    trivial.deploy(name="trivial", work_pool_name="bench", print_next_steps=False, ignore_warnings=True)


async def make_pool() -> None:
    async with get_client() as client:
        with suppress(ObjectAlreadyExists):
            await client.create_work_pool(WorkPoolCreate(name="bench", type="process"))


async def submit(count: int) -> None:
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("trivial/trivial")
        await asyncio.gather(*(client.create_flow_run_from_deployment(deployment.id) for _ in range(count)))


if sys.argv[1] == "deploy":
    deploy()
else:
    asyncio.run(submit(int(sys.argv[2])))
