"""Runs of the python kind without a control room: the real warden, fork server and child, and what they say."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from executors.runtime.caps import Caps
from executors.runtime.forks import ForkSpawner
from executors.runtime.journal import Journal
from executors.runtime.logs import LogBook
from executors.runtime.process import ChildSpec, Spawner, child_environment
from executors.runtime.supervise import ChildEnd, Supervision
from executors.runtime.text import Redactor

MODULE = "executors.python.child"


@dataclass
class Bench:
    """Starts runs of a task without a control room. ``told`` is the journal."""

    folder: Path
    told: StringIO
    forks: ForkSpawner
    books: dict[Path, LogBook] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def spec(self, files: dict[str, str], **params: Any) -> ChildSpec:
        number = next(self.numbers)
        folder = self.folder / str(number)
        work, bundle, home = folder / "work", folder / "bundle", folder / "home"
        for made in (work, bundle, home):
            made.mkdir(parents=True)
        self.books[work] = LogBook(folder / "logs.jsonl", 1000, 10_000_000, Redactor())
        for name, text in files.items():
            (bundle / name).write_text(text)
        paths = {"work_dir": str(work), "bundle_dir": str(bundle), "entrypoint": "task:main"}
        job = {"run_id": "0197a3c4-7000-7000-8000-000000000001", "epoch": 1, "params": params, **paths}
        return ChildSpec(MODULE, job, work, child_environment(os.environ, work, home, f"run-{number}/1", {}))

    def run(self, files: dict[str, str], spawner: Spawner | ForkSpawner | None = None, **params: Any) -> ChildEnd:
        spec = self.spec(files, **params)
        child = (spawner or self.forks)(spec)
        return Supervision(child, self.books[spec.work_dir], Caps(), lambda message: None).run()

    def result(self, task: str, **params: Any) -> Any:
        end = self.run({"task.py": task}, **params)
        assert end.result is not None, (end, self.told.getvalue())
        return end.result

    @property
    def actions(self) -> list[str]:
        return [json.loads(line)["action"] for line in self.told.getvalue().splitlines()]


@pytest.fixture
def bench() -> Iterator[Bench]:
    told = StringIO()
    forks = ForkSpawner(MODULE, Journal(told))
    # A short path: below a child's TMPDIR multiprocessing binds sockets, whose addresses have 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    bench = Bench(folder, told, forks)
    yield bench
    forks.end()
    for book in bench.books.values():
        book.close()
    shutil.rmtree(folder, ignore_errors=True)
