"""One run's odd numbers must not cost the other runs their leases."""

from __future__ import annotations

import json
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from pydantic import TypeAdapter

from contract import models
from contract.client import ExecutorClient
from contract.errors import ContractError
from contract.server.strict_json import parse, validate
from executors.runtime.heartbeat import Heartbeats
from executors.runtime.journal import Journal
from executors.runtime.notes import METRICS_LIMIT, MISFITS, USAGE_LIMIT, Notes, bounded_usage
from executors.runtime.supervise import Stop
from executors.runtime.text import Redactor

REQUEST: TypeAdapter[Any] = TypeAdapter(models.HeartbeatRequest)
PLAIN = Redactor()
ODD = "a\x00b\ud800s3cr3t"
LEASE_SECONDS = 6.0
RUN_IDS = [f"0197a3c4-7000-7000-8000-00000000000{index}" for index in range(3)]


@dataclass
class FakeAttempt:
    """An attempt at work whose state may not fit the contract."""

    run_id: str
    usage: dict[str, float]
    epoch: int = 1
    reporting: bool = False
    renewed_at: float = 0.0
    stopped: list[Stop] = field(default_factory=list)

    @property
    def claimed(self) -> Any:
        return SimpleNamespace(run_id=UUID(self.run_id), lease_seconds=LEASE_SECONDS, on_lapse="stop")

    def state(self) -> models.HeartbeatRun:
        return models.HeartbeatRun(run_id=UUID(self.run_id), epoch=self.epoch, usage=self.usage)

    def stop(self, stop: Stop) -> None:
        self.stopped.append(stop)

    def tighten(self, caps: dict[str, object]) -> None: ...


@dataclass
class FakeOffice:
    active: list[FakeAttempt]
    executor_id: str = "0197a3c4-7000-7000-8000-0000000000ff"
    draining: bool = False
    trouble: str | None = None

    def attempts(self) -> list[FakeAttempt]:
        return self.active

    def retire(self, reason: str) -> None: ...

    def forgotten(self, executor_id: str, error: ContractError) -> None: ...


def renews(request: httpx.Request) -> httpx.Response:
    """The control room's heartbeat, as strict with the body as the real one."""
    try:
        body = parse(request.content)
        validate(REQUEST, request.content, body)
    except ContractError as error:
        return httpx.Response(error.status, json=error.problem(), headers={"content-type": "application/problem+json"})
    at = "2026-11-21T14:00:00Z"
    runs = [{"run_id": r["run_id"], "epoch": r["epoch"], "directive": "continue"} for r in body["runs"]]
    runs = [run | {"lease_deadline": at, "reason": None, "grace_seconds": None, "caps": None} for run in runs]
    return httpx.Response(200, json={"directive": "continue", "heartbeat_seconds": 10, "server_time": at, "runs": runs})


@pytest.mark.parametrize(
    "odd",
    [
        {f"m{index}": 1.0 for index in range(USAGE_LIMIT + 1)},
        {"loss": float("inf")},
        {"a\x00b": 1.0},
        {"a\ud800b": 1.0},
    ],
    ids=["over-the-limit", "not-finite", "nul", "lone-surrogate"],
)
def test_a_run_whose_usage_is_refused_renews_its_lease_and_those_of_the_others(odd: dict[str, float]) -> None:
    office = FakeOffice([FakeAttempt(run_id, odd if index == 1 else {}) for index, run_id in enumerate(RUN_IDS)])
    client = ExecutorClient("http://127.0.0.1:1", "token", transport=httpx.MockTransport(renews))
    now = time.monotonic()
    Heartbeats(client, cast(Any, office), Journal(plain=True), lambda: now).beat()
    assert [attempt.renewed_at for attempt in office.active] == [now] * 3
    assert not any(attempt.stopped for attempt in office.active)


@pytest.mark.parametrize("trouble", [None, "the engine does not answer", "x" * 2000], ids=["none", "some", "too long"])
def test_trouble_is_told_where_there_is_some_and_never_costs_a_lease(trouble: str | None) -> None:
    told: list[object] = []

    def answer(request: httpx.Request) -> httpx.Response:
        told.append(parse(request.content).get("trouble", "nothing said"))
        return renews(request)

    office = FakeOffice([FakeAttempt(RUN_IDS[0], {})], trouble=trouble)
    client = ExecutorClient("http://127.0.0.1:1", "token", transport=httpx.MockTransport(answer))
    Heartbeats(client, cast(Any, office), Journal(plain=True), lambda: 5.0).beat()
    assert office.active[0].renewed_at == 5.0
    # a text that does not fit is refused by the model, before anything is sent
    assert told == ["nothing said" if trouble is None or len(trouble) > 1024 else trouble]


