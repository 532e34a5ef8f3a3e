"""A task that is to end does, whatever it waits by."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from contract.tasks import end
from control_room.local.folder import StackFolder
from control_room.local.keeper import Keeper
from control_room.local.processes import Identity
from control_room.local.report import Reporter
from control_room.local.service import Service
from control_room.local.state import ServiceRecord, StackState
from control_room.local.supervisor import Options, Supervisor


async def test_a_task_that_lost_its_cancellation_is_cancelled_again() -> None:
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while lost < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end([task], again=0.01)
    assert task.cancelled()
    assert lost == 2


async def test_tasks_that_ended_before_or_end_with_an_error_end_too() -> None:
    async def fails() -> None:
        raise ValueError

    async def fails_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError

    tasks = [asyncio.create_task(fails()), asyncio.create_task(fails_when_cancelled())]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end(tasks)
    for task in tasks:
        assert isinstance(task.exception(), ValueError)


async def test_nothing_to_end_takes_no_time() -> None:
    async with asyncio.timeout(1):
        await end([])


@pytest.mark.parametrize("turns", range(6))
async def test_a_keeper_that_is_cancelled_as_its_probe_answers_ends(turns: int) -> None:
    """wait_for of Python 3.11 forgets a cancellation that comes so many turns of the loop after the answer."""
    answers: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Answering(Service):
        async def probe(self, identity: Identity) -> None:
            await answers

    async def looks_once_more() -> None:
        await keeper._probe_once(nobody)
        await asyncio.Event().wait()

    nobody = Identity(0, 0.0)
    state, folder = StackState(), StackFolder(Path("unused"))
    supervisor = Supervisor(folder, Options(), Reporter(None))
    keeper = Keeper(supervisor, Answering(folder, state), ServiceRecord("answering", log=""))
    task = asyncio.create_task(looks_once_more())
    await asyncio.sleep(0.01)
    answers.set_result(None)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=1)
    assert done, "the cancellation was lost"
