"""Whatever goes wrong while a child is watched: it is dead before anybody hears of it. Real warden, real child."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest

from executors.runtime.caps import Caps
from executors.runtime.failures import error_record
from executors.runtime.forks import ForkSpawner
from executors.runtime.journal import Journal
from executors.runtime.logs import LogBook
from executors.runtime.outcome import child_error
from executors.runtime.process import ChildSpec, Spawner, child_environment
from executors.runtime.supervise import ChildEnd, Supervision
from executors.runtime.text import Redactor

WORKS_ON = """
import os, subprocess, time
def main(context):
    helper = subprocess.Popen(["sleep", "600"])
    context.progress(message=f"{os.getpid()} {helper.pid}")
    while True:
        print("y" * 999, flush=True)
        time.sleep(0.01)
"""


def book_at(spool: Path) -> LogBook:
    return LogBook(spool, 1000, 10_000_000, Redactor())


@pytest.fixture(params=["started", "forked"])
def spawner(request: pytest.FixtureRequest) -> Iterator[Spawner | ForkSpawner]:
    if request.param == "started":
        yield Spawner()
        return
    with closing(StringIO()) as out:
        forks = ForkSpawner("executors.python.child", Journal(out))
        yield forks
        forks.end()
        assert out.getvalue() == ""


def supervision(
    folder: Path, book: LogBook, spawner: Spawner | ForkSpawner, on_message: Callable[[dict[str, Any]], None]
) -> Supervision:
    work, bundle, home = folder / "work", folder / "bundle", folder / "home"
    for made in (work, bundle, home):
        made.mkdir()
    (bundle / "task.py").write_text(WORKS_ON)
    paths = {"work_dir": str(work), "bundle_dir": str(bundle), "entrypoint": "task:main"}
    job = {"run_id": "0197a3c4-7000-7000-8000-000000000001", "epoch": 1, **paths}
    environment = child_environment(os.environ, work, home, "supervision-test/1", {})
    child = spawner(ChildSpec("executors.python.child", job, work, environment))
    return Supervision(child, book, Caps(), on_message)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_an_error_in_the_loop_is_raised_only_after_the_whole_tree_is_dead(
    tmp_path: Path, spawner: Spawner | ForkSpawner
) -> None:
    pids: list[int] = []

    def fail(message: dict[str, Any]) -> None:
        pids.extend(map(int, message["message"].split()))
        assert all(map(alive, pids))
        raise OverflowError("int too large to convert to float")

    with closing(book_at(tmp_path / "logs.jsonl")) as book, pytest.raises(OverflowError):
        supervision(tmp_path, book, spawner, fail).run()
    assert len(pids) == 2
    assert not any(map(alive, pids))


def test_a_log_on_a_full_disk_ends_the_run_with_its_reason_and_leaves_no_process(
    tmp_path: Path, spawner: Spawner | ForkSpawner
) -> None:
    pids: list[int] = []
    with closing(book_at(Path("/dev/full"))) as book:
        end = supervision(
            tmp_path, book, spawner, lambda message: pids.extend(map(int, message.get("message", "").split()))
        ).run()
    assert len(pids) == 2
    assert not any(map(alive, pids))
    error = child_error(end, facts=None)  # type: ignore[arg-type]
    assert error is not None
    assert (error["class"], error["code"]) == ("resources", "log_spool_failed")
    assert "No space left on device" in error["message"]


def test_what_the_executor_says_of_its_own_trouble_stands_before_the_words_of_the_child() -> None:
    fault = error_record("resources", "log_spool_failed", "full")
    end = ChildEnd(status=0, result={}, error={"class": "user", "code": "x"}, fault=fault)
    assert child_error(end, facts=None) == fault  # type: ignore[arg-type]