def test_a_run_that_was_taken_asks_for_no_beat_of_its_own_but_for_one_within_a_third_of_its_lease() -> None:
    office, told = FakeOffice([]), threading.Semaphore(0)

    def answer(request: httpx.Request) -> httpx.Response:
        told.release()
        return renews(request)

    client = ExecutorClient("http://127.0.0.1:1", "token", transport=httpx.MockTransport(answer))
    heartbeats = Heartbeats(client, cast(Any, office), Journal(plain=True), time.monotonic)
    begun = time.monotonic()
    heartbeats.start(600)
    try:
        office.active = [FakeAttempt(RUN_IDS[0], {})]
        heartbeats.recount()
        assert told.acquire(timeout=30)
        assert time.monotonic() - begun >= LEASE_SECONDS / 3 - 0.1
        heartbeats.kick()
        assert told.acquire(timeout=LEASE_SECONDS / 6)
    finally:
        heartbeats.end()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "x", [], {}], ids=repr)
@pytest.mark.parametrize("kind", ["metric", "usage", "progress"])
def test_a_number_that_json_cannot_carry_is_refused_and_what_was_known_stays(kind: str, value: object) -> None:
    notes = Notes(usage={"rows": 3.0})
    fields = {"metric": {"name": "n", "value": value}, "usage": {"n": value}, "progress": {"current": value}}[kind]
    with pytest.raises(MISFITS):
        notes.take(kind, fields, PLAIN)
    assert (notes.usage, notes.metrics, notes.progress) == ({"rows": 3.0}, {}, None)


def test_names_and_texts_are_made_to_fit_and_secrets_in_them_do_not_leave() -> None:
    notes = Notes()
    for kind, fields in (
        ("metric", {"name": ODD, "value": 1}),
        ("usage", {ODD: 1}),
        ("metric", {"name": "m" * 63, "value": 1}),
    ):
        notes.take(kind, fields, Redactor(["s3cr3t"]))
    notes.take("progress", {"message": "\x00\ud800" * 2000, "unit": "\ud800" * 100, "fraction": 0.5}, PLAIN)
    assert (notes.usage, notes.metrics) == ({"a\\x00b?***": 1.0}, {"a\\x00b?***": 1.0, "m" * 63: 1.0})
    told = {"progress": cast(Any, notes.progress), "usage": notes.usage, "metrics": notes.metrics}
    run = models.HeartbeatRun(run_id=UUID(RUN_IDS[0]), epoch=1, **told)
    body = models.HeartbeatRequest(state="active", runs=[run]).model_dump_json().encode()
    validate(REQUEST, body, parse(body))


@pytest.mark.parametrize(("kind", "most"), [("metric", 63), ("usage", 200)])
def test_a_name_that_is_too_long_is_refused_or_two_of_one_beginning_would_be_one(kind: str, most: int) -> None:
    notes = Notes()
    for ending in ("", "a", "b"):
        name = "n" * most + ending
        fields = {"name": name, "value": 1} if kind == "metric" else {name: 1}
        with pytest.raises(ValueError, match=f"has at most {most} characters") if ending else nullcontext():
            notes.take(kind, fields, PLAIN)
    assert [*notes.metrics, *notes.usage] == ["n" * most]


def test_metrics_over_the_limit_are_refused_and_those_known_are_kept_up_to_date() -> None:
    notes = Notes()
    for index in range(METRICS_LIMIT):
        notes.take("metric", {"name": f"m{index}", "value": index}, PLAIN)
    for name, why in (("one more", "at most 50"), ("", "needs a name")):
        with pytest.raises(ValueError, match=why):
            notes.take("metric", {"name": name, "value": 1}, PLAIN)
    notes.take("metric", {"name": "m0", "value": 7}, PLAIN)
    assert (len(notes.metrics), notes.metrics["m0"]) == (METRICS_LIMIT, 7.0)


def test_a_control_room_that_knows_no_metrics_is_told_them_among_the_usage() -> None:
    notes = Notes(usage={"rows": 3.0}, metrics={"loss": 0.5})
    assert notes.told({"wall_seconds": 1.0}, "1.1") == ({"wall_seconds": 1.0, "rows": 3.0}, {"loss": 0.5})
    assert notes.told({"wall_seconds": 1.0}, "1.0") == ({"wall_seconds": 1.0, "rows": 3.0, "loss": 0.5}, {})


def test_usage_over_the_limit_is_refused_and_what_was_measured_is_never_cut() -> None:
    notes = Notes()
    with pytest.raises(ValueError, match="at most 64"):
        notes.take("usage", {f"m{index}": index for index in range(USAGE_LIMIT + 1)}, PLAIN)
    notes.take("usage", {"m0": 7}, PLAIN)
    usage = bounded_usage({"wall_seconds": 1.5, "memory_peak_bytes": 10.0}, {**notes.usage, "wall_seconds": 99.0})
    assert len(usage) == USAGE_LIMIT
    assert (usage["wall_seconds"], usage["memory_peak_bytes"], usage["m0"]) == (1.5, 10.0, 7.0)
    json.dumps(usage, allow_nan=False)
