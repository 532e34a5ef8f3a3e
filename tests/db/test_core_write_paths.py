"""Executors say which of their write paths are fenced; what another one wrote is not written twice unasked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.core import Json, Queue, Worker
from tests.support.postgres import Database

OUTPUTS = [{"name": "flights", "format": "delta", "mode": "append", "path": "bronze/flights"}]
ENGINE = {"engine": "at_least_once", "delta": "fenced"}
DELTA = {"delta": "at_least_once"}
ADAPTER = {"trino": "at_least_once", "delta": "fenced"}


@pytest.fixture
def queue(pg: Database) -> Iterator[Queue]:
    made = Queue(pg)
    yield made
    made.ops.close()


def lost(queue: Queue, writes: Any, **spec: Any) -> Json:
    """A run whose lease has expired at an executor that declared its write paths so."""
    queue.template(retry={"max_attempts": 3, "backoff_seconds": 0}, **spec)
    queue.submit()
    worker = Worker(queue, capabilities={} if writes is None else {"writes": writes})
    run = worker.claim_one()
    queue.ops.admin.execute("update ops.settings set value = '100000' where key = 'sweeper_gap_seconds'")
    queue.forward(200)
    queue.expire()
    return run


@pytest.mark.parametrize(
    ("writes", "spec"),
    [
        (ENGINE, {}),
        (ENGINE, {"outputs": OUTPUTS}),
        (DELTA, {"outputs": OUTPUTS}),
        (ADAPTER, {"config": {"adapter": "trino"}}),
    ],
)
def test_a_lost_attempt_that_may_have_written_waits_for_a_person(queue: Queue, writes: Json, spec: Json) -> None:
    run = lost(queue, writes, **spec)
    found = queue.get(run)
    assert (found["state"], found["state_reason"]) == ("waiting", "rerun_unsafe")
    (told, *_) = queue.ops.call("why_run", queue.operator, run["run_id"])["reasons"]
    assert next(iter(key for key, value in writes.items() if value != "fenced")) in told["message"]
    assert "at least once" in told["message"]
    queue.retry(run)
    assert Worker(queue).claim_one()["run_id"] == run["run_id"]


@pytest.mark.parametrize(
    ("writes", "spec"),
    [
        (ENGINE, {"rerun": "safe"}),
        (DELTA, {}),
        (DELTA, {"rerun": "safe", "outputs": OUTPUTS}),
        ({"delta": "fenced", "engine": "fenced"}, {"outputs": OUTPUTS}),
        (None, {"outputs": OUTPUTS}),
    ],
)
def test_a_lost_attempt_is_run_again_where_that_is_fenced_or_said_to_be_safe(
    queue: Queue, writes: Json | None, spec: Json
) -> None:
    run = lost(queue, writes, **spec)
    assert Worker(queue).claim_one()["run_id"] == run["run_id"]


def test_a_failure_that_was_reported_is_known(queue: Queue) -> None:
    queue.template(retry={"max_attempts": 3, "backoff_seconds": 0, "on": ["external"]})
    queue.submit()
    worker = Worker(queue, capabilities={"writes": ENGINE})
    run = worker.claim_one()
    worker.report(run, "failed", error={"class": "external", "code": "x", "message": "no"})
    queue.forward(1)
    queue.promote()
    assert worker.claim_one()["run_id"] == run["run_id"]


@pytest.mark.parametrize(
    ("writes", "repeated"), [({"engine": "at-least-once"}, False), ({"engine": None}, False), ("x", True)]
)
def test_a_word_that_is_not_known_counts_as_not_fenced(queue: Queue, writes: Any, repeated: bool) -> None:
    """Capabilities are free form: nothing is refused, and what cannot be read is no promise."""
    run = lost(queue, writes)
    assert (queue.state(run) == "queued") == repeated


@pytest.mark.parametrize("code", ["outcome_unknown", "partly_written"])
@pytest.mark.parametrize(("rerun", "state"), [(None, "waiting"), ("safe", "queued")])
def test_a_failure_that_may_have_written_waits_unless_a_rerun_is_safe(
    queue: Queue, code: str, rerun: str | None, state: str
) -> None:
    queue.template(retry={"max_attempts": 3, "backoff_seconds": 0}, **({"rerun": rerun} if rerun else {}))
    queue.submit()
    worker = Worker(queue, capabilities={"writes": ENGINE})
    run = worker.claim_one()
    worker.report(run, "failed", error={"class": "external", "code": code, "message": "the connection broke"})
    queue.forward(1)
    queue.promote()
    found = queue.get(run)
    assert found["state"] == state
    assert rerun == "safe" or found["state_reason"] == "rerun_unsafe"


def test_a_template_that_only_reads_uses_no_engines_write_path(queue: Queue) -> None:
    run = lost(queue, ENGINE, config={"read_only": True})
    assert Worker(queue).claim_one()["run_id"] == run["run_id"]
