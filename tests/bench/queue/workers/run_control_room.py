"""Load on this product, as fast executors and an operator would make it: `run_control_room.py MODE OPTIONS` (JSON).

Modes: exchange (report and claim in one round trip), idle (long polls that find nothing), submit (a steady rate),
bulk (1,000 in one request, or singly where the server has no bulk), latency (submit to started), heartbeat, logs.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
import uvloop
from lean_http import Connection, HttpError, head
from pacing import Pacer

PAYLOAD = "s3://lakehouse/bronze/flights/year=2013/month=01/part-00000-0197a3c4-7000-7000-8000-000000000042.parquet"
FINISHED_AT = "2026-11-21T12:00:00.000000+00:00"


class Run(msgspec.Struct):
    run_id: str
    epoch: int
    params: dict[str, Any]


class Told(msgspec.Struct):
    problem: dict[str, Any] | None


class Exchanged(msgspec.Struct):
    reports: list[Told]
    runs: list[Run]
    claim_problem: dict[str, Any] | None


decode = msgspec.json.Decoder(Exchanged).decode


def report(run: Run) -> str:
    return (
        f'{{"run_id":"{run.run_id}","artifacts":[],"report":{{"epoch":{run.epoch},"outcome":"succeeded",'
        f'"idempotency_key":"{run.run_id}/{run.epoch}","usage":{{"wall_seconds":0.0}},"finished_at":"{FINISHED_AT}",'
        f'"cap_ledger":[],"result":{{}},"publications":[]}}}}'
    )


class Load:
    """What every mode shares: where the server is, who calls, and the pacer."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.port: int = options["port"]
        self.pace = Pacer()
        self.failures: list[str] = []

    async def connect(self) -> Connection:
        return await Connection.open("127.0.0.1", self.port)

    def head(self, path: str, role: str = "executor", method: str = "POST") -> bytes:
        return head(method, path, self.options[f"{role}_token"], f"127.0.0.1:{self.port}")

    async def executor(self, connection: Connection, slots: int = 1000) -> str:
        body = {"instance_id": str(uuid.uuid4()), "name": f"bench-{uuid.uuid4().hex[:8]}", "kind": "python"}
        body |= {"version": "1.0", "slots": slots, "contract": {"min": "1.0", "max": "1.1"}}
        answer = await connection.request(self.head("/executor/v1/executors"), json.dumps(body).encode())
        return str(json.loads(answer)["executor_id"])

    async def executors(self, count: int) -> list[str]:
        connection = await self.connect()
        found = [await self.executor(connection) for _ in range(count)]
        connection.close()
        return found

    async def exchange(
        self, connection: Connection, at: bytes, held: list[Run], most: int, wait: float = 0, queues: str = "null"
    ) -> list[Run]:
        """One round trip; counts what was accepted, refuses to go on when something was not."""
        body = (
            f'{{"request_id":"{uuid.uuid4()}","reports":[{",".join(map(report, held))}],'
            f'"max_runs":{most},"wait_seconds":{wait},"queues":{queues}}}'
        )
        answer = decode(await connection.request(at, body.encode()))
        if answer.claim_problem or any(told.problem for told in answer.reports):
            raise HttpError(f"refused: {answer}"[:500])
        if len(answer.reports) != len(held):
            raise HttpError(f"{len(held)} reports sent, {len(answer.reports)} answered")
        self.pace.n += len(held)
        return answer.runs

    def exchange_head(self, executor_id: str) -> bytes:
        return self.head(f"/executor/v1/executors/{executor_id}/exchange")

    async def run(self) -> None:
        try:
            facts = await getattr(self, f"mode_{self.options['mode']}")()
            self.pace.say(done=self.pace.n, **(facts or {}))
        except Exception as error:
            self.pace.say(error=f"{type(error).__name__}: {error}"[:2000])
            raise

    # Executors --------------------------------------------------------------------------------------------------

    async def mode_exchange(self) -> None:
        """options: loops, batch, executors (the loops are spread over them)."""
        executors = await self.executors(min(self.options["executors"], self.options["loops"]))
        ways = list(itertools.islice(itertools.cycle(executors), self.options["loops"]))
        connections = [await self.connect() for _ in ways]
        await self.pace.ready()
        await asyncio.gather(*map(self._exchange_loop, connections, ways))

    async def _exchange_loop(self, connection: Connection, executor_id: str) -> None:
        at, batch = self.exchange_head(executor_id), self.options["batch"]
        held: list[Run] = []
        while not self.pace.stopping.is_set():
            held = await self.exchange(connection, at, held, batch, 0 if held else 1)
        if held:
            await self.exchange(connection, at, held, 0)

    async def mode_idle(self) -> dict[str, Any]:
        """options: count. Each waits on a queue of its kind that never has a run, again and again."""
        connections = [await self.connect() for _ in range(self.options["count"])]
        executors = [await self.executor(connection) for connection in connections]
        tasks = [asyncio.create_task(self._idle(*each)) for each in zip(connections, executors, strict=True)]
        await self.pace.ready()
        await self.pace.stopping.wait()
        for task in tasks:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        failed = [repr(one) for one in found if isinstance(one, HttpError)]
        return {"failed": len(failed), "why": failed[:3]}

    async def _idle(self, connection: Connection, executor_id: str) -> None:
        at = self.exchange_head(executor_id)
        while True:
            await self.exchange(connection, at, [], 1, 60, '["nothing-ever"]')

    # An operator ------------------------------------------------------------------------------------------------

    def submit_body(self, number: int) -> dict[str, Any]:
        return {"template": self.options["template"], "params": {"n": number, "path": PAYLOAD}}

    async def submit(self, connection: Connection, number: int) -> str:
        body = json.dumps(self.submit_body(number)).encode()
        return str(json.loads(await connection.request(self.head("/api/v1/runs", "operator"), body))["run_id"])

    def ticks(self) -> Iterator[float]:
        start, every = time.perf_counter(), 1 / self.options["rate"]
        return (start + n * every for n in itertools.count())

    async def mode_submit(self) -> None:
        """options: rate."""
        connection = await self.connect()
        await self.submit(connection, 0)
        await self.pace.ready()
        for at in self.ticks():
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            if self.pace.stopping.is_set():
                return
            await self.submit(connection, self.pace.n)
            self.pace.n += 1

    async def mode_bulk(self) -> dict[str, Any]:
        """options: size. One request after another, each of `size` runs; singly over 8 connections without bulk."""
        connections = [await self.connect() for _ in range(8)]
        await self.submit(connections[0], 0)
        bulk = await self._has_bulk(connections[0])
        await self.pace.ready()
        while not self.pace.stopping.is_set():
            numbers = range(self.pace.n, self.pace.n + self.options["size"])
            if bulk:
                await self._submit_bulk(connections[0], numbers)
            else:
                shares = [numbers[i :: len(connections)] for i in range(len(connections))]
                await asyncio.gather(*map(self._submit_share, connections, shares))
            self.pace.n += self.options["size"]
        return {"bulk": bulk}

    async def _has_bulk(self, connection: Connection) -> bool:
        try:
            await self._submit_bulk(connection, range(1))
        except HttpError as error:
            if any(f": {status} " in str(error) for status in (404, 405)):
                return False
            raise
        return True

    async def _submit_bulk(self, connection: Connection, numbers: range) -> None:
        body = json.dumps({"runs": [self.submit_body(number) for number in numbers]}).encode()
        await connection.request(self.head("/api/v1/runs/bulk", "operator"), body)

    async def _submit_share(self, connection: Connection, numbers: range) -> None:
        for number in numbers:
            await self.submit(connection, number)

    # Latencies --------------------------------------------------------------------------------------------------

    async def mode_latency(self) -> dict[str, Any]:
        """options: rate, pollers. Milliseconds from just before the submit is sent to the run in an executor's hand."""
        (executor_id,) = await self.executors(1)
        started: dict[int, float] = {}
        sent: dict[int, float] = {}
        pollers = [asyncio.create_task(self._poller(executor_id, started)) for _ in range(self.options["pollers"])]
        free = await self._free(16)
        await self._submit_timed(free, -1)
        await self.pace.ready()
        sending = []
        for number, at in enumerate(self.ticks()):
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            if self.pace.stopping.is_set():
                break
            sent[number] = time.perf_counter()
            sending.append(asyncio.create_task(self._submit_timed(free, number)))
        await asyncio.gather(*sending)
        async with asyncio.timeout(10):
            while not sent.keys() <= started.keys():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for task in pollers:
            task.cancel()
        return {"latencies_ms": [1e3 * (started[n] - sent[n]) for n in sent]}

    async def _free(self, count: int) -> asyncio.Queue[Connection]:
        """Connections to take one from and to put it back."""
        free: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(count):
            free.put_nowait(await self.connect())
        return free

    async def _submit_timed(self, free: asyncio.Queue[Connection], number: int) -> None:
        connection = await free.get()
        await self.submit(connection, number)
        free.put_nowait(connection)

    async def _poller(self, executor_id: str, started: dict[int, float]) -> None:
        at, connection, held = self.exchange_head(executor_id), await self.connect(), []
        other = await self.connect()
        while True:
            held = await self.exchange(connection, at, [], 10, 30)
            now = time.perf_counter()
            started.update((run.params["n"], now) for run in held)
            await self.exchange(other, at, held, 0)

    async def _hold(self, executor_id: str, count: int) -> list[Run]:
        connection, held = await self.connect(), []
        while len(held) < count:
            found = await self.exchange(connection, self.exchange_head(executor_id), [], min(100, count - len(held)))
            if not found:
                raise HttpError("there are not enough queued runs")
            held += found
        connection.close()
        return held

    async def mode_heartbeat(self) -> dict[str, Any]:
        """options: executors, runs (of each), interval seconds."""
        executors = await self.executors(self.options["executors"])
        held = [await self._hold(executor_id, self.options["runs"]) for executor_id in executors]
        await self.pace.ready()
        took: list[float] = []
        share = self.options["interval"] / len(executors)
        beats = [self._beat(*each, n * share, took) for n, each in enumerate(zip(executors, held, strict=True))]
        await asyncio.gather(*beats)
        return {"latencies_ms": took}

    async def _beat(self, executor_id: str, held: list[Run], offset: float, took: list[float]) -> None:
        connection, at = await self.connect(), self.head(f"/executor/v1/executors/{executor_id}/heartbeat")
        due = time.perf_counter() + offset
        for number in itertools.count():
            if not await self._sleep_until(due):
                return
            runs = [{"run_id": run.run_id, "epoch": run.epoch, "progress": {"current": number}} for run in held]
            body = json.dumps({"state": "active", "runs": runs}).encode()
            before = time.perf_counter()
            answer = json.loads(await connection.request(at, body))
            took.append(1e3 * (time.perf_counter() - before))
            if any(run["directive"] != "continue" for run in answer["runs"]):
                raise HttpError(f"a directive other than continue: {answer['runs'][:3]}")
            self.pace.n += len(held)
            due += self.options["interval"]

    async def _sleep_until(self, due: float) -> bool:
        """False when told to stop meanwhile."""
        try:
            async with asyncio.timeout(max(0.0, due - time.perf_counter())):
                await self.pace.stopping.wait()
        except TimeoutError:
            return True
        return False

    async def mode_logs(self) -> dict[str, Any]:
        """options: rate, runs. One chunk of log text a request, as children write them."""
        (executor_id,) = await self.executors(1)
        held = await self._hold(executor_id, self.options["runs"])
        free = await self._free(16)
        await self.pace.ready()
        took: list[float] = []
        sending = []
        for number, at in enumerate(self.ticks()):
            if not await self._sleep_until(at):
                break
            run, seq = held[number % len(held)], number // len(held)
            sending.append(asyncio.create_task(self._log(free, run, seq, at, took)))
        await asyncio.gather(*sending)
        return {"latencies_ms": took}

    async def _log(self, free: asyncio.Queue[Connection], run: Run, seq: int, due: float, took: list[float]) -> None:
        # From when it was due, not from when a connection was free: waiting for one is part of the latency.
        connection, text = await free.get(), PAYLOAD + "\n"
        chunk = {"stream": "stdout", "seq": seq, "offset": seq * len(text), "at": FINISHED_AT, "text": text}
        body = json.dumps({"epoch": run.epoch, "chunks": [chunk]}).encode()
        await connection.request(self.head(f"/executor/v1/runs/{run.run_id}/logs"), body)
        took.append(1e3 * (time.perf_counter() - due))
        self.pace.n += 1
        free.put_nowait(connection)


if __name__ == "__main__":
    uvloop.run(Load(json.loads(sys.argv[1])).run())
