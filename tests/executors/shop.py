"""A cache of environments to run tasks in, and a package for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executors.runtime.caps import Caps
from executors.runtime.environments import EnvironmentPolicy, Environments
from executors.runtime.journal import Journal
from executors.runtime.process import ChildProcess, Spawner
from executors.runtime.supervise import ChildEnd, Stop, Supervision
from tests.executors.children import Bench
from tests.executors.wheels import make_sdist, make_wheel

BACKEND = """
import pathlib
def build_wheel(*given, **more):
    {}
    raise SystemExit("no wheel")
"""
TASK = "import gift\ndef main():\n    return gift.WHAT\n"


class Shop:
    """A cache of environments that takes its packages from ``wheels``; ``builds`` counts what was built."""

    def __init__(self, bench: Bench, wheels: Path, **policy: Any) -> None:
        self.bench, self.wheels = bench, wheels
        self.folder = bench.folder / "environments"
        self.stop: Stop | None = None
        self.builders: list[ChildProcess] = []
        self.policy = EnvironmentPolicy(**{"wheelhouse": wheels, **policy})

    @property
    def cache(self) -> Environments:
        return Environments(self.folder, self.policy, Journal(self.bench.told), Spawner())

    def run(self, task: str, requirements: str, config: dict[str, Any] | None = None, spawner: Any = None) -> ChildEnd:
        """A run in the environment that it asks for, as the executor does it."""
        spec = self.bench.spec({"task.py": task, "requirements.txt": requirements})
        spec = replace(spec, job={**spec.job, "config": config or {}}, hide=[str(self.folder)])
        book = self.bench.books[spec.work_dir]

        def watch(child: ChildProcess, seconds: float) -> ChildEnd:
            self.builders.append(child)
            return Supervision(child, book, Caps(wall_seconds=seconds), lambda message: None).run()

        with self.cache.fitted(spec, watch, lambda: self.stop) as fitted:
            child = (spawner or self.bench.forks)(fitted)
            return Supervision(child, book, Caps(), lambda message: None).run()

    def log(self) -> str:
        for book in self.bench.books.values():
            book.flush()
        return (self.bench.folder / str(len(self.bench.books)) / "logs.jsonl").read_text()


@pytest.fixture
def shop(bench: Bench, tmp_path: Path) -> Shop:
    return Shop(bench, tmp_path / "wheels")


@pytest.fixture
def gift(shop: Shop) -> str:
    return make_wheel(shop.wheels, "gift", {"gift.py": "WHAT = 'a book'\n"})


def make_project(shop: Shop, name: str, body: str) -> str:
    """A source distribution whose build runs this statement; its line."""
    project = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    return make_sdist(shop.wheels, name, {"pyproject.toml": project, "backend.py": BACKEND.format(body)})
