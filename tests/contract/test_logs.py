"""Logs as an executor ships them: what contradicts the record is left out, and nothing else is lost."""

from __future__ import annotations

import asyncio
import io
import json
import threading

from contract.client import ExecutorClient
from executors.runtime.connections import Connections
from executors.runtime.delivery import Delivery
from executors.runtime.journal import Journal
from executors.runtime.policy import Persistence
from tests.contract.plane import EXECUTOR, Plane
from tests.contract.served import served


def chunk(seq: int, text: str, offset: int) -> dict[str, object]:
    return {"stream": "stdout", "seq": seq, "offset": offset, "at": "2026-11-21T12:00:00+00:00", "text": text}


async def ship(plane: Plane, run: dict, *chunks: dict[str, object]) -> tuple[bool, list[str]]:
    """Whether the executor's delivery got through, and what the log of the run then holds."""
    out = io.StringIO()
    async with served(plane.app) as url:
        with ExecutorClient(url, EXECUTOR) as client:
            delivery = Delivery(client, Connections({}), Journal(out))
            persist = Persistence(threading.Event())
            sent = await asyncio.to_thread(delivery.send_logs, run["run_id"], run["epoch"], [*chunks], persist)
    dropped = [json.loads(line)["message"] for line in out.getvalue().splitlines()]
    assert all("log_conflict" in message for message in dropped)
    page = await plane.store.run_logs(plane.operator, run["run_id"], {})
    return sent, [item["text"] for item in page["items"]]


async def test_a_shipper_leaves_out_what_is_on_record_with_other_text_and_sends_the_rest(plane: Plane) -> None:
    _, run = await plane.claimed()
    assert await ship(plane, run, chunk(0, "one", 0), chunk(1, "two", 3)) == (True, ["one", "two"])
    again = [chunk(0, "uno", 0), chunk(1, "two", 3), chunk(2, "three", 6)]
    assert await ship(plane, run, *again) == (True, ["one", "two", "three"])
    assert await ship(plane, run, *[chunk(seq, "x", seq) for seq in range(3)]) == (True, ["one", "two", "three"])
    report = await plane.report(run)
    assert report.json()["run_state"] == "succeeded", "a log that contradicts itself ends no run"
