"""Warm processes: used again, given up when they misbehave, gone when idle. With a process of the tests' own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from executors.runtime.caps import Caps
from executors.runtime.logs import LogBook
from executors.runtime.process import ChildSpec, Spawner
from executors.runtime.supervise import ChildEnd, Stop, Supervision
from executors.runtime.text import Redactor
from executors.runtime.warm import WarmPool, WarmRun, WarmSpec

ROOT = Path(__file__).parents[2]
Start = Callable[[str], WarmRun]


@pytest.fixture
def pool(tmp_path: Path) -> WarmPool:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return WarmPool(WarmSpec("tests.unit.warm_worker", tmp_path, environment, writable=[str(tmp_path)]), 0.3)


@pytest.fixture
def start(pool: WarmPool, tmp_path: Path) -> Start:
    def begin(what: str) -> WarmRun:
        job = {"run_id": "r", "epoch": 1, "params": {"do": what}, "work_dir": str(tmp_path)}
        return pool(ChildSpec("unused", job, tmp_path, {}))

    return begin


def watched(run: WarmRun, folder: Path, stop: Stop | None = None) -> ChildEnd:
    book = LogBook(folder / "spool", 65536, 10_000_000, Redactor())
    supervision = Supervision(run, book, Caps(), lambda message: None)
    if stop:
        supervision.stop(stop)
    try:
        return supervision.run()
    finally:
        book.close()


def test_one_process_does_run_after_run(start: Start, tmp_path: Path) -> None:
    pids = set()
    for _ in range(3):
        end = watched(start("answer"), tmp_path)
        assert (end.status, end.error) == (0, None)
        assert end.result is not None
        pids.add(end.result["pid"])
    assert len(pids) == 1


def test_a_run_that_fails_leaves_its_process_fit_for_the_next(start: Start, tmp_path: Path) -> None:
    assert (watched(start("fail"), tmp_path).error or {})["code"] == "value_error"
    assert watched(start("answer"), tmp_path).status == 0


def test_a_process_that_dies_in_a_run_is_replaced(start: Start, tmp_path: Path) -> None:
    end = watched(start("die"), tmp_path)
    assert (end.status, end.result, end.unsure) == (None, None, True)
    assert watched(start("answer"), tmp_path).status == 0


def test_a_run_that_hears_no_order_is_killed_with_its_process(start: Start, tmp_path: Path) -> None:
    end = watched(start("hang"), tmp_path, Stop("superseded", "another epoch holds the run"))
    assert end.status is None
    assert watched(start("answer"), tmp_path).status == 0


def test_a_run_that_is_told_to_stop_ends_by_itself(start: Start, tmp_path: Path) -> None:
    end = watched(start("wait"), tmp_path, Stop("cancel", "not needed", 10.0))
    assert os.waitstatus_to_exitcode(end.status or 0) == 143


def test_a_breach_that_the_process_tells_counts(start: Start, tmp_path: Path) -> None:
    (breach,) = watched(start("breach"), tmp_path).breaches
    entry = breach.ledger_entry()
    assert (entry["cap"], entry["layer"], entry["overshoot"]) == ("rows_out", "engine", 2)
    assert "observed 12 rows" in breach.message()


def test_two_runs_at_once_have_a_process_each(start: Start, tmp_path: Path) -> None:
    first, second = start("answer"), start("answer")
    ends = [watched(first, tmp_path), watched(second, tmp_path)]
    assert len({(end.result or {})["pid"] for end in ends}) == 2


def test_an_idle_process_ends(start: Start, tmp_path: Path) -> None:
    end = watched(start("answer"), tmp_path)
    pid = (end.result or {})["pid"]
    process = psutil.Process(pid) if psutil.pid_exists(pid) else None
    if process:
        process.wait(20)


def test_a_process_reads_no_hidden_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("token")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    visible = [sys.prefix, sys.base_prefix, str(ROOT)]
    spec = WarmSpec("tests.unit.warm_worker", tmp_path, environment, [str(secret)], visible, [str(tmp_path)])
    job = {"run_id": "r", "epoch": 1, "params": {"do": "read", "path": str(secret)}, "work_dir": str(tmp_path)}
    run = WarmPool(spec)(ChildSpec("unused", job, tmp_path, {}))
    end = watched(run, tmp_path)
    if end.sandbox == "landlock":
        assert json.dumps(end.result) == '{"read": "PermissionError"}'


def alone(what: str, folder: Path, stop: Stop | None = None, *, clean: bool = True) -> ChildEnd:
    """The same body in a process of one run's own; stopped once it has begun."""
    job = {"run_id": "r", "epoch": 1, "params": {"do": what}, "work_dir": str(folder)}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    book = LogBook(folder / "spool", 65536, 10_000_000, Redactor())
    child = Spawner()(ChildSpec("tests.unit.alone_worker", job, folder, environment))
    supervision = Supervision(child, book, Caps(), lambda _: supervision.stop(stop) if stop else None, clean=clean)
    try:
        return supervision.run()
    finally:
        book.close()


def test_a_run_with_a_process_of_its_own_ends_with_its_result_or_by_an_order(tmp_path: Path) -> None:
    assert (alone("answer", tmp_path).result or {}).keys() == {"pid"}
    end = alone("wait", tmp_path, Stop("cancel", "not needed", 20.0))
    assert end.status is not None
    assert os.waitstatus_to_exitcode(end.status) == 143  # by itself: a signal that killed it would be -15


def test_a_cap_that_such_a_process_tells_counts_where_no_code_of_the_author_is_in_it(tmp_path: Path) -> None:
    (breach,) = alone("breach", tmp_path).breaches
    assert (breach.cap, breach.limit, breach.observed, breach.layer) == ("rows_out", 10, 12, "engine")
    # Of any other its word is a message like all that its author's code may send: it is passed on, and ends nothing.
    assert alone("breach", tmp_path, Stop("cancel", "told a cap", 20.0), clean=False).breaches == []
